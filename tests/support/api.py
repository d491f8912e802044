"""Questions to a real API server, asked as the administrator or as a person with a certificate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.dynamic import DynamicClient

from rehearsal.platform import Platform

# What a workspace and a platform are made of; what else the API server makes by itself in a namespace is not ours.
KINDS = (
    ("v1", "Namespace"),
    ("v1", "ConfigMap"),
    ("v1", "LimitRange"),
    ("v1", "ResourceQuota"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
)


class Person:
    """Somebody who signs in to a platform.

    Args:
        platform: The platform.
        user: The user's name; None for the administrator.
        groups: The user's groups.
    """

    def __init__(self, platform: Platform, user: str | None = None, groups: Sequence[str] = ()) -> None:
        kubeconfig: Path = platform.client_certificate(user, groups) if user else platform.kubeconfig
        self.api = config.new_client_from_config(str(kubeconfig))
        self.core = client.CoreV1Api(self.api)
        self._authorization = client.AuthorizationV1Api(self.api)

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        """Ask the API server whether this person may do something; `resource` is `resource[/sub][.group]`."""
        path, _, group = resource.partition(".")
        name, _, sub = path.partition("/")
        attributes = {
            "verb": verb,
            "group": group,
            "resource": name,
            "subresource": sub,
            "namespace": namespace,
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        review = self._authorization.create_self_subject_access_review(
            body | {"spec": {"resourceAttributes": attributes}}
        )
        return bool(review.status.allowed)

    def owned(self, label: str, value: str) -> set[str]:
        """Return `Kind namespace/name` of every object that bears a label."""
        dynamic = DynamicClient(self.api)
        found = set()
        for version, kind in KINDS:
            listed: Any = dynamic.resources.get(api_version=version, kind=kind).get(label_selector=f"{label}={value}")
            for item in listed.items:
                namespace = f"{item.metadata.namespace}/" if item.metadata.get("namespace") else ""
                found.add(f"{kind} {namespace}{item.metadata.name}")
        return found
