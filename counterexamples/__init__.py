"""Problems on which optimizers are put on trial, with their closed-form oracles."""

from counterexamples import generalized_smooth, linear, reddi, shi, smooth, twopoint, zhang

PROBLEMS = {
    f"{family.__name__.split('.')[-1]}.{constructor.__name__}": constructor
    for family in (reddi, shi, zhang, twopoint, smooth, linear, generalized_smooth)
    for constructor in family.PROBLEMS
}
