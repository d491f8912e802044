"""A cloud from outside the tree: clusters that somebody runs on a meadow, and no data store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.compute import Kueue, Workers
from components.contract import Cluster, Ground, LakeFacts, Network, NotReached, Store
from components.settings.fields import Line, NamespaceName, Settings
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings


class MeadowSettings(Settings):
    """What stands under `cloud.meadow`."""

    region: Line
    """Where on the meadow."""
    platform: NamespaceName | None = None
    """The platform whose slice this is."""


@dataclass(frozen=True)
class MeadowAdapter:
    """Environments on a meadow; see `components.contract.CloudAdapter`."""

    settings: MeadowSettings
    name: str = "meadow"
    cluster_id: str | None = None
    account: str | None = None

    @property
    def platform(self) -> str | None:
        return self.settings.platform

    def access(self, settings: AnySettings) -> Mapping[str, str]:
        del settings
        return {"context": f"meadow-{self.settings.region}"}

    @property
    def kueue(self) -> Kueue:
        return "none"

    def workers(self, settings: AnySettings) -> Sequence[Workers]:
        del settings
        return ()

    @property
    def places(self) -> Mapping[str, str]:
        return {"account": "the meadow", "cluster": self.settings.region, "store": "the meadow"}

    def contradictions(self, settings: AnySettings) -> Iterator[tuple[str, str]]:
        del settings
        yield from ()

    def network(self, name: str, settings: AnySettings, opts: pulumi.ResourceOptions) -> Network:
        del name, settings, opts
        return Network(cidr=None, kind="hedges")

    def cluster(self, name: str, settings: AnySettings, network: Network, opts: pulumi.ResourceOptions) -> Cluster:
        from pulumi_kubernetes import Provider  # noqa: PLC0415 - `terrarium check` must not pay for it

        del network
        access = self.access(settings)
        provider = Provider(f"{name}-cluster", context=access["context"], opts=opts)
        return Cluster(access["context"], provider, self.platform, access)

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
        del name, settings, uid, lake, ground, opts
        return None

    def lake(
        self, name: str, settings: LakeSettings, uid: pulumi.Output[str], ground: Ground, opts: pulumi.ResourceOptions
    ) -> Store:
        del name, settings, uid, ground, opts
        raise NotReached("a meadow has no lakes")

    def repository(self, settings: EnvironmentSettings) -> str | None:
        del settings
        return None

    def registry(self, name: str, settings: EnvironmentSettings, ground: Ground, opts: pulumi.ResourceOptions) -> None:
        del name, settings, ground, opts

    def governance(
        self, name: str, settings: EnvironmentSettings | PlatformSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Mapping[str, Any]:
        del name, settings, ground, opts
        return {}

    def administration(self, variables: Mapping[str, str], outputs: Mapping[str, Any]) -> None:
        del variables, outputs


class MeadowCloud:
    """The entry point."""

    settings = MeadowSettings

    def adapter(self, settings: MeadowSettings) -> MeadowAdapter:
        return MeadowAdapter(settings)


cloud = MeadowCloud()
