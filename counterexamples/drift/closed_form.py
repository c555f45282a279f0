"""The drift of Adam on periodic gradients: where vanishing steps carry the iterate, in closed form.

In the counterexamples of Reddi et al. (2018, arXiv:1904.09237, Theorems 1 and 2), Shi et al. (ICLR 2021)
and Zhang et al. (2022, arXiv:2208.09632, Proposition 3.3) the components' gradients keep a fixed ratio: one
of n is C, the others are -1, up to a common positive factor.  Adam with eps = 0 ignores that factor.  As the
step lr tends to zero the moments reach their steady state before x has moved, so one period displaces x by
-lr D, where D is the sum of m / sqrt(v) over the period.  The full gradient has the sign of
S = C - (n - 1): Adam goes the wrong way exactly where D and S have opposite signs, and D = 0 is the boundary
of the phase diagram.  The formulas below are derived from the recursions of Adam, not quoted.

Everything here is Adam without bias correction; the correction multiplies the step by a factor that tends
to 1, and so changes no sign.

D < 0 does not imply divergence everywhere.  The moments see one slope while x moves little within a period; where
beta1 >= sqrt(beta2) the steps are not bounded (`update_bound`), and at the minimiser, where the slope changes within
a step or two, an orbit with D < 0 can stay trapped.  `theory_sim.Rule` judges such a run by what it does.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory_sim.nouns.order import ORDERS
from theory_sim.rules import checks

FloatArray = NDArray[np.float64]

_TERMS_AT_ONCE = 1 << 20  # (cell, k) pairs held in memory by drift()

# Critical values crowd towards both ends of [0, 1): towards 1 like 1 / n^2, towards 0 like 1 / C^2.
_TAIL = np.logspace(math.log10(0.5), -12.0, 1200)
_BETA2_SCAN = np.concatenate([[0.0], _TAIL[:0:-1], 1.0 - _TAIL])
_RATIO_SCAN = np.logspace(-4.0, 4.0, 1601)


def drift(beta1: ArrayLike, beta2: ArrayLike, n: ArrayLike, C: ArrayLike) -> FloatArray:
    """Sum of m / sqrt(v) over one period of the gradients (C, -1, ..., -1), n in all, in cyclic order.

    With k the number of steps since the large gradient and w_k(beta) = (1 - beta) beta^k / (1 - beta^n), the
    steady state is m_k = C w_k(beta1) - (1 - w_k(beta1)) and v_k = C^2 w_k(beta2) + 1 - w_k(beta2).

    Parameters
    ----------
    beta1, beta2 : array_like of float
        Averaging weights in [0, 1); 0^0 = 1, so beta1 = beta2 = 0 is sign descent.
    n : array_like of int
        Period, at least 1.
    C : array_like of float
        The large gradient; 1e-150 <= abs(C) <= 1e150, so that C^2 neither vanishes nor overflows.

    Returns
    -------
    ndarray of float64
        D, in units of lr, of the broadcast shape of the four arguments (0-d for scalars).  Rounding leaves
        an error of a few n * 2^-53 times the largest term, also when 1 - beta2 is as small as 1e-12.

    Raises
    ------
    ValueError
        If an argument is outside the ranges above.
    """
    beta1, beta2 = _weight("beta1", beta1)[..., None], _weight("beta2", beta2)[..., None]
    n, C = _period(n)[..., None], _large_gradient(C)[..., None]
    shape = np.broadcast_shapes(beta1.shape, beta2.shape, n.shape, C.shape)[:-1]
    total = np.zeros(shape)
    last = int(np.max(n, initial=0))
    block = max(1, _TERMS_AT_ONCE // max(1, math.prod(shape)))
    for start in range(0, last, block):
        k = np.arange(start, min(start + block, last))
        large1, small1 = _shares(beta1, n, k)
        large2, small2 = _shares(beta2, n, k)
        m = C * large1 - small1
        v = C * C * large2 + small2
        total += np.sum(m / np.sqrt(v), axis=-1, where=k < n)
    return total


def periodic_drift(gradients: ArrayLike, beta1: ArrayLike, beta2: ArrayLike) -> FloatArray:
    """Sum of m / sqrt(v) over one period of any periodic gradient sequence, at the periodic steady state.

    Parameters
    ----------
    gradients : array_like of float, shape (period,)
        One period, in the order of use; only the ratios matter.
    beta1, beta2 : array_like of float
        Averaging weights in [0, 1).

    Returns
    -------
    ndarray of float64
        D, of the broadcast shape of beta1 and beta2 (0-d for scalars).

    Raises
    ------
    ValueError
        If the sequence is empty, not 1-D, not finite or all zero, a weight is outside [0, 1), or v vanishes.
    """
    g = _sequence(gradients)
    beta1, beta2 = _weight("beta1", beta1), _weight("beta2", beta2)
    m, v = _steady_average(g, beta1), _steady_average(g * g, beta2)
    total = np.zeros(np.broadcast_shapes(beta1.shape, beta2.shape))
    for g_k in g:
        m = beta1 * m + (1.0 - beta1) * g_k
        v = beta2 * v + (1.0 - beta2) * g_k * g_k
        if not np.all(v > 0.0):
            raise ValueError(
                f"v vanishes at the gradient {g_k:g} for beta2 = {np.min(beta2):g}, where Adam's step is "
                "undefined: use a larger beta2 or drop the zero gradient."
            )
        total += m / np.sqrt(v)
    return total


def critical_beta2(beta1: float, n: int, C: float) -> FloatArray:
    """Roots in beta2 of drift(beta1, beta2, n, C), sorted.

    Two roots mean re-entrance: convergence below the first, divergence between them, convergence above.

    The roots come from a scan, not from a proof: 2400 values of beta2 in [0, 1 - 1e-12], logarithmic towards
    both ends, with the minima of abs(D) refined so that close pairs show.  Every change of sign is then
    refined until rounding decides the sign of D.  Missed are a second close pair between the same points of
    the scan, a zero that D touches without crossing it (other than beta2 = 0), and anything beyond 1 - 1e-12.

    Parameters
    ----------
    beta1 : float
        In [0, 1).
    n : int
        Period, at least 1.
    C : float
        The large gradient; 1e-150 <= abs(C) <= 1e150.

    Returns
    -------
    ndarray of float64, shape (number of roots,)
        Empty when D keeps its sign.

    Raises
    ------
    ValueError
        If an argument is out of range, or D vanishes for every beta2 (n = 2, C = 1).
    """
    return _roots(lambda beta2: drift(beta1, beta2, n, C), _BETA2_SCAN, n)


def periodic_critical_beta2(gradients: ArrayLike, beta1: float) -> FloatArray:
    """Roots in beta2 of periodic_drift(gradients, beta1, beta2), by the same scan as critical_beta2.

    Parameters
    ----------
    gradients : array_like of float, shape (period,)
        One period of nonzero gradients.
    beta1 : float
        In [0, 1).

    Returns
    -------
    ndarray of float64, shape (number of roots,)
        Sorted; empty when the drift keeps its sign.

    Raises
    ------
    ValueError
        As periodic_drift, in particular for a zero gradient, since the scan starts at beta2 = 0; and when the
        drift vanishes for every beta2.
    """
    g = _sequence(gradients)
    return _roots(lambda beta2: periodic_drift(g, beta1, beta2), _BETA2_SCAN, g.size)


def first_order_beta2(beta1: ArrayLike, n: ArrayLike, C: ArrayLike, order: str) -> FloatArray:
    """Critical beta2 to first order in 1 - beta2, for three sampling orders.

    Expanding 1 / sqrt(v) around the mean of v gives 1 - beta2 = e / q with, for every order,
    e = 2 S (C^2 - 1 + n) / ((n - 1) (C + 1) (C^2 - 1)), and q = 1/2 - mu / (n - 1) in cyclic order,
    1/2 - s / (n - 1) when reshuffled, 1 - e beta1 / (1 - beta1) with replacement.  Here mu is the mean age,
    modulo n, of the gradients in m, and s the mean number of steps since such a gradient that belong to the
    current epoch.  The error is of second order in 1 - beta2.

    Parameters
    ----------
    beta1 : array_like of float
        In [0, 1).
    n : array_like of int
        Number of components, at least 2.
    C : array_like of float
        Gradient of the large component; 1e-150 <= abs(C) <= 1e150.
    order : {"cyclic", "reshuffled", "replacement"}
        One of n in fixed order, in a new random order every epoch, or drawn independently.

    Returns
    -------
    ndarray of float64
        Of the broadcast shape of beta1, n and C (0-d for scalars).  NaN means that there
        is no root to this order: S <= 0, q <= 0, or e > q (a negative beta2).

    Raises
    ------
    ValueError
        If an argument is out of range or the order is unknown.
    """
    checks.known("order", order, ORDERS)
    beta1, n, C = _weight("beta1", beta1), _period(n, least=2), _large_gradient(C)
    age = beta1 / (1.0 - beta1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        e = 2.0 * (C - (n - 1)) / ((n - 1) * (C + 1.0)) * (1.0 + n / (C * C - 1.0))
        if order == "cyclic":
            mu = age - n * beta1**n / _one_minus_power(beta1, n)
            q = 0.5 - mu / (n - 1)
        elif order == "reshuffled":
            within_epoch = age * (1.0 - _one_minus_power(beta1, n) / (n * (1.0 - beta1)))
            q = 0.5 - within_epoch / (n - 1)
        else:
            q = 1.0 - e * age
        root = 1.0 - e / q
        return np.where((n - 1 < C) & (q > 0.0) & (root >= 0.0), root, np.nan)


def diverging_area(n: int, C: float, cells: int = 200, safe: bool = False) -> float:
    """Share of the (beta1, beta2) unit square where Adam goes the wrong way: D < 0 although S > 0.

    Some of these cells, nearly all of them with beta1 >= sqrt(beta2), have orbits that stay trapped at the minimiser
    all the same; `safe` leaves that part out.

    Parameters
    ----------
    n : int
        Period, at least 1.
    C : float
        The large gradient, above n - 1 so that the full gradient is positive.
    cells : int
        Cells per side; D is taken at their midpoints, so the share is good to about 1 / cells.
    safe : bool
        Take the share of the part beta1 < sqrt(beta2) only, where the step is bounded (update_bound).

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If C <= n - 1, cells < 1, or an argument is out of range.
    """
    if n - 1 >= C:
        raise ValueError(f"C = {C} is not above n - 1 = {n - 1}, so there is no wrong way: use a larger C.")
    if cells < 1:
        raise ValueError(f"cells = {cells} leaves no grid: use at least 1.")
    midpoints = (np.arange(cells) + 0.5) / cells
    beta1, beta2 = midpoints, midpoints[:, None]
    wrong = drift(beta1, beta2, n, C) < 0.0
    return float(np.mean(wrong[beta1 < np.sqrt(beta2)] if safe else wrong))


def batch_problem(N: int, B: int) -> tuple[int, float]:
    """Period and gradient ratio (n, C) of N samples, one of slope N and the others -1, in batches of B.

    The batch that holds the large sample has slope N - (B - 1), the others -B: n = N / B and
    C = (N - B + 1) / B, so S = 1 / B.

    Raises
    ------
    ValueError
        Unless B is a positive divisor of N.
    """
    if not (1 <= B <= N) or N % B:
        raise ValueError(f"B = {B} does not cut N = {N} samples into equal batches: use a divisor of N.")
    return N // B, (N - B + 1) / B


def quadratics_bias(beta1: float, beta2: float, a: float = 1.0) -> float:
    """Where Adam settles on ten quadratics whose sum is x^2 / 10 - a^2 / 9, in cyclic order.

    The components are (x - a)^2 and nine times -(x - 10 a / 9)^2 / 10 (the non-realizable experiment of
    Shi et al., ICLR 2021).  Their gradients are proportional to (C, -1, ..., -1) with
    C = 10 (x - a) / (x - 10 a / 9) and a factor of the sign of x - 10 a / 9, so Adam rests where
    D(beta1, beta2; 10, C) = 0: a zero of the Adam vector field (Dereich and Jentzen, 2024, arXiv:2407.21078),
    not the minimiser x = 0, where C = 9.  As D < 0 for C <= 0 and C = 10 stands for abs(x) = infinity, a
    limit exists where D(beta1, beta2; 10, 10) > 0.  It is exactly linear in a; for beta1 = 0 it is
    -(200 / 9) (1 - beta2) a + O((1 - beta2)^2).  This is the limit for vanishing steps.

    Parameters
    ----------
    beta1, beta2 : float
        In [0, 1).
    a : float
        Stationary point of the convex component, finite; the nine others have theirs at 10 a / 9.

    Returns
    -------
    float
        The limit of x, in the units of a, to about 1e-13 abs(a).  NaN where there is none (Adam leaves every
        bounded set) or where the field has several zeros, so that the start decides.  The zeros are found by
        a scan of C in [1e-4, 1e4], as in critical_beta2.

    Raises
    ------
    ValueError
        If a weight is outside [0, 1) or a is not finite.
    """
    if not math.isfinite(a):
        raise ValueError(f"a = {a} is not finite: give the stationary point of the convex component.")
    zeros = _roots(lambda C: drift(beta1, beta2, 10, C), _RATIO_SCAN, 10)
    if zeros.size != 1 or zeros[0] >= 10.0:
        return math.nan
    C = float(zeros[0])
    return a * 10.0 * (9.0 - C) / (9.0 * (10.0 - C))


def update_bound(beta1: ArrayLike, beta2: ArrayLike) -> FloatArray:
    """Supremum of abs(m) / sqrt(v) over all gradient sequences and times, from m = v = 0.

    Cauchy-Schwarz gives (1 - beta1) / sqrt((1 - beta2) (1 - beta1^2 / beta2)) for beta1 < sqrt(beta2),
    approached by gradients whose sizes go like (beta1 / beta2)^age into the past.  It is 1 on the diagonal
    beta1 = beta2, the corner beta1 = beta2 = 0 (m = g, v = g^2) included, and infinite for
    beta1 >= sqrt(beta2), beta1 > 0.

    Parameters
    ----------
    beta1, beta2 : array_like of float
        In [0, 1).

    Returns
    -------
    ndarray of float64
        Of the broadcast shape (0-d for scalars); at least 1.

    Raises
    ------
    ValueError
        If a weight is outside [0, 1).
    """
    beta1, beta2 = _weight("beta1", beta1), _weight("beta2", beta2)
    with np.errstate(all="ignore"):  # beta2 = 0, and memory >= 1 which is answered below
        memory = np.where(beta1 > 0.0, beta1 * beta1 / beta2, 0.0)
        bound = (1.0 - beta1) / np.sqrt((1.0 - beta2) * (1.0 - memory))
    return np.where(memory < 1.0, bound, np.inf)


def _roots(function: Callable[[FloatArray], FloatArray], scan: FloatArray, period: int) -> FloatArray:
    """Zeros of a drift between the points of a scan, and at its first point, sorted."""
    from scipy.optimize import brentq, minimize_scalar

    def value(point: float) -> float:
        return float(function(np.asarray(point)))

    noise = 4.0 * period * np.finfo(float).eps  # below this rounding decides the sign
    values = function(scan)
    left, size, right = np.abs(values[:-2]), np.abs(values[1:-1]), np.abs(values[2:])
    dips = 1 + np.flatnonzero((size <= left) & (size <= right) & (size > noise))
    lows = []
    for i in dips:  # the lowest point on the far side of zero splits a close pair of roots
        side = math.copysign(1.0, values[i])
        bounds = (scan[i - 1], scan[i + 1])
        tolerance = 1e-9 * (bounds[1] - bounds[0])
        low = minimize_scalar(
            lambda point, side=side: side * value(point),
            bounds=bounds,
            method="bounded",
            options={"xatol": tolerance},
        )
        lows.append(low.x)
    points = np.union1d(scan, lows)
    values = function(points)

    signed = np.abs(values) > noise  # the neighbours of the other points bracket the root
    if not signed.any():
        raise ValueError(
            "The drift vanishes at every point of the scan: these gradients have no critical value."
        )
    at_start = [] if signed[0] else [float(points[0])]
    points, values = points[signed], values[signed]
    changes = np.flatnonzero(np.sign(values[:-1]) != np.sign(values[1:]))
    rtol = 4.0 * np.finfo(float).eps  # the least that brentq accepts
    crossings = [brentq(value, points[i], points[i + 1], xtol=1e-300, rtol=rtol) for i in changes]
    return np.array(at_start + crossings)


def _shares(beta: FloatArray, n: NDArray[np.int64], k: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Weights, k steps after the large gradient, of the large and of the small ones in an average."""
    whole = _one_minus_power(beta, n)
    large = (1.0 - beta) * beta**k / whole
    # At k = 0 the large share may round to 1, hence the second expression.
    small = np.where(k == 0, beta * _one_minus_power(beta, n - 1) / whole, 1.0 - large)
    return large, small


