"""Pools, budgets and CI: what is refused, and what a cluster has whose stack declares no pool."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.settings import pools
from components.settings.ci import CiSettings
from components.settings.money import BudgetSettings
from components.settings.pools import PoolSettings
from components.tiers import TIERS, Tier


@pytest.mark.parametrize(
    ("pool", "key", "says"),
    [
        ({"max": 0}, "max", "0 machines is no pool"),
        ({"min": 3, "max": 2}, "min", "3 is more than max, 2"),
        ({"max": 1, "size": "m7i.large", "machine": "gpu"}, "size", "remove machine"),
        ({"max": 1, "gpu": 1}, "gpu", "a machine of class general has none; say machine: gpu"),
    ],
)
def test_what_contradicts_itself_is_said_by_key(pool: dict[str, Any], key: str, says: str) -> None:
    [(found, message)] = pools.contradictions({"train": PoolSettings.model_validate(pool)})
    assert found == f"pools.train.{key}"
    assert says in message


def test_every_problem_of_every_pool_is_found() -> None:
    bad = {"a": PoolSettings(min=2, max=0), "b": PoolSettings(max=1, gpu=2)}
    assert [key for key, _ in pools.contradictions(bad)] == ["pools.a.max", "pools.a.min", "pools.b.gpu"]


@pytest.mark.parametrize("tier", Tier)
def test_the_pool_of_a_tier_is_a_good_one(tier: Tier) -> None:
    assert list(PoolSettings.model_validate(TIERS[tier].defaults.pool).contradictions()) == []


def test_production_has_machines_in_three_zones_at_all_times_and_none_that_is_taken_back() -> None:
    pool = PoolSettings.model_validate(TIERS[Tier.PRODUCTION].defaults.pool)
    assert pool.min >= 3
    assert not pool.spot


@pytest.mark.parametrize(
    "bad",
    [
        {"monthly": 0, "notify": ["a@example.org"]},
        {"monthly": 10, "notify": []},
        {"monthly": 10, "notify": ["nobody"]},
        {"monthly": 10, "notify": ["a@example.org"], "alert_at": [80, 50]},
        {"monthly": 10, "notify": ["a@example.org"], "alert_at": []},
        {"monthly": 10, "notify": ["a@example.org"], "alert_at": [1, 2, 3, 4, 5, 6]},
    ],
)
def test_a_budget_that_warns_nobody_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BudgetSettings.model_validate(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"repository": "churn"},
        {"repository": "acme/*"},
        {"branch": "release/*"},
        {"branch": ""},
        {"environment": "prod' || true"},
        {"host": "github.com/evil"},
        {"issuer": "elsewhere"},
    ],
)
def test_a_ci_that_would_let_more_than_one_branch_in_is_refused(bad: dict[str, str]) -> None:
    CiSettings.model_validate({"issuer": "github", "repository": "acme/churn"})
    with pytest.raises(ValidationError):
        CiSettings.model_validate({"issuer": "github", "repository": "acme/churn", **bad})


@pytest.mark.parametrize(
    ("pool", "known", "says"),
    [
        ({"size": "m7i.large"}, True, None),
        ({"size": "m7i.large", "cpu": "2"}, True, "what it has is known; remove cpu, memory and gpu"),
        ({"size": "p5.48xlarge"}, False, "say its cpu, memory and, if it has GPUs, gpu"),
        ({"size": "p5.48xlarge", "cpu": "192", "memory": "2Ti", "gpu": 8}, False, None),
        ({"cpu": "2"}, False, None),
    ],
)
def test_what_a_named_machine_has_is_known_or_said(pool: dict[str, Any], known: bool, says: str | None) -> None:
    found = list(PoolSettings.model_validate({"max": 1, **pool}).described(known=known))
    assert [key for key, _ in found] == (["size"] if says else [])
    assert all(says and says in message for _, message in found)
