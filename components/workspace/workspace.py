"""The workspace of one environment."""

from __future__ import annotations

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import naming
from components.contract import PlatformFacts, Store
from components.labels import LABEL, environment_labels
from components.settings.models import EnvironmentSettings
from components.workspace import access, limits, network, queues, store
from components.workspace.scope import Scope


class Workspace(pulumi.ComponentResource):
    """Namespace, policies, quota, rights and identities of one environment.

    Makes: Namespace, NetworkPolicies, two ResourceQuotas, LimitRange, ServiceAccount `runner`, and for each right that
    somebody has a Role and RoleBinding.

    Args:
        name: Logical name, the environment's id.
        settings: The environment.
        facts: What the platform below offers.
        opts: Parent and the one provider of the cluster.
        borrows: Whether its jobs may have more than its quota while others leave it unused.
    """

    namespace: pulumi.Output[str]
    """The namespace's name."""
    scope: Scope
    """For further objects of the same environment."""

    def __init__(
        self,
        name: str,
        settings: EnvironmentSettings,
        facts: PlatformFacts,
        opts: pulumi.ResourceOptions,
        *,
        borrows: bool = False,
    ) -> None:
        super().__init__("terrarium:index:Workspace", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        namespace = _namespace(name, settings, facts, children)
        self.namespace = namespace.metadata.name
        self.scope = Scope(name, self.namespace, environment_labels(settings), children)
        network.network_policies(self.scope, settings.network)
        limits.quota(self.scope, settings.quota, borrows=borrows)
        limits.foreign_priorities(self.scope, facts.priority_class)
        limits.container_limits(self.scope, settings.container)
        access.runner(self.scope)
        access.rights(self.scope, settings.tier, settings.people)
        self.register_outputs({"namespace": self.namespace})

    def queue(self, settings: EnvironmentSettings, facts: PlatformFacts, cohort: str | None) -> None:
        """Let the environment's jobs wait in queues.

        Makes: a ClusterQueue, the LocalQueue `default`, and one for each bucket.

        Args:
            settings: The environment.
            facts: What the platform below offers.
            cohort: With whom it shares what it does not use; None shares nothing.
        """
        queues.queued(self.scope, settings, facts, cohort=cohort)

    def connect(self, made: Store, settings: EnvironmentSettings) -> None:
        """Bring a store's keys into the namespace, and let people and pods through to it.

        Makes: for each identity and generation a Secret; for each identity that people may use a Role and RoleBinding;
        a NetworkPolicy if the store is beyond the cluster.

        Args:
            made: The store.
            settings: The environment.
        """
        store.secrets(self.scope, made)
        store.readable(self.scope, made, settings)
        store.way(self.scope, made)


def _namespace(
    name: str, settings: EnvironmentSettings, facts: PlatformFacts, opts: pulumi.ResourceOptions
) -> Namespace:
    level = settings.pod_security
    return Namespace(
        f"{name}-namespace",
        metadata=ObjectMetaArgs(
            name=naming.NAMESPACE.check(settings.id),
            labels={
                **environment_labels(settings),
                # Also makes everything wait for the platform's consent: without it a refused environment was half made.
                f"{LABEL}/platform": facts.name,
                "pod-security.kubernetes.io/enforce": level,
                "pod-security.kubernetes.io/audit": "restricted",
                "pod-security.kubernetes.io/warn": "restricted",
            },
            annotations={f"{LABEL}/owner": settings.owner},
        ),
        # Deleting or replacing a namespace deletes all that is in it; `terrarium destroy` lifts this after asking.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=True)),
    )
