"""The environment: network, cluster and workspace behind one declaration, on any cloud."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_random import Provider, RandomId

from components import descriptor
from components.contract import CONTRACT_VERSION, CloudAdapter, Cluster, PlatformFacts
from components.platform import Platform, PlatformArgs
from components.settings.models import EnvironmentSettings
from components.workspace import Workspace
from components.workspace.access import everybody
from components.workspace.workspace import environment_labels


@dataclass(frozen=True)
class EnvironmentArgs:
    """What an environment is made of.

    Args:
        settings: The declaration.
        cloud: The chosen cloud, holding its own settings.
    """

    settings: EnvironmentSettings
    cloud: CloudAdapter


class Environment(pulumi.ComponentResource):
    """One environment.

    Makes: its identity; what the cloud makes for network and cluster; the platform, if it owns its cluster; the
    workspace; the descriptor.

    Args:
        name: Logical name, the environment's id.
        args: What it is made of.
        opts: Options of the component.
    """

    uid: pulumi.Output[str]
    """Identity that no other environment has or had, 8 hexadecimal digits."""
    namespace: pulumi.Output[str]
    """The namespace in the cluster."""
    outputs: dict[str, pulumi.Input[object]]
    """The stack's outputs, by the contract."""

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("terrarium:index:Environment", name, None, opts)
        settings, cloud = args.settings, args.cloud
        children = pulumi.ResourceOptions(parent=self)
        self.uid = _identity(name, settings, children).hex
        network = cloud.network(name, settings, children)
        cluster = cloud.cluster(name, settings, children)
        in_cluster = pulumi.ResourceOptions(parent=self, provider=cluster.provider)
        facts = self._platform(name, args, cluster, in_cluster)
        workspace = Workspace(name, settings, facts, in_cluster)
        self.namespace = workspace.namespace
        self.outputs = {
            "contractVersion": CONTRACT_VERSION,
            "kind": "environment",
            "id": settings.id,
            "uid": self.uid,
            "project": settings.project,
            "name": settings.name,
            "tier": settings.tier.value,
            "owner": settings.owner,
            "cloud": cloud.name,
            "cluster": {"name": cluster.name, "platform": facts.name, "shared": cluster.platform is not None},
            "access": dict(cluster.access),
            "network": {"kind": network.kind, "cidr": network.cidr, "egress": settings.network.egress},
            "namespace": self.namespace,
        }
        descriptor.publish(
            name,
            self.outputs,
            called=settings.id,
            namespace=facts.namespace,
            readers=everybody(settings.tier, settings.people),
            labels=environment_labels(settings),
            opts=in_cluster,
        )
        self.register_outputs({"uid": self.uid, "namespace": self.namespace})

    def _platform(
        self, name: str, args: EnvironmentArgs, cluster: Cluster, opts: pulumi.ResourceOptions
    ) -> PlatformFacts:
        settings = args.settings
        if cluster.platform is not None:
            return descriptor.platform_facts(name, cluster.platform, settings.tier, opts)
        platform = PlatformArgs(
            name=settings.id,
            tiers=frozenset({settings.tier}),
            shared=False,
            owner=settings.owner,
            cost_centre=settings.cost_centre,
            cloud=args.cloud.name,
            cluster=cluster,
        )
        return Platform(f"{name}-platform", platform, pulumi.ResourceOptions(parent=self)).facts


def _identity(name: str, settings: EnvironmentSettings, opts: pulumi.ResourceOptions) -> RandomId:
    """Make the identity: protected, and keyed by what is fixed at creation, so the engine refuses to change that."""
    # Explicit, because stacks disable default providers: what a forgotten one would use is whatever is ambient.
    provider = Provider(f"{name}-random", opts=opts)
    own = pulumi.ResourceOptions(provider=provider, protect=True)
    return RandomId(
        f"{name}-identity",
        byte_length=4,
        keepers={"project": settings.project, "name": settings.name, "tier": settings.tier.value},
        opts=pulumi.ResourceOptions.merge(opts, own),
    )
