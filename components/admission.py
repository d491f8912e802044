"""Admission policies of a platform: what the API server refuses in every environment, whoever asks.

Rights can't say it: they open a kind of object as a whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping

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
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs

from components.labels import LABEL

_SERVICES = "terrarium-services"
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


def services(name: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> ValidatingAdmissionPolicyBinding:
    """Make the policy of Services in environments' namespaces, and put it in force.

    Args:
        name: Prefix of the logical names.
        labels: Labels of the platform.
        opts: Parent and provider.
    """
    environments = LabelSelectorArgs(
        match_expressions=[LabelSelectorRequirementArgs(key=f"{LABEL}/environment", operator="Exists")]
    )
    rule = NamedRuleWithOperationsArgs(
        api_groups=[""], api_versions=["v1"], operations=["CREATE", "UPDATE"], resources=["services"]
    )
    policy = ValidatingAdmissionPolicy(
        f"{name}-services-policy",
        metadata=ObjectMetaArgs(name=_SERVICES, labels=labels),
        spec=ValidatingAdmissionPolicySpecArgs(
            failure_policy="Fail",
            match_constraints=MatchResourcesArgs(namespace_selector=environments, resource_rules=[rule]),
            validations=list(_VALIDATIONS),
        ),
        opts=opts,
    )
    return ValidatingAdmissionPolicyBinding(
        f"{name}-services-binding",
        metadata=ObjectMetaArgs(name=_SERVICES, labels=labels),
        spec=ValidatingAdmissionPolicyBindingSpecArgs(policy_name=policy.metadata.name, validation_actions=["Deny"]),
        opts=opts,
    )
