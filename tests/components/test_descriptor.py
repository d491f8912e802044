"""An environment is built on a platform only if the platform says that it takes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.descriptor import KEY, PlatformRefused, check_platform
from components.tiers import Tier

TAKES = {"contractVersion": 1, "name": "shared", "tiers": ["experimentation", "testing"]}


def _data(**changes: Any) -> dict[str, str]:
    return {KEY: json.dumps({**TAKES, **changes})}


def test_a_platform_that_takes_the_tier_is_accepted() -> None:
    assert check_platform(_data(), "shared", Tier.TESTING) == TAKES


@pytest.mark.parametrize(
    ("changes", "tier", "says"),
    [
        ({"contractVersion": 2}, Tier.TESTING, "speaks version 2 of the contract, this program 1"),
        ({"contractVersion": None}, Tier.TESTING, "speaks version None"),
        ({"name": "other"}, Tier.TESTING, "belongs to platform other, not shared"),
        ({}, Tier.PRODUCTION, "takes experimentation, testing, not production"),
        ({"tiers": ["testing", "production"]}, Tier.TESTING, "production shares a platform with no other tier"),
        ({"tiers": ["testing", "production"]}, Tier.PRODUCTION, "production shares a platform with no other tier"),
        ({"tiers": []}, Tier.TESTING, "not testing"),
    ],
)
def test_a_platform_that_does_not_fit_is_refused(changes: dict[str, Any], tier: Tier, says: str) -> None:
    with pytest.raises(PlatformRefused, match=says):
        check_platform(_data(**changes), "shared", tier)


@pytest.mark.parametrize("data", [{}, {KEY: "{"}, {KEY: "[]"}, {KEY: '{"contractVersion": 1}'}])
def test_a_descriptor_that_is_none_is_refused_in_words(data: dict[str, str]) -> None:
    with pytest.raises(PlatformRefused, match="publishes no descriptor that can be read"):
        check_platform(data, "shared", Tier.TESTING)
