"""What stands in the environment's namespace, written out: network policies, quotas, limits and rights."""

import pulumi
from pulumi_kubernetes.core.v1 import (
    LimitRange,
    LimitRangeItemArgs,
    LimitRangeSpecArgs,
    ResourceQuota,
    ResourceQuotaSpecArgs,
    ScopedResourceSelectorRequirementArgs,
    ScopeSelectorArgs,
    ServiceAccount,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs
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


def network_policies(
    name: str, namespace: pulumi.Output[str], labels: dict[str, str], opts: pulumi.ResourceOptions, *, wide: bool
) -> None:
    """Make the network policies; 40 more of them if `wide`."""
    NetworkPolicy(
        f"{name}-default-deny",
        metadata=ObjectMetaArgs(
            name="default-deny",
            namespace=namespace,
            labels=labels,
            annotations={"terrarium.dev/why": "nothing passes that no policy allows"},
        ),
        spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]),
        opts=opts,
    )
    NetworkPolicy(
        f"{name}-allow-dns",
        metadata=ObjectMetaArgs(
            name="allow-dns",
            namespace=namespace,
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
                            pod_selector=LabelSelectorArgs(
                                match_expressions=[
                                    LabelSelectorRequirementArgs(
                                        key="k8s-app", operator="In", values=["kube-dns", "node-local-dns"]
                                    )
                                ]
                            ),
                        )
                    ],
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
        f"{name}-allow-within",
        metadata=ObjectMetaArgs(
            name="allow-within",
            namespace=namespace,
            labels=labels,
            annotations={"terrarium.dev/why": "pods of one environment work together"},
        ),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(),
            policy_types=["Ingress", "Egress"],
            ingress=[NetworkPolicyIngressRuleArgs(from_=[NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs())])],
            egress=[NetworkPolicyEgressRuleArgs(to=[NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs())])],
        ),
        opts=opts,
    )
    NetworkPolicy(
        f"{name}-allow-internet",
        metadata=ObjectMetaArgs(
            name="allow-internet",
            namespace=namespace,
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
                            ip_block=IPBlockArgs(
                                cidr="::/0", except_=["64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8"]
                            )
                        ),
                    ]
                )
            ],
        ),
        opts=opts,
    )
    for number in range(40 if wide else 0):
        NetworkPolicy(
            f"{name}-egress-to-service-{number:02}",
            metadata=ObjectMetaArgs(
                name=f"egress-to-service-{number:02}",
                namespace=namespace,
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
            opts=opts,
        )


def limits(
    name: str,
    namespace: pulumi.Output[str],
    labels: dict[str, str],
    priority_class: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Make the quotas and the limits of containers."""
    ResourceQuota(
        f"{name}-quota",
        metadata=ObjectMetaArgs(name="quota", namespace=namespace, labels=labels),
        spec=ResourceQuotaSpecArgs(
            hard={
                "requests.cpu": "8",
                "requests.memory": "32Gi",
                "limits.memory": "32Gi",
                "requests.nvidia.com/gpu": "0",
                "requests.amd.com/gpu": "0",
                "requests.gpu.intel.com/i915": "0",
                "requests.gpu.intel.com/xe": "0",
                "requests.habana.ai/gaudi": "0",
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
        opts=opts,
    )
    ResourceQuota(
        f"{name}-foreign-priorities",
        metadata=ObjectMetaArgs(name="foreign-priorities", namespace=namespace, labels=labels),
        spec=ResourceQuotaSpecArgs(
            hard={"pods": "0"},
            scope_selector=ScopeSelectorArgs(
                match_expressions=[
                    ScopedResourceSelectorRequirementArgs(scope_name="PriorityClass", operator="Exists"),
                    ScopedResourceSelectorRequirementArgs(
                        scope_name="PriorityClass",
                        operator="NotIn",
                        values=[priority_class],
                    ),
                ]
            ),
        ),
        opts=opts,
    )
    LimitRange(
        f"{name}-container-limits",
        metadata=ObjectMetaArgs(name="container-limits", namespace=namespace, labels=labels),
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
        opts=opts,
    )


def rights(name: str, namespace: pulumi.Output[str], labels: dict[str, str], opts: pulumi.ResourceOptions) -> None:
    """Make the identity of workloads, and what each group may do."""
    ServiceAccount(
        f"{name}-runner",
        metadata=ObjectMetaArgs(name="runner", namespace=namespace, labels=labels),
        automount_service_account_token=False,
        opts=opts,
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
        PolicyRuleArgs(api_groups=["kueue.x-k8s.io"], resources=["localqueues", "workloads"], verbs=see),
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
            metadata=ObjectMetaArgs(name=right, namespace=namespace, labels=labels),
            rules=rules,
            opts=opts,
        )
        RoleBinding(
            f"{name}-{right}-binding",
            metadata=ObjectMetaArgs(name=right, namespace=namespace, labels=labels),
            role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name),
            subjects=[SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=group)],
            opts=opts,
        )
