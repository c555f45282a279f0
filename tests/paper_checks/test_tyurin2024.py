"""Claims on perceptrons see grids that are wrong."""

from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps

test_a_claim_sees_a_wrong_grid = fails_on_tampered_grids(
    "tyurin2024",
    ("P1", "table_small", "unsolved_mean", lambda share: share + 1e-5),  # one update of 10^5
    ("P1", "table_logistic", "unsolved_final", lambda last: last + 1.0),
    ("P2", "path_logistic", "x", lambda x: x * (1.0 + 1e-9)),
    ("P2", "path_batch", "x", lambda x: 1.001 * x),
    ("P3", "random_classical_40", "unsolved_mean", lambda share: share + 10.0),
    ("P3", "units", "unsolved_mean", lambda share: share - 0.01),
    ("P4", "counted", "unsolved_mean", lambda share: share + 1e-3),
    ("P4", "counted_normalized", "unsolved_mean", lambda share: share + 0.1),
    ("P5", "overshoot", "loss", lambda loss: loss + 0.01),
    ("P6", "balanced_logistic", "unsolved_mean", lambda share: 3.0 * share),
)
test_a_claim_needs_its_own_sweeps = fails_with_other_sweeps(
    "tyurin2024",
    ("P1", "table_normalized_logistic", "table_logistic", "table_small"),
    ("P4", "counted_normalized", "counted"),
    (
        "P6",
        "balanced_normalized_logistic",
        "balanced_logistic",
        "table_logistic",
        "table_normalized_logistic",
    ),
)
