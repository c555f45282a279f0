"""The command that lists what was found wrong in print: errata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from theory_sim.app import catalogue, prose
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import file_option, main
from theory_sim.rules import checks


@main.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--paper", help="Only those in the ledger of this paper.", shell_complete=completing("papers"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@file_option("--markdown markdown_file", "Write a page in Markdown instead.")
@file_option("--html html_file", "Write a page in HTML instead.")
def errata(
    words: tuple[str, ...],
    paper: str | None,
    as_json: bool,
    markdown_file: Path | None,
    html_file: Path | None,
) -> None:
    """List what was found wrong in published statements, figures and code; with WORDs only where they all occur."""
    from theory_sim.app import errata as known

    if paper is not None:
        checks.known("paper", paper, catalogue.papers())
    rows = [
        one
        for one in known.errata()
        if paper in (None, one.paper)
        and all(word.lower() in f"{one.subject} {asdict(one)}".lower() for word in words)
    ]
    files = ((markdown_file, known.markdown), (html_file, known.html))
    for path, text in files:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(rows), encoding="utf-8")
            click.echo(f"{path}: {len(rows)} errata")
    if as_json:
        document = {**known.document(), "errata": [asdict(one) for one in rows]}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    elif all(path is None for path, _ in files):
        for one in rows:
            click.echo(prose.wrapped(f"{one.id}  {one.subject}, {one.where} ({one.severity})"))
            for name in ("printed", "right", "evidence"):
                click.echo(prose.wrapped(f"{name + ':':9} {getattr(one, name)}", "  ", " " * 12))
            shown = ", ".join(f"{name} {status}" for name, status in one.claims.items())
            click.echo(prose.wrapped(f"{'claims:':9} {shown or 'none'}\n", "  ", " " * 12))
        click.echo(f"{len(rows)} errata, version {known.document()['version']}.")
