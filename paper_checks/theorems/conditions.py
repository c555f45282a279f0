"""Conditions that theorems of several papers share."""

from __future__ import annotations

from theory_sim.nouns.theorem import Condition

# The step size lr_t = lr/t^s.
POSITIVE = Condition("lr > 0", "positive step")
CONSTANT = Condition("s == 0", "constant step")
ROOT = Condition("s == 1/2", "lr_t = lr/sqrt(t)")
NOT_GROWING = Condition("s >= 0", "the step size does not grow")
SUMMABLE = Condition("s < 1", "the step sizes add up to infinity")
VANISHING = (Condition("s > 0", "vanishing steps"), SUMMABLE)

# The gradients that a step sees.
EXACT_GRADIENTS = Condition("stochastic == 0", "exact gradients")
UNBIASED = Condition("unbiased == 1", "unbiased gradients, independent given x_t")
ONE_GRADIENT = Condition("workers == 1", "one gradient per step")
CYCLIC = Condition("order == cyclic", "components in cyclic order")
RESHUFFLED = Condition("order == reshuffled", "reshuffled components")
REPLACEMENT = Condition("order == replacement", "components drawn with replacement")
STRONG_GROWTH = Condition("D0 == 0", "strong growth: all gradients vanish where the mean does")
CONVEX = Condition("mu >= 0", "f is convex")
STRONGLY_CONVEX = Condition("mu > 0", "f is strongly convex")

# Moments and eps.
NO_MOMENTUM = Condition("beta1 == 0", "no momentum")
BOUNDED = Condition("beta1 < sqrt(beta2)", "bounded updates")
BETA1 = Condition("beta1 < 1", "beta1 below 1")
BETA2_BELOW_ONE = Condition("beta2 < 1", "beta2 below 1")
BETA2 = (Condition("beta2 > 0", "beta2 above 0"), BETA2_BELOW_ONE)
M_REST = Condition("m0 == 0", "m starts at 0")
REST = (M_REST, Condition("v0 == 0", "v starts at 0"))
EPS = Condition("eps > 0", "eps above 0")
NO_EPS_INSIDE = Condition("eps_inside == 0", "no eps inside the root")
NO_EPS_OUTSIDE = Condition("eps_outside == 0", "no eps outside the root")
NO_EPS = (NO_EPS_INSIDE, NO_EPS_OUTSIDE)
UNCORRECTED = Condition("bias_correction == 0", "no bias correction")
