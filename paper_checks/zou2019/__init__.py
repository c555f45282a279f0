"""Zou et al. 2019, Generic Adam, with the theorems of Chen et al. 2022 on it."""
