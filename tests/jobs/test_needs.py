"""What a person may say of needs, of an array, of time: understood, or refused with everything that is wrong."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.errors import InvalidInput
from terrarium.jobs import indexes, needs, times
from terrarium.jobs.asking import asked
from terrarium.jobs.needs import Needs


def test_needs_are_read() -> None:
    said = "cpu=4,memory=64Gi,gpu=1,spot=false,pool=training,priority=high,disk=20Gi"
    assert needs.parse(said) == Needs("4", "64Gi", 1, "20Gi", spot=False, pool="training", priority="high")


def test_python_says_the_same() -> None:
    assert needs.parse({"gpu": 1, "spot": False, "cpu": 2}) == needs.parse("gpu=1,spot=false,cpu=2")


def test_nothing_is_said() -> None:
    assert needs.parse("") == needs.parse({}) == Needs()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("gpus=1", "there is no need `gpus`; did you mean gpu? there are cpu, memory"),
        ("colour=red", "there is no need `colour`; there are cpu, memory, gpu"),
        ("gpu", "`gpu` is not KEY=VALUE"),
        ("gpu=", "`gpu=` is not KEY=VALUE"),
        ("gpu=one", "gpu: `one` is no count of GPUs"),
        ("gpu=-1", "gpu: `-1` is no count"),
        ("gpu=1.5", "gpu: `1.5` is no count"),
        ("gpu=٣", "is no count"),
        ("cpu=lots", "is not a Kubernetes quantity, such as 500m, 4 or 64Gi"),
        ("cpu=0", "cpu: 0 is too little"),
        ("memory=64", "memory: 64 is 64 bytes, too little for any program; did you mean 64Gi?"),
        ("memory=64GB", "is not a Kubernetes quantity"),
        ("memory=9999999Ei", "more than Kubernetes can count"),
        ("disk=1m", "too little"),
        ("spot=maybe", "spot: `maybe` is neither true nor false"),
        ("priority=urgent", "priority: `urgent` is none of low, normal, high"),
        ("cpu=1,cpu=2", "cpu is said twice, as 1 and as 2"),
    ],
)
def test_bad_needs_are_refused(said: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        needs.parse(said)
    assert message in str(refused.value)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        needs.parse("gpus=1,cpu=0,spot=x,memory=5")
    assert len(refused.value.details["problems"]) == 4
    assert "4 problems" in str(refused.value)


@given(st.text(alphabet="cpumemorygsdiskl=,1 Gi.-%:", max_size=60))
def test_any_text_is_needs_or_a_message(said: str) -> None:
    message = ""
    try:
        needs.parse(said)
    except InvalidInput as error:
        message = str(error)
    assert len(message) < 5_000


@pytest.mark.parametrize(
    ("said", "count", "most"), [("0-19", 20, None), ("0-0", 1, None), ("0-999%50", 1000, 50), ("0-9%20", 10, 20)]
)
def test_arrays_are_read(said: str, count: int, most: int | None) -> None:
    assert indexes.parse(said) == indexes.Array(count, most)


@pytest.mark.parametrize("said", ["", "20", "1-20", "0-", "0-19%", "0-19%0", "0-x", "0-10000", "-1", "0-٣", "0-1\n"])
def test_bad_arrays_are_refused(said: str) -> None:
    with pytest.raises(InvalidInput, match="array"):
        indexes.parse(said)


@pytest.mark.parametrize(("said", "seconds"), [("90", 90), ("90s", 90), ("1h30m", 5400), ("2d", 172800)])
def test_spans_are_read(said: str, seconds: int) -> None:
    assert times.seconds(said) == seconds


@pytest.mark.parametrize("said", ["", "0", "0s", "1w", "-1", "1h 30m", "400d", "h", "1.5h"])
def test_bad_spans_are_refused(said: str) -> None:
    with pytest.raises(InvalidInput, match="timeout"):
        times.seconds(said)


@pytest.mark.parametrize(
    "said", ["0 6 * * 1-5", "*/15 * * * *", "0 0 1,15 * *", "30 2 * jan-mar SUN", "@daily", "0 0 * * 0", "5/10 * * * *"]
)
def test_schedules_are_read(said: str) -> None:
    assert times.schedule(said)


@pytest.mark.parametrize(
    "said",
    [
        *("", "daily", "0 6 * *", "0 6 * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7"),
        *("TZ=UTC 0 6 * * *", "*/0 * * * *", "5-1 * * * *", "a * * * *", "*-5 * * * *", "@reboot"),
    ],
)
def test_bad_schedules_are_refused(said: str) -> None:
    with pytest.raises(InvalidInput, match="schedule"):
        times.schedule(said)


@given(st.text(alphabet="0123456789*/-, @adilyjunsu", max_size=30))
def test_any_text_is_a_schedule_or_a_message(said: str) -> None:
    with suppress(InvalidInput):
        assert len(times.schedule(said).split()) in (1, 5)


def test_everything_that_is_wrong_with_a_wish_is_said_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(
            None,
            needs="gpus=1",
            array="1-2",
            inputs=["nowhere:x"],
            outputs=["../x"],
            name="Bad Name",
            retries=-1,
            timeout="soon",
            schedule="whenever",
        )
    assert len(refused.value.details["problems"]) == 9
    for word in ("name what to run", "needs", "array", "input", "output", "name: ", "retries", "timeout", "schedule"):
        assert word in str(refused.value)


def test_an_array_can_be_a_number() -> None:
    assert asked("x.py", array=20).array == asked("x.py", array="0-19").array
