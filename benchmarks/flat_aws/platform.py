"""What the cluster needs once, written out: its namespace, a PriorityClass, admission, and a descriptor."""

import json
from typing import Any

import pulumi
from pulumi_kubernetes.admissionregistration.v1 import (
    MatchConditionArgs,
    MatchResourcesArgs,
    NamedRuleWithOperationsArgs,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpecArgs,
    ValidatingAdmissionPolicySpecArgs,
    ValidationArgs,
    VariableArgs,
)
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgs
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs
from pulumi_kubernetes.scheduling.v1 import PriorityClass

from benchmarks.flat_aws.cluster import Cluster
from benchmarks.flat_aws.place import NAME, OWNER
from benchmarks.flat_aws.queues import kueue
from policies.rules.cluster_gate import Lists, policies

RBAC = "rbac.authorization.k8s.io"
LABELS = {
    "app.kubernetes.io/managed-by": "terrarium",
    "terrarium.dev/platform": NAME,
    "terrarium.dev/cost-centre": "marketing",
}


def platform(
    parent: pulumi.Resource, cluster: Cluster
) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[dict[str, Any]]]:
    """Make it, and return its namespace, its PriorityClass, and what it offers to jobs."""
    name = f"{NAME}-platform"
    component = pulumi.ComponentResource("terrarium:index:Platform", name, opts=pulumi.ResourceOptions(parent=parent))
    opts = pulumi.ResourceOptions(parent=component, provider=cluster.provider)
    namespace = Namespace(
        f"{name}-namespace",
        metadata=ObjectMetaArgs(
            name="terrarium-system",
            labels={**LABELS, "pod-security.kubernetes.io/enforce": "restricted"},
            annotations={"terrarium.dev/owner": OWNER},
        ),
        opts=pulumi.ResourceOptions(parent=component, provider=cluster.provider, protect=True),
    ).metadata.name
    priority = PriorityClass(
        f"{name}-priority-production",
        metadata=ObjectMetaArgs(name="terrarium-production", labels=LABELS),
        value=100000,
        preemption_policy="PreemptLowerPriority",
        description="Workloads of production environments.",
        opts=opts,
    ).metadata.name
    NetworkPolicy(
        f"{name}-closed",
        metadata=ObjectMetaArgs(name="default-deny", namespace=namespace, labels=LABELS),
        spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]),
        opts=opts,
    )
    services(name, opts)
    rules(name, opts)
    offered = kueue(name, LABELS, opts)
    content = {
        "contractVersion": 1,
        "kind": "platform",
        "name": NAME,
        "shared": False,
        "cloud": "aws",
        "tiers": ["production"],
        "priorityClasses": {"production": priority},
        "compute": offered,
    }
    published = publish(name, "terrarium", namespace, content, readers=[], labels=LABELS, opts=opts)
    component.register_outputs({"descriptor": published.id})
    return namespace, priority, offered


def rules(name: str, opts: pulumi.ResourceOptions) -> None:
    """Make what the API server refuses of pods: security's expressions, which nobody would write a second time."""
    for judged in policies(Lists()):
        policy = ValidatingAdmissionPolicy(
            f"{name}-{judged.topic}-policy",
            metadata=ObjectMetaArgs(name=f"terrarium-{judged.topic}", labels=LABELS),
            spec=ValidatingAdmissionPolicySpecArgs(
                failure_policy="Fail",
                match_constraints=MatchResourcesArgs(
                    namespace_selector=LabelSelectorArgs(
                        match_expressions=[
                            LabelSelectorRequirementArgs(key="terrarium.dev/environment", operator="Exists")
                        ]
                    ),
                    resource_rules=[
                        NamedRuleWithOperationsArgs(
                            api_groups=[group],
                            api_versions=["*"],
                            operations=["CREATE", "UPDATE"],
                            resources=list(resources),
                            scope="Namespaced",
                        )
                        for group, resources in judged.resources
                    ],
                ),
                match_conditions=[
                    MatchConditionArgs(name=judged.condition.name, expression=judged.condition.expression)
                ],
                variables=[VariableArgs(name=one.name, expression=one.expression) for one in judged.variables],
                validations=[
                    ValidationArgs(expression=one.expression, message=one.message, reason="Forbidden")
                    for one in judged.validations
                ],
            ),
            opts=opts,
        )
        ValidatingAdmissionPolicyBinding(
            f"{name}-{judged.topic}-binding",
            metadata=ObjectMetaArgs(name=f"terrarium-{judged.topic}", labels=LABELS),
            spec=ValidatingAdmissionPolicyBindingSpecArgs(
                policy_name=policy.metadata.name, validation_actions=["Deny"]
            ),
            opts=opts,
        )


def services(name: str, opts: pulumi.ResourceOptions) -> None:
    """Make what it refuses of Services."""
    policy = ValidatingAdmissionPolicy(
        f"{name}-services-policy",
        metadata=ObjectMetaArgs(name="terrarium-services", labels=LABELS),
        spec=ValidatingAdmissionPolicySpecArgs(
            failure_policy="Fail",
            match_constraints=MatchResourcesArgs(
                namespace_selector=LabelSelectorArgs(
                    match_expressions=[LabelSelectorRequirementArgs(key="terrarium.dev/environment", operator="Exists")]
                ),
                resource_rules=[
                    NamedRuleWithOperationsArgs(
                        api_groups=[""], api_versions=["v1"], operations=["CREATE", "UPDATE"], resources=["services"]
                    )
                ],
            ),
            validations=[
                ValidationArgs(
                    expression="!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0",
                    message="spec.externalIPs is closed in environments: "
                    "it takes over the traffic of any address (CVE-2020-8554)",
                    reason="Forbidden",
                ),
                ValidationArgs(
                    expression="!has(object.spec.type) || object.spec.type != 'ExternalName'",
                    message="type ExternalName is closed in environments: it lends a name of the cluster to any host; "
                    "list the destination under network.egress_to and use its own name",
                    reason="Forbidden",
                ),
            ],
        ),
        opts=opts,
    )
    ValidatingAdmissionPolicyBinding(
        f"{name}-services-binding",
        metadata=ObjectMetaArgs(name="terrarium-services", labels=LABELS),
        spec=ValidatingAdmissionPolicyBindingSpecArgs(policy_name=policy.metadata.name, validation_actions=["Deny"]),
        opts=opts,
    )


def publish(
    name: str,
    called: str,
    namespace: pulumi.Output[str],
    content: dict[str, Any],
    *,
    readers: list[SubjectArgs],
    labels: dict[str, str],
    opts: pulumi.ResourceOptions,
) -> ConfigMap:
    """Make a descriptor, and let some read it."""
    published = ConfigMap(
        f"{name}-descriptor",
        metadata=ObjectMetaArgs(name=called, namespace=namespace, labels=labels),
        data={"descriptor.json": pulumi.Output.from_input(content).apply(lambda c: json.dumps(c, sort_keys=True))},
        opts=opts,
    )
    if not readers:
        return published
    reader = Role(
        f"{name}-descriptor-reader",
        metadata=ObjectMetaArgs(name=f"descriptor-{called}", namespace=namespace, labels=labels),
        rules=[PolicyRuleArgs(api_groups=[""], resources=["configmaps"], resource_names=[called], verbs=["get"])],
        opts=opts,
    )
    RoleBinding(
        f"{name}-descriptor-reader-binding",
        metadata=ObjectMetaArgs(name=f"descriptor-{called}", namespace=namespace, labels=labels),
        role_ref=RoleRefArgs(api_group=RBAC, kind="Role", name=reader.metadata.name),
        subjects=readers,
        opts=opts,
    )
    return published
