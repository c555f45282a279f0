"""Defossez, Bottou, Bach, Usunier 2022, "A Simple Convergence Proof of Adam and Adagrad"."""
