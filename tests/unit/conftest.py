"""A project on disk to declare from, and a cloud that is installed for one test."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import settings

from components import clouds
from components.settings.declaration import Declaration, declare
from components.settings.fields import Line, Settings
from components.settings.problems import InvalidSettings, Problem

# A shared runner stalls now and then; a deadline would make that a failure. No database: a run depends on nothing old.
settings.register_profile("terrarium", deadline=None, database=None, derandomize=True)
settings.load_profile("terrarium")

ORGANISATION = """\
    organisation: Example
    addresses:
      supernet: 10.64.0.0/10
    defaults:
      environment: {owner: team@example.org, cost_centre: shared}
      platform: {owner: team@example.org, cost_centre: shared}
    """
DEV = """\
    config:
      pulumi:disable-default-providers: ["*"]
      terrarium:environment:
        project: churn
        name: dev
        tier: experimentation
        cloud:
          kubernetes:
            context: test
            platform: shared
    """


@dataclass(frozen=True)
class Project:
    """A project folder that a test writes its files into."""

    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")

    def declare(self, stack: str = "dev", config: Mapping[str, Any] | None = None) -> Declaration:
        return declare(self.root, stack, config)

    def problems(self, stack: str = "dev", config: Mapping[str, Any] | None = None) -> list[Problem]:
        """Return what `declare` refuses; a stack that is accepted fails the test."""
        with pytest.raises(InvalidSettings) as refused:
            self.declare(stack, config)
        assert str(refused.value).count("\n") >= len(refused.value.problems)
        return list(refused.value.problems)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A valid project of one stack, dev."""
    made = Project(tmp_path)
    made.write("organisation.yaml", ORGANISATION)
    made.write("Pulumi.dev.yaml", DEV)
    return made


class MeadowSettings(Settings):
    """Settings of a cloud that is not part of this repository."""

    region: Line
    """Where."""


@dataclass(frozen=True)
class MeadowAdapter:
    settings: MeadowSettings
    name: str = "meadow"
    platform: str | None = None
    cluster_id: str | None = None
    account: str | None = None

    def contradictions(self, settings: object) -> Iterator[tuple[str, str]]:
        del settings
        if self.settings.region == "moon":
            yield "cloud.meadow.region", "no cluster can be had there"


class MeadowCloud:
    settings = MeadowSettings

    def adapter(self, settings: MeadowSettings) -> MeadowAdapter:
        return MeadowAdapter(settings)


meadow = MeadowCloud()


@pytest.fixture
def install_cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Return a function that installs the cloud `meadow`, as a package from outside would."""

    class Point(importlib.metadata.EntryPoint):
        def load(self) -> Any:
            return meadow

    def install() -> None:
        real = importlib.metadata.entry_points

        def entry_points(**params: Any) -> importlib.metadata.EntryPoints:
            return importlib.metadata.EntryPoints(
                (*real(**params), Point(name="meadow", value="meadow:cloud", group=clouds.ENTRY_POINTS))
            )

        monkeypatch.setattr(clouds, "entry_points", entry_points)
        clouds._entry_points.cache_clear()

    yield install
    monkeypatch.undo()
    clouds._entry_points.cache_clear()
