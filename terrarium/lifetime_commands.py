"""`terrarium sleep|wake|tidy`: what nobody uses costs nothing, and what has had its time ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.settings.declaration import stack_files
from components.settings.problems import suggestion
from terrarium.errors import CommandFailed, Exit, InvalidInput, Refused
from terrarium.screen import Screen
from terrarium.site import find_root

if TYPE_CHECKING:
    from terrarium.lifetimes.places import Environment
    from terrarium.lifetimes.tidying import Line

StackName = Annotated[str, typer.Argument(help="The stack, as in Pulumi.<stack>.yaml.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress stays on stderr.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="The project's checkout; by default the one around this folder.")
]
Patience = Annotated[int, typer.Option(min=0, help="Seconds to wait for what is stopped to end.")]
# Twice the notice: whoever is away for a week still has another.
_HORIZON = 14
# Pods have 30 seconds to end, unless they ask for more.
_PATIENCE = 300


def sleep(
    stack: StackName,
    root: Root = None,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Also if jobs run, which begin anew when it wakes.")] = False,
    patience: Patience = _PATIENCE,
) -> None:
    """Put an environment to sleep: nothing new starts, what runs ends in order, its machines go; `wake` undoes it."""
    screen = Screen(as_json=as_json)
    found = _environment(stack, root, screen)
    running = _running_jobs(found)
    if running and not yes:
        raise Refused(
            f"in {found.settings.id} run {', '.join(running)}, and would begin anew when it wakes. Wait for them, or "
            "put it to sleep all the same: --yes",
            running=running,
        )
    outcome = found.sleeper.sleep(_now(), "by hand", patience)
    goes_on = f"; {len(outcome.running)} pods go on" if outcome.running else ""
    document = {"stack": stack, "asleep": not outcome.shortfall, **_told(outcome)}
    if outcome.shortfall:
        raise CommandFailed(
            f"{found.settings.id} is not all asleep: {outcome.shortfall}. Run it again to go on, or "
            f"`terrarium wake {stack}`",
            **document,
        )
    screen.result(document, title=f"{stack}: asleep, {len(outcome.changed)} stopped{goes_on}", rows=_rows(outcome))


def wake(stack: StackName, root: Root = None, as_json: AsJson = False) -> None:
    """Bring back what ran in an environment before it was put to sleep."""
    screen = Screen(as_json=as_json)
    found = _environment(stack, root, screen)
    outcome = found.sleeper.wake(_now())
    document = {"stack": stack, "asleep": bool(outcome.shortfall), **_told(outcome)}
    if outcome.shortfall:
        raise CommandFailed(f"{found.settings.id} is not all awake: {outcome.shortfall}. Run it again", **document)
    screen.result(document, title=f"{stack}: awake, {len(outcome.changed)} started", rows=_rows(outcome))


def tidy(
    stacks: Annotated[
        list[str] | None, typer.Argument(help="Stacks; by default all that may sleep or end: production never does.")
    ] = None,
    *,
    root: Root = None,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without, it is only said.")] = False,
    days: Annotated[int, typer.Option(min=0, help="Announce what ends within so many days.")] = _HORIZON,
    patience: Patience = _PATIENCE,
) -> None:
    """Announce what ends soon, put to sleep what nobody uses, destroy experiments whose announced end has passed."""
    # Imported here: the Automation API costs 0.5 s, and `--help` needs none of it.
    from terrarium.lifetimes.tidying import Tidy  # noqa: PLC0415
    from terrarium.plan import Watch  # noqa: PLC0415

    screen, checkout = Screen(as_json=as_json), _root(root)
    known = stack_files(checkout)
    for stack in stacks or ():
        if stack not in known:
            raise InvalidInput(f"no stack is called `{stack}`; {suggestion(stack, list(known))}")
    now = _now()
    work = Tidy(checkout, now, days, patience, screen.say, lambda: Watch(on_done=screen.step))
    lines = list(work.lines(stacks or (), act=yes))
    screen.result({"at": now.isoformat(), "done": yes, "environments": [line.as_dict() for line in lines]})
    if not as_json:
        header = ("stack", "ends", "state", "done" if yes else "to be done: --yes")
        screen.table([(line.stack, _ends(line.facts), _state(line), _doings(line, yes=yes)) for line in lines], header)
        for line in lines:
            if line.error:
                screen.warn(f"{line.stack}: {line.error}")
    codes = {line.code for line in lines}
    # What failed comes before what was refused: somebody must look at it.
    code = next((one for one in (Exit.FAILED, Exit.INVALID, Exit.REFUSED) if one in codes), Exit.DONE)
    if code:
        raise typer.Exit(code)


def _environment(stack: str, root: Path | None, screen: Screen) -> Environment:
    from terrarium.lifetimes.places import environment  # noqa: PLC0415 - see tidy

    return environment(_root(root), stack, screen.say)


def _running_jobs(found: Environment) -> list[str]:
    jobs = found.sleeper.seen().jobs
    return sorted(f"job {one['metadata']['name']}" for one in jobs if (one.get("status") or {}).get("active"))


def _told(outcome: Any) -> dict[str, Any]:
    return {key: list(getattr(outcome, key)) for key in ("changed", "refused", "running", "ending")}


def _rows(outcome: Any) -> list[tuple[str, str]]:
    changed = [tuple(one.partition(" ")[::2]) for one in outcome.changed]
    return [(kind, name) for kind, name in changed] + [("goes on", f"Pod {name}") for name in outcome.running]


def _ends(facts: Mapping[str, Any]) -> str:
    declared, deployed = facts.get("declaredEnd"), facts.get("deployedEnd")
    differ = f" (declared {declared or 'none'}, brought up with {deployed or 'none'})" if declared != deployed else ""
    if not facts.get("expires"):
        none = f"no end{differ}" if differ else "no end is declared"
        return none if facts.get("tier") == "experimentation" else ""
    announced = f", announced {facts['announced']}" if facts["announced"] else ", not announced yet"
    return f"{facts['expires']}{differ}{announced}; destroyed on {facts['destroyedOn']} at the earliest"


def _state(line: Line) -> str:
    facts = line.facts
    if "note" in facts or not facts:
        return str(facts.get("note", "?"))
    if facts["asleep"]:
        return f"asleep since {facts['asleep']['since'] or '?'}" + (", but not all of it" if facts["runs"] else "")
    return f"in use: {facts['usedBy']}" if facts["used"] == "now" else f"used {facts['used']}: {facts['usedBy']}"


def _doings(line: Line, *, yes: bool) -> str:
    return ", ".join(line.done if yes else line.actions) or ("failed" if line.error else "nothing")


def _root(given: Path | None) -> Path:
    return find_root(Path.cwd() if given is None else given.absolute())


def _now() -> datetime:
    return datetime.now(UTC)
