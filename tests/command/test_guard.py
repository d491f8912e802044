"""Proves: the guard sees every destructive step on what holds data, and no other; what is fixed stays fixed."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from components.settings.models import PlatformSettings
from components.tiers import Tier
from policies.gates.files import Waiver
from policies.rules.stateful import STATEFUL
from terrarium import guard
from terrarium.overrides import Overrides
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


@pytest.mark.parametrize(
    ("messages", "whole"),
    [
        (["refused by the rules of production, nothing was changed:\n  - a: b"], True),
        (['Preview failed: resource "x" cannot be deleted\nbecause it is protected. To', "preview failed"], True),
        (["refused by the rules of production, nothing was changed:\n  - a: b", "something else"], False),
        (['unable to replace resource "x"\nas it is currently marked for protection. To'], False),
        (["preview failed"], False),
        ([], False),
    ],
)
def test_a_plan_that_ended_with_errors_may_be_whole(messages: list[str], whole: bool) -> None:
    assert guard.planned_whole([(None, message) for message in messages]) is whole


@pytest.mark.parametrize(
    "message",
    [
        "unable to replace resource x\nas part of y. It is marked for protection, and can't be deleted",
        "resource x cannot be deleted\nbecause it is protected. To unprotect the resource, either remove the flag",
    ],
)
def test_a_protected_resource_is_named_with_what_would_be_lost(message: str) -> None:
    urn = "urn:pulumi:dev::terrarium::terrarium:index:Environment$kubernetes:core/v1:Namespace::a-dev-namespace"
    [sentence] = guard.protected([(urn, message), (None, message), (urn, "something else")])
    assert "Namespace a-dev-namespace" in sentence
    assert "everything in the namespace" in sentence


def test_the_guard_knows_all_that_the_rules_call_stateful() -> None:
    assert set(STATEFUL) <= set(guard.STATEFUL)


def test_an_override_lets_its_own_resource_through_and_says_who_allowed_it() -> None:
    said: list[str] = []
    waiver = Waiver(
        rule="destructive-change", stack="s", resource="a-dev-thing", why="Moved", who="ana", until=date(2026, 12, 1)
    )
    found = list(guard.destructive([step("delete", "aws:s3/bucket:Bucket")]))
    assert Overrides([waiver]).split(found, said.append) == []
    assert "every object in the bucket would be lost. Allowed until 2026-12-01 by ana: Moved" in said[0]
    for other in ({"resource": "other"}, {"type": "aws:rds/instance:Instance"}):
        assert Overrides([waiver.model_copy(update=other)]).split(found, said.append) == [found[0][1]]


def kept(token: str, **values: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:s::p::{token}::x", "type": token, "inputs": dict(values), "outputs": dict(values)}


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (kept("aws:eks/cluster:Cluster", name="a-prod", deletionProtection=True), "aws eks .* --name a-prod"),
        (kept("aws:rds/instance:Instance", identifier="a-1", deletionProtection=True), "aws rds .*-identifier a-1"),
        (
            kept("gcp:sql/databaseInstance:DatabaseInstance", name="a", settings={"deletionProtectionEnabled": True}),
            "gcloud sql .* a",
        ),
    ],
)
def test_what_the_cloud_itself_holds_is_named_with_what_ends_that(resource: dict[str, Any], said: str) -> None:
    [(urn, sentence)] = guard.held({"resources": [resource]}).items()
    assert urn == resource["urn"]
    assert re.search(said, sentence)


def test_what_no_cloud_holds_keeps_no_destroy_from_beginning() -> None:
    free = [
        kept("aws:eks/cluster:Cluster", name="a", deletionProtection=False),
        kept("aws:rds/instance:Instance", identifier="a"),
        kept("gcp:sql/databaseInstance:DatabaseInstance", name="a", settings=None, deletionProtection=True),
        kept("gcp:container/cluster:Cluster", name="a", deletionProtection=True),
        {"urn": "urn:pulumi:s::p::pulumi:pulumi:Stack::x", "type": "pulumi:pulumi:Stack"},
    ]
    assert guard.held({"resources": free}) == {}
    assert guard.held({}) == {}


def test_what_a_provider_alone_holds_is_let_go_in_the_state() -> None:
    google = kept("gcp:container/cluster:Cluster", name="a", deletionProtection=True)
    amazon = kept("aws:eks/cluster:Cluster", name="b", deletionProtection=True)
    free = guard.lifted({"manifest": {}, "resources": [google, amazon]})
    assert free["manifest"] == {}
    assert (
        free["resources"][0]["inputs"] == free["resources"][0]["outputs"] == {"name": "a", "deletionProtection": False}
    )
    assert free["resources"][1] == amazon


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
