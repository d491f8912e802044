"""Kueue's objects (kueue.sigs.k8s.io), each with the inputs that are used here, and the release that installs it.

Pools become ResourceFlavors, environments ClusterQueues, and what submits there LocalQueues. A job is suspended until
its queue has room on one flavor: then it gets that pool's node selector and starts. So a pool that scales to zero gets
a machine when a job may run, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import compute, naming
from components.compute import Compute, Taint, Workers
from components.contract import SystemMachines
from components.labels import LABEL
from components.settings import quantities
from components.settings.models import QuotaSettings

CHART = "oci://registry.k8s.io/kueue/charts/kueue"
VERSION = "0.19.2"
"""Of the chart, and of Kueue."""
_API = "kueue.x-k8s.io/v1beta2"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Names a job's queue."""
# With a dot, as no pool's name has one.
EVERYWHERE = "terrarium.everywhere"
"""The ResourceFlavor of what is no pool's."""
# Between `normal`, which is that of jobs that say nothing, and `high` are the tiers' own PriorityClasses, which Kueue
# goes by where a job's pods name one.
_PRIORITIES = {"low": -1_000, "normal": 0, "high": 1_000_000}
# A control plane on Google Cloud reaches its machines on ports 443 and 10250 alone ("Add firewall rules for specific
# use cases"); Kueue's own would be 9443.
_WEBHOOK_PORT = 10250
_CONCURRENCY = {
    "Job.batch": 5,
    "Workload.kueue.x-k8s.io": 10,
    "LocalQueue.kueue.x-k8s.io": 5,
    "ClusterQueue.kueue.x-k8s.io": 5,
}
_MEMORY, _DISK = "memory", "ephemeral-storage"
# Kueue lets nothing in that asks for what its queue does not cover. Nobody counts disks of machines; and before 0.19 it
# summed the quotas of a cohort's thousands of queues up in 63 bits.
_NO_BOUND = "1Pi"


class _Object(pulumi.CustomResource):
    """An object of Kueue's. Not the SDK's CustomResource: it knows no field beside `spec`, and priorities have some."""

    metadata: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        kind: str,
        metadata: ObjectMetaArgs,
        fields: Mapping[str, pulumi.Input[Any]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        properties = {"apiVersion": _API, "kind": kind, "metadata": metadata, **fields}
        super().__init__(f"kubernetes:{_API}:{kind}", name, properties, opts)

    @property
    def called(self) -> pulumi.Output[str]:
        """The object's name, once it is there."""
        return self.metadata.apply(lambda metadata: str(metadata["name"]))


def manager() -> dict[str, Any]:
    """Return what Kueue is told (https://kueue.sigs.k8s.io/docs/reference/kueue-config.v1beta2/)."""
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443"},
        "webhook": {"port": _WEBHOOK_PORT},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        # The chart's own; what is said here takes the place of all of it, and Kueue's default is one.
        "controller": {"groupKindConcurrency": _CONCURRENCY},
        # Else a job whose machine takes over half an hour to come, as one with GPUs may, is sent back into the queue,
        # and its request for the machine with it. Kueue means to take the gate away again; what it does not know it
        # refuses, when it starts.
        "featureGates": {"DisableWaitForPodsReady": True},
        # A Job that names no queue waits in `default`. What runs in no environment is none of its business.
        "manageJobsWithoutQueueName": True,
        "managedJobsNamespaceSelector": {"matchExpressions": [{"key": f"{LABEL}/environment", "operator": "Exists"}]},
        "integrations": {"frameworks": ["batch/job"]},
    }


