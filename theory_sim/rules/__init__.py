"""The language of the suite: a method or an objective is a plain function of named scalars, written once.

`language` has its words (rules, reductions, stages, rounds of messages), `declared` and `results` try rules and
`trace` makes them expressions, in which `whole` looks for whole numbers that could leave 64 bits.  `tile` writes
the loops over lanes, with the matrices of `product`; `rates` writes those of schedules, `compress` those of
messages and `block` that of a pair of rules.  `build` compiles them and keeps them on disk, `inspection` tries raw
kernels before they are compiled.
"""
