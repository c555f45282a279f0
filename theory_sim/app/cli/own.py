"""The command that begins a paper of one's own: new-paper."""

from __future__ import annotations

from pathlib import Path

import click

from theory_sim.app.cli.group import folder_option, main


@main.command("new-paper")
@click.argument("key")
@click.option("--title", default="Title of the paper", show_default=True)
@folder_option("Folder to create; default: KEY.", None)
def new_paper(key: str, title: str, out: Path | None) -> None:
    """Write a folder with one claim, one figure, their test and a GitHub Actions workflow, which works as written.

    KEY names the paper and the module: lower-case letters, digits and _, such as author2026.
    """
    from theory_sim.app.new_paper import write

    folder = Path(key) if out is None else out
    for path in write(key, title, folder):
        click.echo(path)
    click.echo(f"\nNow: cd {folder} && theory-sim -m {key} check {key} && python -m pytest")
