"""`python -m rehearsal`: everything that `make` does on a machine without a cloud account."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from rehearsal import engine, paths, site
from rehearsal.build import build as build_sets
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform import cli as platform_cli
from rehearsal.progress import Report, on_terminal
from rehearsal.stacks import needs

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(platform_cli.app, name="platform", help="Work on one embedded platform.")
_EMBEDDED = (site.SHARED, site.PRODUCTION)


@app.command()
def up(stack: Annotated[str, typer.Argument(help="The stack to bring up.")] = "dev") -> None:
    """Set everything up and bring up a stack, and before it the platform whose slice it is."""
    root, local = paths.root(), paths.local()
    needed = needs(root, stack)
    with on_terminal() as report:
        _prepare(report)
        if needed.embedded:
            report.step(f"Starting the embedded platform '{needed.embedded}'")
            Platform(needed.embedded).start(report)
    _write_site(root, local)
    for name in filter(None, (needed.platform_stack, stack)):
        _terrarium("up", name)
    _terrarium("status")
    production = "-production" if needed.embedded == site.PRODUCTION else ""
    sys.stdout.write(f"By hand:  . .terrarium/activate{production} && pulumi up -s {stack}\n")


@app.command()
def build() -> None:
    """Build or find the engine and the control plane, and start nothing."""
    with on_terminal() as report:
        build_sets(["kubernetes", "kwok"], report)
        _prepare(report)
    _write_site(paths.root(), paths.local())


@app.command()
def down() -> None:
    """Stop the embedded platforms; data and state stay."""
    for name in _EMBEDDED:
        Platform(name).stop()


@app.command()
def reset() -> None:
    """Stop the embedded platforms and delete their data, and the state of what lived on them."""
    for name in _EMBEDDED:
        Platform(name).reset()
    shutil.rmtree(paths.local() / "state", ignore_errors=True)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what runs, what is real and what is simulated."""
    found = [Platform(name).status() for name in _EMBEDDED]
    if as_json:
        json.dump([item.as_json() for item in found], sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    for item in found:
        platform_cli.show(item)


def _prepare(report: Report) -> None:
    engine.prepare(report)


def _write_site(root: Path, local: Path) -> None:
    site.write(root, local, {name: Platform(name).kubeconfig for name in _EMBEDDED})


def _terrarium(*arguments: str) -> None:
    """Run the product as a person would: the rehearsal knows its command line and nothing else of it."""
    command = Path(sys.executable).with_name("terrarium")
    ended = subprocess.run([str(command), *arguments], cwd=paths.root(), check=False)
    if ended.returncode:
        sys.exit(ended.returncode)


def main() -> None:
    """Run the command; every ending is a message and an exit code."""
    try:
        app()
    except RehearsalError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
