"""Text for pages: formulas in sentences, expressions as MathML, docstrings; whatever is given is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from theory_sim.nouns.expression import as_written

if TYPE_CHECKING:
    from markupsafe import Markup

    from theory_sim.nouns.theorem import Condition

_NAMES = (
    "alpha beta gamma delta eps epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi psi omega"
)
_CAPITALS = "Gamma Delta Theta Sigma Phi Omega"
_GREEK = dict(zip(f"{_NAMES} {_CAPITALS}".split(), "αβγδεεζηθκλμνξπρστφψωΓΔΘΣΦΩ", strict=True))
_LETTER = rf"(?:{'|'.join(sorted(_GREEK, key=len, reverse=True))}|[A-Za-z])"
_MARKS = {"<=": "≤", ">=": "≥", "!=": "≠", "->": "→", "||": "‖", " - ": " − ", "...": "…"}
_TOKEN = re.compile(
    r"(?P<code>`[^`]+`)"
    r"|(?P<mark><=|>=|!=|->|\|\||\.\.\.| - )"
    r"|(?P<root>\bsqrt(?=\())"
    rf"|(?:\^|\*\*)(?:(?P<up>-\d+/\d+|-?(?:\d+(?:\.\d+)?|[A-Za-z]+))|\((?P<inner>[^()]{{1,24}})\))"
    rf"|(?<![\w.])(?P<name>(?P<letter>{_LETTER})(?P<down>\d?_(?:\{{[^{{}}]+\}}|\w+|\([^()]+\))|\d)|(?:{'|'.join(_GREEK)}))"
    r"(?![\w(/]*\.\w|\w)"
)
# Names of several letters need a space between them where a product is meant.
_SHOWN = {
    "<mo>&InvisibleTimes;</mo>": '<mspace width="0.17em"/>',
    "<mi>eps</mi>": "<mi>ε</mi>",
    "<mo>-</mo>": "<mo>−</mo>",
}
_SIGNS = _GREEK | {
    "varepsilon": "ε",
    "sqrt": "√",
    "propto": " ∝ ",
    "infty": "∞",
    "le": " ≤ ",
    "leq": " ≤ ",
    "ge": " ≥ ",
}
_RELATIONS = {"<=": "≤", ">=": "≥", "==": "=", "<": "<", ">": ">"}


def prose(text: str) -> Markup:
    """Return a sentence with its formulas set: beta1 with a Greek letter and an index, x^2 raised, >= as one sign.

    Names of one letter with an index, and Greek letters, are taken for symbols; nothing is reordered, so the
    text that is copied from the page differs by signs only.  Text between backticks stays as it is.
    """
    from markupsafe import Markup, escape

    out, end = [], 0
    for found in _TOKEN.finditer(text):
        out.append(str(escape(text[end : found.start()])))
        out.append(_set(found))
        end = found.end()
    out.append(str(escape(text[end:])))
    return Markup("".join(out))  # every part is escaped above


def _set(found: re.Match[str]) -> str:
    from markupsafe import escape

    if found["code"]:
        return f"<code>{escape(found['code'][1:-1])}</code>"
    if found["mark"]:
        return _MARKS[found["mark"]]
    if found["root"]:
        return "√"
    raised = found["inner"] or found["up"]
    if raised:
        return f"<sup>{prose(raised.replace('-', '−'))}</sup>"
    letter, down = found["letter"] or found["name"], found["down"] or ""
    inner = [part.strip("(){}") for part in down.split("_", 1) if part]
    index = f"<sub>{','.join(str(escape(_GREEK.get(one, one))) for one in inner)}</sub>" if down else ""
    return f"<var>{escape(_GREEK.get(letter, letter))}</var>{index}"


def breakable(name: str) -> Markup:
    """Return a dotted name that a narrow column breaks after its dots."""
    from markupsafe import Markup, escape

    return Markup(".<wbr>").join(escape(part) for part in name.split("."))


@cache
def _elements(text: str) -> str:
    """Return an expression of a theorem as elements of MathML."""
    from sympy.printing.mathml import mathml

    found = str(mathml(as_written(text), printer="presentation", order="none"))
    for ours, theirs in _SHOWN.items():
        found = found.replace(ours, theirs)
    return re.sub(r"<mi>(\d+)</mi>", r"<mn>\1</mn>", found)


def formula(text: str, block: bool = False) -> Markup:
    """Return an expression of a theorem as MathML, which browsers set without a library."""
    return _math(_elements(text), block)


def _math(elements: str, block: bool = False) -> Markup:
    from markupsafe import Markup

    # Names in expressions are identifiers, which `theory_sim.nouns.expression.check` made sure of.
    shown = "block" if block else "inline"
    return Markup(f'<math display="{shown}">{elements}</math>')


def relation(condition: Condition) -> Markup:
    """Return the relation of a condition as MathML."""
    from markupsafe import escape

    left, sign, right = condition.sides
    if condition.worded:
        return _math(f"<mi>{escape(left)}</mi><mo>=</mo><mtext>{escape(right)}</mtext>")
    return _math(f"{_elements(left)}<mo>{escape(_RELATIONS[sign])}</mo>{_elements(right)}")


def definition(name: str, text: str) -> Markup:
    """Return an abbreviation of a theorem and what it stands for as a block of MathML."""
    return _math(f"{_elements(name)}<mo>=</mo>{_elements(text)}", block=True)


def docstring(text: str) -> Iterator[dict[str, Any]]:
    """Yield the blocks of a numpydoc docstring: paragraphs, and sections of named entries.

    Yields
    ------
    dict
        ``paragraph``: a text; or ``section``: its title, with ``entries``: pairs of a name and what it means.
    """
    blocks = re.split(r"\n\s*\n", text.strip())
    for block in blocks:
        lines = block.split("\n")
        if len(lines) > 1 and re.fullmatch(r"-{3,}", lines[1].strip()):
            entries: list[tuple[str, str]] = []
            for line in lines[2:]:
                if line.startswith(" ") and entries:
                    entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}".strip())
                else:
                    entries.append((line.strip(), ""))
            yield {"section": lines[0].strip(), "entries": entries}
        else:
            yield {"paragraph": " ".join(line.strip() for line in lines)}


def label(text: str) -> str:
    """Return the text of an axis or a panel without the markup of TeX."""
    text = re.sub(r"\\(?:mathrm|text|mathbf|mathcal|mathsf|operatorname)\b", "", text)
    text = re.sub(r"\\([a-zA-Z]+)", lambda name: _SIGNS.get(name[1], f" {name[1]}"), text)
    return " ".join(
        re.sub(r"\\[^\w]", " ", text.replace(r"\|", "‖")).translate({ord(c): None for c in "${}"}).split()
    )


def number(value: Any) -> str:
    """Return a number of the evidence with six digits, a text as it is, and nothing for None."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.6g}"


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 1.0:
        return f"{1000.0 * seconds:.0f} ms"
    if seconds < 100.0:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