def _steady_average(sequence: FloatArray, beta: FloatArray) -> FloatArray:
    """Exponential average of a periodic sequence at the end of a period."""
    average = np.zeros_like(beta)
    for value in sequence:
        average = beta * average + (1.0 - beta) * value
    return average / _one_minus_power(beta, sequence.size)


def _one_minus_power(beta: FloatArray, n: NDArray[np.int64] | int) -> FloatArray:
    """1 - beta^n without cancellation near beta = 1; for beta = 0 as if n > 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(beta > 0.0, -np.expm1(n * np.log(beta)), 1.0)


def _weight(name: str, beta: ArrayLike) -> FloatArray:
    beta = np.asarray(beta, dtype=np.float64)
    outside = beta[~((beta >= 0.0) & (beta < 1.0))]
    if outside.size:
        raise ValueError(f"{name} = {outside[0]} is outside [0, 1): choose an averaging weight below 1.")
    return beta


def _period(n: ArrayLike, least: int = 1) -> NDArray[np.int64]:
    n = np.asarray(n)
    if not np.issubdtype(n.dtype, np.integer) or np.any(n < least):
        raise ValueError(
            f"n = {n} is not an integer of at least {least}: give the number of gradients in a period."
        )
    return n.astype(np.int64)


def _large_gradient(C: ArrayLike) -> FloatArray:
    C = np.asarray(C, dtype=np.float64)
    outside = C[~((np.abs(C) >= 1e-150) & (np.abs(C) <= 1e150))]
    if outside.size:
        raise ValueError(f"C = {outside[0]} has a size outside [1e-150, 1e150]: rescale the problem.")
    return C


def _sequence(gradients: ArrayLike) -> FloatArray:
    """One period, divided by its largest size so that its squares are safe."""
    g = np.asarray(gradients, dtype=np.float64)
    if g.ndim != 1 or not np.all(np.isfinite(g)) or not np.any(g):
        raise ValueError(f"gradients = {g} is not one period: give a 1-D finite sequence, not all zero.")
    scaled: FloatArray = g / np.max(np.abs(g))
    return scaled
