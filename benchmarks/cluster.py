"""The cluster of one run through queues: what is made in it, what is submitted there, and how that ran."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import urllib3
from kubernetes import client, config

from components.compute import GPU_RESOURCE, Compute
from components.queues import EVERYWHERE, flavor_of, flavor_spec, shares
from components.settings.models import QuotaSettings
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform

NAMES = tuple(f"bench-{number}" for number in range(10))
"""Namespaces of the environments, the greedy one's first."""
# One job in so many needs a GPU.
_OF_GPUS = 20
_GROUP, _VERSION = "kueue.x-k8s.io", "v1beta2"
_JOBS = "/apis/batch/v1/jobs"
_PAGE = "500"
# Seconds.
_PATIENCE = 3600.0
_POLL = 2.0
# Of the time, the most that asking how many have ended may take.
_ASKING = 0.05


@dataclass(frozen=True)
class Way:
    """One way to run the jobs.

    Args:
        name: What it is called.
        compute: The pools, as its queues know them.
        cohort: What the environments' queues are of; None has them all share one queue.
    """

    name: str
    compute: Compute
    cohort: str | None


@dataclass(frozen=True)
class Ran:
    """How a job ran: where, how many seconds it waited to be let in, and when it ended in seconds since the epoch."""

    namespace: str
    waited: float
    ended: float


class Cluster:
    """A platform's cluster with the queues of a way, asked as its administrator."""

    def __init__(self, platform: Platform, way: Way) -> None:
        api = config.new_client_from_config(str(platform.kubeconfig))  # type: ignore[no-untyped-call]  # the client leaves it untyped
        self._core: Any = client.CoreV1Api(api)
        self._batch: Any = client.BatchV1Api(api)
        self._objects: Any = client.CustomObjectsApi(api)
        known = api.configuration
        self._url = known.host
        self._asked = urllib3.PoolManager(
            ca_certs=known.ssl_ca_cert, cert_file=known.cert_file, key_file=known.key_file
        )
        self._way = way

    def prepare(self) -> None:
        """Make flavors, namespaces and queues."""
        for pool in self._way.compute.pools:
            self._make("resourceflavors", "ResourceFlavor", flavor_of(pool.name), flavor_spec(pool))
        self._make("resourceflavors", "ResourceFlavor", EVERYWHERE, {})
        shared = () if self._way.cohort else (self._way.name,)
        for queue in shared or NAMES:
            self._make("clusterqueues", "ClusterQueue", queue, self._queue(queue, 1 / len(shared or NAMES)))
        for namespace in NAMES:
            labels = {"terrarium.dev/environment": namespace}
            self._core.create_namespace({"metadata": {"name": namespace, "labels": labels}})
            spec = {"clusterQueue": shared[0] if shared else namespace}
            self._make("localqueues", "LocalQueue", "default", spec, namespace)

    def _queue(self, name: str, part: float) -> dict[str, Any]:
        whole: Counter[str] = Counter()
        for pool in self._way.compute.pools:
            whole.update({resource: int(amount) for resource, amount in pool.capacity.items()})
        each = {resource: max(1, int(amount * part)) for resource, amount in whole.items()}
        said = {"storage": "1Ti", "volumes": 1, "borrow_percent": 100 if self._way.cohort else 0, "pods": 1_000_000}
        said |= {"cpu": str(each["cpu"]), "memory": str(each["memory"]), "gpu": each[GPU_RESOURCE]}
        spec = shares(self._way.compute, name, QuotaSettings.model_validate(said), self._way.cohort)
        return spec if self._way.cohort else {**spec, "namespaceSelector": {}}

    def _make(self, plural: str, kind: str, name: str, spec: Mapping[str, Any], namespace: str = "") -> None:
        body = {"apiVersion": f"{_GROUP}/{_VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        if namespace:
            self._objects.create_namespaced_custom_object(_GROUP, _VERSION, namespace, plural, body)
        else:
            self._objects.create_cluster_custom_object(_GROUP, _VERSION, plural, body)

    def submit(self, namespace: str, number: int) -> None:
        """Submit a job; whether it needs a GPU follows from its number, by turns in each environment."""
        gpu = (number // len(NAMES)) % _OF_GPUS == 0
        resources = {"cpu": "2" if gpu else "4", "memory": "1Gi", **({GPU_RESOURCE: "1"} if gpu else {})}
        tolerations = [{"key": GPU_RESOURCE, "operator": "Exists"}]
        container = {
            "name": "it",
            "image": "registry.invalid/it",
            "resources": {"requests": resources, "limits": resources},
        }
        pod = {"restartPolicy": "Never", "containers": [container], "tolerations": tolerations if gpu else []}
        metadata = {"name": f"job-{number}", "labels": {f"{_GROUP}/queue-name": "default"}}
        template = {"metadata": {"labels": {"gpu": str(gpu).lower()}}, "spec": pod}
        self._batch.create_namespaced_job(namespace, {"metadata": metadata, "spec": {"template": template}})

    def await_ends(self, jobs: int) -> list[Ran]:
        """Wait until all jobs have ended, and return how each ran.

        Args:
            jobs: How many there are.

        Raises:
            RehearsalError: They do not within `_PATIENCE`.
        """
        begun = time.perf_counter()
        while True:
            asked = time.perf_counter()
            succeeded = self._succeeded()
            now = time.perf_counter()
            if succeeded == jobs:
                return [_ran(job) for job in self._all(_JOBS)]
            if now - begun > _PATIENCE:
                raise RehearsalError(f"{jobs - succeeded} of {jobs} jobs did not end within {_PATIENCE:.0f} s")
            time.sleep(max(_POLL, (now - asked) / _ASKING))

    def _succeeded(self) -> int:
        # As a table without its objects: those of 10,000 jobs would cost as much as the jobs.
        as_table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        fields = {"fieldSelector": "status.successful=1", "includeObject": "None"}
        return len(self._get(_JOBS, fields, as_table)["rows"] or ())

    def placed(self) -> Counter[tuple[bool, str]]:
        """Count the jobs' pods by whether they need a GPU and the pool that they ran on."""
        return Counter(
            (pod["metadata"]["labels"]["gpu"] == "true", pod["spec"]["nodeName"].rpartition("-")[0])
            for pod in self._all("/api/v1/pods", {"labelSelector": "gpu"})
        )

    def _all(self, path: str, fields: Mapping[str, str] | None = None) -> Iterator[Any]:
        going_on = ""
        while True:
            page = self._get(path, {**(fields or {}), "limit": _PAGE, "continue": going_on})
            yield from page["items"]
            if not (going_on := page["metadata"].get("continue", "")):
                return

    def _get(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
        # Not by the client's models: to make these of 10,000 objects takes longer than to get them.
        answer = self._asked.request("GET", f"{self._url}{path}", fields=fields, headers=headers)
        if answer.status != HTTPStatus.OK:
            raise RehearsalError(f"the API server answered {path} with {answer.status}: {answer.data[:200]!r}")
        return answer.json()


def _ran(job: Any) -> Ran:
    metadata, status = job["metadata"], job["status"]
    changed = {condition["type"]: condition["lastTransitionTime"] for condition in status["conditions"]}
    # It succeeded, though its pods may still be there; it was let in, though its first pod may not.
    ended, let_in = (datetime.fromisoformat(changed[name]).timestamp() for name in ("SuccessCriteriaMet", "Suspended"))
    return Ran(metadata["namespace"], let_in - datetime.fromisoformat(metadata["creationTimestamp"]).timestamp(), ended)
