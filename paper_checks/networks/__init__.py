"""What papers say of networks, on small ones that are trained many at a time: phase diagrams, gaps, curvature.

The networks are an MLP and a CNN on the digits of scikit-learn and a character-level Transformer on the reference
topics of Python, with a few thousand parameters each, so a PASS says that the effect is there at this size, and an
UNDECIDED often that it is not.  Losses are those of training.  Thresholds leave room for another order of summation,
as with another number of threads or on a GPU: single losses of the noisy runs then differ by several percent.
"""
