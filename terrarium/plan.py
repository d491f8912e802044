"""What an operation did or would do, read from the engine's events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation.events import DiagnosticEvent, EngineEvent, OpType, StepEventMetadata

_QUIET = {OpType.SAME, OpType.READ, OpType.REFRESH}
# One logical replacement shows as several steps; this one stands for all.
_PARTS_OF_REPLACE = {OpType.CREATE_REPLACEMENT, OpType.DELETE_REPLACED, OpType.DISCARD_REPLACED}


@dataclass(frozen=True)
class Step:
    """One change to one resource.

    Args:
        op: create, update, delete, replace, ...
        type: The resource's type token.
        urn: The resource's URN.
        id: The provider's id of what exists; None before it is made.
        properties: The inputs that differ; for a replacement those that force it.
    """

    op: str
    type: str
    urn: str
    id: str | None
    properties: tuple[str, ...]

    @property
    def name(self) -> str:
        """The logical name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def kind(self) -> str:
        """The type's last word, for people."""
        return self.type.rsplit(":", 1)[-1]

    def as_dict(self) -> dict[str, Any]:
        """Return the step for `--json`."""
        return {"op": self.op, "type": self.type, "urn": self.urn, "id": self.id, "properties": list(self.properties)}


@dataclass
class Watch:
    """Collects the events of one operation.

    Args:
        on_step: Called for each step when it begins.
        on_done: Called for each step when it has ended well.
    """

    on_step: Callable[[Step], None] = lambda _: None
    on_done: Callable[[Step], None] = lambda _: None
    steps: list[Step] = field(default_factory=list)
    diagnostics: list[DiagnosticEvent] = field(default_factory=list)

    def __call__(self, event: EngineEvent) -> None:
        """Take one event of the engine."""
        if event.resource_pre_event:
            metadata = event.resource_pre_event.metadata
            if metadata.op not in _QUIET | _PARTS_OF_REPLACE:
                step = _step(metadata)
                self.steps.append(step)
                self.on_step(step)
        elif event.res_outputs_event and event.res_outputs_event.metadata.op not in _QUIET:
            self.on_done(_step(event.res_outputs_event.metadata))
        elif event.diagnostic_event:
            self.diagnostics.append(event.diagnostic_event)

    def counts(self) -> dict[str, int]:
        """Return how many steps there are of each operation."""
        return dict(Counter(step.op for step in self.steps))

    def summary(self, joint: str = " ") -> str:
        """Return the counts in words, with something between number and operation."""
        return ", ".join(f"{count}{joint}{op}" for op, count in self.counts().items()) or "no changes"

    def errors(self) -> Iterator[tuple[str | None, str]]:
        """Yield (urn, message) of each error that the engine reported, without its colours and repetitions."""
        seen = set()
        for event in self.diagnostics:
            message = event.message.strip()
            # After a message of the program the engine adds this one, which says less and frightens more.
            if "an unhandled error occurred: Program exited" in message:
                continue
            if event.severity == "error" and message and (event.urn, message) not in seen:
                seen.add((event.urn, message))
                yield event.urn or None, message


def _step(metadata: StepEventMetadata) -> Step:
    old = metadata.old
    return Step(
        op=metadata.op.value,
        type=metadata.type,
        urn=metadata.urn,
        id=(old.id or None) if old else None,
        properties=tuple(metadata.keys or metadata.diffs or ()),
    )
