"""Named, expiring overrides of the guard: which resource may be replaced or deleted after all, and who said so.

They stand in security's file as waivers of `destructive-change`, each for one resource of one stack. `protect` would
still stop the engine, so it is lifted for these resources while one plan is made or carried out, and set again after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from policies.gates import book
from policies.gates.files import DESTRUCTIVE, Waiver
from terrarium.engine import Engine, Say
from terrarium.plan import Step


@dataclass(frozen=True)
class Overrides:
    """The overrides of one stack that hold today.

    Args:
        waivers: Those of the guard.
    """

    waivers: Sequence[Waiver]

    @classmethod
    def read(cls, root: Path, stack: str, today: date | None = None) -> Overrides:
        """Return what security's files say of a stack.

        Args:
            root: The folder of Pulumi.yaml.
            stack: The stack.
            today: The day; by default the present one.

        Raises:
            InvalidSettings: If these files are not valid.
        """
        day = today or datetime.now(UTC).date()
        held = [w for w in book.read(root, day).waivers if w.rule == DESTRUCTIVE and w.stack == stack]
        return cls([waiver for waiver in held if day <= waiver.until])

    def of(self, name: str, token: str) -> Waiver | None:
        """Return the override of a resource; None if there is none.

        Args:
            name: Its logical name.
            token: Its type.
        """
        return next((waiver for waiver in self.waivers if waiver.covers(name, token)), None)

    def split(self, found: Iterable[tuple[Step, str]], say: Say) -> list[str]:
        """Return the sentences on steps that nothing overrides, and say of the others who allowed them.

        Args:
            found: Destructive steps, each with a sentence.
            say: Takes a sentence, for people.
        """
        refused = []
        for step, sentence in found:
            waiver = self.of(step.name, step.type)
            if waiver:
                say(f"{sentence}. Allowed until {waiver.until} by {waiver.who}: {waiver.why}")
            else:
                refused.append(sentence)
        return refused

    @contextmanager
    def lifted(self, engine: Engine, state: Mapping[str, Any]) -> Iterator[None]:
        """Lift the protection of what is overridden, and set it again on what is still there.

        Args:
            engine: Of the stack.
            state: Its exported state.
        """
        urns = {
            each["urn"]
            for each in state.get("resources") or ()
            if each.get("protect") and self.of(each["urn"].rsplit("::", 1)[-1], each["type"])
        }
        if not urns:
            yield
            return
        _protect(engine, urns, protect=False)
        try:
            yield
        finally:
            _protect(engine, urns, protect=True)


def _protect(engine: Engine, urns: set[str], *, protect: bool) -> None:
    state = engine.state()
    resources = state.get("resources") or ()
    # What is only waiting to be deleted after its replacement must not be held again.
    changed = [
        {**each, "protect": protect} if each["urn"] in urns and not each.get("delete") else each for each in resources
    ]
    if changed != list(resources):
        engine.operate(lambda: engine.replace_state({**state, "resources": changed}))
