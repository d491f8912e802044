"""A name fits its service, and two things never get one name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import naming
from components.naming import NameRefused, NameRule

RULES = [naming.NAMESPACE, naming.OBJECT, naming.LABEL_VALUE]
part = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,80}[a-z0-9])?", fullmatch=True)
parts = st.lists(part, min_size=1, max_size=5)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.service)
@given(parts=parts)
def test_fit_never_exceeds_what_the_service_takes(rule: NameRule, parts: list[str]) -> None:
    name = rule.fit(*parts)
    assert len(name) <= rule.longest
    assert re.fullmatch(rule.pattern, name)


@given(parts=parts)
def test_fit_changes_nothing_that_already_fits(parts: list[str]) -> None:
    joined = "-".join(parts)
    assert (naming.NAMESPACE.fit(*parts) == joined) == (len(joined) <= naming.NAMESPACE.longest)


@given(stem=st.from_regex(r"[a-z]{60,90}", fullmatch=True), tails=st.sets(part, min_size=2, max_size=8))
def test_names_that_differ_only_behind_the_cut_stay_different(stem: str, tails: set[str]) -> None:
    assert len({naming.NAMESPACE.fit(stem, tail) for tail in tails}) == len(tails)


def test_a_cut_leaves_no_separator_before_the_digest() -> None:
    assert "--" not in naming.NAMESPACE.fit("a" * 53, "b" * 40)


@pytest.mark.parametrize(
    ("rule", "name", "says"),
    [
        (naming.NAMESPACE, "", "takes 1 to 63"),
        (naming.NAMESPACE, "a" * 64, "has 64 characters"),
        (naming.NAMESPACE, "Churn", "lower-case"),
        (naming.NAMESPACE, "churn-", "ending with a letter or digit"),
        (naming.NAMESPACE, "churn\n", "lower-case"),
        (naming.NAMESPACE, "é", "lower-case"),
        (naming.OBJECT, "a..b", "joined by `.`"),
        (naming.LABEL_VALUE, "_a", "starting and ending"),
    ],
)
def test_a_name_is_refused_with_the_service_and_what_it_takes(rule: NameRule, name: str, says: str) -> None:
    with pytest.raises(NameRefused) as refused:
        rule.check(name)
    assert rule.service in str(refused.value)
    assert says in str(refused.value)
    assert rule.source in str(refused.value)


def test_a_refused_name_is_quoted_short_and_harmless_to_a_terminal() -> None:
    with pytest.raises(NameRefused) as refused:
        naming.NAMESPACE.check("\x1b[2J" + "a" * 5_000)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


@given(
    a=st.tuples(part, st.from_regex("[a-z0-9]{1,9}", fullmatch=True)),
    b=st.tuples(part, st.from_regex("[a-z0-9]{1,9}", fullmatch=True)),
)
def test_two_environments_never_share_an_id(a: tuple[str, str], b: tuple[str, str]) -> None:
    assert (naming.environment_id(*a) == naming.environment_id(*b)) == (a == b)
