"""From what a job needs to where it runs: queue, pool, tolerations, resources. Or why that can never be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from components.compute import GPU_RESOURCE, Workers
from components.settings import quantities
from terrarium.jobs.compute import Amount, Compute
from terrarium.jobs.needs import Needs

CPU, MEMORY = "1", "2Gi"
"""What a job gets that says nothing: one core, and what a data frame takes; less if a container may have less."""
_ALL = 10**9  # more pods than any cluster has


@dataclass(frozen=True)
class Placement:
    """Where a job runs.

    Args:
        queue: The queue that lets it in; None where nothing queues.
        priority: The priority's class in the queue; None for the usual.
        pool: The pool; None where nobody said which machines the cluster has.
        selector: Node labels.
        tolerations: As a pod has them.
        requests: What one pod asks for, and is held to, by resource.
        parallelism: Pods at a time.
    """

    queue: str | None = None
    priority: str | None = None
    pool: str | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, str]] = ()
    requests: Mapping[str, str] = field(default_factory=dict)
    parallelism: int = 1


@dataclass(frozen=True)
class Impossible:
    """The job can never run.

    Args:
        reasons: Every reason.
        nearest: What could run in its place; empty if nothing could.
    """

    reasons: tuple[str, ...]
    nearest: str = ""

    def __str__(self) -> str:
        return "; ".join(self.reasons) + (f". {self.nearest}" if self.nearest else "")


@dataclass(frozen=True)
class _Wanted:
    """What one pod gets, with what was left open filled in."""

    cpu: str
    memory: str
    cores: Decimal
    bytes: Decimal
    gpu: int


def route(
    compute: Compute,
    needs: Needs,
    *,
    environment: str,
    bucket: str | None = None,
    tasks: int = 1,
    at_a_time: int | None = None,
) -> Placement | Impossible:
    """Return where a job runs: on the cheapest machines that fit, unless it names a pool.

    Cheapest: none with GPUs for a job without; those that the cloud may take back before others, as a job that loses
    its machine is repeated; the smallest (`components.compute.ordered`).

    Args:
        compute: What the environment has.
        needs: What one pod needs.
        environment: The environment's id, for messages.
        bucket: The bucket whose job it is.
        tasks: How many pods there are in all.
        at_a_time: How many at a time; by default as many as the environment's own quota and the pool have room for.
    """
    wanted = _wanted(compute, needs)
    reasons = [*_contradictions(compute, needs), *_bounds(compute, wanted, environment)]
    pools = [pool for pool in compute.pools if needs.pool in (None, pool.name)]
    lacks = {pool.name: list(_lacks(pool, needs, wanted)) for pool in pools}
    fitting = [pool for pool in pools if not lacks[pool.name]]
    if pools and not fitting:
        reasons += [f"pool {name} {' and '.join(found)}" for name, found in lacks.items()]
    if reasons:
        return Impossible(tuple(reasons), _nearest(compute, needs, environment))
    pool = fitting[0] if fitting else None
    at_a_time = None if at_a_time is None else min(at_a_time, tasks)
    possible = _room(compute, compute.borrowed, wanted, pool)
    if at_a_time is not None and at_a_time > possible:
        why = f"{at_a_time} at a time do not fit: {_why_room(compute, wanted, pool, environment)}"
        return Impossible((why,), f"At most {possible} at a time do: `%{possible}`, or leave `%{at_a_time}` out")
    usual = max(1, min(_room(compute, compute.quota, wanted, pool), tasks))
    return Placement(
        queue=compute.queue_of(bucket),
        priority=compute.priorities.get(needs.priority),
        pool=pool.name if pool else None,
        selector=dict(pool.labels) if pool else {},
        tolerations=[_toleration(pool, index) for index in range(len(pool.taints))] if pool else (),
        requests=_requests(wanted, needs, pool),
        parallelism=usual if at_a_time is None else at_a_time,
    )


def _wanted(compute: Compute, needs: Needs) -> _Wanted:
    cpu = needs.cpu or _usual(CPU, compute.container.cpu)
    memory = needs.memory or _usual(MEMORY, compute.container.memory, binary=True)
    return _Wanted(cpu, memory, quantities.parse(cpu), quantities.parse(memory), needs.gpu or 0)


def _usual(usual: str, most: Decimal | None, *, binary: bool = False) -> str:
    return usual if most is None or quantities.parse(usual) <= most else quantities.written(most, binary=binary)


def _contradictions(compute: Compute, needs: Needs) -> Iterator[str]:
    if needs.priority not in compute.priorities and compute.priorities:
        yield f"there is no priority {needs.priority}; there are {', '.join(compute.priorities)}"
    if needs.pool is None:
        return
    pool = next((one for one in compute.pools if one.name == needs.pool), None)
    if pool is None:
        known = ", ".join(one.name for one in compute.pools) or "none"
        yield f"there is no pool {needs.pool}; there are: {known}"


def _bounds(compute: Compute, wanted: _Wanted, environment: str) -> Iterator[str]:
    """Yield what no pod of the environment may have, whatever its machines."""
    most, quota = compute.container, compute.borrowed
    for asked, value, bound, binary in (
        (f"{wanted.cpu} cores", wanted.cores, most.cpu, False),
        (f"{wanted.memory} of memory", wanted.bytes, most.memory, True),
    ):
        if bound is not None and value > bound:
            may = quantities.written(bound, binary=binary)
            yield f"{asked} asked for, and container maximum is {may}: raise container.maximum in the stack file"
    for asked, value, bound, own, binary in (
        (f"{wanted.cpu} cores", wanted.cores, quota.cpu, compute.quota.cpu, False),
        (f"{wanted.memory} of memory", wanted.bytes, quota.memory, compute.quota.memory, True),
    ):
        if bound is not None and own is not None and value > bound:
            may = quantities.written(bound, binary=binary)
            lent = f" ({quantities.written(own, binary=binary)} of its own, the rest lent)" if own != bound else ""
            yield f"{asked} asked for, and the quota of {environment} is {may}{lent}: raise quota in the stack file"
    if quota.gpu is not None and wanted.gpu > quota.gpu:
        yield (
            f"{_gpus(wanted.gpu)} asked for, and the quota of {environment} is {_gpus(quota.gpu)}: raise quota.gpu in "
            "the stack file"
        )
    if compute.pods == 0:
        yield f"the quota of {environment} is no pod at all"


def _lacks(pool: Workers, needs: Needs, wanted: _Wanted) -> Iterator[str]:
    """Yield why a job can't run on a pool, each as what the pool does or has."""
    if pool.gpu and not wanted.gpu:
        yield "is kept for jobs that use its GPUs (gpu=1)"
    if needs.spot is not None and pool.spot != needs.spot:
        yield "may lose its machines (spot)" if pool.spot else "never loses its machines (no spot)"
    if wanted.cores > quantities.parse(pool.cpu):
        yield f"has machines of {pool.cpu} cores, not {wanted.cpu}"
    if wanted.bytes > quantities.parse(pool.memory):
        yield f"has machines with {pool.memory} of memory, not {wanted.memory}"
    if wanted.gpu > pool.gpu:
        yield f"has machines with {_gpus(pool.gpu)}, not {wanted.gpu}"


