"""Each case finds exactly what it says, of the whole catalogue; and without any one rule some case fails."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from policies import cases as case_files
from policies.cases import Case, CaseError, Gate, Sort, cases
from policies.rules import TOPICS, UNKNOWN, Rule, catalogue
from tests.policies.judging import found


@pytest.mark.parametrize("case", cases(), ids=str)
def test_case(case: Case) -> None:
    assert found(case) == case.finds


def test_every_rule_has_cases_of_each_sort_beside_it() -> None:
    sorts: dict[str, set[Sort]] = defaultdict(set)
    for case in cases():
        sorts[case.rule].add(case.sort)
    assert sorts == {rule.id: set(Sort) for rule in catalogue()}
    topics = {rule.id: rule.topic for rule in catalogue()}
    for topic in TOPICS:
        name = topic.__name__.rpartition(".")[2]
        beside = {case.rule for case in case_files._of_file(case_files.FOLDER / f"{name}.cases.yaml")}
        assert beside == {rule for rule, its in topics.items() if its == name}, name


def test_no_case_file_is_left_over() -> None:
    topics = {topic.__name__.rpartition(".")[2] for topic in TOPICS}
    assert {path.name.partition(".")[0] for path in case_files.FOLDER.glob("*.cases.yaml")} == topics


def test_bad_finds_its_rule_and_good_finds_nothing() -> None:
    for case in cases():
        blamed = {rule for rule, _ in case.finds}
        if case.sort is Sort.BAD:
            assert case.rule in blamed, case
        elif case.sort is Sort.GOOD:
            assert not blamed, case


def test_titles_are_unique_within_a_rule() -> None:
    assert [str(case) for case, times in Counter(map(str, cases())).items() if times > 1] == []


def test_the_cluster_is_never_shown_what_is_unknown() -> None:
    for case in cases():
        if _holds_unknown(case.resource.properties):
            assert Gate.CLUSTER not in case.gates, case


@pytest.mark.parametrize("rule", catalogue(), ids=lambda rule: rule.id)
def test_without_any_one_rule_a_case_fails(rule: Rule) -> None:
    rest = [one for one in catalogue() if one is not rule]
    assert [case for case in cases() if case.rule == rule.id and found(case, rest) != case.finds]


@pytest.mark.parametrize("rule", catalogue(), ids=lambda rule: rule.id)
def test_a_rule_is_silent_in_tiers_that_it_does_not_bind(rule: Rule) -> None:
    for case in cases():
        if case.rule == rule.id and case.facts.tier not in rule.tiers:
            assert rule.id not in {one for one, _ in found(case, [rule])}, case
    bound = {case.facts.tier for case in cases() if any(one == rule.id for one, _ in case.finds)}
    assert bound <= rule.tiers
    assert bound


def test_a_case_that_nobody_understands_says_where(tmp_path: Path) -> None:
    for text, says in (
        ("cases: {a: [{good: x, bad: y}]}", "good, bad or absent"),
        ("cases: {a: [{good: x, colour: red}]}", "colour"),
        ("gates: [moon]\ncases: {a: [{good: x, type: t}]}", "moon"),
        ("gates: [preview]\ncases: {a: [{good: x, base: nothing}]}", "nothing"),
        ("gates: [preview]\ncases: {a: [{good: x, base: pod, remove: [spec.none.none]}]}", "none"),
        ("- a list", "keys and values"),
    ):
        path = tmp_path / "odd.cases.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CaseError, match=says):
            list(case_files._of_file(path))


def _holds_unknown(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_unknown(below) for below in value.values())
    if isinstance(value, list):
        return any(_holds_unknown(below) for below in value)
    return value is UNKNOWN
