"""Malformed resources, secrets and unknown values through the real engine: nothing crashes, nothing is shown."""

from __future__ import annotations

import json

import pytest

from tests.gates.ground import Ground, Run
from tests.gates.odd import BROKEN, MARK
from tests.gates.programs import PACK, gated, open_to_all

ODD = "from tests.gates import odd\nodd.declare()\n"
BREAKS = "from tests.gates import odd\nodd.fail_one_rule()\n"
VIOLATES = f'Custom(DATABASE, "it", {{"password": pulumi.Output.secret("{MARK}")}})\n'
FAILED = f"{BROKEN}: it (postgresql:index/database:Database): could not be judged: the rule failed with RuntimeError"


def _is_discreet(run: Run) -> None:
    assert "Traceback" not in run.text
    assert MARK not in run.text
    assert MARK not in json.dumps(run.events)


@pytest.fixture(scope="module", params=["pack", "program"])
def odd_run(request: pytest.FixtureRequest, shared_ground: Ground) -> tuple[Run, str]:
    """A preview of malformed resources, and what the gate has said."""
    if request.param == "program":
        run = shared_ground.preview(gated(ODD))
        return run, run.errors()
    run = shared_ground.preview(open_to_all(ODD), pack=shared_ground.pack(PACK))
    return run, run.messages()


def test_nothing_crashes_and_no_secret_is_shown(odd_run: tuple[Run, str]) -> None:
    run, said = odd_run
    assert run.code == 1
    _is_discreet(run)
    assert "could not be judged" not in said


def test_what_is_malformed_is_refused(odd_run: tuple[Run, str]) -> None:
    _, said = odd_run
    for rule in ("image-approved-registry", "bucket-no-anonymous", "iam-no-wildcard", "ingress-closed"):
        assert f"{rule}: " in said


def test_a_rule_that_fails_refuses_and_names_itself(shared_ground: Ground) -> None:
    by_pack = shared_ground.preview(open_to_all(VIOLATES), pack=shared_ground.pack(BREAKS + PACK))
    by_program = shared_ground.preview(BREAKS + gated(VIOLATES))
    for run, said in ((by_pack, by_pack.messages()), (by_program, by_program.errors())):
        assert run.code != 0
        assert FAILED in said
        _is_discreet(run)
