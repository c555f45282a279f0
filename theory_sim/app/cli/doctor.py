"""The command that looks at the machine: doctor."""

from __future__ import annotations

import sys

import click

from theory_sim.app.cli.group import main


@main.command()
def doctor() -> None:
    """Say what this machine offers: versions, cores, SIMD, cache, extras; and test one lane against plain Python.

    Exit status 1 if something is not well.
    """
    from theory_sim.app.doctor import findings

    ill = 0
    for one in findings():
        mark = {True: "ok", False: "NOT WELL", None: ""}[one.well]
        click.echo(f"{one.what:17} {one.found}" + (f"  [{mark}]" if mark else ""))
        ill += one.well is False
    click.echo("All is well." if not ill else f"{ill} finding(s) to mend.")
    sys.exit(bool(ill))
