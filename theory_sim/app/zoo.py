"""The cards of third-party optimizers side by side, kept as data of the figure `audits`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from theory_sim.app import audit
from theory_sim.app.battery import BATTERY
from theory_sim.nouns.claim import plain

SPECS = (
    *(
        "torch.optim:SGD:momentum=0.9",
        "torch.optim:Adam",
        "torch.optim:Adam:amsgrad=true",
        "torch.optim:NAdam",
    ),
    *("torch.optim:RAdam", "torch.optim:Adamax", "torch.optim:RMSprop", "torch.optim:Adagrad"),
    *("torch.optim:Adadelta", "torch.optim:Adafactor"),
    *("optax:adabelief", "optax:adan", "optax:amsgrad", "optax:yogi", "optax:lion", "optax:novograd"),
    *("optax:optimistic_gradient_descent", "optax.contrib:ademamix", "optax.contrib:acprop"),
    *("optax.contrib:schedule_free_sgd", "optax:sign_sgd", "optax:sm3"),
    *("pytorch_optimizer:AdaBound", "pytorch_optimizer:ADOPT", "pytorch_optimizer:DiffGrad"),
    *("pytorch_optimizer:LaProp", "pytorch_optimizer:MADGRAD", "pytorch_optimizer:QHAdam"),
    *("pytorch_optimizer:SWATS", "pytorch_optimizer:Tiger"),
)
"""Thirty optimizers of three libraries, at the libraries' defaults."""

_LIBRARIES = ("theory-sim", "torch", "jax", "optax", "pytorch_optimizer")


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def collect(
    path: Path,
    specs: Sequence[str] = SPECS,
    steps: int | None = None,
    progress: Callable[[str, float], None] = lambda text, share: None,
) -> dict[str, Any]:
    """Audit every optimizer on the battery, and keep each card in a file as soon as it is there.

    Parameters
    ----------
    path : Path
        JSON file; cards in it that were made with the same versions and steps are not made again.
    specs : sequence of str
    steps : int, optional
        Horizon of every problem; default: that of each row of the battery.
    progress : callable, optional
        Called with what is being done and the finished share of it.

    Returns
    -------
    dict
        ``command``, ``date``, ``versions``, ``steps``, ``battery`` (problem, order, steps and rule by name), ``problems``
        (names), ``controls`` and ``cards``: rows of problem, verdict, x_final, lr, note and theorem, by optimizer.
    """
    versions = _versions()
    found = json.loads(path.read_text()) if path.is_file() else {}
    battery = {name: entry.record() for name, entry in BATTERY.items()}
    if (found.get("versions"), found.get("steps"), found.get("battery")) != (versions, steps, battery):
        found = {}
    cards = {spec: card for spec, card in found.get("cards", {}).items() if spec in specs}
    for number, spec in enumerate(specs):
        progress(f"card {number + 1} of {len(specs)}, {spec}", number / len(specs))
        if spec in cards:
            continue
        card = audit.audit(spec, steps=steps)
        cards[spec] = {
            "settings": card.settings,
            "measured": None if card.probe is None else card.probe.record(),
            "twin": card.twin,
            "note": card.note,
            "rows": [asdict(row) for row in card.rows],
        }
        found = {
            "command": f"theory-sim audit zoo{f' --steps {steps}' if steps else ''} --json {path.name}",
            "date": datetime.now(UTC).date().isoformat(),
            "versions": versions,
            "steps": steps,
            "battery": battery,
            "problems": [row.problem for row in card.rows],
            "controls": {name: [asdict(row) for row in rows] for name, rows in card.controls.items()},
            "cards": {one: cards[one] for one in specs if one in cards},
        }
        path.write_text(json.dumps(plain(found), indent=1, allow_nan=False) + "\n")
    return found
