"""The contract's part about jobs: pools as jobs see them, and whether queues stand before them. Pure.

Descriptors hold these, and whoever submits a job chooses by them: they are read back by the same models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

from components import naming
from components.settings import quantities
from components.settings.fields import Key, Quantity
from components.tiers import Tier

if TYPE_CHECKING:
    from components.settings.models import EnvironmentSettings

Kueue = Literal["made", "found", "none"]
"""Whether a cluster has Kueue (kueue.sigs.k8s.io), by which jobs wait in queues: `made` here with the platform, `found`
there, or not."""
KUEUE_REGISTRY = "registry.k8s.io/kueue"
"""Where the images of a Kueue that is made here come from."""
GPU_RESOURCE: Final = "nvidia.com/gpu"
"""What pods ask for GPUs by, where a pool does not say otherwise."""
GpuResource = Literal["nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe", "habana.ai/gaudi"]
"""What vendors' device plugins call their devices (kubernetes.io, "Schedule GPUs"). A namespace's quota bounds each by
its name and knows no pattern: what is called otherwise, nothing would bound."""
PRIORITIES = ("low", "normal", "high")
"""What a job may say of its importance among the jobs of its environment."""
DEFAULT_QUEUE = "default"
"""The queue of an environment's jobs that name none. Kueue knows it by this name."""

_Object = Annotated[str, AfterValidator(naming.OBJECT.check)]


class _Published(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @property
    def published(self) -> dict[str, Any]:
        """As descriptors say it."""
        return self.model_dump(mode="json", by_alias=True)


class Taint(_Published):
    """What keeps pods away from a pool's machines unless they tolerate it."""

    key: str
    """The taint's key."""
    value: str = ""
    """Its value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """What happens to pods that do not tolerate it."""


class Workers(_Published):
    """One pool, as jobs see it: what pods may ask for on one of its machines, and how to get there."""

    name: Key
    """The pool's name."""
    labels: dict[str, str]
    """Labels that its machines have and no other pool's; a pod selects them by these."""
    taints: tuple[Taint, ...] = ()
    """What a pod must tolerate."""
    cpu: Quantity
    """Cores of one machine that pods may ask for: less than it has."""
    memory: Quantity
    """Memory of one machine that pods may ask for: less than it has."""
    gpu: Annotated[int, Field(ge=0)] = 0
    """GPUs of one machine."""
    gpu_resource: Annotated[
        str, Field(validation_alias=AliasChoices("gpuResource", "gpu_resource"), serialization_alias="gpuResource")
    ] = GPU_RESOURCE
    """What pods ask for them by."""
    max: Annotated[int, Field(ge=1)]
    """Machines at most."""
    spot: bool = False
    """Whether a machine may be taken away at short notice."""

    @property
    def capacity(self) -> Mapping[str, Decimal]:
        """What all its machines offer together, by resource."""
        one = {"cpu": quantities.parse(self.cpu), "memory": quantities.parse(self.memory)}
        if self.gpu:
            one[self.gpu_resource] = Decimal(self.gpu)
        return {resource: amount * self.max for resource, amount in one.items()}


class Compute(_Published):
    """What runs jobs in a platform's cluster."""

    queues: bool
    """Whether jobs wait in queues until there is room for them."""
    priorities: dict[str, _Object] = Field(default_factory=dict)
    """The WorkloadPriorityClass of each of `PRIORITIES`; empty without queues."""
    pools: tuple[Workers, ...] = ()
    """The pools, in the order in which they are tried."""
    everywhere: _Object | None = None
    """The ResourceFlavor by which queues count what is no pool's; None of a platform made before there was one."""


def ordered(pools: Iterable[Workers]) -> tuple[Workers, ...]:
    """Return pools in the order in which jobs try them: what is scarce or dear last.

    Args:
        pools: The pools.
    """

    def cost(pool: Workers) -> tuple[int, int, bool, Decimal, str]:
        return pool.gpu, len(pool.taints), not pool.spot, quantities.parse(pool.cpu), pool.name

    return tuple(sorted(pools, key=cost))


def bucket_queue(bucket: str) -> str:
    """Return the name of a bucket's queue."""
    return f"bucket-{bucket}"


def cohort_of(platform: str, tier: Tier) -> str | None:
    """Return the cohort of an environment: those that lend each other what they don't use; None for none.

    Args:
        platform: The platform that it shares with others.
        tier: The environment's tier. Only experiments share: testing and production borrow nothing, and lend nothing.
    """
    return f"{platform}-{tier.value}" if tier is Tier.EXPERIMENTATION else None


def described(compute: Compute, settings: EnvironmentSettings) -> dict[str, Any]:
    """Return what an environment's descriptor says of where its jobs run.

    Args:
        compute: What its platform offers.
        settings: The environment.
    """
    buckets = {bucket: bucket_queue(bucket) for bucket in sorted(settings.buckets)}
    quota, limit = settings.quota, settings.container.maximum
    return {
        "queues": {"default": DEFAULT_QUEUE, "buckets": buckets} if compute.queues else None,
        "priorities": dict(compute.priorities),
        "pools": [pool.published for pool in compute.pools],
        "quota": {
            **{"cpu": quota.cpu, "memory": quota.memory, "gpu": quota.gpu, "pods": quota.pods},
            "borrowPercent": quota.borrow_percent,
        },
        "container": {"cpu": limit.cpu, "memory": limit.memory},
    }
