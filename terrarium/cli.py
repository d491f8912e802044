"""The `terrarium` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.settings.check import check_project
from components.settings.declaration import Declaration, declare, stack_files
from components.settings.problems import InvalidSettings, Problem
from policies.gates import book
from terrarium import (
    backup_commands,
    image_commands,
    job_commands,
    lifetime_commands,
    rule_commands,
    store_commands,
)
from terrarium.errors import CommandFailed, Exit, InvalidInput, Refused
from terrarium.explanation import explanation, shown
from terrarium.interruption import Interrupted, Interruption
from terrarium.screen import Screen
from terrarium.site import find_root, site

if TYPE_CHECKING:
    from terrarium.deployment import Deployment
    from terrarium.plan import Watch

_INTERRUPTED = "interrupted; run the same command again, it goes on where this one ended"

app = typer.Typer(
    name="terrarium",
    help="Isolated environments for data and ML teams.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(store_commands.app, name="store")
app.add_typer(rule_commands.app, name="policies")
app.command("run")(job_commands.run)
app.add_typer(job_commands.app, name="jobs")
app.add_typer(image_commands.app, name="image")
app.command()(backup_commands.backup)
app.command()(backup_commands.restore)
app.command()(lifetime_commands.sleep)
app.command()(lifetime_commands.wake)
app.command()(lifetime_commands.tidy)

StackName = Annotated[str, typer.Argument(help="The stack, as in Pulumi.<stack>.yaml.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress stays on stderr.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="The project's checkout; by default the one around this folder.")
]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="First read what really exists, so that changes by hand are seen and mended.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


@app.command()
def up(stack: StackName, root: Root = None, as_json: AsJson = False, refresh: Refresh = False) -> None:
    """Make the world as the stack declares it: recover, plan, guard, apply."""
    screen, deployment = _begin(stack, root, as_json)
    from terrarium.status import reach  # noqa: PLC0415 - see _begin

    outcome = deployment.up(_watch(screen, done=True), refresh=refresh)
    counts = outcome.watch.counts()
    document = {"stack": stack, "changes": counts, "outputs": outcome.outputs}
    screen.result(document, title=f"{stack}: {outcome.watch.summary()}", rows=reach(outcome.outputs))


@app.command()
def preview(
    stack: StackName,
    root: Root = None,
    as_json: AsJson = False,
    refresh: Refresh = False,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help=f"Exit with {Exit.CHANGES.value} if there are changes.")
    ] = False,
) -> None:
    """Say what `up` would change, or why it would be refused."""
    screen, deployment = _begin(stack, root, as_json)
    watch = deployment.preview(_watch(screen), refresh=refresh)
    document = {"stack": stack, "changes": watch.counts(), "steps": [step.as_dict() for step in watch.steps]}
    screen.result(document, title=f"{stack}: {watch.summary()}")
    if expect_no_changes and watch.steps:
        raise typer.Exit(Exit.CHANGES)


@app.command()
def destroy(
    stack: StackName,
    root: Root = None,
    as_json: AsJson = False,
    yes: Yes = False,
    confirm: Annotated[
        str | None, typer.Option(help="The environment's id; needed beside --yes in testing and production.")
    ] = None,
) -> None:
    """Delete everything that a stack made, after asking."""
    screen, deployment = _begin(stack, root, as_json)
    if not deployment.engine.exists():
        raise Refused(f"stack {stack} was never brought up; there is nothing to destroy")
    _consent(deployment.declaration, deployment.would_be_lost(), yes=yes, confirm=confirm)
    watch = deployment.destroy(_watch(screen, done=True))
    document = {"stack": stack, "changes": watch.counts()}
    screen.result(document, title=f"{stack}: {watch.summary()}")


@app.command()
def status(
    stack: Annotated[str | None, typer.Argument(help="One stack; all of them by default.")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Say what exists and how to reach it."""
    from terrarium.status import state  # noqa: PLC0415 - see _begin

    screen = Screen(as_json=as_json)
    found = _root(root)
    if stack:
        declare(found, stack)
    names = [stack] if stack else list(stack_files(found))
    states = [state(name, found, screen.say) for name in names]
    screen.result({"stacks": states})
    if not as_json:
        header = ("stack", "kind", "tier", "resources", "last change", "reach")
        screen.table([tuple(str(known[key]) for key in header) for known in states], header)
    if any("error" in known for known in states):
        raise typer.Exit(Exit.FAILED)


