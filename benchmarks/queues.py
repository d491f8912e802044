"""Jobs through queues: thousands of them over simulated nodes, by our routing and without it.

Routed: ten environments, a queue each with shares of three pools, as the product declares them; jobs of two kinds, one
of which must not leave the machines with GPUs. Without: the same jobs through the same Kueue, in one queue with one
flavor. Both wait for the last job. No container runs, so that what is measured is the control plane's own work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config

from benchmarks import workshop
from benchmarks.figures import Figure, Spread
from components.compute import Compute, Taint, Workers
from components.queues import flavor_of, shares
from components.settings.models import QuotaSettings
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform.pools import Pool
from rehearsal.progress import Report, Silent

TARGET = 1 / 0.9
"""Most that routed jobs may take, as a factor of the same without routing: 0.9 times the throughput."""
ENVIRONMENTS = 10
# Of the nodes those of each pool, and of the jobs those that need a GPU.
_POOLS = {"general": 0.6, "large": 0.3, "training": 0.1}
_GPU_JOBS = 0.05
_GPU = "nvidia.com/gpu"
_GROUP, _VERSION = "kueue.x-k8s.io", "v1beta2"
_SUBMITTING = 8  # threads
_AT_ONCE = 200  # jobs that one call deletes
_PATIENCE = 3600.0
_POLL = 2.0
# When half of all jobs have ended, the least that each environment has had of an even share.
_FAIR = 0.5


@dataclass(frozen=True)
class Way:
    """One way to run the jobs: in which namespaces, and what of the pools each has."""

    name: str
    namespaces: tuple[str, ...]
    compute: Compute
    cohort: str | None


def measure(report: Report, *, jobs: int, nodes: int, pairs: int) -> list[Figure]:
    """Run the jobs by both ways, taking turns.

    Args:
        report: Told of each run.
        jobs: How many jobs each run has.
        nodes: How many nodes are simulated.
        pairs: How many pairs of runs.
    """
    pools = [
        Pool(name, count=max(1, int(nodes * part)), gpu=4 if name == "training" else 0) for name, part in _POOLS.items()
    ]
    taken: dict[str, list[float]] = {"routed": [], "plain": []}
    with workshop.workshop() as folder, _platform(folder, pools) as platform:
        report.step(f"Simulating {nodes} nodes")
        cluster = _Cluster(platform)
        ways = cluster.prepare(pools)
        for number in range(pairs):
            for way in ways if number % 2 == 0 else reversed(ways):
                report.step(f"{jobs} jobs, {way.name}: pair {number + 1} of {pairs}")
                taken[way.name].append(cluster.run(way, jobs))
    return [
        Figure(
            f"{jobs} jobs over {nodes} nodes, routed",
            "s",
            ours=Spread(tuple(taken["routed"])),
            reference=Spread(tuple(taken["plain"])),
            target=TARGET,
        )
    ]


@contextmanager
def _platform(folder: Path, pools: list[Pool]) -> Iterator[Platform]:
    platform = Platform("queues", home=folder / "platforms", queues=True, pools=pools)
    platform.start(Silent())
    yield platform


class _Cluster:
    """The platform's cluster, asked as its administrator."""

    def __init__(self, platform: Platform) -> None:
        api = config.new_client_from_config(str(platform.kubeconfig))  # type: ignore[no-untyped-call]  # the client leaves it untyped
        self._core: Any = client.CoreV1Api(api)
        self._batch: Any = client.BatchV1Api(api)
        self._objects: Any = client.CustomObjectsApi(api)
        known = api.configuration
        self._url = known.host
        self._asked = urllib3.PoolManager(
            ca_certs=known.ssl_ca_cert, cert_file=known.cert_file, key_file=known.key_file
        )

    def prepare(self, pools: list[Pool]) -> list[Way]:
        """Make flavors, namespaces and queues of both ways."""
        workers = [_workers(pool) for pool in pools]
        everything = Workers(name="everything", labels={"type": "kwok"}, cpu="8", memory="32Gi", gpu=4, max=10_000)
        names = tuple(f"bench-{number}" for number in range(ENVIRONMENTS))
        ways = [
            Way("routed", names, Compute(queues=True, pools=tuple(workers)), "bench"),
            Way("plain", ("plain",), Compute(queues=True, pools=(everything,)), None),
        ]
        for pool in (*workers, everything):
            taints = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in pool.taints]
            spec = {"nodeLabels": dict(pool.labels), "nodeTaints": taints}
            self._make("resourceflavors", "ResourceFlavor", flavor_of(pool.name), spec)
        for way in ways:
            for namespace in way.namespaces:
                self._environment(way, namespace)
        return ways

    def _environment(self, way: Way, namespace: str) -> None:
        labels = {"terrarium.dev/environment": namespace}
        self._core.create_namespace({"metadata": {"name": namespace, "labels": labels}})
        whole: Counter[str] = Counter()
        for pool in way.compute.pools:
            whole.update({resource: int(amount) for resource, amount in pool.capacity.items()})
        each = {resource: max(1, amount // len(way.namespaces)) for resource, amount in whole.items()}
        said = {"storage": "1Ti", "volumes": 1, "borrow_percent": 100 if way.cohort else 0, "pods": 1_000_000}
        said |= {"cpu": str(each["cpu"]), "memory": str(each["memory"]), "gpu": each[_GPU]}
        quota = QuotaSettings.model_validate(said)
        self._make("clusterqueues", "ClusterQueue", namespace, shares(way.compute, namespace, quota, way.cohort))
        self._make("localqueues", "LocalQueue", "default", {"clusterQueue": namespace}, namespace)

    def _make(self, plural: str, kind: str, name: str, spec: Mapping[str, Any], namespace: str = "") -> None:
        body = {"apiVersion": f"{_GROUP}/{_VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        if namespace:
            self._objects.create_namespaced_custom_object(_GROUP, _VERSION, namespace, plural, body)
        else:
            self._objects.create_cluster_custom_object(_GROUP, _VERSION, plural, body)

    def run(self, way: Way, jobs: int) -> float:
        """Run the jobs and return the seconds from the first to the last's end.

        Raises:
            RehearsalError: A job ran where it may not, or an environment was left behind.
        """
        of_gpus = max(1, round(1 / _GPU_JOBS))
        begun = time.perf_counter()
        with ThreadPoolExecutor(_SUBMITTING) as pool:
            list(
                pool.map(
                    lambda number: self._submit(way.namespaces[number % len(way.namespaces)], number, of_gpus),
                    range(jobs),
                )
            )
        fair = self._wait(way, jobs, begun)
        seconds = time.perf_counter() - begun
        self._check(way, fair)
        self._clear(way)
        return seconds

    def _submit(self, namespace: str, number: int, of_gpus: int) -> None:
        # By turns in each environment, not of one environment alone.
        gpu = (number // ENVIRONMENTS) % of_gpus == 0
        resources = {"cpu": "1", "memory": "1Gi", **({_GPU: "1"} if gpu else {})}
        tolerations = [{"key": _GPU, "operator": "Exists"}]
        container = {
            "name": "it",
            "image": "registry.invalid/it",
            "resources": {"requests": resources, "limits": resources},
        }
        pod = {"restartPolicy": "Never", "containers": [container], "tolerations": tolerations if gpu else []}
        metadata = {"name": f"job-{number}", "labels": {f"{_GROUP}/queue-name": "default"}}
        template = {"metadata": {"labels": {"gpu": str(gpu).lower()}}, "spec": pod}
        self._batch.create_namespaced_job(namespace, {"metadata": metadata, "spec": {"template": template}})

    def _wait(self, way: Way, jobs: int, begun: float) -> Mapping[str, int]:
        """Wait for all jobs, and return how many of each environment had ended when half of all had."""
        half: Mapping[str, int] = {}
        while True:
            ended = self._ended()
            if not half and ended.total() >= jobs / 2:
                half = {namespace: ended[namespace] for namespace in way.namespaces}
            if ended.total() == jobs:
                return half
            if time.perf_counter() - begun > _PATIENCE:
                raise RehearsalError(f"{jobs - ended.total()} jobs did not end within {_PATIENCE:.0f} s")
            time.sleep(_POLL)

    def _ended(self) -> Counter[str]:
        # One question for both ways, as a table of names: whole objects of 10,000 jobs would cost as much as the jobs.
        answer = self._asked.request(
            "GET",
            f"{self._url}/apis/batch/v1/jobs",
            fields={"fieldSelector": "status.successful=1", "includeObject": "Metadata"},
            headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
        )
        rows = answer.json().get("rows") or ()
        return Counter(row["object"]["metadata"]["namespace"] for row in rows)

    def _check(self, way: Way, half: Mapping[str, int]) -> None:
        placed = [
            (pod.metadata.labels["gpu"] == "true", pod.spec.node_name.rpartition("-")[0])
            for namespace in way.namespaces
            for pod in self._core.list_namespaced_pod(namespace).items
        ]
        astray = Counter(pool for gpu, pool in placed if gpu != (pool == "training"))
        if astray:
            raise RehearsalError(f"jobs ran on machines that are not for them: {dict(astray)}")
        even = sum(half.values()) / len(half)
        if behind := {namespace: count for namespace, count in half.items() if count < _FAIR * even}:
            raise RehearsalError(f"when half of the jobs had ended, {behind} were far behind {even:.0f}")

    def _clear(self, way: Way) -> None:
        for namespace in way.namespaces:
            # By parts: one call has a minute.
            while self._batch.list_namespaced_job(namespace, limit=1).items:
                self._batch.delete_collection_namespaced_job(namespace, propagation_policy="Background", limit=_AT_ONCE)
        while any(self._left(namespace) for namespace in way.namespaces):
            time.sleep(_POLL)

    def _left(self, namespace: str) -> bool:
        workloads = self._objects.list_namespaced_custom_object(_GROUP, _VERSION, namespace, "workloads", limit=1)
        return bool(workloads["items"] or self._core.list_namespaced_pod(namespace, limit=1).items)


def _workers(pool: Pool) -> Workers:
    return Workers(
        name=pool.name,
        labels={"terrarium.dev/pool": pool.name},
        taints=(Taint(key=_GPU, value="present"),) if pool.gpu else (),
        cpu=pool.cpu,
        memory=pool.memory,
        gpu=pool.gpu,
        max=pool.count,
    )
