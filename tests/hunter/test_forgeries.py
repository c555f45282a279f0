"""Forged certificates: one field or digit changed is refused, unless the changed sequence fails by itself.

The checker of the standard library and `verify`, which share no code, have to agree on every one.
"""

import ast
import copy
import hashlib
import json
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import theory_sim as ts
from theory_sim.app.hunt import build
from theory_sim.evidence.hunter import certificate, check
from theory_sim.evidence.hunter.steady import steady

pytest.importorskip("flint")

COUNT = 2_000 if os.environ.get("THEORY_SIM_TIER") == "full" else 250

GENUINE = {
    "rmsprop": (ts.rmsprop(beta2=0.9), (22, -6, -15)),
    "adam": (ts.adam(), (37996, -18653, -19342)),
    "adabelief": (ts.adabelief(), (37980, -17938, -20041)),
    "nadam": (ts.nadam(), (15232, -5922, -9309)),
    "adamax": (ts.adamax(), (9340, -27, -9312)),
    "adopt": (ts.adopt(), (-22699, 15200, 7500)),
    "ademamix": (ts.ademamix(beta3=0.999999), (227981, -111921, -116059)),
    "lion": (ts.lion(beta1=0.9, beta2=0.99), (8, -4, -3)),
    "signum": (ts.signum(), (11, -10, 0)),
    "cautious_sgdm": (ts.cautious_sgdm(), (22, 0, -21)),
    "cautious_adamw": (ts.cautious_adamw(weight_decay=0.0), (22, 0, -21)),
    "clipped_gd": (ts.clipped_gd(threshold=1.0), (3, -1, -1)),
    "radam": (ts.radam(), (37996, -18653, -19342)),
}


def genuine(name: str) -> dict[str, Any]:
    optimizer, gradients = GENUINE[name]
    return json.loads(json.dumps(certificate.make(optimizer, name, steady(optimizer), gradients)))


def verified(record: Any) -> bool:
    try:
        certificate.verify(record, build)
    except certificate.Refused:
        return False
    return True


def checked(record: Any) -> bool:
    try:
        check.check(record)
    except (
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ):  # as when it is run by itself
        return False
    return True


def digit(text: str, rng: random.Random) -> str:
    """Change, drop or double one character."""
    if not text:
        return "1"
    at = rng.randrange(len(text))
    new = rng.choice(["", text[at] * 2, rng.choice("0123456789.e-+ abgmv*/()")])
    return text[:at] + new + text[at + 1 :]


