"""Efficient-Adam of Chen, Shen, Liu, Luo 2023: quantizers both ways, speed-up and message bits."""
