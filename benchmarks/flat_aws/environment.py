"""The whole environment, put together."""

from typing import Any

import pulumi
from pulumi_kubernetes.rbac.v1 import SubjectArgs
from pulumi_random import Provider as RandomProvider
from pulumi_random import RandomId

from benchmarks.flat_aws.account import account, key, logs_key
from benchmarks.flat_aws.cluster import cluster
from benchmarks.flat_aws.governance import governance, registry
from benchmarks.flat_aws.network import network
from benchmarks.flat_aws.nodes import nodes
from benchmarks.flat_aws.place import CIDR, LABELS, NAME, OWNER, REGION
from benchmarks.flat_aws.platform import RBAC, platform, publish
from benchmarks.flat_aws.queues import described, queues
from benchmarks.flat_aws.store import Namespace, store
from benchmarks.flat_aws.workspace import limits, make_namespace, network_policies, rights


def environment() -> dict[str, Any]:
    """Make it, and return the stack's outputs."""
    parent = pulumi.ComponentResource("terrarium:index:Environment", NAME)
    place = account(parent)
    logs = logs_key(place)
    vpc = network(place, logs)
    data = key(place, "data")
    eks = cluster(place, vpc, logs)
    in_cluster = pulumi.ResourceOptions(parent=parent, provider=eks.provider)
    nodes(vpc, eks, in_cluster)
    random = RandomProvider(f"{NAME}-random", opts=pulumi.ResourceOptions(parent=parent))
    identity = RandomId(
        f"{NAME}-identity",
        byte_length=4,
        keepers={"project": "churn", "name": "aws", "tier": "production"},
        opts=pulumi.ResourceOptions(parent=parent, provider=random, protect=True),
    )
    system, priority_class, offered = platform(parent, eks)
    workspace = pulumi.ComponentResource("terrarium:index:Workspace", NAME, opts=in_cluster)
    within = pulumi.ResourceOptions(parent=workspace)
    namespace = make_namespace(within)
    network_policies(namespace, within)
    limits(namespace, priority_class, within)
    rights(namespace, within)
    workspace.register_outputs({"namespace": namespace})
    queues(namespace, offered, within)
    uid = pulumi.Output.all(identity.hex, system).apply(lambda pair: str(pair[0]))
    outputs = {
        "contractVersion": 1,
        "kind": "environment",
        "id": NAME,
        "uid": identity.hex,
        "project": "churn",
        "name": "aws",
        "tier": "production",
        "owner": OWNER,
        "cloud": "aws",
        "cluster": {"name": NAME, "platform": NAME, "shared": False},
        "access": {
            "context": NAME,
            "login": f"aws eks update-kubeconfig --name {NAME} --region {REGION} --alias {NAME}",
        },
        "network": {"kind": "VPC", "cidr": CIDR, "egress": "listed"},
        "namespace": namespace,
        "store": store(place, vpc, eks, uid, data, namespace=Namespace(namespace, within)),
        "compute": described(offered),
        "registry": registry(place, data),
        "governance": governance(place, eks),
    }
    readers = [SubjectArgs(api_group=RBAC, kind="Group", name=group) for group in ("churn-ci", "security")]
    publish(NAME, NAME, system, outputs, readers=readers, labels=LABELS, opts=in_cluster)
    parent.register_outputs({"uid": identity.hex, "namespace": namespace})
    return outputs
