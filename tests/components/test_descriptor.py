"""An environment is built on a platform only if the platform says that it takes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.descriptor import KEY, PlatformRefused, check_platform
from components.tiers import Tier

TAKES = {
    "contractVersion": 1,
    "kind": "platform",
    "name": "shared",
    "shared": True,
    "cloud": "kubernetes",
    "tiers": ["experimentation", "testing"],
    "priorityClasses": {"experimentation": "terrarium-experimentation", "testing": "terrarium-testing"},
}
ABSENT = object()


def _data(**changes: Any) -> dict[str, str]:
    said = {**TAKES, **changes}
    return {KEY: json.dumps({key: value for key, value in said.items() if value is not ABSENT})}


def test_a_platform_that_takes_the_tier_is_accepted() -> None:
    found = check_platform(_data(), "shared", Tier.TESTING)
    assert (found.name, found.tiers) == ("shared", {Tier.EXPERIMENTATION, Tier.TESTING})
    assert found.priority_classes[Tier.TESTING] == "terrarium-testing"


@pytest.mark.parametrize(
    ("changes", "tier", "says"),
    [
        ({"contractVersion": 2}, Tier.TESTING, "speaks version 2 of the contract, this program 1"),
        ({"contractVersion": 2, "kind": ABSENT, "tiers": 5}, Tier.TESTING, "speaks version 2 of the contract"),
        ({"name": "other"}, Tier.TESTING, "belongs to platform other, not shared"),
        ({"shared": False, "name": "churn-prod"}, Tier.TESTING, "belongs to environment churn-prod alone"),
        ({"shared": False}, Tier.TESTING, "name a shared platform and its cluster under `cloud`"),
        ({}, Tier.PRODUCTION, "takes experimentation, testing, not production"),
        ({"tiers": ["testing", "production"]}, Tier.TESTING, "production shares a platform with no other tier"),
        ({"tiers": ["testing", "production"]}, Tier.PRODUCTION, "production shares a platform with no other tier"),
        ({"tiers": []}, Tier.TESTING, "takes no tier, not testing"),
    ],
)
def test_a_platform_that_does_not_fit_is_refused(changes: dict[str, Any], tier: Tier, says: str) -> None:
    with pytest.raises(PlatformRefused, match=says):
        check_platform(_data(**changes), "shared", tier)


DAMAGED: list[dict[str, str] | None] = [
    *(None, {}, {"other": "{}"}),
    *({KEY: text} for text in ("", "{", "[]", "null", "\u0000", "[" * 100_000, '{"contractVersion": 1}')),
    *(_data(contractVersion=version) for version in (ABSENT, None, "1", True, 1.5, [])),
    *(_data(kind=kind) for kind in (ABSENT, None, "environment", 1)),
    *(_data(name=name) for name in (ABSENT, None, "", 1, "a\nb", "\x1b[31m")),
    *(_data(shared=shared) for shared in (ABSENT, None, "true", 1)),
    *(_data(tiers=tiers) for tiers in (ABSENT, None, 5, "testing", ["testing", "gold"], [None], {"testing": 1})),
    *(_data(priorityClasses=found) for found in (ABSENT, None, 5, [], {}, {"gold": "x"}, {"testing": None})),
    _data(priorityClasses={"testing": ""}),
    _data(priorityClasses={"experimentation": "terrarium-experimentation"}),
]


@pytest.mark.parametrize("data", DAMAGED, ids=lambda data: str(data)[:60])
def test_a_descriptor_that_is_damaged_is_refused_in_words(data: dict[str, str] | None) -> None:
    with pytest.raises(PlatformRefused, match="publishes no descriptor that can be read"):
        check_platform(data, "shared", Tier.TESTING)
