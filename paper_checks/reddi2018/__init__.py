"""Reddi, Kale, Kumar 2018, "On the Convergence of Adam and Beyond": theorems and the synthetic experiment."""
