"""What lets jobs wait in queues, written out: Kueue, what it knows of the pools, and the environment's queues."""

import json
from typing import Any

import pulumi
from pulumi_kubernetes.admissionregistration.v1 import (
    MatchResourcesArgs,
    NamedRuleWithOperationsArgs,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpecArgs,
    ValidatingAdmissionPolicySpecArgs,
    ValidationArgs,
)
from pulumi_kubernetes.helm.v3 import Release
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs

from benchmarks.flat_aws.place import LABELS, NAME

API = "kueue.x-k8s.io/v1beta2"
GPU = "nvidia.com/gpu"
POOLS: list[dict[str, Any]] = [
    {
        "name": "general",
        "labels": {"terrarium.dev/pool": "general"},
        "taints": [],
        "cpu": "3900m",
        "memory": "13568Mi",
        "gpu": 0,
        "gpuResource": GPU,
        "max": 10,
        "spot": False,
    },
    {
        "name": "training",
        "labels": {"terrarium.dev/pool": "training"},
        "taints": [{"key": GPU, "value": "", "effect": "NoSchedule"}],
        "cpu": "3900m",
        "memory": "13568Mi",
        "gpu": 1,
        "gpuResource": GPU,
        "max": 2,
        "spot": False,
    },
]
SETTINGS = {
    "apiVersion": "config.kueue.x-k8s.io/v1beta2",
    "kind": "Configuration",
    "health": {"healthProbeBindAddress": ":8081"},
    "metrics": {"bindAddress": ":8443"},
    "webhook": {"port": 10250},
    "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
    "controller": {
        "groupKindConcurrency": {
            "Job.batch": 5,
            "Workload.kueue.x-k8s.io": 10,
            "LocalQueue.kueue.x-k8s.io": 5,
            "ClusterQueue.kueue.x-k8s.io": 5,
        }
    },
    "featureGates": {"DisableWaitForPodsReady": True},
    "manageJobsWithoutQueueName": True,
    "managedJobsNamespaceSelector": {"matchExpressions": [{"key": "terrarium.dev/environment", "operator": "Exists"}]},
    "integrations": {"frameworks": ["batch/job"]},
}


class Kueue(pulumi.CustomResource):
    """An object of Kueue's: priorities have fields that the SDK's CustomResource does not take."""

    metadata: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, kind: str, metadata: ObjectMetaArgs, opts: pulumi.ResourceOptions, **more: Any):
        properties = {"apiVersion": API, "kind": kind, "metadata": metadata, **more}
        super().__init__(f"kubernetes:{API}:{kind}", name, properties, opts)


def kueue(name: str, labels: dict[str, str], opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:
    """Make Kueue and what it knows of the cluster, and return what the platform offers to jobs."""
    release = Release(
        f"{name}-kueue",
        name="kueue",
        chart="oci://registry.k8s.io/kueue/charts/kueue",
        version="0.19.2",
        namespace="kueue-system",
        create_namespace=True,
        values={
            "managerConfig": {"controllerManagerConfigYaml": json.dumps(SETTINGS, sort_keys=True)},
            "webhookService": {"ports": [{"port": 443, "protocol": "TCP", "targetPort": 10250}]},
            "controllerManager": {
                "nodeSelector": {"karpenter.sh/nodepool": "system"},
                "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists", "effect": "NoSchedule"}],
            },
        },
        opts=opts,
    )
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[release]))
    priorities = {}
    for called, value in (("low", -1_000), ("normal", 0), ("high", 1_000_000)):
        made = Kueue(
            f"{name}-job-priority-{called}",
            "WorkloadPriorityClass",
            ObjectMetaArgs(name=f"terrarium-{called}", labels=labels),
            after,
            value=value,
            description=f"Jobs of {called} importance among those of one environment.",
        )
        priorities[called] = made.metadata.apply(lambda metadata: str(metadata["name"]))
    general = Kueue(
        f"{name}-flavor-general",
        "ResourceFlavor",
        ObjectMetaArgs(name="terrarium-general", labels=labels),
        after,
        spec={"nodeLabels": {"terrarium.dev/pool": "general"}},
    )
    training = Kueue(
        f"{name}-flavor-training",
        "ResourceFlavor",
        ObjectMetaArgs(name="terrarium-training", labels=labels),
        after,
        spec={
            "nodeLabels": {"terrarium.dev/pool": "training"},
            "nodeTaints": [{"key": GPU, "effect": "NoSchedule"}],
        },
    )
    everywhere = Kueue(
        f"{name}-flavor-of-no-pool",
        "ResourceFlavor",
        ObjectMetaArgs(name="terrarium.everywhere", labels=labels),
        after,
        spec={},
    )
    queued(name, labels, opts)
    return pulumi.Output.all(priorities, everywhere.metadata, general.metadata, training.metadata).apply(
        lambda made: {"queues": True, "priorities": made[0], "pools": POOLS, "everywhere": made[1]["name"]}
    )


