"""Proves: the guard sees every destructive step on what holds data, and no other; what is fixed stays fixed."""

from __future__ import annotations

import pytest

from components.settings.models import PlatformSettings
from components.tiers import Tier
from terrarium import guard
from terrarium.plan import Step


def step(op: str, token: str) -> Step:
    return Step(op, token, f"urn:pulumi:s::p::a$b$c${token}::a-dev-thing", "a-dev", ("metadata.name",))


@pytest.mark.parametrize("token", guard.STATEFUL)
@pytest.mark.parametrize("op", ["delete", "replace"])
def test_destroying_what_holds_data_is_seen_and_explained(op: str, token: str) -> None:
    [(_, sentence)] = guard.destructive([step(op, token)])
    assert f"would {op}" in sentence
    assert "metadata.name changed" in sentence
    assert guard.STATEFUL[token] in sentence


@pytest.mark.parametrize("op", ["create", "update", "import"])
def test_other_steps_are_let_through(op: str) -> None:
    assert not list(guard.destructive([step(op, token) for token in guard.STATEFUL]))
    assert not list(guard.destructive([step("replace", "kubernetes:core/v1:ConfigMap")]))


def test_a_protected_resource_is_named_with_what_would_be_lost() -> None:
    urn = "urn:pulumi:dev::terrarium::terrarium:index:Environment$kubernetes:core/v1:Namespace::a-dev-namespace"
    message = "resource cannot be replaced because it is marked for protection"
    [sentence] = guard.protected([(urn, message), (None, message), (urn, "something else")])
    assert "Namespace a-dev-namespace" in sentence
    assert "everything in the namespace" in sentence


PLATFORM = PlatformSettings(name="shared", tiers=(Tier.TESTING,), owner="o", cost_centre="c", cloud={"kubernetes": {}})


@pytest.mark.parametrize(
    ("outputs", "keys"),
    [
        ({}, []),
        ({"kind": "platform", "name": "shared"}, []),
        ({"kind": "platform", "name": "other"}, ["name"]),
        ({"kind": "environment", "name": "shared"}, ["kind"]),
    ],
)
def test_what_a_stack_is_can_not_change(outputs: dict[str, str], keys: list[str]) -> None:
    assert [key for key, _ in guard.fixed_at_creation(outputs, "platform", PLATFORM)] == keys
