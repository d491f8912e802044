"""The tiers as the documentation tells them. This table is written by hand: a change of a tier changes it too."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from components.settings.models import EnvironmentSettings
from components.tiers import TIERS, Right, StoreRight, Tier, admits

EXPERIMENTATION, TESTING, PRODUCTION = Tier
READ, WRITE = StoreRight
ALLOWANCE = {"cidr": "10.0.0.0/8", "ports": [443], "why": "test"}


def _broken(tier: Tier, **changes: Any) -> list[tuple[str, str]]:
    settings = {"project": "churn", "name": "x", "tier": tier, "owner": "o", "cost_centre": "c", "cloud": {}}
    defaults: dict[str, Any] = TIERS[tier].defaults.as_settings()
    within = {key: {**defaults[key], **changes.get(key, {})} for key in ("store", "quota")}
    return list(EnvironmentSettings.model_validate({**settings, **defaults, **changes, **within}).contradictions())


@pytest.mark.parametrize("tier", Tier)
def test_a_tiers_own_defaults_break_none_of_its_rules(tier: Tier) -> None:
    assert _broken(tier) == []


BREACHES: dict[str, dict[str, Any]] = {
    "pod_security": {"pod_security": "baseline"},
    "network.egress": {"network": {"egress": "open"}},
    "network.egress_to": {"network": {"egress": "listed", "egress_to": {"all": {**ALLOWANCE, "cidr": "8.0.0.0/7"}}}},
    "people.members": {"people": {"members": ["team"]}},
    "people.automation": {"people": {"automation": ["ci"], "promoters": ["ci"]}},
    "buckets": {"buckets": {"alice": {"users": ["alice"]}}},
    "quota.borrow_percent": {"quota": {"borrow_percent": 10}},
    "store.versioned": {"store": {"versioned": False}},
    "store.protected": {"store": {"protected": False}},
    "expires": {"expires": "2027-01-31"},
    "sleep": {"sleep": {"idle_hours": 12}},
}
HARD = {
    EXPERIMENTATION: set[str](),
    TESTING: {"pod_security", "network.egress", "network.egress_to", "quota.borrow_percent", "expires"},
    PRODUCTION: set(BREACHES),
}


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("key", BREACHES)
def test_one_setting_breaks_one_hard_rule_and_is_told_what_is_allowed_and_why(tier: Tier, key: str) -> None:
    broken = _broken(tier, **BREACHES[key])
    if key not in HARD[tier]:
        assert broken == []
        return
    # A promise that rests on the same setting may be broken, too.
    [(named, message)] = [(where, why) for where, why in broken if why.startswith("tier ")]
    [rule] = [rule for rule in TIERS[tier].rules if rule.key == key]
    assert named == key
    assert message == f"tier {tier.value} takes {rule.demand}: {rule.why}"


@pytest.mark.parametrize("tier", Tier)
def test_no_hard_rule_goes_untested(tier: Tier) -> None:
    assert {rule.key for rule in TIERS[tier].rules} == HARD[tier]


@pytest.mark.parametrize("tier", [TESTING, PRODUCTION])
@pytest.mark.parametrize(
    ("ranges", "taken"),
    [
        (("64.0.0.0/3",), False),
        (("16.0.0.0/4", "32.0.0.0/3", "128.0.0.0/3"), False),
        (("8.0.0.0/8", "9.0.0.0/8"), False),
        (("2000::/3",), False),
        (("2001:db8::/31",), False),
        (("10.0.0.0/8", "12.0.0.0/8"), True),
        (("2001:db8::/32", "fd00:1::/32"), True),
        (("10.0.12.0/24", "10.0.13.0/24"), True),
    ],
)
def test_a_list_of_large_parts_of_the_internet_is_no_list(tier: Tier, ranges: tuple[str, ...], taken: bool) -> None:
    listed = {f"part{n}": {**ALLOWANCE, "cidr": cidr} for n, cidr in enumerate(ranges)}
    broken = [key for key, _ in _broken(tier, network={"egress": "listed", "egress_to": listed})]
    assert broken == ([] if taken else ["network.egress_to"])


def test_readers_who_are_also_automation_are_refused_in_production() -> None:
    assert [key for key, _ in _broken(PRODUCTION, people={"automation": ["x"], "readers": ["x"]})] == [
        "people.automation"
    ]


@pytest.mark.parametrize(
    ("tier", "rights"),
    [
        (EXPERIMENTATION, {"members": Right.WRITE, "readers": Right.READ, "automation": Right.DEPLOY}),
        (
            TESTING,
            {"members": Right.READ, "readers": Right.READ, "automation": Right.DEPLOY, "promoters": Right.LAUNCH},
        ),
        (PRODUCTION, {"readers": Right.READ, "automation": Right.DEPLOY, "promoters": Right.LAUNCH}),
    ],
)
def test_each_kind_of_group_gets_its_tiers_right(tier: Tier, rights: dict[str, Right]) -> None:
    assert TIERS[tier].rights == rights


@pytest.mark.parametrize(
    ("tier", "rights"),
    [
        (EXPERIMENTATION, {"members": WRITE, "readers": READ, "automation": WRITE}),
        (TESTING, {"members": READ, "readers": READ, "automation": WRITE}),
        (PRODUCTION, {"readers": READ}),
    ],
)
def test_each_kind_of_group_gets_its_tiers_keys(tier: Tier, rights: dict[str, StoreRight]) -> None:
    assert TIERS[tier].store == rights


def test_the_higher_the_tier_the_less_may_be_lost_and_the_longer_it_is_kept() -> None:
    kept = [TIERS[tier].defaults.store for tier in (EXPERIMENTATION, TESTING, PRODUCTION)]
    for objective in ("rpo_minutes", "rto_minutes"):
        values = [store.recovery[objective] for store in kept]
        assert values == sorted(values, reverse=True)
    assert [store.keep_versions_days for store in kept] == sorted(store.keep_versions_days for store in kept)


def test_production_goes_first_and_an_experiment_pushes_nobody_out() -> None:
    values = [TIERS[tier].priority for tier in (EXPERIMENTATION, TESTING, PRODUCTION)]
    assert values == sorted(set(values))
    assert [TIERS[tier].preempts for tier in (EXPERIMENTATION, TESTING, PRODUCTION)] == [False, True, True]


@pytest.mark.parametrize(
    "serves",
    [frozenset(c) for n in range(4) for c in combinations(Tier, n)],
    ids=lambda s: "+".join(sorted(s)) or "none",
)
@pytest.mark.parametrize("tier", Tier)
def test_a_platform_admits_the_tiers_it_serves_and_production_only_alone(serves: frozenset[Tier], tier: Tier) -> None:
    allowed = {
        EXPERIMENTATION: [{EXPERIMENTATION}, {EXPERIMENTATION, TESTING}],
        TESTING: [{TESTING}, {EXPERIMENTATION, TESTING}],
        PRODUCTION: [{PRODUCTION}],
    }
    assert admits(serves, tier) == (set(serves) in allowed[tier])


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (
            {"container": {"default": {"cpu": "3", "memory": "1Gi"}, "maximum": {"cpu": "2", "memory": "1Gi"}}},
            "container.default.cpu",
        ),
        (
            {"container": {"default": {"cpu": "1", "memory": "2Gi"}, "maximum": {"cpu": "2", "memory": "2G"}}},
            "container.default.memory",
        ),
        (
            {"container": {"default": {"cpu": "1", "memory": "1Gi"}, "maximum": {"cpu": "17", "memory": "2Gi"}}},
            "quota.cpu",
        ),
        (
            {"container": {"default": {"cpu": "1", "memory": "1Gi"}, "maximum": {"cpu": "2", "memory": "65Gi"}}},
            "quota.memory",
        ),
    ],
)
def test_limits_that_can_never_be_used_are_refused(changes: dict[str, Any], key: str) -> None:
    [(named, message)] = _broken(EXPERIMENTATION, **changes)
    assert named == key
    assert " than container.maximum." in message
