"""One environment, written out: what `stacks/` registers for the stacks of `benchmarks/reference`, and nothing else."""

import json

import pulumi
from pulumi_kubernetes import Provider as KubernetesProvider
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    LimitRange,
    LimitRangeItemArgs,
    LimitRangeSpecArgs,
    Namespace,
    ResourceQuota,
    ResourceQuotaSpecArgs,
    ScopedResourceSelectorRequirementArgs,
    ScopeSelectorArgs,
    ServiceAccount,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgs,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs
from pulumi_random import Provider as RandomProvider
from pulumi_random import RandomId

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

NetworkPolicy(
    f"{name}-default-deny",
    metadata=ObjectMetaArgs(
        name="default-deny",
        namespace=namespace_name,
        labels=labels,
        annotations={"terrarium.dev/why": "nothing passes that no policy allows"},
    ),
    spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]),
    opts=within,
)
NetworkPolicy(
    f"{name}-allow-dns",
    metadata=ObjectMetaArgs(
        name="allow-dns",
        namespace=namespace_name,
        labels=labels,
        annotations={"terrarium.dev/why": "names are resolved"},
    ),
    spec=NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(),
        policy_types=["Egress"],
        egress=[
            NetworkPolicyEgressRuleArgs(
                to=[
                    NetworkPolicyPeerArgs(
                        namespace_selector=LabelSelectorArgs(
                            match_labels={"kubernetes.io/metadata.name": "kube-system"}
                        ),
                        pod_selector=LabelSelectorArgs(match_labels={"k8s-app": "kube-dns"}),
                    )
                ],
                ports=[
                    NetworkPolicyPortArgs(port=53, protocol="UDP"),
                    NetworkPolicyPortArgs(port=53, protocol="TCP"),
                ],
            )
        ],
    ),
    opts=within,
)
NetworkPolicy(
    f"{name}-allow-within",
    metadata=ObjectMetaArgs(
        name="allow-within",
        namespace=namespace_name,
        labels=labels,
        annotations={"terrarium.dev/why": "pods of one environment work together"},
    ),
    spec=NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(),
        policy_types=["Ingress", "Egress"],
        ingress=[NetworkPolicyIngressRuleArgs(from_=[NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs())])],
        egress=[NetworkPolicyEgressRuleArgs(to=[NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs())])],
    ),
    opts=within,
)
NetworkPolicy(
    f"{name}-allow-internet",
    metadata=ObjectMetaArgs(
        name="allow-internet",
        namespace=namespace_name,
        labels=labels,
        annotations={"terrarium.dev/why": "experiments fetch what they need"},
    ),
    spec=NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(),
        policy_types=["Egress"],
        egress=[
            NetworkPolicyEgressRuleArgs(
                to=[
                    NetworkPolicyPeerArgs(
                        ip_block=IPBlockArgs(
                            cidr="0.0.0.0/0",
                            except_=[
                                "10.0.0.0/8",
                                "100.64.0.0/10",
                                "168.63.129.16/32",
                                "169.254.0.0/16",
                                "172.16.0.0/12",
                                "192.0.0.0/24",
                                "192.168.0.0/16",
                                "198.18.0.0/15",
                                "224.0.0.0/4",
                                "240.0.0.0/4",
                            ],
                        )
                    ),
                    NetworkPolicyPeerArgs(
                        ip_block=IPBlockArgs(cidr="::/0", except_=["64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8"])
                    ),
                ]
            )
        ],
    ),
    opts=within,
)
for number in range(40 if stack == "wide" else 0):
    NetworkPolicy(
        f"{name}-egress-to-service-{number:02}",
        metadata=ObjectMetaArgs(
            name=f"egress-to-service-{number:02}",
            namespace=namespace_name,
            labels=labels,
            annotations={"terrarium.dev/why": f"Service {number:02} of the company"},
        ),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(),
            policy_types=["Egress"],
            egress=[
                NetworkPolicyEgressRuleArgs(
                    to=[NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=f"10.0.{number}.0/24"))],
                    ports=[NetworkPolicyPortArgs(port=443, protocol="TCP")],
                )
            ],
        ),
        opts=within,
    )

