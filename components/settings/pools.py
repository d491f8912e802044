"""What a stack file can say of workers: pools of machines, in words that every cloud understands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import StrictBool

from components.settings.fields import Count, Key, Line, Quantity, Settings

if TYPE_CHECKING:
    from components.settings.models import EnvironmentSettings, PlatformSettings

MachineClass = Literal["general", "compute", "memory", "gpu"]


class TaintSettings(Settings):
    """What keeps pods away from a pool's machines unless they tolerate it."""

    key: Line
    """The taint's key, as `example.org/dedicated`."""
    value: str = ""
    """Its value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """What happens to pods that do not tolerate it (default NoSchedule)."""


class PoolSettings(Settings):
    """Machines of one kind. A cloud picks the smallest that has what is asked for, or the one that `size` names."""

    machine: MachineClass = "general"
    """Machine class: `general`, `compute` (more cores for the memory), `memory` (more memory), `gpu`."""
    cpu: Quantity | None = None
    """Cores of one machine."""
    memory: Quantity | None = None
    """Memory of one machine."""
    gpu: Count = 0
    """GPUs of one machine; by default none, or one in the class `gpu`."""
    size: Line | None = None
    """The cloud's own name of a machine type, in place of a class. Of a rare one say cpu, memory and gpu, too."""
    min: Count = 0
    """Machines that are always there (default 0: scales to zero)."""
    max: Count
    """Machines at most."""
    spot: StrictBool = False
    """Whether the cloud may take a machine back at short notice, for a lower price."""
    taints: tuple[TaintSettings, ...] = ()
    """What keeps other pods away. Machines with GPUs are always kept for pods that ask for GPUs."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for values that are right alone and wrong together."""
        if self.max == 0:
            yield "max", "0 machines is no pool; leave the pool out"
        if self.min > self.max:
            yield "min", f"{self.min} is more than max, {self.max}"
        if self.size and self.machine != "general":
            yield "size", "names the machine; remove machine"
        if self.gpu and not self.size and self.machine != "gpu":
            yield "gpu", f"a machine of class {self.machine} has none; say machine: gpu"

    def described(self, *, known: bool) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for what is missing, or said twice, of a machine that `size` names.

        Args:
            known: Whether what machines of this type have is known, as it is of most.
        """
        if not self.size:
            return
        given = bool(self.cpu or self.memory or self.gpu)
        if known and given:
            yield "size", "names the machine, and what it has is known; remove cpu, memory and gpu"
        if not known and not (self.cpu and self.memory):
            yield "size", "what one has is not known here: say its cpu, memory and, if it has GPUs, gpu beside it"


def contradictions(pools: Mapping[str, PoolSettings]) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for what is wrong within pools."""
    for name, pool in pools.items():
        yield from ((f"pools.{name}.{key}", message) for key, message in pool.contradictions())


def pools_of(settings: EnvironmentSettings | PlatformSettings) -> Mapping[Key, PoolSettings]:
    """Return the pools of a cluster that a cloud makes: the declared ones, else the one of its tier."""
    from components.tiers import TIERS  # noqa: PLC0415 - the tiers know the settings' types

    return settings.pools or {"general": PoolSettings.model_validate(TIERS[settings.strictest].defaults.pool)}
