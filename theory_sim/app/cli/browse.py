"""Commands that say what there is: list, explain, cite."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from theory_sim.app import catalogue, terminal
from theory_sim.app.cli.group import describe, main
from theory_sim.app.describe import rules, signature
from theory_sim.compressors import COMPRESSORS
from theory_sim.nouns.papers import PAPERS
from theory_sim.nouns.theorem import Theorem
from theory_sim.nouns.training import Source
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules import checks, language


@main.command("list")
@click.argument("what", required=False)
def list_(what: str | None) -> None:
    """List everything, or only WHAT.

    WHAT is optimizers, compressors, problems, papers, theorems, sweeps, trainings, figures or claims.
    """
    sections: dict[str, Callable[[], tuple[Sequence[str], list[Sequence[Any]]]]] = {
        "optimizers": lambda: (("name", "what"), [(name, _first_line(f)) for name, f in OPTIMIZERS.items()]),
        "compressors": lambda: (
            ("name", "what"),
            [(name, _first_line(f)) for name, f in COMPRESSORS.items()],
        ),
        "problems": lambda: (
            ("name", "what"),
            [(name, _first_line(f)) for name, f in catalogue.problems().items()],
        ),
        "papers": lambda: (
            ("key", "title", "source"),
            [
                (key, paper.title, f"arXiv:{paper.arxiv}" if paper.arxiv else paper.url)
                for key, paper in PAPERS.items()
            ],
        ),
        "theorems": lambda: (
            ("id", "constants", "where", "statement"),
            [(t.id, t.constants, t.where, t.statement) for t in catalogue.theorems().values()],
        ),
        "sweeps": lambda: (
            ("name", "optimizer on problem", "lanes", "steps"),
            [
                (name, f"{s.optimizer.name} on {s.problem.name}", s.size, s.steps)
                for name, s in catalogue.sweeps().items()
            ],
        ),
        "trainings": lambda: (
            ("name", "optimizer on network", "networks", "steps"),
            [
                (name, f"{t.optimizer.name} on {t.network}", t.size, t.steps)
                for name, t in catalogue.trainings().items()
            ],
        ),
        "figures": lambda: (
            ("name", "caption"),
            [(name, figure.caption) for name, figure in catalogue.figures().items()],
        ),
        "claims": lambda: (
            ("id", "kind", "where", "statement"),
            [(c.id, c.kind, c.where, c.statement) for c in catalogue.claims().values()],
        ),
    }
    if what is not None:
        checks.known("list", what, sections)
    for title in sections if what is None else (what,):
        columns, rows = sections[title]()
        terminal.show(title, columns, rows)


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


@main.command()
@click.argument("name")
def explain(name: str) -> None:
    """Explain an optimizer, compressor, problem, paper, theorem, sweep, training, figure or claim."""
    sweeps: Mapping[str, Source] = {**catalogue.sweeps(), **catalogue.trainings()}
    claims, figures, problems, theorems = (
        catalogue.claims(),
        catalogue.figures(),
        catalogue.problems(),
        catalogue.theorems(),
    )
    constructors = {**OPTIMIZERS, **COMPRESSORS, **problems}
    checks.known("name", name, (*constructors, *PAPERS, *theorems, *sweeps, *figures, *claims))
    if name in constructors:
        constructor = constructors[name]
        click.echo(f"{name}({signature(constructor)})\n\n{inspect.getdoc(constructor)}")
        for rule in rules(constructor):
            click.echo(f"\n{language.text(rule)}")
    elif name in claims:
        claim = claims[name]
        click.echo(
            f"{claim.id} ({PAPERS[claim.paper].title}, {claim.where}; {claim.kind})\n\n{claim.statement}"
        )
        for sweep in claim.sweeps:
            click.echo(f"\nsweep {describe(sweep)}")
    elif name in theorems:
        _state(theorems[name])
    elif name in figures:
        figure = figures[name]
        click.echo(f"{figure.name}: {figure.caption}\n\nclaims: {', '.join(figure.claims) or 'none'}")
        for sweep in figure.sweeps:
            click.echo(f"\nsweep {describe(sweep)}")
    elif name in sweeps:
        click.echo(describe(sweeps[name]))
    else:
        click.echo(PAPERS[name])
        ids = [claim.id for claim in claims.values() if claim.paper == name]
        click.echo(f"\nclaims: {', '.join(ids) or 'none'}")
        stated = [theorem.id for theorem in theorems.values() if theorem.paper == name]
        click.echo(f"theorems: {', '.join(stated) or 'none'}")
        for row in catalogue.deviations():
            if row.paper == name:
                click.echo(f"\n{row.where}\n  stated: {row.stated}\n  run:    {row.run}")


def _state(theorem: Theorem) -> None:
    """Print a theorem without values: conditions, assumptions in words, conclusion, symbols."""
    click.echo(
        f"{theorem.id} ({PAPERS[theorem.paper].title}, {theorem.where}; constants {theorem.constants})"
    )
    click.echo(f"\n{theorem.statement}\n")
    for condition in theorem.conditions:
        click.echo(f"if      {condition.relation}" + (f"  ({condition.name})" if condition.name else ""))
    for words in theorem.assumes:
        click.echo(f"assumes {words}")
    if theorem.bound:
        click.echo(f"then    {theorem.quantity} {'<=' if theorem.side == 'upper' else '>='} {theorem.bound}")
    if theorem.verdict is not None:
        click.echo(f"then    {theorem.verdict}")
    for name, text in theorem.where_symbols.items():
        click.echo(f"where   {name} = {text}")
    for name in theorem.symbols:
        click.echo(f"        {name}" + (f": {theorem.meaning[name]}" if name in theorem.meaning else ""))


@main.command()
@click.argument("name")
def cite(name: str) -> None:
    """Print the BibTeX entry behind a paper key, optimizer, compressor, problem, theorem, claim or figure."""
    claims, figures, problems = catalogue.claims(), catalogue.figures(), catalogue.problems()
    theorems = catalogue.theorems()
    checks.known("name", name, (*PAPERS, *OPTIMIZERS, *COMPRESSORS, *problems, *theorems, *figures, *claims))
    if name in PAPERS:
        keys = [name]
    elif name in claims:
        keys = [claims[name].paper]
    elif name in figures:
        keys = [claims[id].paper for id in figures[name].claims]
    elif name in theorems:
        keys = [theorems[name].paper]
    elif name in OPTIMIZERS:
        keys = [OPTIMIZERS[name]().paper]
    elif name in COMPRESSORS:
        required = inspect.signature(COMPRESSORS[name]).parameters.values()
        keys = [COMPRESSORS[name](**{p.name: 2 for p in required if p.default is p.empty}).paper]
    else:
        keys = [str(getattr(inspect.getmodule(problems[name]), "PAPER", ""))]
    keys = [key for key in keys if key]
    if not keys:
        raise ValueError(f"{name} comes from no paper: it is defined in this suite; cite theory-sim.")
    for key in dict.fromkeys(keys):
        click.echo(PAPERS[key].bibtex())
