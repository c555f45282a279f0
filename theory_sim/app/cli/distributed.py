"""The command that runs quantized Adam over processes: distributed."""

from __future__ import annotations

import sys
from typing import Any

import click

from theory_sim.app import catalogue, terminal
from theory_sim.app.cli.group import main
from theory_sim.rules import checks


@main.command()
@click.option(
    "--workers", default=4, show_default=True, help="Processes, at least 2; rank 0 is the server too."
)
@click.option(
    "--compressor", help="Of the messages to the server, for instance top_k:k=8; default: the optimizer's."
)
@click.option("--down", help="Compressor of the server's messages; default: the optimizer's, or the same.")
@click.option(
    "--problem",
    default="quantized.quadratic:sigma=0.1,d=256,decades=1",
    show_default=True,
    help="For instance quantized.bowl:d=64.",
)
@click.option(
    "--optimizer",
    default="efficient_adam:lr=0.01",
    show_default=True,
    help="efficient_adam with its hyperparameters.",
)
@click.option("--steps", default=200, show_default=True)
@click.option("--entropy", default=0, show_default=True, help="Root of all seeds.")
@click.option(
    "--timeout", default=30.0, show_default=True, help="Seconds that a process waits for a message."
)
def distributed(
    workers: int,
    compressor: str | None,
    down: str | None,
    problem: str,
    optimizer: str,
    steps: int,
    entropy: int,
    timeout: float,
) -> None:
    """Run quantized Adam over processes and compare it with the simulation; exit status 1 on a mismatch.

    One process per worker, over gloo of torch.distributed, with the packed messages on the wire.
    """
    from theory_sim.wire import process_group

    checks.count("steps", steps, high=checks.LARGEST)
    messages: dict[str, Any] = {}
    for side, text in (("up", compressor), ("down", down)):
        if text is not None:
            name, _, rest = text.partition(":")
            messages[side] = catalogue.build_compressor(name, **catalogue.arguments(rest))
    built = catalogue.build_optimizer(optimizer, **messages)
    pids: list[int] = []
    try:
        report = process_group.run(
            catalogue.build_problem(problem),
            built,
            workers=workers,
            steps=steps,
            entropy=entropy,
            timeout=timeout,
            started=pids.extend,
        )
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    except ChildProcessError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{built}\non {problem}, {workers} processes, {steps} steps, {report.seconds:.1f} s")
    terminal.show(
        "",
        (
            "rank",
            "process",
            "bytes sent",
            "accounted",
            "bytes received",
            "accounted",
            "SHA-256 of the iterates",
        ),
        [
            (one.rank, pid, one.sent, sent, one.received, received, one.digest[:16])
            for one, pid, (sent, received) in zip(report.replicas, pids, report.accounted, strict=True)
        ],
    )
    outcomes = (
        ("replicas are bit-identical", report.identical, ""),
        (
            "distance to the lane simulation",
            report.deviation <= process_group.TOLERANCE,
            f"{report.deviation:.3g} <= {process_group.TOLERANCE:g}",
        ),
        ("bytes on the wire are those accounted for", report.counted == report.accounted, ""),
    )
    terminal.show(
        "",
        ("check", "status", "value"),
        [(what, "PASS" if good else "FAIL", value) for what, good, value in outcomes],
    )
    if not report.passed:
        sys.exit(1)
