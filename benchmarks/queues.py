"""Jobs through queues: thousands of them over simulated nodes, by our routing and without it.

Routed: ten environments, a queue each with shares of three pools, as the product declares them; jobs of two kinds, one
of which must not leave the machines with GPUs. Without: the same jobs through the same Kueue, in one queue with one
flavor. One environment has half of all jobs and submits them first. No container runs, so that what is measured is the
control plane's own work.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks import workshop
from benchmarks.cluster import NAMES, Cluster, Ran, Way
from benchmarks.figures import Figure, Spread
from components.compute import GPU_RESOURCE, Compute, Taint, Workers
from components.queues import EVERYWHERE
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform.pools import Pool
from rehearsal.progress import Report, Silent

TARGET = 1 / 0.9
"""Most that routed jobs may take, as a factor of the same without routing: 0.9 times the throughput."""
# Of the nodes those of each pool.
_POOLS = {"general": 0.6, "large": 0.3, "training": 0.1}
_GPU_POOL = "training"
_GPUS = 4
# Of the jobs those of the first environment, submitted before any other's.
_GREEDY = 0.5
_SUBMITTING = 8  # threads
# Waits that differ by less are alike (seconds).
_ALIKE = 5.0


def measure(report: Report, *, jobs: int, nodes: int, pairs: int) -> list[Figure]:
    """Run the jobs by both ways, taking turns.

    Args:
        report: Told of each run.
        jobs: How many jobs each run has.
        nodes: How many nodes are simulated.
        pairs: How many pairs of runs.
    """
    pools = pools_of(nodes)
    ways = (routed(pools), plain(pools))
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(pairs):
        for way in ways if number % 2 == 0 else reversed(ways):
            report.step(f"{jobs} jobs over {nodes} nodes, {way.name}: pair {number + 1} of {pairs}")
            taken[way.name].append(run(way, pools, jobs))
    ours, reference = (Spread(tuple(taken[way.name])) for way in ways)
    return [Figure(f"{jobs} jobs over {nodes} nodes, routed", "s", ours=ours, reference=reference, target=TARGET)]


def pools_of(nodes: int) -> list[Pool]:
    """Return the pools of so many nodes."""
    return [
        Pool(name, count=max(1, int(nodes * part)), gpu=_GPUS if name == _GPU_POOL else 0)
        for name, part in _POOLS.items()
    ]


def routed(pools: Sequence[Pool]) -> Way:
    """Return the product's way: a queue for each environment, with its shares of every pool."""
    return Way("routed", Compute(queues=True, pools=tuple(map(_workers, pools)), everywhere=EVERYWHERE), "bench")


def plain(pools: Sequence[Pool]) -> Way:
    """Return what one would make by hand: one queue for all, with the sum of all machines."""
    nodes = sum(pool.count for pool in pools)
    everything = Workers(name="everything", labels={"type": "kwok"}, cpu="8", memory="32Gi", gpu=_GPUS, max=nodes)
    return Way("plain", Compute(queues=True, pools=(everything,), everywhere=EVERYWHERE), None)


def run(way: Way, pools: Sequence[Pool], jobs: int) -> float:
    """Run the jobs on a platform of their own; return the seconds from the first's submission to the last's end.

    Args:
        way: How.
        pools: The machines.
        jobs: How many.

    Raises:
        RehearsalError: A job ran where it may not, an environment was left behind, or not all ended.
    """
    # Which resets the platform, too.
    with workshop.workshop() as folder:
        platform = Platform(workshop.PLATFORM, home=folder / "platforms", queues=True, pools=pools)
        platform.start(Silent())
        cluster = Cluster(platform, way)
        cluster.prepare()
        begun = time.time()
        with ThreadPoolExecutor(_SUBMITTING) as pool:
            for _ in pool.map(cluster.submit, namespaces(jobs), range(jobs)):
                pass
        ran = cluster.await_ends(jobs)
        # One queue for all is first come, first served: there the others do wait.
        left = behind(_waits(ran)) if way.cohort else []
        if wrong := [*astray(cluster.placed()), *left]:
            raise RehearsalError("\n".join(wrong))
    # As Kubernetes noted it, to a second: to ask more often than we do would be a load of its own.
    return max(job.ended for job in ran) - begun


def namespaces(jobs: int) -> list[str]:
    """Return the namespace of each job, in the order of their submission: a greedy one's, then the others' by turns."""
    greedy, *others = NAMES
    flood = int(jobs * _GREEDY)
    return [greedy] * flood + [others[number % len(others)] for number in range(jobs - flood)]


def astray(placed: Mapping[tuple[bool, str], int]) -> list[str]:
    """Say which jobs ran on machines that are not for them.

    Args:
        placed: How many jobs, by whether they need a GPU and the pool that they ran on.
    """
    return [
        f"{count} jobs that need {'a' if gpu else 'no'} GPU ran on {pool!r}"
        for (gpu, pool), count in placed.items()
        if gpu != (pool == _GPU_POOL)
    ]


def behind(waits: Mapping[str, float]) -> list[str]:
    """Say which environments had to wait for the greedy one: their jobs waited for longer than its own, on average.

    Args:
        waits: How long the jobs of each waited, in seconds on average.
    """
    least = waits[NAMES[0]]
    return [
        f"jobs of {namespace} waited for {wait:.0f} s, those of {NAMES[0]}, who had half of all, for {least:.0f} s"
        for namespace, wait in waits.items()
        if wait > least + _ALIKE
    ]


def _waits(ran: Sequence[Ran]) -> dict[str, float]:
    by_namespace: dict[str, list[float]] = {}
    for job in ran:
        by_namespace.setdefault(job.namespace, []).append(job.waited)
    return {namespace: statistics.fmean(waited) for namespace, waited in by_namespace.items()}


def _workers(pool: Pool) -> Workers:
    return Workers(
        name=pool.name,
        labels={"terrarium.dev/pool": pool.name},
        taints=(Taint(key=GPU_RESOURCE, value="present"),) if pool.gpu else (),
        cpu=pool.cpu,
        memory=pool.memory,
        gpu=pool.gpu,
        max=pool.count,
    )
