"""Commands that say what there is: list, cite."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from theory_sim.app import catalogue, terminal
from theory_sim.app.cli.completion import EVERYTHING
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import main
from theory_sim.compressors import COMPRESSORS
from theory_sim.nouns.schedules import SCHEDULES
from theory_sim.rules import checks


@dataclass(frozen=True)
class _Section:
    """How a kind of thing is listed: the columns, the row of one, and its papers."""

    columns: Sequence[str]
    things: Callable[[], Mapping[str, Any]]
    row: Callable[[str, Any], Sequence[Any]]
    papers: Callable[[str, Any], Iterable[str]]


def _words(name: str, thing: Any) -> tuple[str, str]:
    return name, (inspect.getdoc(thing) or "").split("\n", 1)[0]


def _built_for(name: str, constructor: Callable[..., Any]) -> list[str]:
    """Return the paper of what a constructor builds, with values for the arguments that need one."""
    with suppress(ValueError, TypeError):
        return [catalogue.instance(constructor).paper]
    return []


def _own(name: str, thing: Any) -> list[str]:
    return [thing.paper]


def _of_problem(name: str, constructor: Callable[..., Any]) -> list[str]:
    """Return the papers of a problem: its own, and that of the module that defines it."""
    return [str(getattr(inspect.getmodule(constructor), "PAPER", "")), *_built_for(name, constructor)]


def _of_claims(name: str, figure: Any) -> list[str]:
    return [catalogue.claims()[id].paper for id in figure.claims]


def _of_source(name: str, source: Any) -> list[str]:
    """Return the papers whose claims or figures use a sweep, and the one that its name begins with."""
    users = [claim.paper for claim in catalogue.claims().values() if source in claim.sweeps]
    drawn = [figure for figure in catalogue.figures().values() if source in figure.sweeps]
    return [name.split(".")[0], *users, *(key for figure in drawn for key in _of_claims("", figure))]


_SECTIONS: Mapping[str, _Section] = {
    "optimizers": _Section(("name", "what"), catalogue.optimizers, _words, _built_for),
    "compressors": _Section(("name", "what"), lambda: COMPRESSORS, _words, _built_for),
    "schedules": _Section(("name", "what"), lambda: SCHEDULES, _words, lambda name, made: ()),
    "problems": _Section(("name", "what"), catalogue.problems, _words, _of_problem),
    "methods": _Section(
        ("name", "paper", "what"), catalogue.methods, lambda name, one: (name, one.paper, one.does), _own
    ),
    "papers": _Section(
        ("key", "title", "source"),
        catalogue.papers,
        lambda key, paper: (key, paper.title, f"arXiv:{paper.arxiv}" if paper.arxiv else paper.url),
        lambda key, paper: [key],
    ),
    "theorems": _Section(
        ("id", "constants", "where", "statement"),
        catalogue.theorems,
        lambda id, one: (id, one.constants, one.where, one.statement),
        _own,
    ),
    "sweeps": _Section(
        ("name", "optimizer on problem", "lanes", "steps"),
        catalogue.sweeps,
        lambda name, one: (name, f"{one.optimizer.name} on {one.problem.name}", one.size, one.steps),
        _of_source,
    ),
    "trainings": _Section(
        ("name", "optimizer on network", "networks", "steps"),
        catalogue.trainings,
        lambda name, one: (name, f"{one.optimizer.name} on {one.network}", one.size, one.steps),
        _of_source,
    ),
    "figures": _Section(
        ("name", "caption"), catalogue.figures, lambda name, one: (name, one.caption), _of_claims
    ),
    "claims": _Section(
        ("id", "kind", "where", "statement"),
        catalogue.claims,
        lambda id, one: (id, one.kind, one.where, one.statement),
        _own,
    ),
}


@main.command("list")
@click.argument("what", required=False, shell_complete=completing(more=_SECTIONS))
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--paper", help="Only what belongs to this paper.", shell_complete=completing("papers"))
def list_(what: str | None, words: tuple[str, ...], paper: str | None) -> None:
    """List everything, or only WHAT: optimizers, compressors, schedules, problems, methods, papers, theorems,
    sweeps, trainings, figures or claims; with WORDs only the rows in which they all occur.

    \b
    theory-sim list claims --paper shi2021
    theory-sim list claims amsgrad regret
    """
    if what is not None:
        checks.known("list", what, _SECTIONS)
    if paper is not None:
        checks.known("paper", paper, catalogue.papers())
    tables = []
    for title in _SECTIONS if what is None else (what,):
        section = _SECTIONS[title]
        rows = [
            row
            for name, thing in section.things().items()
            if paper is None or paper in section.papers(name, thing)
            if _contains(row := section.row(name, thing), words)
        ]
        tables.append((title, section.columns, rows))
    asked = " and ".join(filter(None, (" ".join(words), f"paper {paper}" if paper else "")))
    for title, columns, rows in tables:
        if rows or not asked:
            terminal.show(title, columns, rows)
    if asked and not any(rows for _, _, rows in tables):
        click.echo(f"Nothing is listed for {asked}.")


def _contains(row: Sequence[Any], words: Iterable[str]) -> bool:
    text = " ".join(map(str, row)).lower()
    return all(word.lower() in text for word in words)


@main.command()
@click.argument("name", shell_complete=completing(*EVERYTHING))
def cite(name: str) -> None:
    """Print the BibTeX entry behind a paper key, optimizer, compressor, problem, method, theorem, claim or figure."""
    claims, figures, problems = catalogue.claims(), catalogue.figures(), catalogue.problems()
    theorems, papers, optimizers = catalogue.theorems(), catalogue.papers(), catalogue.optimizers()
    stated: dict[str, Any] = {**claims, **theorems, **catalogue.methods()}
    checks.known("name", name, (*papers, *optimizers, *COMPRESSORS, *problems, *figures, *stated))
    if name in papers:
        keys = [name]
    elif name in stated:
        keys = [stated[name].paper]
    elif name in figures:
        keys = [claims[id].paper for id in figures[name].claims]
    elif name in problems:
        keys = [str(getattr(inspect.getmodule(problems[name]), "PAPER", ""))]
    else:
        keys = _built_for(name, {**optimizers, **COMPRESSORS}[name])
    keys = [key for key in keys if key]
    if not keys:
        raise ValueError(f"{name} comes from no paper: it is defined in this suite; cite theory-sim.")
    for key in dict.fromkeys(keys):
        click.echo(papers[key].bibtex())