def forged(record: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Change one thing."""
    out = copy.deepcopy(record)
    field = rng.choice(["gradients"] * 4 + ["hyper"] * 4 + [*out, "new"])
    if field == "gradients":
        g = out["gradients"]
        i, j = rng.randrange(len(g)), rng.randrange(len(g))
        move = rng.choice(["one", "digit", "swap", "drop", "double", "type", "sign"])
        if move == "one":
            g[i] += rng.choice([-1, 1])
        elif move == "digit":
            text = digit(str(g[i]), rng)
            g[i] = int(text) if text.removeprefix("-").isdigit() and text.isascii() else text
        elif move == "swap":
            g[i], g[j] = g[j], g[i]
        elif move == "type":
            g[i] = rng.choice([str(g[i]), float(g[i]), True, None, [g[i]]])
        elif move == "sign":
            g[i] = -g[i]
        else:
            out["gradients"] = g[:i] + g[i + 1 :] if move == "drop" else g[: i + 1] + g[i:]
    elif field in ("hyper", "fixed", "formulas"):
        name = rng.choice([*out[field]]) if out[field] else "new"
        move = rng.choice(["digit", "digit", "digit", "drop", "rename", "type", "add"])
        if move == "digit":
            out[field][name] = digit(out[field].get(name, ""), rng)
        elif move == "drop":
            out[field].pop(name, None)
        elif move == "rename":
            out[field][digit(name, rng)] = out[field].pop(name, "0")
        elif move == "type":
            out[field][name] = rng.choice([0.5, 1, None, ["0.9"], {}])
        else:
            out[field][rng.choice(["beta3", "S", "D", "weight_decay"])] = rng.choice(["0", "0.5", "g"])
    elif field == "new":
        out[rng.choice(["S", "D", "verdict", "steps"])] = rng.choice([1, -1, "-0.5", "DIVERGED"])
    elif field == "format":
        out[field] = rng.choice([0, 2, "1", None])
    elif rng.random() < 0.2:
        del out[field]
    else:
        other = rng.choice([name for name in GENUINE if name != out["optimizer"]])
        out[field] = rng.choice([digit(out[field], rng), other, 3, None])
    return out


@pytest.mark.parametrize("name", GENUINE)
def test_the_genuine_ones_are_confirmed_by_both(name: str) -> None:
    record = genuine(name)
    assert verified(record)
    assert checked(record)


def test_no_forgery_passes_and_both_checkers_agree() -> None:
    rng = random.Random(7)
    originals = {name: genuine(name) for name in GENUINE}
    passed, tried = [], 0
    while tried < COUNT:
        name = rng.choice([*originals])
        record = forged(originals[name], rng)
        if record == originals[name]:
            continue
        tried += 1
        first, second = verified(record), checked(record)
        assert first == second, (first, second, record)
        if first:
            passed.append((name, record))
    # What passes differs in gradients or in hyperparameters alone, and was proved anew by two routes.
    for name, record in passed:
        differing = {field for field in record if record[field] != originals[name].get(field)}
        assert differing <= {"gradients", "hyper"}, differing
        assert sum(record["gradients"]) > 0
    assert 0 < len(passed) < 0.5 * COUNT


def test_a_changed_gradient_decides_by_arithmetic() -> None:
    # the margin of (37996, ...) is below one part in 37996: a sum of 2 does not fail, and neither does a height less by 1
    record = genuine("adam")
    for gradients, fails in (((37996, -18653, -19341), False), ((37995, -18653, -19341), False)):
        changed = {**record, "gradients": list(gradients)}
        assert (verified(changed), checked(changed)) == (fails, fails)


def test_a_sign_of_zero_is_refused() -> None:
    # beta = 1/2: 15 m_k = 8 g_k + 4 g_(k-1) + 2 g_(k-2) + g_(k-3) = -15, -15, 0, 45: were sign(0) = 0, D would be -1
    record = {**genuine("signum"), "gradients": [-5, -1, 1, 6]}
    record["hyper"] = {**record["hyper"], "beta": "0.5"}
    assert (verified(record), checked(record)) == (False, False)
    with pytest.raises(ValueError, match="may vanish"):
        check.check(record)


def test_a_drift_of_zero_is_refused() -> None:
    # 2 clipped at 1, and -1: D = 0 exactly, and x goes nowhere
    record = {**genuine("clipped_gd"), "gradients": [2, -1]}
    assert (verified(record), checked(record)) == (False, False)


def test_the_checker_decides_no_sign_of_a_box_that_touches_zero() -> None:
    sign = ast.parse("1 if a > 0 else -1", mode="eval").body
    for ends in ((0, 1), (-1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="may vanish"):
            check.value(sign, {"a": (Fraction(ends[0]), Fraction(ends[1]))})
    assert check.value(sign, {"a": (Fraction(1), Fraction(2))}) == (1, 1)


def test_other_formulas_with_their_own_digest_are_refused() -> None:
    record = genuine("adam")
    record["formulas"]["m"] = "beta1 * m + 2 * (1 - beta1) * g"  # the same signs, another method
    record["digest"] = certificate._digest(record)
    with pytest.raises(certificate.Refused, match="not those of the optimizer's rule"):
        certificate.verify(record, build)


def test_the_checker_divides_by_no_box_around_zero() -> None:
    with pytest.raises(ValueError, match="division by what may be 0"):
        check.apply(ast.Div, (Fraction(1), Fraction(1)), (Fraction(-1), Fraction(1)))


def own(m: str, update: str = "m", **hyper: str) -> dict[str, Any]:
    """A certificate of a method that the checker knows by its formulas only, with a digest that fits."""
    formulas = {"m": m, "update": update}
    said = hashlib.sha256(json.dumps(["mine.py:mine", {}, formulas]).encode()).hexdigest()[:16]
    return {
        "format": 1, "class": "periodic", "optimizer": "mine.py:mine", "fixed": {}, "hyper": hyper, "formulas": formulas,
        "digest": said, "gradients": [3, -1, -1], "proves": check.PROVES,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("0.5*m*m+g", "is no a m"),  # two orbits, or none
        ("0.5*abs(m)+g", "is no a m"),
        ("sqrt(m*m+1)", "is no a m"),
        ("(0.5*m+g) if m>0 else g", "is no a m"),
        ("g/(2+m)", "is no a m"),
        ("max(g, -0.5*m)", "is no a m"),  # it falls with m
        ("max(g, 0.5*m*m)", "is no a m"),
        ("max(m, 0.5*m)", "is no a m"),
        ("2*m+g", "forgets nothing"),
        ("max(2*m, g)", "forgets nothing"),
    ],
)
def test_the_checker_refuses_a_rule_that_need_not_have_one_orbit(rule: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check.check(own(rule))


def test_the_checker_takes_averages_and_maxima_in_any_form() -> None:
    # -m + 2 m_0: the drift of an update -m is -S times a positive number, so each of these fails
    for rule in ("0.5*m+0.5*g", "(m+g)/2", "0.5*(m+g)", "m-0.5*(m-g)", "-(-0.5*m)+0.5*g"):
        if rule == "m-0.5*(m-g)":  # names the row twice: its boxes grow, and no orbit is proved
            with pytest.raises(ValueError, match="does not stay near"):
                check.check(own(rule, "-m"))
            continue
        assert check.check(own(rule, "-m")).startswith("S = 1 > 0 > D = -1")
    assert check.check(own("max(0.5*m, abs(g))", "g/max(0.5*m, abs(g))-1"))


def test_checkers_want_one_file() -> None:
    for path in sorted(Path(check.__file__).parent.glob("*check.py")):
        for words in ([], ["a", "b"]):
            ran = subprocess.run(
                [sys.executable, "-I", str(path), *words], capture_output=True, text=True, check=False
            )
            assert ran.returncode == 2, path
            assert ran.stderr == "Name one certificate: python check.py certificate.json\n"
        assert len(path.read_text().splitlines()) < 100
