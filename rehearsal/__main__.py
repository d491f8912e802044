"""`python -m rehearsal`: everything that `make` does on a machine without a cloud account."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from rehearsal import engine, nodes, paths, site, stacks
from rehearsal.build import NODE_SETS, QUEUE_SETS
from rehearsal.build import build as build_sets
from rehearsal.errors import RehearsalError, explained
from rehearsal.images import base
from rehearsal.images.push import Registry
from rehearsal.platform import Platform
from rehearsal.platform import cli as platform_cli
from rehearsal.platform import names as platform_names
from rehearsal.platform.control import BUILT
from rehearsal.progress import Report, Silent, on_terminal
from rehearsal.rented import clouds
from rehearsal.rented.platforms import Rehearsed, heal
from rehearsal.rented.platforms import found as rented

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(platform_cli.app, name="platform", help="Work on one embedded platform.")
# Seconds that `terrarium` has to finish the step it is at and to give its lock back.
_PRODUCT_PATIENCE = 60.0
_CLOUDS = ("aws", "gcp")


@app.command()
def up(stack: Annotated[str, typer.Argument(help="The stack to bring up.")] = "dev") -> None:
    """Set everything up and bring up a stack, and before it the platform whose slice it is."""
    root = paths.root()
    needed = stacks.needs(root, stack)
    with on_terminal() as report:
        # Which clouds are rehearsed is known when the engine is laid out, and what is missing is built before that.
        parts = _prepare(report, control_plane=bool(needed.embedded or needed.account))
        if needed.embedded:
            report.step(f"Starting the embedded platform '{needed.embedded}'")
            _start_embedded(needed.embedded, report)
        if needed.account and parts.rehearses(needed.account.cloud):
            report.step(f"Starting what is real of the rehearsed {needed.account.cloud} account {needed.account.name}")
            _rehearsed(needed.account).start()
            heal(needed.account.cloud, needed.account.name)
        _write_site(root, parts, report)
    for name in filter(None, (needed.platform_stack, stack)):
        _terrarium("up", name)
        # The contexts of clusters that were made just now.
        _write_site(root, parts, Silent())
    _terrarium("status")
    if needed.account:
        typer.echo(_what_is_made(needed.account.cloud, parts))
    production = "-production" if needed.production else ""
    sys.stdout.write(f"By hand:  . .terrarium/activate{production} && pulumi up -s {stack}\n")


@app.command()
def build() -> None:
    """Build or find the engine and the control plane; start nothing, and leave the tiers' files alone."""
    with on_terminal() as report:
        _prepare(report, control_plane=True)


@app.command()
def down() -> None:
    """Stop the embedded platforms; data and state stay."""
    for platform in _embedded():
        platform.stop()
        typer.echo(f"Stopped '{platform.name}'; its data and the state stay. `make up` starts it again.")


