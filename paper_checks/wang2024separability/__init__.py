"""Wang et al. 2024, separability of Adam and SGD under (L0, L1)-smoothness."""
