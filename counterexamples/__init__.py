"""Problems on which optimizers fail, with their closed-form oracles."""
