"""Zhang et al. 2022, "Adam Can Converge Without Any Modification on Update Rules"."""