def queued(name: str, labels: dict[str, str], opts: pulumi.ResourceOptions) -> None:
    """Have the API server refuse a job that stands in no queue."""
    said, before = (
        f"has({of}.metadata.labels) && {of}.metadata.labels[?'kueue.x-k8s.io/queue-name'].orValue('') != ''"
        for of in ("object", "oldObject")
    )
    policy = ValidatingAdmissionPolicy(
        f"{name}-queued-policy",
        metadata=ObjectMetaArgs(name="terrarium-queued", labels=labels),
        spec=ValidatingAdmissionPolicySpecArgs(
            failure_policy="Fail",
            match_constraints=MatchResourcesArgs(
                namespace_selector=LabelSelectorArgs(
                    match_expressions=[LabelSelectorRequirementArgs(key="terrarium.dev/environment", operator="Exists")]
                ),
                resource_rules=[
                    NamedRuleWithOperationsArgs(
                        api_groups=["batch"],
                        api_versions=["v1"],
                        operations=["CREATE", "UPDATE"],
                        resources=["jobs"],
                        scope="Namespaced",
                    )
                ],
            ),
            validations=[
                ValidationArgs(
                    expression=f"{said} || (oldObject != null && !({before}))",
                    message="a Job waits in a queue until there is room for it: name one by the label "
                    "kueue.x-k8s.io/queue-name, such as default",
                    reason="Forbidden",
                )
            ],
        ),
        opts=opts,
    )
    ValidatingAdmissionPolicyBinding(
        f"{name}-queued-binding",
        metadata=ObjectMetaArgs(name="terrarium-queued", labels=labels),
        spec=ValidatingAdmissionPolicyBindingSpecArgs(policy_name=policy.metadata.name, validation_actions=["Deny"]),
        opts=opts,
    )


def queues(namespace: pulumi.Output[str], offered: pulumi.Output[dict[str, Any]], opts: pulumi.ResourceOptions) -> None:
    """Make the environment's share of the pools, and a queue for each who submits."""
    spec = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAME}},
        "queueingStrategy": "BestEffortFIFO",
        "preemption": {
            "withinClusterQueue": "LowerPriority",
            "reclaimWithinCohort": "Never",
            "borrowWithinCohort": {"policy": "Never"},
        },
        "resourceGroups": [
            {
                "coveredResources": ["cpu", "memory", GPU],
                "flavors": [
                    {
                        "name": "terrarium-general",
                        "resources": [
                            {"name": "cpu", "nominalQuota": "39"},
                            {"name": "memory", "nominalQuota": "135680Mi"},
                            {"name": GPU, "nominalQuota": "0"},
                        ],
                    },
                    {
                        "name": "terrarium-training",
                        "resources": [
                            {"name": "cpu", "nominalQuota": "7800m"},
                            {"name": "memory", "nominalQuota": "27136Mi"},
                            {"name": GPU, "nominalQuota": "0"},
                        ],
                    },
                ],
            },
            {
                "coveredResources": ["pods", "ephemeral-storage"],
                "flavors": [
                    {
                        "name": "terrarium.everywhere",
                        "resources": [
                            {"name": "pods", "nominalQuota": "500"},
                            {"name": "ephemeral-storage", "nominalQuota": "1Pi"},
                        ],
                    }
                ],
            },
        ],
    }
    queue = Kueue(
        f"{NAME}-queue",
        "ClusterQueue",
        ObjectMetaArgs(name=NAME, labels=LABELS),
        opts,
        spec=offered.apply(lambda _: spec),
    )
    for called in ("default", "bucket-reports"):
        Kueue(
            f"{NAME}-queue-{called}",
            "LocalQueue",
            ObjectMetaArgs(name=called, namespace=namespace, labels=LABELS),
            opts,
            spec={"clusterQueue": queue.metadata.apply(lambda metadata: str(metadata["name"]))},
        )


def described(offered: pulumi.Output[dict[str, Any]]) -> pulumi.Output[dict[str, Any]]:
    """Return what the environment's descriptor says of where its jobs run."""
    return offered.apply(
        lambda found: {
            "queues": {"default": "default", "buckets": {"reports": "bucket-reports"}},
            "priorities": found["priorities"],
            "pools": found["pools"],
            "quota": {"cpu": "64", "memory": "256Gi", "gpu": 0, "pods": 500, "borrowPercent": 0},
            "container": {"cpu": "32", "memory": "128Gi"},
        }
    )
