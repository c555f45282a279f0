"""The nouns of the suite: frozen data that say what is meant; they import no numba."""
