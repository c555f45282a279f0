"""Check a counterexample with the standard library alone: python check.py certificate.json; exit status 0 or 1, 2 for usage."""

# fmt: off
import ast, hashlib, itertools, json, math, re, sys  # noqa: I001
from fractions import Fraction as F
from pathlib import Path
from typing import Any
PROVES = ("With losses f_t(x) = g_t x on [-1, 1], g periodic as listed, x = -1 is optimal; with steps lr t^-s, "
          "0 < s <= 1, x_t tends to 1, the worst point, from every start.")
M, V, RMS = "beta1*m+(1-beta1)*g", "beta2*v+(1-beta2)*g*g", "(sqrt(beta2*v+(1-beta2)*g*g+eps_inside)+eps_outside)"
MV, PLAIN, S = {"m": M, "v": V}, "(sqrt(beta2*v+(1-beta2)*g*g)+eps)", "1 if {0}>0 else -1 if {0}<0 else at_zero"
ADAM, LION = {**MV, "update": f"({M})/{PLAIN}"}, {"m": "beta2*m+(1-beta2)*g", "update": S.format(f"({M})")}
SIGNUM, HEAVY = {"m": "beta*m+(1-beta)*g", "update": S.format("(beta*m+(1-beta)*g)")}, "(momentum*m+g)"
BELIEF = "beta2*s+(1-beta2)*beta1*(g-m)*beta1*(g-m)+eps"
KNOWN: dict[str, dict[str, str]] = {  # written from the papers; other methods bring their formulas
    "adam": {**MV, "update": f"({M})/{RMS}"}, "adamw": ADAM, "signum": SIGNUM, "signsgd": SIGNUM, "lion": LION,
    "rmsprop": {"v": V, "update": f"g/{RMS}"}, "nadam": {**MV, "update": f"(beta1*({M})+(1-beta1)*g)/{PLAIN}"},
    "adabelief": {"m": M, "s": BELIEF, "update": f"({M})/(sqrt({BELIEF})+eps)"},
    "adamax": {"m": M, "u": "max(beta2*u,abs(g)+eps)", "update": f"({M})/max(beta2*u,abs(g)+eps)"},
    "adopt": {"v": V, "update": "g/max(sqrt(v),eps)"}, "clipped_gd": {"update": "g*threshold/max(abs(g),threshold)"},
    "ademamix": {**MV, "slow": "beta3*slow+(1-beta3)*g", "update": f"({M}+alpha*(beta3*slow+(1-beta3)*g))/{PLAIN}"},
    "cautious_adamw": {**MV, "update": f"(({M})/{PLAIN}) if ({M})*g>0 else 0"},
    "cautious_lion": {**LION, "update": f"({LION['update']}) if ({M})*g>0 else 0"},
    "cautious_sgdm": {"m": HEAVY, "update": f"{HEAVY} if {HEAVY}*g>0 else 0"}}
Box = tuple[F, F]  # the numbers between two rationals
def need(holds: Any, why: str) -> None:
    if not holds:
        raise ValueError(why)
def apply(op: Any, a: Box, b: Box) -> Box:
    need(op is not ast.Div or b[0] > 0 or b[1] < 0, "division by what may be 0")
    of = {ast.Add: F.__add__, ast.Sub: F.__sub__, ast.Mult: F.__mul__, ast.Div: F.__truediv__}[op]
    low, high = min(of(p, q) for p in a for q in b), max(of(p, q) for p in a for q in b)
    if max(low.denominator, high.denominator) >> 320:  # round outwards where fractions grow long
        low, high = F((low * 2**320).__floor__(), 2**320), F((high * 2**320).__ceil__(), 2**320)
    return low, high