ResourceQuota(
    f"{name}-quota",
    metadata=ObjectMetaArgs(name="quota", namespace=namespace_name, labels=labels),
    spec=ResourceQuotaSpecArgs(
        hard={
            "requests.cpu": "8",
            "requests.memory": "32Gi",
            "limits.memory": "32Gi",
            "requests.nvidia.com/gpu": "0",
            "pods": "100",
            "requests.storage": "500Gi",
            "persistentvolumeclaims": "20",
            "count/jobs.batch": "1000",
            "count/configmaps": "500",
            "count/secrets": "500",
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        }
    ),
    opts=within,
)
ResourceQuota(
    f"{name}-foreign-priorities",
    metadata=ObjectMetaArgs(name="foreign-priorities", namespace=namespace_name, labels=labels),
    spec=ResourceQuotaSpecArgs(
        hard={"pods": "0"},
        scope_selector=ScopeSelectorArgs(
            match_expressions=[
                ScopedResourceSelectorRequirementArgs(scope_name="PriorityClass", operator="Exists"),
                ScopedResourceSelectorRequirementArgs(
                    scope_name="PriorityClass",
                    operator="NotIn",
                    values=[facts.apply(lambda found: found["priorityClasses"]["experimentation"])],
                ),
            ]
        ),
    ),
    opts=within,
)
LimitRange(
    f"{name}-container-limits",
    metadata=ObjectMetaArgs(name="container-limits", namespace=namespace_name, labels=labels),
    spec=LimitRangeSpecArgs(
        limits=[
            LimitRangeItemArgs(
                type="Container",
                default={"cpu": "500m", "memory": "1Gi"},
                default_request={"cpu": "500m", "memory": "1Gi"},
                max={"cpu": "8", "memory": "32Gi"},
            )
        ]
    ),
    opts=within,
)
ServiceAccount(
    f"{name}-runner",
    metadata=ObjectMetaArgs(name="runner", namespace=namespace_name, labels=labels),
    automount_service_account_token=False,
    opts=within,
)

see = ["get", "list", "watch"]
change = ["create", "update", "patch", "delete", "deletecollection"]
read = [
    PolicyRuleArgs(
        api_groups=[""],
        resources=[
            "pods",
            "pods/log",
            "pods/status",
            "services",
            "endpoints",
            "configmaps",
            "events",
            "persistentvolumeclaims",
            "replicationcontrollers",
            "resourcequotas",
            "limitranges",
            "serviceaccounts",
        ],
        verbs=see,
    ),
    PolicyRuleArgs(
        api_groups=["apps"], resources=["deployments", "replicasets", "statefulsets", "daemonsets"], verbs=see
    ),
    PolicyRuleArgs(api_groups=["batch"], resources=["jobs", "cronjobs"], verbs=see),
    PolicyRuleArgs(api_groups=["networking.k8s.io"], resources=["networkpolicies", "ingresses"], verbs=see),
    PolicyRuleArgs(api_groups=["events.k8s.io"], resources=["events"], verbs=see),
]
deploy = [
    *read,
    PolicyRuleArgs(api_groups=[""], resources=["services", "configmaps", "persistentvolumeclaims"], verbs=change),
    PolicyRuleArgs(
        api_groups=["apps"],
        resources=["deployments", "deployments/scale", "statefulsets", "statefulsets/scale"],
        verbs=[*see, *change],
    ),
    PolicyRuleArgs(api_groups=["batch"], resources=["jobs", "cronjobs"], verbs=change),
]
write = [
    *deploy,
    PolicyRuleArgs(api_groups=[""], resources=["pods", "secrets"], verbs=[*see, *change]),
    PolicyRuleArgs(
        api_groups=[""], resources=["pods/exec", "pods/attach", "pods/portforward"], verbs=["get", "create"]
    ),
]
for right, rules, group in (
    ("writer", write, "churn-team"),
    ("reader", read, "security"),
    ("deployer", deploy, "churn-ci"),
):
    role = Role(
        f"{name}-{right}",
        metadata=ObjectMetaArgs(name=right, namespace=namespace_name, labels=labels),
        rules=rules,
        opts=within,
    )
    RoleBinding(
        f"{name}-{right}-binding",
        metadata=ObjectMetaArgs(name=right, namespace=namespace_name, labels=labels),
        role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name),
        subjects=[SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=group)],
        opts=within,
    )
workspace.register_outputs({"namespace": namespace_name})

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
}
system = facts.apply(lambda _: "terrarium-system")
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
    ],
    opts=on_cluster,
)
environment.register_outputs({"uid": identity.hex, "namespace": namespace_name})

for key, value in outputs.items():
    pulumi.export(key, value)
