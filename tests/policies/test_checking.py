"""The runner: what becomes of mistakes, of unknown values and of secrets; and what it costs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest

from policies import cases as case_files
from policies.cases import production
from policies.rules import UNKNOWN, Facts, Resource, Rule, Secret, Tier, catalogue, check, stack_of
from policies.rules.model import EVERY_TIER, Check, Finding
from tests.policies.judging import paths

SECRET = "s3cr3t-never-shown"  # noqa: S105 - of this test alone
# What may stand where a rule expects something else.
ODD: tuple[object, ...] = (
    None,
    UNKNOWN,
    Secret(SECRET),
    Secret({SECRET: [SECRET]}),
    SECRET,
    f"{SECRET}/{SECRET}:{SECRET}@sha256:{SECRET}",
    f'{{"Statement": "{SECRET}"}}',
    f'[["{SECRET}"]]',
    "[" * 5000,
    3.5,
    float("nan"),
    True,
    b"bytes",
    [],
    {},
    [None, UNKNOWN, [SECRET], {"": SECRET}],
    {"": None, "image": UNKNOWN, "Statement": [[SECRET]], "name": {"x": SECRET}},
    object(),
)
BASES = tuple(case_files._bases()["resources"])


@pytest.mark.parametrize("base", BASES)
def test_no_shape_stops_a_rule_or_shows_a_value(base: str) -> None:
    whole = case_files._resource({"base": base}, "it")
    facts = production()
    for path in [*paths(whole.properties), ""]:
        for odd in ODD:
            properties = case_files._copied(whole.properties)
            if path:
                case_files._put(properties, path, odd)
            given: Any = properties if path else odd
            for violation in check(dataclasses.replace(whole, properties=given), facts):
                assert "could not be judged" not in violation.message, (path, odd, violation)
                assert SECRET not in repr(violation), (path, odd)


@pytest.mark.parametrize("base", BASES)
def test_no_shape_in_the_rest_of_the_stack_stops_a_rule(base: str) -> None:
    whole = case_files._resource({"base": base}, "it")
    for path in paths(whole.properties):
        for odd in ODD:
            properties = case_files._copied(whole.properties)
            case_files._put(properties, path, odd)
            facts = dataclasses.replace(
                production(), resources=(dataclasses.replace(whole, properties=properties), whole)
            )
            for violation in check(stack_of("stack"), facts):
                assert "could not be judged" not in violation.message, (path, odd, violation)
                assert SECRET not in repr(violation), (path, odd)


def test_a_rule_that_fails_counts_in_production_and_names_itself() -> None:
    def fails(_resource: Resource, _facts: Facts) -> Iterator[Finding]:
        yield Finding("a", "is wrong")
        raise RuntimeError(SECRET)

    broken = _rule(fails)
    [violation] = check(Resource("t:t:T", "it"), Facts(Tier.PRODUCTION), [broken])
    assert violation.rule == "a-rule"
    assert violation.message.startswith("a-rule: it (t:t:T): could not be judged: the rule failed with RuntimeError")
    assert SECRET not in violation.message
    assert check(Resource("t:t:T", "it"), Facts(Tier.TESTING), [broken]) == ()


def test_what_is_unknown_counts_in_production_where_the_rule_says_so() -> None:
    def unseen(_resource: Resource, _facts: Facts) -> Iterator[Finding]:
        yield Finding("a", "can't be seen yet", unknown=True)

    resource = Resource("t:t:T", "it")
    assert len(check(resource, Facts(Tier.PRODUCTION), [_rule(unseen, unknown=True)])) == 1
    assert check(resource, Facts(Tier.PRODUCTION), [_rule(unseen)]) == ()
    assert check(resource, Facts(Tier.TESTING), [_rule(unseen, unknown=True)]) == ()


def test_a_violation_says_rule_resource_place_and_remedy() -> None:
    def wrong(_resource: Resource, _facts: Facts) -> Iterator[Finding]:
        yield Finding("spec.a", "is wrong")

    [violation] = check(Resource("t:t:T", "it"), Facts(Tier.TESTING), [_rule(wrong)])
    assert violation.message == "a-rule: it (t:t:T): spec.a is wrong. Mend it."


def test_only_readers_of_a_type_are_asked() -> None:
    def always(_resource: Resource, _facts: Facts) -> Iterator[Finding]:
        yield Finding("", "is there")

    every = dataclasses.replace(_rule(always), types=("t:*",))
    for token, times in (("t:t:T", 1), ("t:u:U", 1), ("tt:t:T", 0)):
        assert len(check(Resource(token, "it"), Facts(Tier.TESTING), [every])) == times, token


def test_empty_facts_allow_least() -> None:
    pod = case_files._resource({"base": "pod"}, "it")
    found = {violation.rule for violation in check(pod, Facts(Tier.PRODUCTION))}
    assert found == {"image-approved-registry", "image-evidence", "image-base-approved"}
    blamed = {violation.rule for violation in check(stack_of("s"), Facts(Tier.PRODUCTION))}
    assert blamed == {"deploy-branch", "deploy-attested", "deploy-reviewed", "production-places-known"}


@pytest.mark.parametrize("base", BASES)
def test_all_rules_together_take_at_most_two_milliseconds_per_resource(base: str) -> None:
    # Measured are 0.05 ms on average and 0.4 for the dearest, a RayJob. One of many, as the machine is shared.
    resource, facts = case_files._resource({"base": base}, "it"), production()
    assert any(_seconds(resource, facts) < 0.002 for _ in range(50))


def test_the_catalogue_can_be_asked_for_as_often_as_one_likes() -> None:
    assert catalogue() is catalogue()


def _seconds(resource: Resource, facts: Facts) -> float:
    new = dataclasses.replace(resource)  # nothing of it is known from the time before
    begun = time.perf_counter()
    check(new, facts)
    return time.perf_counter() - begun


def _rule(check_function: Check, *, unknown: bool = False) -> Rule:
    return dataclasses.replace(
        catalogue()[0],
        id="a-rule",
        tiers=EVERY_TIER,
        types=("t:t:T",),
        remedy="Mend it.",
        check=check_function,
        unknown=unknown,
    )
