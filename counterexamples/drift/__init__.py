"""The drift of Adam for vanishing steps: closed form, critical points, Monte Carlo, certificates, maps."""

from counterexamples.drift.closed_form import (
    batch_problem,
    critical_beta2,
    diverging_area,
    drift,
    first_order_beta2,
    periodic_critical_beta2,
    periodic_drift,
    quadratics_bias,
    update_bound,
)

__all__ = [
    "batch_problem",
    "critical_beta2",
    "diverging_area",
    "drift",
    "first_order_beta2",
    "periodic_critical_beta2",
    "periodic_drift",
    "quadratics_bias",
    "update_bound",
]
