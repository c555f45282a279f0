"""Methods that are recursions of their own here, not rules of an optimizer, in words for those who might use them.

A lane moves one point by gradients at that point, coordinate by coordinate or in blocks.  What needs a singular value
decomposition, values of the loss in place of gradients, clients at points of their own or two points of different meaning
is a class, a function or a problem; `theory-sim explain` finds it under the name that its paper gives it.
"""

from __future__ import annotations

from theory_sim.nouns.method import Method

METHODS = {
    "galore": Method(
        "zhao2024galore",
        "GaLore keeps the moments of a matrix in r dimensions: every gap steps P becomes the r top left singular vectors of the "
        "gradient at hand, Adam runs on P^T G, and the weights move by P times its direction. Made for memory: moments have r rows.",
        "With P fixed, what is projected contracts as it does in the full method, and the rest stays until P is chosen anew. Where noise is "
        "larger than the gradient and lives in directions of its own, P follows the noise and nothing that matters moves: the end is predicted exactly. "
        "Late in training with small batches is where to expect that; larger batches when P is chosen, or golore, repair it. "
        "Whether gradients of a network are of low rank is not a question that these toys answer.",
        "counterexamples.lowrank.descend",
        ("zhao2024galore.G3", "he2024golore.G1", "he2024golore.G2"),
    ),
    "golore": Method(
        "he2024golore",
        "GoLore is galore with a random subspace: P is uniform among the orthonormal n x r matrices, whatever the gradient is.",
        "It cannot be trapped by noise, and the mean of P P^T is (r/n) I, so on ||X||^2/2 a period takes ||grad||^2 to "
        "1 - (1 - (1 - lr)^(2 gap)) r/n of it, on average and exactly. The price is that P ignores where the gradient is; the paper begins with "
        "galore and changes to golore late.",
        "counterexamples.lowrank.descend",
        ("he2024golore.G2", "he2024golore.G5"),
    ),
    "soap": Method(
        "vyas2024soap",
        "SOAP is Adam in Shampoo's basis: G is rotated into the eigenvectors of the averages of G G^T and G^T G, which are renewed every "
        "few steps, Adam's second moment is taken there, and the direction is rotated back.",
        "It does not see rotations of the weights, which Adam does, and equals Adam on the singular values where all gradients share "
        "their singular vectors. The first gradient only starts the averages. The second moment is not rotated when the basis changes. "
        "Cost per step, memory and networks are not in these toys.",
        "counterexamples.spectral.Soap",
        ("vyas2024soap.S1", "vyas2024soap.S2"),
    ),
    "cosmos": Method(
        "liu2025cosmos",
        "COSMOS treats r tracked right singular directions of the momentum as soap does, on one side, and what is orthogonal to them as Muon does; "
        "the sum is scaled to the norm sqrt(m n).",
        "At rank 0 it is Muon without Nesterov, at full rank Adam in the eigenbasis of G^T G, and in between neither. Which rank is best, and what "
        "memory it saves, was not looked at.",
        "counterexamples.spectral.Cosmos",
        ("liu2025cosmos.C1",),
    ),
    "mezo": Method(
        "malladi2023",
        "MeZO is SGD on an estimate of the gradient from two values of the loss, (f(x + eps z) - f(x - eps z))/(2 eps) z with normal z: no "
        "backward pass, and no memory beyond the weights, since z is drawn again from its seed. Here it is sgd on zeroth_order.spsa, and "
        "any other optimizer of the suite on that problem is its zeroth-order variant.",
        "The number of steps follows the effective rank tr(H)/L, not the number of parameters, and so does the largest stable lr, about "
        "2/(tr(H) + 2 L): far below that of SGD. On the identity, whose effective rank is d, steps grow like d. That networks have Hessians of small "
        "effective rank is an observation of the paper, not of these toys.",
        "counterexamples.zeroth_order.spsa",
        ("malladi2023.Z2", "malladi2023.Z3"),
    ),
    "spsa": Method(
        "malladi2023",
        "SPSA (Spall 1992) is the two-point estimate of a gradient that mezo descends with; several draws of z are averaged by several workers.",
        "On a quadratic it is unbiased for every eps, with (d + n + 1)/n times the square of the gradient for n normal draws, (d + n - 1)/n on the "
        "sphere; a third derivative c biases it by c eps^2/2.",
        "counterexamples.zeroth_order.spsa",
        ("malladi2023.Z1",),
    ),
    "fedhyper": Method(
        "wang2024fedhyper",
        "FedHyper-G learns the server's step of federated averaging: alpha grows by <Delta_t, Delta_{t-1}>, the product of two successive mean "
        "updates of the clients, and is clipped to [1/3, 3].",
        "It needs fewer rounds than a fixed alpha = 1 where local steps are too short, more where they are too long, and does nothing once the "
        "problem is scaled down, because the products are not normalised: choose units in which updates are of order one. Only the server's "
        "form is here, on quadratic clients; the paper also adapts the clients' steps.",
        "counterexamples.federated.distances",
        ("wang2024fedhyper.FH1",),
    ),
    "pdhg": Method(
        "applegate2021",
        "PDHG, the primal-dual hybrid gradient method, for min c.x with A x = b, x >= 0: x+ = max(x - tau (c - A^T y), 0), "
        "y+ = y + sigma (b - A (2 x+ - x)).",
        "Take tau sigma ||A||^2 = 1. The average converges like 1/k, no faster, while the last iterate converges linearly once it has found the "
        "support of a vertex: do not average without restarts. Beside the solution steps may be longer, up to tau sigma = 4/3 over the squared norm "
        "of the columns in the support. Degenerate programmes and preconditioning are not in these toys.",
        "counterexamples.pdhg.run",
        ("applegate2021.D1",),
    ),
    "aid": Method(
        "chen2024aid",
        "AID, approximate implicit differentiation for bilevel problems: y follows the lower level, z solves H z = grad f by K gradient steps, and x "
        "moves by the hypergradient that y and z give.",
        "The error of z is (1 - mu eta)^K in the flattest direction, so K has to follow the condition number. Changing one of n validation data moves the "
        "result by about 1/n; diminishing steps make that smaller and let it grow more slowly with the number of steps.",
        "counterexamples.bilevel.twins",
        ("chen2024aid.B2",),
    ),
    "scalebio": Method(
        "pan2024scalebio",
        "ScaleBiO avoids second derivatives in bilevel problems: it descends on f + alpha (g(x, y_a) - min g), where y_a minimises f + alpha g.",
        "Its gradient is off by c/alpha, with a c that is derived and seen; accuracy needs a large alpha. "
        "Seen on ridge regression with exact inner solutions; data reweighting of language models is not in these toys.",
        "counterexamples.bilevel.penalty_gradient",
        ("pan2024scalebio.B1",),
    ),
    "iterative_newton": Method(
        "fu2023",
        "Iterative Newton for least squares: M_{k+1} = 2 M_k - M_k S M_k tends to the inverse of S = X^T X, and w_k = M_k X^T y to the solution.",
        "The residual of an eigenvalue squares in every step, so steps grow with the logarithm of the condition number, gradient descent's with the "
        "number itself. Whether a Transformer does this in context is the paper's question; these toys only say what each would need.",
        "counterexamples.newton.steps",
        ("fu2023.I1",),
    ),
    "batch_perceptron": Method(
        "tyurin2024",
        "The batch perceptron adds all samples that are on the wrong side to theta, until none is: it is what gradient descent on logistic "
        "regression does, up to scale, as lr tends to infinity. Here it is gd on perceptron.imbalanced and its relatives with loss = batch.",
        "Large steps make the loss explode before it vanishes, and still separate the data; what counts is after how many updates. With one rare "
        "sample among n it needs floor(0.3 n - 0.8) + 2 of them, while small steps of logistic regression need about n/lr times a constant. "
        "The data have to be separable.",
        "counterexamples.perceptron.updates",
        ("tyurin2024.P4", "tyurin2024.P2", "tyurin2024.P5"),
    ),
    "normalized_batch_perceptron": Method(
        "tyurin2024",
        "The batch perceptron whose update is divided by the number of samples on the wrong side; for logistic regression, by the mean weight of the "
        "samples (normalised gradient descent there).",
        "With one rare sample among n it is done after two updates, and n plays no part. On balanced data normalisation need not help: from steps of 10 on "
        "it needs more updates than the plain method.",
        "counterexamples.perceptron.updates",
        ("tyurin2024.P4", "tyurin2024.P6"),
    ),
    "nap": Method(
        "lyle2024",
        "NaP, normalise and project: weights before a normalisation layer are put back to their first length after every step. Here it is projected_sgd.",
        "Without the projection such weights grow, and the effective step lr/|w|^2 falls, a schedule that nobody chose; with it the step on the direction "
        "is the one that is set. Plasticity and networks are not in these toys.",
        "theory_sim.optimizers.projected.projected_sgd",
        ("lyle2024.N1", "lyle2024.N3"),
    ),
}
