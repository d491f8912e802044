"""What a person sees of a job goes on through a silent log, a cluster that is away and a reader who has seen enough."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from terrarium.errors import CommandFailed, Refused
from terrarium.jobs import following
from terrarium.jobs.workloads import NoLog, Silence, Workloads

JOB = {"metadata": {"name": "train-1", "uid": "u"}, "spec": {"suspend": False}, "status": {"ready": 1}}
DONE = {**JOB, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}
POD = {
    "metadata": {"name": "train-1-x"},
    "status": {"containerStatuses": [{"name": "job", "state": {"running": {}}}]},
}
AWAY = CommandFailed("the cluster of context c does not answer")


class Played(Workloads):
    """A cluster that answers as it is told, one after the other; the last answer is repeated.

    Args:
        jobs: What is said of the job.
        logs: What each asking for the log gives: lines, and then perhaps an error.
    """

    def __init__(self, jobs: list[Any], logs: list[list[Any]]) -> None:
        self._jobs, self._logs = jobs, logs

    def job(self, name: str) -> dict[str, Any] | None:
        del name
        found = self._jobs.pop(0) if len(self._jobs) > 1 else self._jobs[0]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]  # as it was told

    def pods(self, job: str) -> list[dict[str, Any]]:
        del job
        return [POD]

    def log(self, pod: str, *, since: str | None = None, follow: bool = False) -> Iterator[tuple[str, bytes]]:
        del pod, since, follow
        for line in self._logs.pop(0) if len(self._logs) > 1 else self._logs[0]:
            if isinstance(line, Exception):
                raise line
            yield line


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_OFTEN", "_SELDOM", "_PAUSE"):
        monkeypatch.setattr(following, name, 0.001)


def seen(jobs: list[Any], logs: list[list[Any]]) -> tuple[list[bytes], list[str]]:
    """Return the lines of the log that were written, and what was said beside."""
    lines: list[bytes] = []
    said: list[str] = []
    following.ended(Played(jobs, logs), "train-1", lambda _, line: lines.append(line), said.append)
    return lines, said


def test_a_log_that_is_silent_for_long_is_followed_to_its_end() -> None:
    quiet = [Silence("no line")]
    lines, said = seen([JOB, DONE], [[("1", b"begin"), *quiet], *[quiet] * 20, [("2", b"end")]])
    assert (lines, said) == ([b"begin", b"end"], [])


def test_a_log_that_is_cut_off_is_asked_for_again_and_written_once() -> None:
    cut = NoLog("the log was cut off")
    lines, said = seen([JOB, DONE], [[("1", b"a"), cut], [AWAY], [("1", b"a"), ("2", b"b"), cut], [("3", b"c")]])
    assert (lines, said) == ([b"a", b"b", b"c"], [])


def test_a_log_that_can_t_be_had_is_given_up_and_said_once() -> None:
    lines, said = seen([JOB, DONE], [[NoLog("there is no log of pod train-1-x")]])
    rest = "it is followed no more, `terrarium jobs logs` gives what there is"
    assert (lines, said) == ([], [f"there is no log of pod train-1-x; {rest}"])


def test_a_cluster_that_is_away_for_a_while_ends_nothing() -> None:
    lines, said = seen([JOB, AWAY, AWAY, AWAY, DONE], [[("1", b"a")]])
    assert lines == [b"a"]
    assert said == [f"{AWAY}; job train-1 goes on, and is asked for again"]


def test_a_cluster_that_stays_away_is_said_with_what_becomes_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_OUTAGE", 0.01)
    with pytest.raises(following.OutOfSight, match=r"train-1 goes on: `terrarium jobs logs train-1 .* --follow`"):
        seen([JOB, AWAY], [[("1", b"a")]])


def test_who_may_not_look_is_told_at_once() -> None:
    with pytest.raises(Refused, match="may not"):
        seen([Refused("you may not")], [[]])


def test_results_that_are_kept_are_not_waited_for_any_more() -> None:
    asked: list[int] = []

    def kept() -> bool:
        asked.append(1)
        return True

    job = following.ended(Played([JOB], [[("1", b"a")]]), "train-1", lambda *_: None, print, kept=kept)
    assert (job, asked) == (None, [1])


def test_the_store_is_asked_once_for_each_log_that_ended() -> None:
    asked: list[int] = []
    played = Played([JOB] * 20 + [DONE], [[("1", b"a")]])
    job = following.ended(played, "train-1", lambda *_: None, print, kept=lambda: bool(asked.append(1)))
    assert (job, asked) == (DONE, [1])


def test_of_an_array_every_index_is_waited_for_and_nobody_asks_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_OFTEN", 0.05)
    array = {**JOB, "spec": {"suspend": False, "completions": 2}}
    done = {**DONE, "spec": array["spec"]}
    played = Played([array] * 8 + [done], [[("1", b"a")]])
    begin = time.monotonic()
    assert following.ended(played, "train-1", lambda *_: None, print, kept=lambda: True) is done
    assert time.monotonic() - begin > 0.25


def test_whoever_has_read_enough_ends_no_job() -> None:
    def full(index: int | None, line: bytes) -> None:
        raise BrokenPipeError

    job = following.ended(Played([JOB, DONE], [[("1", b"a"), ("2", b"b")]]), "train-1", full, print)
    assert job is DONE
