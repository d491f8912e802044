"""The environment: network, cluster and workspace behind one declaration, on any cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import compute, descriptor
from components.compute import cohort_of
from components.contract import CONTRACT_VERSION, CloudAdapter, Cluster, Ground, LakeFacts, PlatformFacts, Store
from components.identity import identity
from components.labels import environment_labels
from components.platform import Platform, PlatformArgs
from components.reaching import found_out
from components.settings.models import EnvironmentSettings
from components.workspace import Workspace
from components.workspace.access import readers

if TYPE_CHECKING:
    from policies.rules.cluster_gate import Lists


@dataclass(frozen=True)
class EnvironmentArgs:
    """What an environment is made of.

    Args:
        settings: The declaration.
        cloud: The chosen cloud, holding its own settings.
        lists: What security approves, for the platform inside; None for a slice, whose platform has its own.
    """

    settings: EnvironmentSettings
    cloud: CloudAdapter
    lists: Lists | None


class Environment(pulumi.ComponentResource):
    """One environment.

    Makes: its identity; what the cloud makes for network, cluster, store and registry, and to watch over them; the
    platform, if it owns its cluster; the workspace; the descriptor.

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
        fixed = {"project": settings.project, "name": settings.name, "tier": settings.tier.value}
        with found_out():
            network = cloud.network(name, settings, children)
            cluster = cloud.cluster(name, settings, network, children)
        ground = Ground(network, cluster)
        self.uid = identity(name, fixed, children)
        in_cluster = pulumi.ResourceOptions(parent=self, provider=cluster.provider)
        facts = self._platform(name, args, cluster, in_cluster)
        shared = cluster.platform
        cohort = cohort_of(shared, settings.tier) if shared and cloud.kueue != "none" else None
        workspace = Workspace(name, settings, facts, in_cluster, borrows=cohort is not None)
        self.namespace = workspace.namespace
        if cloud.kueue != "none":
            workspace.queue(settings, facts, cohort)
        lake = self._lake(name, settings, in_cluster)
        store = self._store(name, args, facts, lake, ground)
        if store:
            workspace.connect(store, settings)
        registry = cloud.registry(name, settings, ground, children)
        governance = cloud.governance(name, settings, ground, children)
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
            "store": _described(store, settings, lake) if store else None,
            "compute": facts.compute.apply(lambda found: compute.described(found, settings)),
            **({"lifetime": lifetime} if (lifetime := _lifetime(settings)) else {}),
            **({"registry": registry.url} if registry else {}),
            **({"image": settings.image.model_dump()} if settings.image else {}),
            **({"governance": dict(governance)} if governance else {}),
        }
        descriptor.publish(
            name,
            self.outputs,
            called=settings.id,
            namespace=facts.namespace,
            readers=readers(settings),
            labels=environment_labels(settings),
            opts=in_cluster,
        )
        self.register_outputs({"uid": self.uid, "namespace": self.namespace})

    def _lake(self, name: str, settings: EnvironmentSettings, opts: pulumi.ResourceOptions) -> LakeFacts | None:
        lake = settings.store.lake
        return descriptor.lake_facts(name, lake, settings.tier, opts) if lake else None

    def _store(
        self, name: str, args: EnvironmentArgs, facts: PlatformFacts, lake: LakeFacts | None, ground: Ground
    ) -> Store | None:
        # Known once the platform has consented, or a refused environment would leave a store behind.
        uid = pulumi.Output.all(self.uid, facts.namespace).apply(lambda pair: str(pair[0]))
        with found_out():
            return args.cloud.store(name, args.settings, uid, lake, ground, opts=pulumi.ResourceOptions(parent=self))

    def _platform(
        self, name: str, args: EnvironmentArgs, cluster: Cluster, opts: pulumi.ResourceOptions
    ) -> PlatformFacts:
        settings = args.settings
        if cluster.platform is not None:
            return descriptor.platform_facts(name, cluster.platform, settings.tier, args.cloud.kueue, opts)
        platform = PlatformArgs(
            name=settings.id,
            tiers=frozenset({settings.tier}),
            shared=False,
            owner=settings.owner,
            cost_centre=settings.cost_centre,
            cloud=args.cloud.name,
            cluster=cluster,
            lists=args.lists,
            workers=args.cloud.workers(settings),
            kueue=args.cloud.kueue,
        )
        return Platform(f"{name}-platform", platform, pulumi.ResourceOptions(parent=self)).facts


def _lifetime(settings: EnvironmentSettings) -> dict[str, object]:
    """Return what is published of when an environment ends and sleeps."""
    expires, sleep = settings.expires, settings.sleep
    return {
        **({"expires": expires.isoformat()} if expires else {}),
        **({"idleHours": sleep.idle_hours} if sleep else {}),
    }


def _described(store: Store, settings: EnvironmentSettings, lake: LakeFacts | None) -> dict[str, object]:
    """Return what is published of an environment's store."""
    return {
        **store.published,
        "buckets": sorted(settings.buckets),
        "versioned": settings.store.versioned,
        "protected": settings.store.protected,
        "recovery": settings.store.recovery.model_dump(),
        "lake": {"name": lake.name, "bucket": lake.bucket} if lake else None,
    }
