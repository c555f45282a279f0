"""What the counterexample hunter found: claims of our own, with the data that the search left."""
