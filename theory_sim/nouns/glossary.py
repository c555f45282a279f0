"""The one table of names: what the facts of problems and the symbols of theorems mean, with their units.

One name stands for one thing wherever a problem states it, a theorem reads it or a Dataset shows it.  f is
the mean of the components or workers and f* its infimum; a gradient has the units of f over those of x.
"""

from __future__ import annotations

from theory_sim.nouns.order import ORDERS

# Facts: constants that a problem states about itself.
FACTS = {
    "D0": "D0 of sum_i ||grad f_i||^2 <= D1 ||grad f||^2 + D0 over the components, in squared gradients",
    "D1": "D1 of sum_i ||grad f_i||^2 <= D1 ||grad f||^2 + D0 with f the mean of the components",
    "D1_sum": "D1 of sum_i ||grad f_i||^2 <= D1 ||grad f||^2 + D0 with f the sum of the components",
    "D_inf": "l_inf diameter of the box, in units of x",
    "G": "bound on every coordinate of every gradient, stochastic or not",
    "G_norm": "bound on the norm of every gradient, stochastic or not",
    "L": "Lipschitz constant of grad f",
    "L0": "first constant of ||Hess f|| <= L0 + L1 ||grad f||, in units of L",
    "L1": "second constant of ||Hess f|| <= L0 + L1 ||grad f||, in 1/length",
    "L_layers": "sum over the layers of the Lipschitz constants L_l of grad_l f",
    "L_sum": "sum of the L_i with |f(y) - f(x) - <grad f(x), y - x>| <= sum L_i (y_i - x_i)^2/2",
    "L_tilde": "root of the mean of the squared Lipschitz constants of the workers",
    "M": "slope of the steep coordinate at the start",
    "R": "constant of the Taylor remainder of grad f: R ||y - x||^2/2",
    "balanced": "1 if lambda_i x_i is the same in every coordinate of a diagonal quadratic at the start, 0 if not",
    "critical_lr": "step size from which gradient descent diverges",
    "effective_rank": "tr(H)/L of a quadratic: how many directions matter",
    "floor": "least f that the method can reach, above f* = 0",
    "gap": "f(x_1) - f* at the start of the construction",
    "hard": "1 for the weights of a perceptron, 0 for those of logistic regression",
    "kappa": "condition number of the Hessian",
    "kappa_block": "largest condition number of a diagonal block of the Hessian",
    "kappa_pre": "condition number of the Hessian preconditioned by the size of the first gradient",
    "kurtosis": "fourth moment of the noise over its squared variance",
    "least": "least |g_i| at the start over the largest eigenvalue of the block of i",
    "lower_bound": "number of steps before which no constant step of gradient descent meets the target",
    "margin": "least <a_k, u> over the data, u a unit vector",
    "mean": "mean of the random variable X",
    "mean_absolute": "mean of the absolute value of the noise over its standard deviation",
    "mu": "least curvature: f is convex if it is >= 0, strongly convex if > 0",
    "n": "number of components",
    "nearest": "distance of the nearest minimiser from the start",
    "nodes": "number of nodes of the graph",
    "normalized": "1 if the weights of the samples are divided by their sum, 0 if by their number",
    "p": "probability of the large gradient",
    "peak": "clipping threshold from which on no gradient at the minimum is clipped",
    "radius": "largest norm of a sample",
    "ratio": "large component gradient over the size of the small ones",
    "s0": "s0, s1, ...: the signs that all data share, one for each coordinate",
    "sigma": "standard deviation of the noise of one gradient, in each coordinate",
    "sigma0": "sigma0 of E g^2 <= sigma0^2 + sigma1^2 |f'|^2, a gradient",
    "sigma1": "sigma1 of E g^2 <= sigma0^2 + sigma1^2 |f'|^2",
    "sigma2": "E ||g - grad f||^2 of one gradient g: its variance, summed over coordinates",
    "sigma_layers": "sum over the layers of the root of E ||noise||^2 in the layer",
    "sigma_sum": "standard deviation of one gradient, summed over coordinates",
    "single": "1 if one unsolved sample is added at a time, 0 if all are",
    "slope": "mean slope",
    "small": "size of the small gradients",
    "spread_block": "largest |g_i| at the start over the largest eigenvalue of the block of i, over the least of these",
    "stop": "1 if the run stands still once every sample is solved, 0 if not",
    "target": "gradient norm to be reached",
    "third": "third central moment of the gradient",
    "trace": "trace of the Hessian",
    "workers": "gradients averaged per step",
}

# Symbols that a run defines; with "_1" at its end, every measure of the problem at x_1.
_RUN = {
    "T": "number of updates",
    "distance_1": "distance of x_1 to a minimiser",
    "gap_1": "f(x_1) - f*",
    "gradient_l1_1": "||grad f(x_1)||_1, the sum of absolute values",
    "gradient_norm_1": "||grad f(x_1)||, the Euclidean norm",
    "order": f"sampling order of the components: {', '.join(ORDERS)}",
    "s": "exponent of the step size lr/t^s, 0 for a constant step",
    "step_spread": "sum of eta_t^2/eta_{t+1:T+1} over the steps eta_t = lr_t, eta_{T+1} = eta_T, in steps",
    "step_sum": "sum of the steps eta_1 ... eta_T, and eta_T once more",
    "stochastic": "0 if every step sees the gradient of the objective, 1 if it is drawn or that of a part",
    "unbiased": "1 if the gradient of a step is that of the objective in expectation, given x_t, 0 if not",
    "x0": "start x_1 of every coordinate",
}

# Hyperparameters of optimizers, and what a method makes of them.
_METHOD = {
    "alpha": "step of x_{t+1} = x_t - alpha g_t + momentum (x_t - x_{t-1}): lr, or lr (1 - momentum)",
    "amsgrad": "1 if vhat is the running maximum of v, 0 if it is v",
    "beta1": "weight of m",
    "beta2": "weight of v",
    "bias_correction": "1 if m and v are corrected, 0 if not",
    "c": "c of beta2_t = 1 - c/t^r",
    "d0": "first estimate of the distance to a minimiser",
    "decay": "lambda of beta1_t = beta1 lambda^(t-1)",
    "delta_up": "1 - q_up^2",
    "eps": "eps under the root, in squared gradients",
    "eps_inside": "eps under the root, in squared gradients",
    "eps_outside": "eps added to the root, in gradients",
    "error_feedback": "1 if what a message lost is added to the next one, 0 if it is forgotten",
    "lr": "step size; the length of a normalised step",
    "m0": "initial m",
    "mix": "weight nu of the momentum in mixed clipping",
    "mixing": "consensus step",
    "momentum": "weight of the old momentum, 0 for gradient descent",
    "offset": "what is added to ||g|| in the denominator of a normalised step",
    "q_down": "E ||C(p) - p||^2 <= q_down^2 ||p||^2 for the messages of the server",
    "q_up": "E ||C(p) - p||^2 <= q_up^2 ||p||^2 for the messages to the server",
    "r": "r of beta2_t = 1 - c/t^r",
    "threshold": "largest norm that is not clipped",
    "v0": "initial v, in squared gradients",
    "weight_decay": "decoupled weight decay; the box is |x_i| <= 1/weight_decay",
}

_PROBLEM = {
    "batch": "gradients in the mini-batch of one worker",
    "d": "dimension",
    "domain": "1 if x is confined to a box, 0 if not",
    "optimum": "minimiser, in every coordinate",
}

MEANING = {**FACTS, **_RUN, **_METHOD, **_PROBLEM}

# Symbols whose value is a word -> the words.
WORDS = {"order": tuple(ORDERS)}
