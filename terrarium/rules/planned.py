"""What a stack would be made of, read from the engine's plan as the rules read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pulumi.automation.events import EngineEvent, OpType, StepEventMetadata

from policies.gates import wire
from policies.rules import Options, Resource
from terrarium.errors import EngineFailed
from terrarium.plan import Watch

# What is there afterwards, each once: a replacement is also a step of its own, and what is only read no gate judges.
_THERE = {
    *(OpType.SAME, OpType.CREATE, OpType.UPDATE, OpType.CREATE_REPLACEMENT),
    *(OpType.IMPORT, OpType.IMPORT_REPLACEMENT),
}


@dataclass
class Planned(Watch):
    """Collects what would be there."""

    _found: dict[str, Resource] = field(default_factory=dict)
    _taken: set[int] = field(default_factory=set)

    def __call__(self, event: EngineEvent) -> None:
        """Take one event of the engine."""
        super().__call__(event)
        if event.resource_pre_event and event.resource_pre_event.metadata.op in _THERE:
            metadata = event.resource_pre_event.metadata
            if metadata.new:
                self._found[metadata.urn] = _resource(metadata)
        self._taken.add(event.sequence)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Everything that would be there, providers before what they make.

        Raises:
            EngineFailed: If a part of the plan could not be read: a report of the rest would be taken for one of all.
        """
        # The Automation API drops an event that it can't read, or at which we fail, with a warning.
        if lost := max(self._taken, default=-1) + 1 - len(self._taken):
            raise EngineFailed(
                f"{lost} of the engine's events could not be read, so the plan can't be judged; is the engine newer "
                "than the SDK? `make up` provides the right one"
            )
        return tuple(sorted(self._found.values(), key=lambda one: not one.is_provider))


def _resource(metadata: StepEventMetadata) -> Resource:
    new: Any = metadata.new
    # `urn::id` of a provider; the URN itself ends with its name.
    provider = metadata.provider.split("::")[-2] if "::" in (metadata.provider or "") else ""
    options = Options(protect=bool(new.protect), provider=provider, parent=new.parent or "")
    properties: Any = wire.decoded(new.inputs or {})
    return Resource(metadata.type, metadata.urn.rsplit("::", 1)[-1], properties, options)