def release(name: str, system: SystemMachines | None, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """Install Kueue.

    Args:
        name: Prefix of the logical name.
        system: The machines for it; None lets it run anywhere.
        opts: Parent and provider.
    """
    # Imported here: on a cluster that has Kueue nobody pays for this part of the SDK.
    from pulumi_kubernetes.helm.v3 import Release  # noqa: PLC0415

    where = {"nodeSelector": dict(system.labels), "tolerations": _tolerations(system)} if system else {}
    return Release(
        f"{name}-kueue",
        name="kueue",
        chart=CHART,
        version=VERSION,
        namespace="kueue-system",
        create_namespace=True,
        values={
            # JSON is YAML, too.
            "managerConfig": {"controllerManagerConfigYaml": json.dumps(manager(), sort_keys=True)},
            "webhookService": {"ports": [{"port": 443, "protocol": "TCP", "targetPort": _WEBHOOK_PORT}]},
            **({"controllerManager": where} if where else {}),
        },
        opts=opts,
    )


def _tolerations(system: SystemMachines) -> list[dict[str, str]]:
    return [
        {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
        if taint.value
        else {"key": taint.key, "operator": "Exists", "effect": taint.effect}
        for taint in system.taints
    ]


def flavor_of(pool: str) -> str:
    """Return the name of a pool's ResourceFlavor."""
    return naming.OBJECT.check(f"terrarium-{pool}")


def everywhere(name: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> _Object:
    """Make the ResourceFlavor of what is no pool's: pods and disk. It selects no machine.

    Counted by each pool's flavor, an environment of three pools might have three times its pods.

    Args:
        name: Prefix of the logical name.
        labels: Labels of the platform.
        opts: Parent and provider.
    """
    metadata = ObjectMetaArgs(name=naming.OBJECT.check(EVERYWHERE), labels=dict(labels))
    return _Object(f"{name}-flavor-of-no-pool", "ResourceFlavor", metadata, {"spec": {}}, opts)


def flavor(name: str, pool: Workers, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> _Object:
    """Make a pool's ResourceFlavor.

    It tolerates nothing by itself: a job that needs no GPU must not take the place of one that does. A job that may go
    there says what it tolerates.

    Args:
        name: Prefix of the logical name.
        pool: The pool.
        labels: Labels of the platform.
        opts: Parent and provider.
    """
    metadata = ObjectMetaArgs(name=flavor_of(pool.name), labels=dict(labels))
    return _Object(f"{name}-flavor-{pool.name}", "ResourceFlavor", metadata, {"spec": flavor_spec(pool)}, opts)


def flavor_spec(pool: Workers) -> dict[str, Any]:
    """Return the spec of a pool's ResourceFlavor.

    Args:
        pool: The pool.
    """
    # A preference keeps nobody away.
    taints = [_taint(taint) for taint in pool.taints if taint.effect != "PreferNoSchedule"]
    return {"nodeLabels": dict(pool.labels), **({"nodeTaints": taints} if taints else {})}


def _taint(taint: Taint) -> dict[str, str]:
    return {"key": taint.key, "effect": taint.effect, **({"value": taint.value} if taint.value else {})}


def priority(name: str, called: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> _Object:
    """Make the WorkloadPriorityClass of one of `compute.PRIORITIES`.

    Args:
        name: Prefix of the logical name.
        called: The priority.
        labels: Labels of the platform.
        opts: Parent and provider.
    """
    return _Object(
        f"{name}-job-priority-{called}",
        "WorkloadPriorityClass",
        ObjectMetaArgs(name=f"terrarium-{called}", labels=dict(labels)),
        {"value": _PRIORITIES[called], "description": f"Jobs of {called} importance among those of one environment."},
        opts,
    )


def cluster_queue(
    name: str,
    environment: str,
    spec: pulumi.Input[Mapping[str, Any]],
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> _Object:
    """Make an environment's ClusterQueue.

    Args:
        name: Prefix of the logical name.
        environment: The environment's id, its name.
        spec: Of `shares`.
        labels: Labels of the environment.
        opts: Parent and provider.
    """
    metadata = ObjectMetaArgs(name=naming.OBJECT.check(environment), labels=dict(labels))
    return _Object(f"{name}-queue", "ClusterQueue", metadata, {"spec": spec}, opts)


def local_queue(name: str, metadata: ObjectMetaArgs, queue: _Object, opts: pulumi.ResourceOptions) -> _Object:
    """Make a LocalQueue, by which a namespace's jobs get to a ClusterQueue.

    Args:
        name: The logical name.
        metadata: Its name, and where it is.
        queue: The ClusterQueue.
        opts: Parent and provider.
    """
    return _Object(name, "LocalQueue", metadata, {"spec": {"clusterQueue": queue.called}}, opts)


def shares(compute_: Compute, namespace: str, quota: QuotaSettings, cohort: str | None) -> dict[str, Any]:
    """Return a ClusterQueue's spec: what of each pool its environment may have.

    Args:
        compute_: What its platform offers.
        namespace: The environment's namespace; no other's jobs are taken.
        quota: The most that it may hold, and how much it may borrow.
        cohort: With whom it shares what it does not use; None shares nothing.
    """
    gpus = sorted({pool.gpu_resource for pool in compute_.pools if pool.gpu})
    counted, common = ["cpu", _MEMORY, *gpus], ["pods", _DISK]
    held = {"cpu": quantities.parse(quota.cpu), _MEMORY: quantities.parse(quota.memory)}
    held |= dict.fromkeys(gpus, Decimal(quota.gpu))
    borrowed = Decimal(quota.borrow_percent if cohort else 0) / 100

    # Pods are a network's and an API server's burden, not a pool's: nobody's to lend.
    own = {"pods": quantities.written(Decimal(quota.pods)), _DISK: _NO_BOUND}

    def of_its_own(resource: str) -> dict[str, str]:
        return {"name": resource, "nominalQuota": own[resource], **_own(cohort)}

    def share(pool: Workers, resource: str) -> dict[str, str]:
        if resource in own:
            return of_its_own(resource)
        amount = min(held[resource], pool.capacity.get(resource, Decimal(0)))
        binary = resource == _MEMORY
        limit = {"borrowingLimit": quantities.written(amount * borrowed, binary=binary)} if cohort else {}
        return {"name": resource, "nominalQuota": quantities.written(amount, binary=binary), **limit}

    of_pools = counted if compute_.everywhere else ["cpu", _MEMORY, *common, *gpus]
    flavors = [
        {"name": flavor_of(pool.name), "resources": [share(pool, resource) for resource in of_pools]}
        for pool in compute_.pools
    ]
    groups = [{"coveredResources": of_pools, "flavors": flavors}] if flavors else []
    if compute_.everywhere and groups:
        flavor_ = {"name": compute_.everywhere, "resources": [of_its_own(resource) for resource in common]}
        groups.append({"coveredResources": common, "flavors": [flavor_]})
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "queueingStrategy": "BestEffortFIFO",
        "preemption": {
            "withinClusterQueue": "LowerPriority",
            # What it lent it gets back when it wants it; it never pushes out others' jobs to borrow.
            "reclaimWithinCohort": "Any" if cohort else "Never",
            "borrowWithinCohort": {"policy": "Never"},
        },
        "resourceGroups": groups,
        **({"cohortName": cohort} if cohort else {}),
    }


def _own(cohort: str | None) -> dict[str, str]:
    return {"borrowingLimit": "0", "lendingLimit": "0"} if cohort else {}


def offered(pools: tuple[Workers, ...], priorities: Mapping[str, str], everywhere: str) -> Compute:
    """Return what a platform with queues offers.

    Args:
        pools: Its pools.
        priorities: Its WorkloadPriorityClasses, by priority.
        everywhere: Its ResourceFlavor of what is no pool's.
    """
    return Compute(queues=True, priorities=dict(priorities), pools=compute.ordered(pools), everywhere=everywhere)