def value(node: Any, at: dict[str, Box]) -> Box:
    match node:
        case ast.Constant(value=int() | float() as number): return F(str(number)), F(str(number))
        case ast.Name(id=name): return at[name]
        case ast.UnaryOp(op=ast.USub(), operand=one): return apply(ast.Sub, (F(0), F(0)), value(one, at))
        case ast.BinOp(left=left, op=op, right=right): return apply(type(op), value(left, at), value(right, at))
        case ast.Call(func=ast.Name(id=name), args=args):
            (low, high), b = value(args[0], at), value(args[-1], at)
            need(name != "sqrt" or low >= 0, "root of what may be negative")
            ends = [math.isqrt((abs(q.numerator) << 640) // q.denominator) for q in (low, high)]
            return {"sqrt": (F(ends[0], 2**320), F(ends[1] + (high > 0), 2**320)),
                    "abs": (max(low, -high, F(0)), max(-low, high)), "max": (max(low, b[0]), max(high, b[1]))}[name]
        case ast.IfExp(test=ast.Compare(left=left, ops=[ast.Gt() | ast.Lt() as op], comparators=[right])):
            low, high = apply(ast.Sub, value(left, at), value(right, at))
            need(low > 0 or high < 0 or low == high, "the argument of a sign or mask may vanish")
            return value(node.body if (low > 0 if isinstance(op, ast.Gt) else high < 0) else node.orelse, at)
    raise ValueError("no formula")
def degree(tree: Any, row: str) -> int:  # of a formula in a row: 0 without it, 1 for a row + b, else 2 or more
    if isinstance(tree, ast.BinOp):
        p, q = degree(tree.left, row), degree(tree.right, row)
        return {ast.Mult: p + q, ast.Div: p + 2 * q}.get(type(tree.op), max(p, q))
    inside = any(isinstance(one, ast.Name) and one.id == row for one in ast.walk(tree))
    return degree(tree.operand, row) if isinstance(tree, ast.UnaryOp) else inside * (2 - isinstance(tree, ast.Name))
def turn(tree: Any, row: str, state: Box, steps: list[dict[str, Box]]) -> list[Box]:
    return list(itertools.accumulate(steps, lambda now, at: value(tree, {**at, row: now}), initial=state))
def drift(formulas: dict[str, str], hyper: dict[str, F], gradients: list[int]) -> Box:
    """Enclose D, the sum of the updates over a period at the steady state; formulas name values before the step."""
    steps = [{**{name: (q, q) for name, q in hyper.items()}, "g": (F(g), F(g))} for g in gradients]
    *rows, (_, update) = [(row, ast.parse(text, mode="eval").body) for row, text in formulas.items()]
    for row, tree in rows:  # s = A s + B over a period, or a maximum; widened, so that signs hold near the orbit
        parts = tree.args if isinstance(tree, ast.Call) and ast.unparse(tree.func) == "max" else []
        top = sorted(degree(part, row) for part in parts) == [0, 1]
        rises = all(value(p, {**at, row: (F(0),) * 2})[0] <= value(p, {**at, row: (F(1),) * 2})[1] for p in parts for at in steps)
        need(rises if top else degree(tree, row) < 2, f"the rule of {row} is no a {row} + b, nor a maximum of it, a >= 0, and b")
        zero, one, large = (turn(tree, row, (F(q), F(q)), steps)[-1] for q in (0, 1, 10**60))
        a, wide = apply(ast.Sub, one, zero), F(1, 2**150)
        need(large[1] < 10**60 if top else max(abs(a[0]), abs(a[1])) < 1, f"{row} forgets nothing")
        low, high = zero if top else apply(ast.Div, zero, (1 - a[1], 1 - a[0]))
        path = turn(tree, row, (low - wide, high + wide), steps)
        need(low - wide <= path[-1][0] and path[-1][1] <= high + wide, f"{row} does not stay near its orbit")
        steps = [{**at, row: state} for at, state in zip(steps, path, strict=False)]
    ends = [value(update, at) for at in steps]
    return sum((low for low, _ in ends), F(0)), sum((high for _, high in ends), F(0))
def check(c: Any) -> str:
    fields = {"format", "class", "optimizer", "fixed", "hyper", "formulas", "digest", "gradients", "proves"}
    need(set(c) == fields and (c["format"], c["class"], c["proves"]) == (1, "periodic", PROVES), "fields or words")
    need(all(re.fullmatch(r"\d+(\.\d+)?(e-?\d{1,3})?", text) for text in c["hyper"].values()), "no decimals")
    hyper = {name: F(text) for name, text in c["hyper"].items()}
    g, named = c["gradients"], set(re.findall(r"[a-z]\w*", " ".join(c["formulas"].values())))
    said = hashlib.sha256(json.dumps([c["optimizer"], c["fixed"], c["formulas"]]).encode()).hexdigest()[:16]
    named -= {"g", "sqrt", "abs", "max", "if", "else", *c["formulas"]}
    need(c["digest"] == said and list(c["formulas"])[-1] == "update" and set(hyper) == named, "other formulas or names")
    light = all(q < 1 for name, q in hyper.items() if name[:4] in ("beta", "mome"))
    need(light and all(type(one) is int for one in g) and sum(g) > 0, "no integers with a positive sum, or a weight >= 1")
    both = [drift(one, hyper, g) for one in (c["formulas"], KNOWN.get(c["optimizer"], c["formulas"]))]
    need(both[0][1] < 0 and both[1][1] < 0, f"D < 0 is not proved: D in [{float(both[0][0])}, {float(both[0][1])}]")
    return f"S = {sum(g)} > 0 > D = {float(both[0][1]):.9g}"

if __name__ == "__main__":
    if len(sys.argv) != 2 and sys.stderr.write("Name one certificate: python check.py certificate.json\n"): sys.exit(2)
    try:
        print("confirmed:", check(json.loads(Path(sys.argv[1]).read_text())))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        sys.exit(f"refused: {type(error).__name__}: {error}")
