"""Admission policies of a platform: what the API server refuses in every environment, whoever asks.

Rights can't say it: they open a kind of object as a whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping

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
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs

from components.queues import QUEUE_LABEL
from policies.rules.cluster_gate import AdmissionPolicy, Lists, policies
from policies.rules.namespaces import ENVIRONMENT_LABEL

# Each with what it would open, as the person reads it whose Service is refused.
_VALIDATIONS = (
    ValidationArgs(
        expression="!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0",
        message="spec.externalIPs is closed in environments: it takes over the traffic of any address (CVE-2020-8554)",
        reason="Forbidden",
    ),
    ValidationArgs(
        expression="!has(object.spec.type) || object.spec.type != 'ExternalName'",
        message="type ExternalName is closed in environments: it lends a name of the cluster to any host; "
        "list the destination under network.egress_to and use its own name",
        reason="Forbidden",
    ),
)


_ENVIRONMENTS = LabelSelectorArgs(
    match_expressions=[LabelSelectorRequirementArgs(key=ENVIRONMENT_LABEL, operator="Exists")]
)
_WRITES = ["CREATE", "UPDATE"]


def services(name: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
    """Make the policy of Services in environments' namespaces, and put it in force.

    Args:
        name: Prefix of the logical names.
        labels: Labels of the platform.
        opts: Parent and provider.
    """
    rule = NamedRuleWithOperationsArgs(api_groups=[""], api_versions=["v1"], operations=_WRITES, resources=["services"])
    spec = ValidatingAdmissionPolicySpecArgs(
        failure_policy="Fail",
        match_constraints=MatchResourcesArgs(namespace_selector=_ENVIRONMENTS, resource_rules=[rule]),
        validations=list(_VALIDATIONS),
    )
    _in_force(name, "services", labels, spec, opts)


def queued(name: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
    """Make the policy that a job in an environment stands in a queue, and put it in force.

    Kueue puts a job that names none into `default` before this is asked, where it was told to; a cluster's owner may
    have told it otherwise.

    Args:
        name: Prefix of the logical names.
        labels: Labels of the platform.
        opts: Parent and provider.
    """
    rule = NamedRuleWithOperationsArgs(
        api_groups=["batch"], api_versions=["v1"], operations=_WRITES, resources=["jobs"], scope="Namespaced"
    )
    named = f"has({{of}}.metadata.labels) && {{of}}.metadata.labels[?'{QUEUE_LABEL}'].orValue('') != ''"
    spec = ValidatingAdmissionPolicySpecArgs(
        failure_policy="Fail",
        match_constraints=MatchResourcesArgs(namespace_selector=_ENVIRONMENTS, resource_rules=[rule]),
        validations=[
            ValidationArgs(
                # A job from before there were queues can still end, and be deleted.
                expression=f"{named.format(of='object')} || (oldObject != null && !({named.format(of='oldObject')}))",
                message=f"a Job waits in a queue until there is room for it: name one by the label {QUEUE_LABEL}, such "
                "as default",
                reason="Forbidden",
            )
        ],
    )
    _in_force(name, "queued", labels, spec, opts)


def rules(name: str, labels: Mapping[str, str], lists: Lists | None, opts: pulumi.ResourceOptions) -> None:
    """Make the policies of the rules that carry CEL, and put them in force.

    Args:
        name: Prefix of the logical names.
        labels: Labels of the platform.
        lists: What security approves; None approves nothing.
        opts: Parent and provider.
    """
    for policy in policies(lists or Lists()):
        _in_force(name, policy.topic, labels, _spec(policy), opts)


def _spec(policy: AdmissionPolicy) -> ValidatingAdmissionPolicySpecArgs:
    matched = [
        NamedRuleWithOperationsArgs(
            api_groups=[group],
            api_versions=["*"],
            operations=_WRITES,
            resources=list(resources),
            # Of what is in no namespace the selector would take everything.
            scope="Namespaced",
        )
        for group, resources in policy.resources
    ]
    return ValidatingAdmissionPolicySpecArgs(
        failure_policy="Fail",
        match_constraints=MatchResourcesArgs(namespace_selector=_ENVIRONMENTS, resource_rules=matched),
        match_conditions=[MatchConditionArgs(name=policy.condition.name, expression=policy.condition.expression)],
        variables=[VariableArgs(name=one.name, expression=one.expression) for one in policy.variables],
        validations=[
            ValidationArgs(expression=one.expression, message=one.message, reason="Forbidden")
            for one in policy.validations
        ],
    )


def _in_force(
    name: str,
    topic: str,
    labels: Mapping[str, str],
    spec: ValidatingAdmissionPolicySpecArgs,
    opts: pulumi.ResourceOptions,
) -> None:
    metadata = ObjectMetaArgs(name=f"terrarium-{topic}", labels=labels)
    policy = ValidatingAdmissionPolicy(f"{name}-{topic}-policy", metadata=metadata, spec=spec, opts=opts)
    ValidatingAdmissionPolicyBinding(
        f"{name}-{topic}-binding",
        metadata=metadata,
        spec=ValidatingAdmissionPolicyBindingSpecArgs(policy_name=policy.metadata.name, validation_actions=["Deny"]),
        opts=opts,
    )
