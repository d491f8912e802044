"""The commands that start, stop, show and wipe a platform."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rehearsal.errors import RehearsalError
from rehearsal.platform.control import Platform
from rehearsal.platform.pools import parse
from rehearsal.platform.status import Status
from rehearsal.progress import on_terminal

app = typer.Typer(
    help="The embedded platform: a Kubernetes control plane and a data store on loopback.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Which platform; several run side by side.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]

_MEBIBYTE = 1 << 20


@app.command()
def start(
    name: Name = "shared",
    *,
    nodes: Annotated[int, typer.Option(help="How many nodes are simulated.")] = 3,
    real_node: Annotated[bool, typer.Option("--real-node", help="Give a new platform a real node, too.")] = False,
    queues: Annotated[bool, typer.Option("--queues", help="Let jobs wait in queues; it keeps them.")] = False,
    pool: Annotated[
        list[str] | None,
        typer.Option(help="Simulated nodes: NAME:cpu=8,memory=32Gi,gpu=1,count=2,LABEL=VALUE; it keeps them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a platform, or what of it does not run."""
    with _errors_for_people(), on_terminal() as report:
        pools = [parse(text) for text in pool or ()]
        found = Platform(name, nodes=nodes, real_node=real_node, queues=queues, pools=pools).start(report)
    _show(found, as_json=as_json)


@app.command()
def stop(name: Name = "shared", *, as_json: AsJson = False) -> None:
    """End every process of a platform; its data stays."""
    with _errors_for_people(), on_terminal() as report:
        Platform(name).stop(report)
    _say(f"The platform '{name}' is stopped; its data stays.", {"name": name, "running": False}, as_json=as_json)


@app.command()
def status(name: Name = "shared", *, as_json: AsJson = False) -> None:
    """Show what runs, and what of it is real and what simulated. Exit code 3: not ready."""
    with _errors_for_people():
        found = Platform(name).status()
    _show(found, as_json=as_json)
    if not found.ready:
        # As systemctl and service scripts (LSB) do for a program that is not running.
        raise typer.Exit(3)


@app.command()
def reset(name: Name = "shared", *, as_json: AsJson = False) -> None:
    """Stop a platform and delete everything in it."""
    with _errors_for_people(), on_terminal() as report:
        Platform(name).reset(report)
    _say(f"The platform '{name}' is gone, with all its data.", {"name": name, "exists": False}, as_json=as_json)


@contextmanager
def _errors_for_people() -> Iterator[None]:
    try:
        yield
    except RehearsalError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from None


def _say(text: str, content: dict[str, object], *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(content) if as_json else text) + "\n")


def _show(found: Status, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found.as_json(), indent=1) + "\n")
    else:
        show(found)


def _nodes(found: Status) -> str:
    simulated = found.nodes - found.real_nodes
    kinds = [(found.real_nodes, "real"), (simulated, "simulated")]
    said = " and ".join(f"{count} {kind} node{'s' if count > 1 else ''}" for count, kind in kinds if count)
    return f"{said or 'no node'} {'is' if found.nodes <= 1 else 'are'} Ready"


def show(found: Status) -> None:
    """Print what runs, and what of it is real and what simulated."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"Platform '{found.name}': {'ready' if found.ready else 'not ready'}")
    for heading in ("part", "version", "process", "MiB", "address"):
        table.add_column(heading)
    for part in found.parts:
        process = str(part.pid) if part.running else "does not run"
        memory = str(part.memory // _MEBIBYTE) if part.running else ""
        table.add_row(part.name, part.version, process, memory, part.address)
    console.print(table)
    for part in found.parts:
        console.print(f"{part.name}: {part.about}", markup=False)
    if found.ready:
        console.print(
            f"{_nodes(found)}; {found.memory // _MEBIBYTE} MiB in all. To look around:\n"
            f"kubectl --kubeconfig {found.kubeconfig} get nodes",
            markup=False,
        )
    else:
        console.print(f"To bring it up: python -m rehearsal platform start {found.name}, or make up", markup=False)