def _nearest(compute: Compute, needs: Needs, environment: str) -> str:
    """Return the most that a job could ask for which wants what this one wants most: its pool, else its GPUs."""
    candidates = [pool for pool in compute.pools if needs.pool in (None, pool.name)] or list(compute.pools)
    if needs.pool is None or needs.gpu is not None:
        candidates = [pool for pool in candidates if bool(pool.gpu) == bool(needs.gpu)] or candidates
    candidates = [pool for pool in candidates if needs.spot in (None, pool.spot)] or candidates
    best = max(candidates, key=lambda pool: (pool.gpu, quantities.parse(pool.memory)), default=None)
    cpu = _smallest(quantities.parse(best.cpu) if best else None, compute.container.cpu, compute.borrowed.cpu)
    memory = _smallest(
        quantities.parse(best.memory) if best else None, compute.container.memory, compute.borrowed.memory
    )
    if cpu is None or memory is None:
        return ""
    parts = [f"cpu={quantities.written(cpu)}", f"memory={quantities.written(memory, binary=True)}"]
    if best and best.gpu:
        parts.append(f"gpu={best.gpu if compute.borrowed.gpu is None else min(best.gpu, compute.borrowed.gpu)}")
    where = f"on pool {best.name}" if best else f"in {environment}"
    return f"The largest job {where} has {','.join(parts)}"


def _smallest(*bounds: Decimal | None) -> Decimal | None:
    return min((bound for bound in bounds if bound is not None), default=None)


def _room(compute: Compute, quota: Amount, wanted: _Wanted, pool: Workers | None) -> int:
    """Return how many pods there is room for at a time."""
    return min(_room_in(quota, compute.pods, wanted), _room_on(pool, wanted))


def _room_in(quota: Amount, pods: int | None, wanted: _Wanted) -> int:
    rooms = [_ALL if pods is None else pods]
    if quota.cpu is not None:
        rooms.append(int(quota.cpu // wanted.cores))
    if quota.memory is not None:
        rooms.append(int(quota.memory // wanted.bytes))
    if quota.gpu is not None and wanted.gpu:
        rooms.append(quota.gpu // wanted.gpu)
    return min(rooms)


def _room_on(pool: Workers | None, wanted: _Wanted) -> int:
    if pool is None:
        return _ALL
    one = Amount(quantities.parse(pool.cpu), quantities.parse(pool.memory), pool.gpu)
    return _room_in(one, None, wanted) * pool.max


def _why_room(compute: Compute, wanted: _Wanted, pool: Workers | None, environment: str) -> str:
    quota = _room_in(compute.borrowed, compute.pods, wanted)
    if pool and _room_on(pool, wanted) <= quota:
        machines = f"{pool.max} machine{'s' if pool.max > 1 else ''}"
        return f"pool {pool.name} has room for {_room_on(pool, wanted)}, on at most {machines}"
    return f"the quota of {environment} has room for {quota}"


def _toleration(pool: Workers, index: int) -> dict[str, str]:
    taint = pool.taints[index]
    return {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}


def _requests(wanted: _Wanted, needs: Needs, pool: Workers | None) -> dict[str, str]:
    found = {"cpu": wanted.cpu, "memory": wanted.memory}
    if wanted.gpu:
        found[pool.gpu_resource if pool else GPU_RESOURCE] = str(wanted.gpu)
    if needs.disk:
        found["ephemeral-storage"] = needs.disk
    return found


def _gpus(count: int) -> str:
    return {0: "no GPU", 1: "1 GPU"}.get(count, f"{count} GPUs")
