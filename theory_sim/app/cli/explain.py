"""The command that explains a name: explain."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import click

from theory_sim.app import catalogue, prose
from theory_sim.app.cli.completion import EVERYTHING
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import describe, main
from theory_sim.app.describe import rules, signature
from theory_sim.compressors import COMPRESSORS
from theory_sim.nouns.schedules import SCHEDULES
from theory_sim.nouns.theorem import Theorem
from theory_sim.nouns.training import Source
from theory_sim.rules import checks, language


@main.command()
@click.argument("name", shell_complete=completing(*EVERYTHING))
def explain(name: str) -> None:
    """Explain an optimizer, compressor, schedule, problem, method, paper, theorem, sweep, training, figure or claim."""
    constructors = {**catalogue.optimizers(), **COMPRESSORS, **SCHEDULES, **catalogue.problems()}
    if name in constructors:  # the papers need not be imported
        constructor = constructors[name]
        click.echo(prose.wrapped(f"{name}({signature(constructor)})"))
        click.echo(f"\n{prose.formatted(inspect.getdoc(constructor) or '')}")
        for rule in rules(constructor):
            click.echo(f"\n{language.text(rule)}")
        return
    sweeps: Mapping[str, Source] = {**catalogue.sweeps(), **catalogue.trainings()}
    claims, figures, papers = catalogue.claims(), catalogue.figures(), catalogue.papers()
    methods, theorems = catalogue.methods(), catalogue.theorems()
    checks.known("name", name, (*constructors, *methods, *papers, *theorems, *sweeps, *figures, *claims))
    if name in methods:
        method = methods[name]
        click.echo(prose.wrapped(f"{name} ({papers[method.paper]})"))
        click.echo(f"\n{prose.wrapped(method.does)}")
        click.echo(f"\n{prose.wrapped(f'What the toys support: {method.supports}')}")
        click.echo(f"\ncode:    {method.code}\ncheck:   theory-sim check {' '.join(method.claims)}")
    elif name in claims:
        claim = claims[name]
        where = f"{papers[claim.paper].title}, {claim.where}; {claim.kind}, constants {claim.constants}"
        click.echo(prose.wrapped(f"{claim.id} ({where})"))
        click.echo(f"\n{prose.wrapped(claim.statement)}")
        shown = [figure.name for figure in figures.values() if claim.id in figure.claims]
        click.echo(f"\nfigures: {', '.join(shown) or 'none'}\ncheck:   theory-sim check {claim.id}")
        for sweep in claim.sweeps:
            click.echo(f"\nsweep {describe(sweep)}")
    elif name in theorems:
        _state(theorems[name])
    elif name in figures:
        figure = figures[name]
        click.echo(prose.wrapped(f"{figure.name}: {figure.caption}"))
        click.echo(prose.wrapped(f"\nclaims: {', '.join(figure.claims) or 'none'}"))
        for sweep in figure.sweeps:
            click.echo(f"\nsweep {describe(sweep)}")
    elif name in sweeps:
        click.echo(describe(sweeps[name]))
    else:
        rows = [row for row in catalogue.deviations() if row.paper == name]
        click.echo(prose.wrapped(str(papers[name])))
        ids = [claim.id for claim in claims.values() if claim.paper == name]
        click.echo(prose.wrapped(f"\nclaims: {', '.join(ids) or 'none'}"))
        stated = [theorem.id for theorem in theorems.values() if theorem.paper == name]
        click.echo(prose.wrapped(f"theorems: {', '.join(stated) or 'none'}"))
        for row in rows:
            click.echo(f"\n{row.where}")
            click.echo(prose.wrapped(f"stated: {row.stated}", "  ", "          "))
            click.echo(prose.wrapped(f"run:    {row.run}", "  ", "          "))


def _state(theorem: Theorem) -> None:
    """Print a theorem without values: conditions, assumptions in words, conclusion, symbols."""
    title = catalogue.papers()[theorem.paper].title
    click.echo(prose.wrapped(f"{theorem.id} ({title}, {theorem.where}; constants {theorem.constants})"))
    click.echo(f"\n{prose.wrapped(theorem.statement)}\n")
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
