"""One page for each optimizer: its rule, its report cards, its smallest counterexamples, the claims that run it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from theory_sim.app import catalogue
from theory_sim.app.describe import rules, signature
from theory_sim.app.report.evidence import cards, smallest
from theory_sim.app.report.pages import Page, Site, optimizer_path
from theory_sim.rules import language


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _cards(key: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the kept audits of an optimizer, of those that take its steps, and of those of its name."""
    kept = cards()
    if name in kept["controls"]:
        yield {"name": f"{name} of this suite", "settings": "", "rows": kept["controls"][name]}
    for spec, card in kept["cards"].items():
        module, _, what = spec.partition(":")
        named = _plain(what.partition(":")[0]) == _plain(key)
        if card["twin"].startswith(f"{key}(") if card["twin"] else named:
            same = f"takes the steps of {card['twin']}" if card["twin"] else "of the same name"
            yield {
                "name": f"{module}.{what}",
                "settings": f"{same}; {card['settings']}",
                "rows": card["rows"],
            }


def _fronts(key: str) -> Mapping[str, Any]:
    return {name: found for name, found in smallest().items() if name.partition(":")[0] == key}


def _least(key: str) -> str:
    """Return the shortest of the smallest counterexamples of an optimizer in a few words."""
    found = smallest().get(key, {})
    if "front" in found:
        first = found["front"][0]["gradients"]
        return f"height {max(map(abs, first))} at period {len(first)}"
    return "none" if "identity" in found else ""


def _row(site: Site, key: str, make: Callable[..., Any]) -> dict[str, Any]:
    return {
        "key": key,
        "said": (inspect.getdoc(make) or "").partition("\n")[0],
        "least": _least(key),
        "claims": site.used_by.get(catalogue.instance(make).name, ()),
    }


def pages(site: Site) -> Iterator[Page]:
    """Yield ``optimizers.html`` and the page of every optimizer."""
    rows = [_row(site, key, make) for key, make in site.optimizers.items()]
    yield site.render("optimizers.html.j2", "optimizers.html", rows=rows)
    for row in rows:
        key, make = row["key"], site.optimizers[row["key"]]
        made = catalogue.instance(make)
        yield site.render(
            "optimizer.html.j2",
            optimizer_path(key),
            key=key,
            made=made,
            signature=signature(make),
            text=inspect.getdoc(make) or "",
            paper=catalogue.papers()[made.paper],
            rules=[language.text(rule) for rule in rules(make)],
            cards=list(_cards(key, made.name)),
            audits=cards(),
            fronts=_fronts(key),
            records=[site.records[id] for id in row["claims"]],
        )