@app.command()
def check(
    stacks: Annotated[list[str] | None, typer.Argument(help="Stacks; all of them by default.")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Read every file and report every problem, also those between stacks; needs no cloud and no state."""
    screen, found = Screen(as_json=as_json), _root(root)
    report = check_project(found, stacks or None)
    every = [*report.problems, *_security_problems(found)]
    problems = [problem.as_dict() for problem in every]
    if problems and not as_json:
        raise InvalidSettings("check", every)
    checked = [*report.checked, *book.files(found)]
    screen.result({"checked": checked, "problems": problems}, title=f"no problem in {', '.join(checked)}")
    if problems:
        raise typer.Exit(Exit.INVALID)


@app.command()
def explain(
    stack: StackName,
    key: Annotated[str | None, typer.Argument(help="A dotted key such as network.egress; all by default.")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Say where each value comes from: which file and line, and what it overrides."""
    screen = Screen(as_json=as_json)
    declaration = declare(_root(root), stack)
    path = tuple(key.split(".")) if key else ()
    rows = explanation(declaration, path)
    if not rows:
        known = sorted({str(where[0]) for where in declaration.origins})
        raise InvalidInput(f"stack {stack} has no key `{key}`; at the top there are: {', '.join(known)}")
    screen.result({"stack": stack, "values": rows})
    if not as_json:
        screen.table(
            [(r["key"], shown(r), r["from"], r["place"] or "") for r in rows], ("key", "value", "from", "place")
        )


def main() -> None:
    """Run the command; every ending is a message and an exit code, never a trace."""
    # What stands behind `--` is a script's own.
    words = sys.argv[: sys.argv.index("--")] if "--" in sys.argv else sys.argv
    screen = Screen(as_json="--json" in words)
    interruption = Interruption(screen.say)
    interruption.watch()
    try:
        app()
    except InvalidSettings as error:
        document: dict[str, Any] = {"error": str(error), "problems": [problem.as_dict() for problem in error.problems]}
        _end(screen, str(error), document, Exit.INVALID)
    except CommandFailed as error:
        if interruption.happened:
            _end(screen, _INTERRUPTED, {"error": _INTERRUPTED}, Exit.INTERRUPTED)
        _end(screen, str(error), {"error": str(error), **error.details}, error.code)
    except Interrupted:
        _end(screen, _INTERRUPTED, {"error": _INTERRUPTED}, Exit.INTERRUPTED)
    except Exception as error:
        # What went wrong stays unsaid here: an unforeseen error may quote anything, a secret too.
        message = f"a fault in terrarium ({type(error).__name__}); TERRARIUM_TRACE=1 shows where"
        if os.environ.get("TERRARIUM_TRACE"):
            raise
        _end(screen, message, {"error": message}, Exit.FAILED)


def _end(screen: Screen, message: str, document: dict[str, Any], code: Exit) -> None:
    if screen.as_json:
        screen.result(document)
    else:
        screen.warn(message)
    sys.exit(code)


def _root(given: Path | None) -> Path:
    """Return the checkout to work on, as an absolute path: the engine runs in it."""
    return find_root(Path.cwd() if given is None else given.absolute())


def _security_problems(root: Path) -> Sequence[Problem]:
    """Return what is wrong in security's files."""
    try:
        book.read(root, datetime.now(UTC).date())
    except InvalidSettings as error:
        return error.problems
    return ()


def _begin(stack: str, root: Path | None, as_json: bool) -> tuple[Screen, Deployment]:
    # Imported here: the Automation API costs 0.5 s, and `check`, `explain` and `--help` need none of it.
    from terrarium.deployment import Deployment  # noqa: PLC0415

    screen = Screen(as_json=as_json)
    found = _root(root)
    report = check_project(found, [stack])
    if not report.ok:
        raise InvalidSettings(f"stack {stack}", report.problems)
    declaration = report.declarations[stack]
    return screen, Deployment(declaration, site(found, declaration.tiers), screen.say)


def _watch(screen: Screen, *, done: bool = False) -> Watch:
    from terrarium.plan import Watch  # noqa: PLC0415 - see _begin

    return Watch(on_done=screen.step) if done else Watch(on_step=screen.step)


def _consent(declaration: Declaration, losses: list[str], *, yes: bool, confirm: str | None) -> None:
    """Ask before anything is destroyed; a machine must say the name of what it destroys above experimentation."""
    name = getattr(declaration.settings, "id", None) or declaration.settings.name
    lost = f" With it go {', '.join(losses)}." if losses else ""
    guarded = any(tier.value != "experimentation" for tier in declaration.tiers)
    if yes and (not guarded or confirm == name):
        return
    if yes or not sys.stdin.isatty():
        needed = f"--yes --confirm {name}" if guarded else "--yes"
        raise Refused(f"{declaration.kind} {name} would be destroyed.{lost} To do it without being asked: {needed}")
    typed = typer.prompt(f"{declaration.kind} {name} will be destroyed.{lost} Type its name to go on", err=True)
    if typed != name:
        raise Refused(f"`{typed}` is not `{name}`; nothing was changed")
