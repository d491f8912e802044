"""A cloud that is no part of this repository builds environments without a change to the core."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest

from components import clouds
from components.contract import Cluster, Network, NotReached, Store
from components.settings.fields import Line, Settings


class MeadowSettings(Settings):
    region: Line
    """Where."""


@dataclass(frozen=True)
class MeadowAdapter:
    settings: MeadowSettings
    name: str = "meadow"
    platform: str | None = None
    cluster_id: str | None = None
    account: str | None = None

    @property
    def access(self) -> dict[str, str]:
        return {}

    def contradictions(self, settings: object) -> Iterator[tuple[str, str]]:
        del settings
        yield from ()

    def network(self, name: str, settings: Any, opts: pulumi.ResourceOptions) -> Network:
        del name, opts
        return Network(cidr=settings.network.cidr, kind="vpc")

    def cluster(self, name: str, settings: object, network: object, opts: pulumi.ResourceOptions) -> Cluster:
        from pulumi_kubernetes import Provider  # noqa: PLC0415 - as an adapter does it

        del settings, network
        provider = Provider(f"{name}-cluster", context="meadow", opts=opts)
        return Cluster(f"{name}-meadow", provider, None, {"region": self.settings.region})

    def store(self, name: str, settings: object, uid: object, lake: object, ground: object, *, opts: object) -> None:
        del name, settings, uid, lake, ground, opts

    def lake(self, name: str, settings: object, uid: object, ground: object, opts: object) -> Store:
        del name, settings, uid, ground, opts
        raise NotReached("a meadow has no lakes")

    def registry(self, name: str, settings: object, ground: object, opts: object) -> None:
        del name, settings, ground, opts

    def governance(self, name: str, settings: object, ground: object, opts: object) -> dict[str, str]:
        del name, settings, ground, opts
        return {}

    def administration(self, variables: object, outputs: object) -> None:
        del variables, outputs


class MeadowCloud:
    settings = MeadowSettings

    def adapter(self, settings: MeadowSettings) -> MeadowAdapter:
        return MeadowAdapter(settings)


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Point(importlib.metadata.EntryPoint):
        def load(self) -> Any:
            return MeadowCloud()

    point = Point(name="meadow", value="meadow:cloud", group=clouds.ENTRY_POINTS)
    monkeypatch.setattr(clouds, "entry_points", lambda **_: importlib.metadata.EntryPoints((point,)))
    clouds._entry_points.cache_clear()
    yield
    clouds._entry_points.cache_clear()


@pytest.mark.usefixtures("_installed")
def test_an_environment_is_built_on_it(run: Any, environment: Any) -> None:
    recorded = run("dev", environment(cloud={"meadow": {"region": "north"}}, network={"cidr": "10.64.0.0/20"}))
    assert recorded.outputs["cloud"] == "meadow"
    assert recorded.outputs["access"] == {"region": "north"}
    assert recorded.outputs["network"] == {"cidr": "10.64.0.0/20", "egress": "open", "kind": "vpc"}
    assert recorded.outputs["cluster"] == {"name": "churn-x-meadow", "platform": "churn-x", "shared": False}
    assert recorded.of("NetworkPolicy")


@pytest.mark.usefixtures("_installed")
def test_a_cloud_that_is_not_installed_is_refused_with_those_that_are(run: Any, environment: Any) -> None:
    with pytest.raises(Exception, match="unknown cloud `kubernetes`; Allowed: meadow"):
        run("dev", environment())
