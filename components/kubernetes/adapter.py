"""The `kubernetes` cloud: an existing cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.compute import Kueue, Taint, Workers
from components.contract import (
    RO,
    RW,
    Administration,
    Cluster,
    Ground,
    LakeFacts,
    Network,
    NotReached,
    Registry,
    Store,
)
from components.inside import MANNER
from components.kubernetes import connections
from components.kubernetes.settings import KubernetesSettings
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.settings.store import BACKUP_INTERVAL
from components.stores import layout

if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True)
class KubernetesAdapter:
    """Environments and platforms on an existing cluster; see `components.contract.CloudAdapter`."""

    settings: KubernetesSettings
    name: str = "kubernetes"

    @property
    def platform(self) -> str | None:
        """The platform whose slice the environment is; see the contract."""
        return self.settings.platform

    @property
    def cluster_id(self) -> str:
        """The context, and its kubeconfig if the stack names one: two files may call two clusters the same."""
        kubeconfig = self.settings.kubeconfig
        return f"context {self.settings.context}" + (f" of {kubeconfig}" if kubeconfig else "")

    @property
    def account(self) -> None:
        """None: an existing cluster's account is its owner's."""

    def access(self, settings: AnySettings) -> Mapping[str, str]:
        """Return the context, and its kubeconfig if the stack names one; see the contract."""
        del settings
        kubeconfig = self.settings.kubeconfig
        return {"context": self.settings.context} | ({"kubeconfig": kubeconfig} if kubeconfig else {})

    @property
    def kueue(self) -> Kueue:
        """What the stack file says; see the contract."""
        return "found" if self.settings.kueue else "none"

    def workers(self, settings: AnySettings) -> Sequence[Workers]:
        """Return the pools that the stack file says the cluster has; see the contract."""
        del settings
        return [
            Workers(
                name=name,
                labels=pool.labels,
                taints=tuple(Taint(key=each.key, value=each.value, effect=each.effect) for each in pool.taints),
                cpu=pool.cpu,
                memory=pool.memory,
                gpu=pool.gpu,
                gpu_resource=pool.gpu_resource,
                max=pool.max,
                spot=pool.spot,
            )
            for name, pool in self.settings.pools.items()
        ]

    @property
    def places(self) -> Mapping[str, str]:
        """What it all stands on; see the contract. The cluster stands for its account, which only its owner knows."""
        cluster, store = self.cluster_id, self.settings.store
        database = store.database if store else None
        parts = [f"profile {store.objects.profile}"] if store else [f"no store on {cluster}"]
        parts += [f"service {database.service}"] if database else []
        region = {"region": store.objects.region} if store and store.objects.region else {}
        return {"account": cluster, "cluster": cluster, "store": ", ".join(parts), **region}

    def contradictions(self, settings: AnySettings) -> Iterator[tuple[str, str]]:
        """Yield what an existing cluster can't do; see the contract."""
        if isinstance(settings, PlatformSettings) and self.settings.platform:
            yield "cloud.kubernetes.platform", "a platform is not a slice of another platform; remove this key"
        if not isinstance(settings, LakeSettings):
            yield from self._not_made(settings)
        if isinstance(settings, LakeSettings) and not self.settings.platform:
            yield (
                "cloud.kubernetes.platform",
                "is missing: a lake is a slice of a platform, as environments come and go",
            )
        yield from self._pool_contradictions(settings)
        yield from self._store_contradictions(settings)

    def _pool_contradictions(self, settings: AnySettings) -> Iterator[tuple[str, str]]:
        key, pools = "cloud.kubernetes.pools", self.settings.pools
        if self.settings.platform or isinstance(settings, LakeSettings):
            if pools:
                yield key, "a slice uses its platform's; remove this key"
            return
        if self.settings.kueue and not pools:
            yield key, "is missing: say which machines the cluster has for jobs, or queues would lead nowhere"
        for name, pool in pools.items():
            for other, its in pools.items():
                if name < other and (
                    pool.labels.items() <= its.labels.items() or its.labels.items() <= pool.labels.items()
                ):
                    yield f"{key}.{other}.labels", f"select machines of pool {name}, too; name labels that only one has"
        wanted = settings.quota.gpu if isinstance(settings, EnvironmentSettings) and pools else 0
        if wanted and not any(pool.gpu for pool in pools.values()):
            yield "quota.gpu", f"{wanted} GPUs, and no pool has any; set this to 0"

    def _not_made(self, settings: EnvironmentSettings | PlatformSettings) -> Iterator[tuple[str, str]]:
        """Yield what only whoever makes a cluster can make."""
        given = {
            "network.cidr": (settings.network.cidr, "has its own ranges, so nothing on it can bring one"),
            "pools": (settings.pools, "has the machines that its owner gave it"),
            "budget": (settings.budget, "is paid by its owner, who sets its budget"),
            "ci": (settings.ci, "is opened to CI by its owner; name CI's group under people.automation"),
        }
        for key, (value, reason) in given.items():
            if value:
                yield key, f"an existing cluster {reason}; remove this key, or let aws or gcp make the cluster"

    def _store_contradictions(self, settings: AnySettings) -> Iterator[tuple[str, str]]:
        store, key = self.settings.store, "cloud.kubernetes.store"
        if isinstance(settings, PlatformSettings):
            if store:
                yield key, "a platform has no data of its own; remove this key"
        elif isinstance(settings, LakeSettings):
            yield from self._lake_contradictions(settings)
        elif store is None:
            for name, given in (("buckets", settings.buckets), ("store.lake", settings.store.lake)):
                if given:
                    yield name, f"needs a data store: say under {key} where it is, or remove this key"
        else:
            yield from self._environment_contradictions(settings)

    def _lake_contradictions(self, settings: LakeSettings) -> Iterator[tuple[str, str]]:
        if self.settings.store is None:
            yield "cloud.kubernetes.store", "is missing: a lake is a data store; say where it is"
            return
        refused = layout.refusals(layout.lake_id(settings.name), database=False)
        found = [*self.settings.store.contradictions({RW}), *(("objects", reason) for reason in refused)]
        yield from ((f"cloud.kubernetes.store.{name}", message) for name, message in found)

    def _environment_contradictions(self, settings: EnvironmentSettings) -> Iterator[tuple[str, str]]:
        store, key = self.settings.store, "cloud.kubernetes.store"
        if store is None:
            return
        identities = {RW, RO, *map(layout.bucket_identity, settings.buckets)}
        yield from ((f"{key}.{name}", message) for name, message in store.contradictions(identities))
        yield from (("project", message) for message in layout.refusals(settings.id))
        if settings.store.lake and not self.settings.platform:
            yield "store.lake", "a lake is found through a platform; an environment that owns its cluster has none"
        schemas = [layout.schema(bucket) for bucket in settings.buckets]
        if len(set(schemas)) < len(schemas):
            yield "buckets", "two buckets would share a schema of the database"
        if store.objects.accounts and settings.store.lake:
            yield "store.lake", "the accounts that the stack file names have no right to it: let the lake's owner copy"
        if store.objects.accounts and len(settings.store.generations) > 1:
            yield "store.generations", "accounts have one key each; whoever made them changes it"
        recovery = settings.store.recovery
        if "lifecycle" not in store.objects.without and recovery.keep_backups_days > settings.store.keep_versions_days:
            yield (
                "store.recovery.keep_backups_days",
                f"{recovery.keep_backups_days} days are more than store.keep_versions_days, "
                f"{settings.store.keep_versions_days}: a backup names versions, and the store would have deleted them",
            )
        if store.database is None:
            yield f"{key}.database", "is missing: an environment has a database"
        elif settings.store.recovery.rpo_minutes < BACKUP_INTERVAL and not store.database.point_in_time:
            yield (
                f"{key}.database.point_in_time",
                f"is missing: store.recovery.rpo_minutes promises {settings.store.recovery.rpo_minutes} minutes, and "
                f"backups alone are a day apart; give the command, or promise {BACKUP_INTERVAL}",
            )

    def network(self, name: str, settings: AnySettings, opts: pulumi.ResourceOptions) -> Network:
        """Return the cluster's own network, in which policies keep environments apart."""
        del name, settings, opts
        return Network(cidr=None, kind="network policies")

    def cluster(self, name: str, settings: AnySettings, network: Network, opts: pulumi.ResourceOptions) -> Cluster:
        """Return the existing cluster behind one explicit provider."""
        del network
        # Imported here: another cloud's stack must not pay for this SDK (0.4 s).
        from pulumi_kubernetes import Provider  # noqa: PLC0415

        provider = Provider(
            f"{name}-cluster",
            context=self.settings.context,
            kubeconfig=self.settings.kubeconfig,
            **MANNER,
            opts=opts,
        )
        return Cluster(
            name=self.settings.context,
            provider=provider,
            platform=self.settings.platform,
            access=self.access(settings),
        )

    def store(
        self,
        name: str,
        settings: EnvironmentSettings,
        uid: pulumi.Output[str],
        lake: LakeFacts | None,
        ground: Ground,
        *,
        opts: pulumi.ResourceOptions,
    ) -> Store | None:
        """Make the environment's store on the servers that the declaration names; see the contract."""
        del ground
        if self.settings.store is None:
            return None
        # Imported here: without a store nobody pays for two more SDKs (0.15 s).
        from components.kubernetes.store import Builder  # noqa: PLC0415

        return Builder(self.settings.store, f"{name}-store", uid, opts).environment(settings, lake)

    def lake(
        self, name: str, settings: LakeSettings, uid: pulumi.Output[str], ground: Ground, opts: pulumi.ResourceOptions
    ) -> Store:
        """Make a lake's store; see the contract."""
        del ground
        if self.settings.store is None:
            raise NotReached("cloud.kubernetes.store is missing")
        from components.kubernetes.store import Builder  # noqa: PLC0415 - see store

        return Builder(self.settings.store, f"{name}-store", uid, opts).lake(settings)

    def repository(self, settings: EnvironmentSettings) -> str | None:
        """Return the registry that the stack file names; see the contract."""
        del settings
        return self.settings.registry

    def registry(
        self, name: str, settings: EnvironmentSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Registry | None:
        """Return the registry that the stack file names: it is its owner's, as the cluster is."""
        del name, settings, ground, opts
        return Registry(self.settings.registry) if self.settings.registry else None

    def governance(
        self, name: str, settings: EnvironmentSettings | PlatformSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Mapping[str, Any]:
        """Return nothing: what an existing cluster costs, and who deploys to it, is its owner's."""
        del name, settings, ground, opts
        return {}

    def administration(self, variables: Mapping[str, str], outputs: Mapping[str, Any]) -> Administration | None:
        """Return how the store is administered; see the contract."""
        del outputs
        store = self.settings.store
        if store is None:
            return None
        server, key = store.database, "cloud.kubernetes.store"
        endpoints = connections.endpoints(store.objects, variables)
        return Administration(
            endpoint=endpoints.s3,
            iam_endpoint=endpoints.iam,
            region=endpoints.region,
            ca_bundle=endpoints.profile.ca_bundle,
            access_key=endpoints.profile.access_key,
            secret_key=endpoints.profile.secret_key,
            database=connections.server(server, variables, f"{key}.database") if server else {},
            point_in_time=server.point_in_time if server else (),
            versions_expire="lifecycle" not in store.objects.without,
        )


class KubernetesCloud:
    """The entry point of this package; see `components.contract.Cloud`."""

    settings = KubernetesSettings

    def adapter(self, settings: KubernetesSettings) -> KubernetesAdapter:
        """Return the adapter that holds these settings."""
        return KubernetesAdapter(settings)
