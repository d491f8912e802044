from __future__ import annotations

import threading
import time

import pytest

from rehearsal.cloud.faults import Faults
from rehearsal.cloud.provider import CloudProvider
from rehearsal.cloud.state import State
from rehearsal.plugins.resource import ProviderError

from .driver import Driver, RefusedError

LOGS = "cloudwatch/logGroup:LogGroup"


@pytest.fixture
def faults(state: State) -> Faults:
    return Faults(state, 25, threading.Event())


def results(state: State) -> list[str]:
    with state.rows() as rows:
        return [result for (result,) in rows.execute("SELECT result FROM calls")]


def test_a_call_is_tried_until_it_is_answered(faults: Faults, state: State) -> None:
    done: list[int] = []
    state.set(faults={"rate": 0.7, "seed": 3, "slow": 0})

    def work() -> str:
        done.append(1)
        return "made"

    for number in range(8):
        assert faults.call("create", LOGS, f"x{number}", work) == "made"
    found = results(state)
    assert found.count("done") == 8
    # A lost answer's work was done, a throttled call's was not.
    assert len(done) == 8 + found.count("lost")
    assert found.count("lost") > 0 < found.count("throttled")


def test_a_seed_repeats_what_happens(state: State, faults: Faults) -> None:
    runs = []
    for seed in (1, 1, 2):
        state.set(faults={"rate": 0.5, "seed": seed, "slow": 0})
        with state.rows() as rows:
            rows.execute("DELETE FROM calls")
        for number in range(10):
            faults.call("read", LOGS, str(number), lambda: None)
        runs.append(results(state))
    assert runs[0] == runs[1] != runs[2]


def test_what_never_answers_ends_after_as_many_tries_as_the_official_provider_makes(state: State) -> None:
    state.set(faults={"rate": 1, "seed": 0, "slow": 0})
    with pytest.raises(ProviderError, match="Rate exceeded; given up after 4 tries"):
        Faults(state, 4, threading.Event()).call("create", LOGS, "x", lambda: "made")
    assert len(results(state)) == 4


def test_a_refusal_is_final_and_its_words_are_not_kept(faults: Faults, state: State) -> None:
    def refuse() -> None:
        raise ProviderError("hunter22 is wrong")

    with pytest.raises(ProviderError, match="hunter22"):
        faults.call("create", LOGS, "x", refuse)
    assert results(state) == ["refused"]


def test_a_cancellation_ends_a_slow_call(state: State) -> None:
    stopping = threading.Event()
    state.set(faults={"rate": 0, "seed": 0, "slow": 3600})
    threading.Timer(0.2, stopping.set).start()
    started = time.monotonic()
    with pytest.raises(ProviderError):
        Faults(state, 25, stopping).call("create", LOGS, "x", lambda: "made")
    assert time.monotonic() - started < 30


def test_a_creation_whose_answer_was_lost_is_found_again(aws: Driver, state: State) -> None:
    for seed in range(12):
        state.set(faults={"rate": 0.6, "seed": seed, "slow": 0})
        aws.create(LOGS, called=f"n{seed}", name=f"n{seed}")
    assert sorted(thing.id for thing in state.things()) == sorted(f"n{seed}" for seed in range(12))
    assert "lost" in results(state)


def test_a_creation_that_never_ends_leaves_what_a_cloud_would(aws: Driver, state: State) -> None:
    assert isinstance(aws.provider, CloudProvider)
    aws.provider.faults.tries = 3
    state.set(faults={"rate": 1, "seed": 1, "slow": 0})
    with pytest.raises(RefusedError, match="ThrottlingException"):
        aws.create(LOGS, name="x")
    state.set(faults={"rate": 0, "seed": 0, "slow": 0})
    half = "lost" in results(state)
    assert bool(state.things()) == half
