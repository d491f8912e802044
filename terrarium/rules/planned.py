"""What a stack would be made of, read from the engine's plan as the rules read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pulumi.automation.events import EngineEvent, OpType, StepEventMetadata

from policies.gates import wire
from policies.rules import Options, Resource
from terrarium.plan import Watch

# What is there afterwards, each once: a replacement is also a step of its own, and what is only read no gate judges.
_THERE = {
    *(OpType.SAME, OpType.CREATE, OpType.UPDATE, OpType.CREATE_REPLACEMENT),
    *(OpType.IMPORT, OpType.IMPORT_REPLACEMENT),
}
_PROVIDER = "pulumi:providers:"


@dataclass
class Planned(Watch):
    """Collects what would be there."""

    _found: dict[str, Resource] = field(default_factory=dict)

    def __call__(self, event: EngineEvent) -> None:
        """Take one event of the engine."""
        super().__call__(event)
        if event.resource_pre_event and event.resource_pre_event.metadata.op in _THERE:
            metadata = event.resource_pre_event.metadata
            if metadata.new:
                self._found[metadata.urn] = _resource(metadata)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Everything that would be there, providers before what they make."""
        return tuple(sorted(self._found.values(), key=lambda one: not one.type.startswith(_PROVIDER)))


def _resource(metadata: StepEventMetadata) -> Resource:
    new: Any = metadata.new
    # `urn::id` of a provider; the URN itself ends with its name.
    provider = metadata.provider.split("::")[-2] if "::" in (metadata.provider or "") else ""
    options = Options(protect=bool(new.protect), provider=provider, parent=new.parent or "")
    properties: Any = wire.decoded(new.inputs or {})
    return Resource(metadata.type, metadata.urn.rsplit("::", 1)[-1], properties, options)
