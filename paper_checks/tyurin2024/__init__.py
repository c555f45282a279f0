"""Tyurin 2024, "From Logistic Regression to the Perceptron Algorithm: Exploring Gradient Descent with Large
Step Sizes"."""
