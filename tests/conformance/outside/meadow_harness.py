"""What the conformance suite is told of the meadow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

from tests.conformance.clouds.kubernetes import kubernetes_replaces
from tests.support import recording


class MeadowHarness:
    cloud = "meadow"
    sdks: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()

    def block(self, tier: str, *, shared: bool = False) -> dict[str, Any]:
        own = tier == "production" and not shared
        return {"cloud": {"meadow": {"region": "north", **({} if own else {"platform": "shared"})}}}

    def platform(self, tiers: list[str]) -> dict[str, Any]:
        del tiers
        return {"cloud": {"meadow": {"region": "north"}}}

    def made(self, args: MockResourceArgs) -> Mapping[str, Any]:
        return recording.nothing_more(args)

    def answer(self, args: MockCallArgs) -> Mapping[str, Any]:
        return recording.no_answer(args)

    def replaces(self, kind: str, changed: str) -> bool:
        return kubernetes_replaces(kind, changed)

    def named(self, kind: str) -> frozenset[str]:
        del kind
        return frozenset()


harness = MeadowHarness()
