"""All environments of a checkout, once: ends are announced, what nobody uses sleeps, and what has ended goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from components.settings.declaration import declare, stack_files
from components.settings.models import EnvironmentSettings
from components.settings.problems import InvalidSettings
from components.tiers import Tier
from terrarium.engine import Say
from terrarium.errors import CommandFailed, Exit, Refused
from terrarium.lifetimes import activity, marks
from terrarium.lifetimes.decisions import Action, Known, decide, destroyed_on, last_day
from terrarium.lifetimes.marks import Announcement, Used
from terrarium.lifetimes.places import Environment, environment
from terrarium.plan import Watch


@dataclass
class Line:
    """What is to be told of one environment.

    Args:
        stack: Its stack.
        facts: What is known of it, for machines.
        actions: What is to be done, in order.
        done: What was done.
        error: Why it could not be done.
        code: How the command ends for it.
    """

    stack: str
    facts: dict[str, Any] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    done: list[Action] = field(default_factory=list)
    error: str = ""
    code: Exit = Exit.DONE

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        said = {"error": self.error} if self.error else {}
        return {"stack": self.stack, **self.facts, "actions": list(self.actions), "done": self.done, **said}


@dataclass(frozen=True)
class Tidy:
    """One round.

    Args:
        root: The folder of Pulumi.yaml.
        now: The present time.
        horizon: How many days before an end it is announced.
        patience: Seconds to wait for what is put to sleep to end.
        say: Takes a sentence on what goes on, for people.
        watch: Makes what takes the engine's events while something is destroyed.
    """

    root: Path
    now: datetime
    horizon: int
    patience: float
    say: Say
    watch: Callable[[], Watch]

    def lines(self, stacks: Sequence[str], *, act: bool) -> Iterator[Line]:
        """Yield what is to be done about each environment, once it is done; what fails for one stops no other.

        Args:
            stacks: The stacks; empty for all that may sleep or end.
            act: Whether to do it.
        """
        for stack in stacks or self._concerned():
            line = Line(stack)
            try:
                self._about(line, act=act)
            except (CommandFailed, InvalidSettings) as error:
                line.error = str(error)
                line.code = error.code if isinstance(error, CommandFailed) else Exit.INVALID
            yield line

    def _concerned(self) -> Iterator[str]:
        """Yield the stacks of experiments, and what else may sleep; production is not even looked at."""
        for stack in stack_files(self.root):
            try:
                settings = declare(self.root, stack).settings
            except InvalidSettings:
                yield stack  # what it may be, nobody knows: it is said that it can't be read
                continue
            if isinstance(settings, EnvironmentSettings) and settings.tier is not Tier.PRODUCTION:
                yield stack

    def _about(self, line: Line, *, act: bool) -> None:
        try:
            found = environment(self.root, line.stack, self.say)
        except Refused as error:
            if error.details.get("absent"):
                line.facts["note"] = "not there"
                return
            raise
        known, by = self._known(found)
        line.facts.update(self._facts(found, known, by))
        line.actions = decide(known, self.now, self.horizon)
        if act:
            self._remember(found, known, by)
        for action in line.actions if act else ():
            self._do(action, found, known, by)
            line.done.append(action)

    def _known(self, found: Environment) -> tuple[Known, str]:
        settings = found.settings
        noted, made = marks.read(found.objects, settings.id)
        used = activity.use(found.sleeper.seen(), made, noted)
        idle_hours = settings.sleep.idle_hours if settings.sleep else None
        expires = last_day(settings.expires, found.deployed_end)
        runs = noted.sleep is not None and found.sleeper.runs()
        return Known(settings.tier, expires, idle_hours, noted, used.last, runs), used.by

    def _remember(self, found: Environment, known: Known, by: str) -> None:
        """Note the last use: of a job that ended and is deleted, the next round would see nothing."""
        at, noted = known.used or self.now, known.marks.used
        if noted is None or noted.at < at:
            marks.note(found.objects, found.settings.id, {marks.USED: marks.used(Used(at, by))})

    def _facts(self, found: Environment, known: Known, by: str) -> dict[str, Any]:
        settings, ends = found.settings, known.marks.announcement
        return {
            "id": settings.id,
            "tier": settings.tier.value,
            "owner": settings.owner,
            "expires": _text(known.expires),
            "declaredEnd": _text(settings.expires),
            "deployedEnd": _text(found.deployed_end),
            "destroyedOn": _text(destroyed_on(known, self.now)),
            "announced": _text(ends.on) if ends and ends.ends == known.expires else None,
            "asleep": {"since": known.marks.sleep.since, "because": known.marks.sleep.because}
            if known.marks.sleep
            else None,
            "runs": known.runs,
            "used": marks.written(known.used) if known.used else "now",
            "usedBy": by,
        }

    def _do(self, action: Action, found: Environment, known: Known, by: str) -> None:
        environment_id, expires = found.settings.id, known.expires
        if action is Action.ANNOUNCE and expires:
            text = marks.announced(Announcement(expires, self.now.date()))
            marks.note(found.objects, environment_id, {marks.ENDS: text})
        elif action is Action.WITHDRAW:
            marks.note(found.objects, environment_id, {marks.ENDS: None})
        elif action is Action.SLEEP:
            because = f"not used since {by}"
            outcome = found.sleeper.sleep(self.now, because, self.patience)
            if outcome.shortfall:
                raise CommandFailed(f"{environment_id} is not all asleep: {outcome.shortfall}")
        elif action is Action.DESTROY:
            lost = found.deployment.would_be_lost()
            self.say(f"destroying {environment_id}" + (f"; with it go {', '.join(lost)}" if lost else ""))
            found.deployment.destroy(self.watch())


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
