"""One environment, written out: what `stacks/` registers for the stacks of `benchmarks/reference`, and nothing else."""

import json

import pulumi
from pulumi_kubernetes import Provider as KubernetesProvider
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs
from pulumi_random import Provider as RandomProvider
from pulumi_random import RandomId

from benchmarks.flat.place import Place
from benchmarks.flat.store import store
from benchmarks.flat.workspace import limits, network_policies, rights

stack = pulumi.get_stack()
name = f"churn-{stack}"
labels = {
    "app.kubernetes.io/managed-by": "terrarium",
    "terrarium.dev/environment": name,
    "terrarium.dev/cost-centre": "marketing",
    "terrarium.dev/project": "churn",
    "terrarium.dev/tier": "experimentation",
}

environment = pulumi.ComponentResource("terrarium:index:Environment", name)
under_environment = pulumi.ResourceOptions(parent=environment)

random = RandomProvider(f"{name}-random", opts=under_environment)
identity = RandomId(
    f"{name}-identity",
    byte_length=4,
    keepers={"project": "churn", "name": stack, "tier": "experimentation"},
    opts=pulumi.ResourceOptions(parent=environment, provider=random, protect=True),
)
kubernetes = KubernetesProvider(
    f"{name}-cluster",
    context="terrarium-bench",
    enable_server_side_apply=True,
    enable_patch_force=True,
    enable_config_map_mutable=True,
    delete_unreachable=False,
    opts=under_environment,
)
on_cluster = pulumi.ResourceOptions(parent=environment, provider=kubernetes)

platform = ConfigMap.get(f"{name}-platform", "terrarium-system/terrarium", opts=on_cluster)
facts = platform.data.apply(lambda data: json.loads(data["descriptor.json"]))

workspace = pulumi.ComponentResource("terrarium:index:Workspace", name, opts=on_cluster)
within = pulumi.ResourceOptions(parent=workspace)

namespace = Namespace(
    f"{name}-namespace",
    metadata=ObjectMetaArgs(
        name=name,
        labels={
            **labels,
            "terrarium.dev/platform": facts.apply(lambda found: found["name"]),
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/audit": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
        },
        annotations={"terrarium.dev/owner": "churn@example.org"},
    ),
    opts=pulumi.ResourceOptions(parent=workspace, protect=True),
)
namespace_name = namespace.metadata.name

network_policies(name, namespace_name, labels, within, wide=stack == "wide")
limits(name, namespace_name, labels, facts.apply(lambda found: found["priorityClasses"]["experimentation"]), within)
rights(name, namespace_name, labels, within)
workspace.register_outputs({"namespace": namespace_name})

system = facts.apply(lambda _: "terrarium-system")
# Named once the platform has consented, or a refused environment would leave a store behind.
uid = pulumi.Output.all(identity.hex, system).apply(lambda pair: str(pair[0]))
place = Place(name=name, uid=uid, labels=labels, parent=environment, namespace=namespace_name, in_namespace=within)
outputs = {
    "contractVersion": 1,
    "kind": "environment",
    "id": name,
    "uid": identity.hex,
    "project": "churn",
    "name": stack,
    "tier": "experimentation",
    "owner": "churn@example.org",
    "cloud": "kubernetes",
    "cluster": {"name": "terrarium-bench", "platform": facts.apply(lambda found: found["name"]), "shared": True},
    "access": {"context": "terrarium-bench"},
    "network": {"kind": "network policies", "cidr": None, "egress": "open"},
    "namespace": namespace_name,
    "store": store(place),
    "compute": facts.apply(
        lambda found: {
            "queues": None,
            "priorities": found["compute"]["priorities"],
            "pools": found["compute"]["pools"],
            "quota": {"cpu": "8", "memory": "32Gi", "gpu": 0, "pods": 100, "borrowPercent": 100},
            "container": {"cpu": "8", "memory": "32Gi"},
        }
    ),
}
ConfigMap(
    f"{name}-descriptor",
    metadata=ObjectMetaArgs(name=name, namespace=system, labels=labels),
    data={"descriptor.json": pulumi.Output.json_dumps(outputs, sort_keys=True)},
    opts=on_cluster,
)
reader = Role(
    f"{name}-descriptor-reader",
    metadata=ObjectMetaArgs(name=f"descriptor-{name}", namespace=system, labels=labels),
    rules=[PolicyRuleArgs(api_groups=[""], resources=["configmaps"], resource_names=[name], verbs=["get"])],
    opts=on_cluster,
)
RoleBinding(
    f"{name}-descriptor-reader-binding",
    metadata=ObjectMetaArgs(name=f"descriptor-{name}", namespace=system, labels=labels),
    role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=reader.metadata.name),
    subjects=[
        SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=group)
        for group in ("churn-ci", "churn-team", "security")
    ]
    + [SubjectArgs(api_group="rbac.authorization.k8s.io", kind="User", name="alice@example.org")],
    opts=on_cluster,
)
environment.register_outputs({"uid": identity.hex, "namespace": namespace_name})

for key, value in outputs.items():
    pulumi.export(key, value)