@app.command()
def reset() -> None:
    """Stop the embedded platforms and delete their data, and the state of what lived on them."""
    states = paths.local() / "state"
    if elsewhere := stacks.elsewhere(states, clouds.identifiers()):
        named = ", ".join(f"{stack} ({place})" for stack, place in sorted(elsewhere.items()))
        raise RehearsalError(
            f"{states} holds the state of stacks in clusters or clouds that are not rehearsed: {named}. Without it "
            "nobody would know what they made there. Nothing was deleted. Destroy them first "
            "(`terrarium destroy STACK`)."
        )
    for platform in _embedded():
        platform.reset()
        typer.echo(f"Deleted '{platform.name}' with all that lived on it.")
    if clouds.forget():
        typer.echo("Deleted what stood in the rehearsed clouds.")
    if states.is_dir():
        with explained(f"The states in {states} can't be deleted"):
            shutil.rmtree(states)
        typer.echo("Deleted the rehearsed state. `make up` begins anew.")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what runs, what is real and what is simulated."""
    found = [platform.status() for platform in _embedded()]
    if as_json:
        json.dump([item.as_json() for item in found], sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    if parts := engine.laid_out():
        typer.echo("Engine and plugins: " + ", ".join(f"{name} {origin}" for name, origin in parts.origins.items()))
        for cloud in _CLOUDS:
            typer.echo(_what_is_made(cloud, parts))
    for item in found:
        platform_cli.show(item)


def _what_is_made(cloud: str, parts: engine.EngineParts) -> str:
    if parts.rehearses(cloud):
        return f"{cloud} is rehearsed: nothing is made there, and nothing costs money."
    return f"{cloud} is real: what is brought up there is made, and costs money."


def _prepare(report: Report, *, control_plane: bool) -> engine.EngineParts:
    # All that is missing in one call, so that the counts of what is left are true; and before the engine is laid out,
    # which takes kubectl from what is built.
    wanted = [*(["pulumi"] if engine.must_build(report) else []), *(BUILT if control_plane else [])]
    further = [*QUEUE_SETS, *(NODE_SETS if nodes.real() else ())] if control_plane else []
    build_sets([*wanted, *further], report)
    return engine.prepare(report)


def _start_embedded(name: str, report: Report) -> None:
    real = nodes.real()
    platform = Platform(name, nodes=0, real_node=True, queues=True) if real else Platform(name, queues=True)
    platform.start(report)
    if platform.has_real_node:
        # Another platform's containers can't be had: it is made here, once per machine.
        base.provide(Registry(platform.registry), report)
    if why := nodes.why_simulated(platform):
        report.note(f"The nodes of '{name}' are simulated, no container runs: {why}.")


def _embedded() -> list[Platform]:
    """Return the platforms of the reference stacks, those of rehearsed clouds, and all others ever started here."""
    named = [Platform(name) for name in {*site.TIERS.values(), *platform_names()}]
    known = {platform.folder: platform for platform in [*named, *(it.platform for it in rented())]}
    return sorted(known.values(), key=lambda platform: platform.name)


def _write_site(root: Path, parts: engine.EngineParts, report: Report) -> None:
    site.write(root, paths.local(), {tier: _access(root, tier, parts) for tier in site.TIERS}, report)


def _access(root: Path, tier: str, parts: engine.EngineParts) -> site.Access:
    """Return where a tier's clusters and stores are. Only production's file leads to its own, and to no other."""
    found = stacks.side(root, production=tier == "production")
    embedded = [Platform(name) for name in dict.fromkeys([site.TIERS[tier], *found.embedded])]
    accounts = [_rehearsed(account) for account in found.accounts if parts.rehearses(account.cloud)]
    # Only if a stack needs them: a rehearsal has no business with a person's clusters.
    own = site.own_kubeconfigs() if found.others or len(accounts) < len(found.accounts) else []
    places = [*embedded, *(account.platform for account in accounts)]
    clusters = [it for account in accounts for it in rented(account.cloud, account.account) if it.cluster]
    return site.Access(
        [*(platform.kubeconfig for platform in embedded), *own],
        [platform.connections for platform in places],
        next((account.platform.connections for account in accounts if account.cloud == "aws"), None),
        # One that is half made has no address yet.
        [cluster for cluster in clusters if cluster.platform.kubeconfig.is_file()] if accounts else None,
    )


def _rehearsed(account: stacks.Account) -> Rehearsed:
    return Rehearsed(account.cloud, account.name, account.region)


def _terrarium(*arguments: str) -> None:
    """Run the product as a person would: the rehearsal knows its command line and nothing else of it."""
    command = Path(sys.executable).with_name("terrarium")
    with subprocess.Popen([str(command), *arguments], cwd=paths.root()) as product:
        try:
            code = product.wait()
        except BaseException as interruption:
            # subprocess.run would kill it after a quarter of a second, and an `up` would leave its lock behind.
            if not isinstance(interruption, KeyboardInterrupt):
                product.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                product.wait(_PRODUCT_PATIENCE)
            product.kill()
            raise
    if code:
        sys.exit(code)


def _end_in_order(number: int, _: object) -> None:
    # As a shell reports it. Raised, so that what is under way is cleaned up as after Ctrl-C.
    sys.exit(128 + number)


def main() -> None:
    """Run the command; every ending is a message and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Not where it is ignored: `nohup make up` goes on when the terminal is closed.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end_in_order)
    try:
        app()
    except RehearsalError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(
            f"error: {error}. Check free space and whom the file or folder belongs to; then run it again.\n"
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
