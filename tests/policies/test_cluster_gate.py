"""Admission policies as data: each rule once, in its tiers, with lists that can't say anything but what they list."""

from __future__ import annotations

import pytest

from policies.rules import catalogue
from policies.rules.cluster_gate import Lists, policies
from policies.rules.imageref import BadReferenceError
from policies.rules.model import EVERY_TIER, Tier

A, B = (f"sha256:{digit * 64}" for digit in "ab")
JUDGED = [rule for rule in catalogue() if rule.cel]
LONGEST = 100_000  # characters of an expression that the API server takes


def test_every_rule_with_cel_is_enforced_once_and_named_first() -> None:
    messages = [validation.message for policy in policies(Lists()) for validation in policy.validations]
    assert [message.partition(": ")[0] for message in messages] == [rule.id for rule in JUDGED]
    assert len(JUDGED) >= 9
    assert not any("\n" in message for message in messages)


def test_a_rule_says_its_tiers_unless_it_binds_in_all() -> None:
    expressions = [validation.expression for policy in policies(Lists()) for validation in policy.validations]
    for rule, expression in zip(JUDGED, expressions, strict=True):
        assert rule.cel in expression
        everywhere = rule.tiers == EVERY_TIER
        assert (expression == rule.cel) == everywhere
        assert everywhere or {tier for tier in EVERY_TIER if f'"{tier.value}"' in expression} == rule.tiers


def test_order_and_repetition_change_no_policy() -> None:
    """A policy that changed with the order of a list would be written anew at each deployment."""
    one = policies(Lists(("a.example", "b.example/x"), (A, B), inputs={Tier.TESTING: ("a-b", "lake:c")}))
    other = Lists(("B.example/x", "a.example", "a.example"), (B, A, A), inputs={Tier.TESTING: ("lake:c", "a-b", "a-b")})
    assert policies(other) == one


def test_a_rule_that_is_off_is_left_out_and_a_topic_with_none_too() -> None:
    kept = policies(Lists(off=("image-evidence", "own-labels")))
    assert [policy.topic for policy in kept] == ["images", "placement", "inputs"]
    assert not any("image-evidence" in v.message for policy in kept for v in policy.validations)


@pytest.mark.parametrize("registry", ["", "team", "*", "a.example/", "a.example/']+['b.example", 'a.example/"', "a b"])
def test_a_registry_that_is_none_is_refused(registry: str) -> None:
    with pytest.raises(BadReferenceError):
        policies(Lists(registries=(registry,)))


@pytest.mark.parametrize("digest", ["", "a" * 64, f"{A}\n", f"{A}': true", A.upper(), "sha256:abc"])
def test_a_digest_that_is_none_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="not the digest of an image"):
        policies(Lists(digests=(digest,)))


@pytest.mark.parametrize(
    "source", ["", "churn", "lake:", "lake:a-b", "churn-", "churn-dev/", "churn-dev'] + ['x-y", "*"]
)
def test_a_source_of_inputs_that_is_none_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="neither an environment's id nor lake:NAME"):
        policies(Lists(inputs={Tier.PRODUCTION: (source,)}))


def test_long_lists_stay_within_what_the_api_server_takes() -> None:
    digests = tuple(f"sha512:{number:0128x}" for number in range(2_000))
    [made] = [policy for policy in policies(Lists(digests=digests)) if policy.topic == "images"]
    assert max(len(one.expression) for one in made.variables) < LONGEST
    assert sum(one.expression.count("sha512:") for one in made.variables if one.name.startswith("digests")) == 2_000
