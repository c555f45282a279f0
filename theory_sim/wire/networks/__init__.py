"""Small networks trained many at a time: the rules of the suite on tensors of cells; extra ``theory-sim[networks]``.

The cells of a grid, which differ in hyperparameters, and the seeds are two leading dimensions of one tensor of
parameters: one batched forward and backward pass, and one elementwise update by the rules of the lanes.
`theory_sim.nouns.training.Training` says what is run; nothing here imports torch or scikit-learn before it runs.
"""
