"""Gate 2 while a program runs: what it stops and when, and that it never waits for what does not come."""

from __future__ import annotations

import pytest

from policies.gates.refusal import REFUSED
from tests.gates.ground import Ground
from tests.gates.programs import gated
from tests.gates.provider import FAILS

GOOD = 'Custom(DATABASE, "good", {}, Options(protect=True))\n'
BAD = 'Custom(DATABASE, "bad", {"after": first.id})\n'
FIRST = 'first = Custom(MAP, "first", {})\n'
NOT_PROTECTED = "stateful-protected: bad (postgresql:index/database:Database): is not protected."
RAISES = """
def raises(_value):
    raise pulumi.RunError("the platform does not take it")

Custom(MAP, "never-registered", {"a": pulumi.Output.from_input("x").apply(raises)})
"""
SAME_NAME = """
class Half(pulumi.ComponentResource):
    def __init__(self, name, protect):
        super().__init__(f"t:index:{name}", name)
        Custom(DATABASE, "bad", {}, Options(parent=self, protect=protect))

Half("a", True)
Half("b", False)
Half("c", True)
"""
OPEN_NETWORK = 'Custom("scaleway:network/vpc:Vpc", "net", {"region": "fr-par"})\n'


def test_nothing_is_made_of_what_up_refuses_nor_of_what_needs_it(ground: Ground) -> None:
    run = ground.up(
        gated(GOOD + FIRST + BAD.replace("Custom", "bad = Custom") + 'Custom(MAP, "needs", {"a": bad.id})\n')
    )
    assert run.code != 0
    assert f"{REFUSED}, and what is listed was not made:\n  - {NOT_PROTECTED}" in run.errors()
    assert "Traceback" not in run.text
    # What came before it is made, and in the state.
    assert "first" in ground.plugin.made
    assert {"bad", "needs"} & {*ground.plugin.made, *ground.state()} == set()


def test_up_passes_what_breaks_no_rule(ground: Ground) -> None:
    run = ground.up(gated(GOOD + FIRST))
    assert run.code == 0, run.text
    assert ground.state() >= {"good", "first"}


def test_what_only_the_whole_shows_is_refused_at_preview_and_at_up(ground: Ground) -> None:
    planned, done = ground.preview(gated(OPEN_NETWORK)), ground.up(gated(OPEN_NETWORK))
    for run, says in ((planned, "nothing was changed"), (done, "and what is listed may exist by now")):
        assert run.code != 0
        assert f"{REFUSED}, {says}:\n  - network-firewalled: net" in run.errors()
        assert "Traceback" not in run.text


def test_what_is_only_read_is_not_waited_for(shared_ground: Ground) -> None:
    run = shared_ground.preview(gated(GOOD + 'Custom(MAP, "read", {}, Options(id="a/b"))\n'))
    assert run.code == 0, run.text


@pytest.mark.parametrize("more", ["", 'Custom(MAP, "needs", {"a": Custom(MAP, "other", {}).id})\n'])
def test_what_fails_before_it_is_registered_is_not_waited_for(shared_ground: Ground, more: str) -> None:
    run = shared_ground.preview(gated(GOOD + RAISES + more))
    assert run.code != 0
    assert "the platform does not take it" in run.errors()
    assert REFUSED not in run.text


def test_a_program_that_fails_still_says_which_rules_it_breaks(shared_ground: Ground) -> None:
    run = shared_ground.preview(gated(FIRST + BAD + RAISES))
    assert NOT_PROTECTED in run.errors()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(f'pulumi.runtime.invoke("kubernetes:index:ask", {{}})\n{FIRST}{BAD}', id="after a question"),
        pytest.param(f"{FIRST}pulumi.Output.from_input(1).apply(lambda _: {BAD.strip()})\n", id="late"),
        pytest.param(f"{FIRST}first.urn.apply(lambda _: {BAD.strip()})\n", id="later still"),
    ],
)
def test_preview_refuses_whenever_it_is_declared(shared_ground: Ground, program: str) -> None:
    run = shared_ground.preview(gated(program))
    assert run.code != 0
    assert f"{REFUSED}, nothing was changed:\n  - {NOT_PROTECTED}" in run.errors()


def test_what_is_declared_late_is_judged_with_the_whole(shared_ground: Ground) -> None:
    run = shared_ground.preview(gated(f"{FIRST}first.urn.apply(lambda _: {OPEN_NETWORK.strip()})\n"))
    assert run.code != 0
    assert f"{REFUSED}, nothing was changed:\n  - network-firewalled: net" in run.errors()


def test_a_cloud_that_fails_ends_it_too(ground: Ground) -> None:
    run = ground.up(gated(GOOD + f'Custom(MAP, "needs", {{"a": Custom(MAP, "{FAILS}", {{}}).id}})\n'))
    assert run.code != 0
    assert "the cloud would not make it" in run.errors()


def test_each_of_one_name_under_several_parents_is_judged(shared_ground: Ground) -> None:
    run = shared_ground.preview(gated(SAME_NAME))
    assert run.errors().count(NOT_PROTECTED) == 1
