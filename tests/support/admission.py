"""Admission policies as the API server takes them, made of the rules' plain data without the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from policies.rules.cluster_gate import AdmissionPolicy, Lists, policies

_API = "admissionregistration.k8s.io/v1"


def policy_spec(policy: AdmissionPolicy) -> dict[str, Any]:
    """Return the specification of a topic's ValidatingAdmissionPolicy."""
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchExpressions": [{"key": "terrarium.dev/environment", "operator": "Exists"}]},
            "resourceRules": [
                {
                    "apiGroups": [group],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": list(resources),
                    "scope": "Namespaced",
                }
                for group, resources in policy.resources
            ],
        },
        "matchConditions": [{"name": policy.condition.name, "expression": policy.condition.expression}],
        "variables": [{"name": one.name, "expression": one.expression} for one in policy.variables],
        "validations": [
            {"expression": one.expression, "message": one.message, "reason": "Forbidden"} for one in policy.validations
        ],
    }


def manifests(lists: Lists, actions: Sequence[str] = ("Deny",)) -> Iterator[dict[str, Any]]:
    """Yield every policy, and a binding of it for each action.

    Args:
        lists: What is approved.
        actions: What becomes of a violation: `Deny`, `Warn`.
    """
    for policy in policies(lists):
        name = f"terrarium-{policy.topic}"
        yield {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": policy_spec(policy),
        }
        for action in actions:
            yield {
                "apiVersion": _API,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": f"{name}-{action.lower()}"},
                "spec": {"policyName": name, "validationActions": [action]},
            }
