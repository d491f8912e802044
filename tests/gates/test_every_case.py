"""Every case of every rule through the real engine: gate 1, gate 2 and the function find the same, and all of it.

The table of cases that the engine can't carry is empty: numbers become floating-point ones, properties that are null
disappear, and no rule makes a difference between these.
"""

from __future__ import annotations

import pytest

from policies.cases import Gate, Sort
from policies.rules import catalogue
from tests.gates.by_case import CASES, about_stack, called, expected, findings
from tests.gates.ground import Ground
from tests.gates.programs import cases_gated, cases_only, cases_pack

ALL = range(len(CASES))
# One case of each rule that finds it.
ONE_EACH = sorted(
    next(n for n in ALL if CASES[n].rule == rule.id and any(blamed == rule.id for blamed, _ in CASES[n].finds))
    for rule in catalogue()
)


def test_both_gates_are_said_to_see_every_case() -> None:
    assert [str(case) for case in CASES if not case.gates >= {Gate.PREVIEW, Gate.PROGRAM}] == []


def test_the_pack_finds_what_each_case_says(shared_ground: Ground) -> None:
    run = shared_ground.preview(cases_only(ALL), pack=shared_ground.pack(cases_pack(ALL)))
    assert run.code == 1
    assert "Traceback" not in run.text
    assert findings(run.messages()) == expected(ALL)
    told = {(event["policyName"], event["enforcementLevel"]) for event in run.policies()}
    assert told == {("rules", "mandatory"), ("stack-rules", "mandatory")}


def test_the_program_finds_what_each_case_says(shared_ground: Ground) -> None:
    run = shared_ground.preview(cases_gated(ALL))
    assert run.code == 1
    assert "Traceback" not in run.text
    assert findings(run.errors()) == expected(ALL)


@pytest.mark.parametrize("rule", ["image-approved-registry", "iam-no-wildcard", "registry-private", "region-allowed"])
def test_up_makes_nothing_of_what_is_bad(ground: Ground, rule: str) -> None:
    number = next(n for n in ALL if CASES[n].rule == rule and CASES[n].sort is Sort.BAD)
    run = ground.up(cases_gated([number]))
    assert run.code != 0
    assert "Traceback" not in run.text
    assert findings(run.errors()) == expected([number])
    name = called(number, CASES[number].resource.name)
    assert name not in ground.plugin.made
    assert name not in ground.state()


def test_the_pack_finds_less_without_any_one_rule(shared_ground: Ground) -> None:
    run = shared_ground.preview(
        cases_only(ONE_EACH), pack=shared_ground.pack(cases_pack(ONE_EACH, without_its_rule=True))
    )
    assert findings(run.messages()) == _without_its_rule()


def test_the_program_finds_less_without_any_one_rule(shared_ground: Ground) -> None:
    run = shared_ground.preview(cases_gated(ONE_EACH, without_its_rule=True))
    assert findings(run.errors()) == _without_its_rule()


def test_the_cases_of_that_are_of_both_kinds_and_of_every_rule() -> None:
    assert len(ONE_EACH) == len(catalogue())
    assert {about_stack(CASES[number]) for number in ONE_EACH} == {True, False}


def _without_its_rule() -> set[tuple[int, str, str]]:
    """Return what is left of what the cases say: for each case less, as each rule is off in its own."""
    left = {one for one in expected(ONE_EACH) if one[1] != CASES[one[0]].rule}
    assert {one[0] for one in expected(ONE_EACH) - left} == set(ONE_EACH)
    return left
