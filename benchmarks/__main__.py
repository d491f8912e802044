"""`python -m benchmarks`: measure against the targets in benchmarks/README.md. Exit code 1: one is missed."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import fresh, hello, images, platforms, programs, queues, rules, store, table
from benchmarks.figures import Figure, missed
from benchmarks.workshop import CommandFailedError
from rehearsal.errors import RehearsalError
from rehearsal.progress import Report, on_terminal

_PAIRS = 15
_QUEUE_PAIRS = 2


class Name(StrEnum):
    """What can be measured alone."""

    DEV = "dev"
    WIDE = "wide"
    AWS = "aws"
    RULES = "rules"
    PLATFORM = "platform"
    UP = "up"
    STORE = "store"
    IMAGE = "image"
    QUEUES = "queues"
    RUN = "run"


def bench(
    only: Annotated[list[Name] | None, typer.Option(help="Measure this alone; may be repeated.")] = None,
    pairs: Annotated[int, typer.Option(help="Pairs of ours and the reference.", min=1)] = _PAIRS,
    jobs: Annotated[int, typer.Option(help="Jobs of each run of `queues`.", min=10)] = 10_000,
    nodes: Annotated[int, typer.Option(help="Simulated nodes of `queues`.", min=10)] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every sample.")] = False,
) -> None:
    """Measure against the targets in benchmarks/README.md."""
    with on_terminal() as report:
        figures = list(_figures(set(only or Name), pairs, report))
        if Name.QUEUES in (only or Name):
            # A run takes minutes: fewer pairs, as ratios of so long runs hardly differ.
            figures += queues.measure(report, jobs=jobs, nodes=nodes, pairs=min(pairs, _QUEUE_PAIRS))
    if as_json:
        content = {"machine": _machine(), "figures": [figure.as_json() for figure in figures]}
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
    else:
        # A pipe has no width; at 80 characters the figures would be cut off.
        table.show(figures, Console(width=None if sys.stdout.isatty() else 160))
    if names := missed(figures):
        sys.stderr.write(f"target missed: {', '.join(name.strip() for name in names)}\n")
        raise typer.Exit(1)


def _figures(names: set[Name], pairs: int, report: Report) -> Iterator[Figure]:
    stacks = [stack for stack in programs.STACKS if Name(stack) in names]
    if stacks:
        with programs.programs(report) as both:
            for stack in stacks:
                yield from programs.measure(both, stack, pairs, report)
    if names & {Name.AWS, Name.RULES}:
        with programs.on_aws(report) as both:
            if Name.AWS in names:
                yield from programs.measure(both, programs.AWS, pairs, report)
            if Name.RULES in names:
                yield from rules.measure(both, pairs, report)
    others: Mapping[Name, Callable[[], Iterable[Figure]]] = {
        Name.PLATFORM: lambda: platforms.measure(report),
        Name.STORE: lambda: store.measure(pairs, report),
        Name.IMAGE: lambda: images.measure(pairs, report),
        Name.RUN: lambda: hello.measure(pairs, report),
        Name.UP: lambda: fresh.measure(report),
    }
    for name, measured in others.items():
        if name in names:
            yield from measured()


def _machine() -> dict[str, Any]:
    """Return what the figures depend on; the load tells of what else ran."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": list(os.getloadavg()),
    }


def _stop(_number: int, _frame: object) -> None:
    # As an exception, so that everything that was started is ended on the way out.
    raise SystemExit(128 + signal.SIGTERM)


def main() -> None:
    """Run the command; every ending is a message and an exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        typer.run(bench)
    except (RehearsalError, CommandFailedError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
