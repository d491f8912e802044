"""The environment's namespace, written out: network policies, quotas, limits and rights."""

import pulumi
from pulumi_kubernetes.core.v1 import (
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
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    NetworkPolicy,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs

from benchmarks.flat_aws.place import LABELS, NAME, OWNER

RBAC = "rbac.authorization.k8s.io"


def make_namespace(opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Make the namespace, and return its name."""
    return Namespace(
        f"{NAME}-namespace",
        metadata=ObjectMetaArgs(
            name=NAME,
            labels={
                **LABELS,
                "terrarium.dev/platform": NAME,
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/audit": "restricted",
                "pod-security.kubernetes.io/warn": "restricted",
            },
            annotations={"terrarium.dev/owner": OWNER},
        ),
        opts=pulumi.ResourceOptions(parent=opts.parent, protect=True),
    ).metadata.name


def metadata(name: str, namespace: pulumi.Output[str], why: str | None = None) -> ObjectMetaArgs:
    """Return the metadata of what is in the namespace."""
    annotations = {"terrarium.dev/why": why} if why else None
    return ObjectMetaArgs(name=name, namespace=namespace, labels=LABELS, annotations=annotations)


def network_policies(namespace: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Make the network policies."""
    own = NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs())
    resolver = NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": "kube-system"}),
        pod_selector=LabelSelectorArgs(
            match_expressions=[
                LabelSelectorRequirementArgs(key="k8s-app", operator="In", values=["kube-dns", "node-local-dns"])
            ]
        ),
    )
    NetworkPolicy(
        f"{NAME}-default-deny",
        metadata=metadata("default-deny", namespace, "nothing passes that no policy allows"),
        spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]),
        opts=opts,
    )
    NetworkPolicy(
        f"{NAME}-allow-dns",
        metadata=metadata("allow-dns", namespace, "names are resolved"),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(),
            policy_types=["Egress"],
            egress=[
                NetworkPolicyEgressRuleArgs(
                    to=[resolver],
                    ports=[
                        NetworkPolicyPortArgs(port=53, protocol="UDP"),
                        NetworkPolicyPortArgs(port=53, protocol="TCP"),
                    ],
                )
            ],
        ),
        opts=opts,
    )
    NetworkPolicy(
        f"{NAME}-allow-within",
        metadata=metadata("allow-within", namespace, "pods of one environment work together"),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(),
            policy_types=["Ingress", "Egress"],
            ingress=[NetworkPolicyIngressRuleArgs(from_=[own])],
            egress=[NetworkPolicyEgressRuleArgs(to=[own])],
        ),
        opts=opts,
    )


def limits(namespace: pulumi.Output[str], priority_class: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Make the quotas and the limits of containers."""
    ResourceQuota(
        f"{NAME}-quota",
        metadata=metadata("quota", namespace),
        spec=ResourceQuotaSpecArgs(
            hard={
                "requests.cpu": "64",
                "requests.memory": "256Gi",
                "limits.memory": "256Gi",
                "requests.nvidia.com/gpu": "0",
                "requests.amd.com/gpu": "0",
                "requests.gpu.intel.com/i915": "0",
                "requests.gpu.intel.com/xe": "0",
                "requests.habana.ai/gaudi": "0",
                "pods": "500",
                "requests.storage": "4Ti",
                "persistentvolumeclaims": "80",
                "count/jobs.batch": "1000",
                "count/configmaps": "500",
                "count/secrets": "500",
                "services.loadbalancers": "0",
                "services.nodeports": "0",
            }
        ),
        opts=opts,
    )
    ResourceQuota(
        f"{NAME}-foreign-priorities",
        metadata=metadata("foreign-priorities", namespace),
        spec=ResourceQuotaSpecArgs(
            hard={"pods": "0"},
            scope_selector=ScopeSelectorArgs(
                match_expressions=[
                    ScopedResourceSelectorRequirementArgs(scope_name="PriorityClass", operator="Exists"),
                    ScopedResourceSelectorRequirementArgs(
                        scope_name="PriorityClass", operator="NotIn", values=[priority_class]
                    ),
                ]
            ),
        ),
        opts=opts,
    )
    LimitRange(
        f"{NAME}-container-limits",
        metadata=metadata("container-limits", namespace),
        spec=LimitRangeSpecArgs(
            limits=[
                LimitRangeItemArgs(
                    type="Container",
                    default={"cpu": "500m", "memory": "1Gi"},
                    default_request={"cpu": "500m", "memory": "1Gi"},
                    max={"cpu": "32", "memory": "128Gi"},
                )
            ]
        ),
        opts=opts,
    )


def rights(namespace: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Make the identity of workloads, and what each group may do."""
    ServiceAccount(
        f"{NAME}-runner", metadata=metadata("runner", namespace), automount_service_account_token=False, opts=opts
    )
    see = ["get", "list", "watch"]
    change = ["create", "update", "patch", "delete", "deletecollection"]
    core = [
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
    ]
    read = [
        PolicyRuleArgs(api_groups=[group], resources=resources, verbs=see)
        for group, resources in (
            ("", core),
            ("apps", ["deployments", "replicasets", "statefulsets", "daemonsets"]),
            ("batch", ["jobs", "cronjobs"]),
            ("networking.k8s.io", ["networkpolicies", "ingresses"]),
            ("events.k8s.io", ["events"]),
            ("kueue.x-k8s.io", ["localqueues", "workloads"]),
        )
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
    grant("reader", "reader", read, "security", namespace=namespace, opts=opts)
    grant("deployer", "deployer", deploy, "churn-ci", namespace=namespace, opts=opts)


def grant(
    logical: str,
    name: str,
    rules: list[PolicyRuleArgs],
    group: str,
    *,
    namespace: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Make a role, and bind it to a group."""
    role = Role(f"{NAME}-{logical}", metadata=metadata(name, namespace), rules=rules, opts=opts)
    RoleBinding(
        f"{NAME}-{logical}-binding",
        metadata=metadata(name, namespace),
        role_ref=RoleRefArgs(api_group=RBAC, kind="Role", name=role.metadata.name),
        subjects=[SubjectArgs(api_group=RBAC, kind="Group", name=group)],
        opts=opts,
    )
