"""A job's log is given once and whole: from the pod that has it, or from the store where that pod has it no more."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from urllib3 import HTTPResponse

from terrarium.cluster import Cluster
from terrarium.inside.orders import Orders
from terrarium.inside.publishing import Ended, publish
from terrarium.inside.shelf import Shelf
from terrarium.jobs.handle import Job
from terrarium.jobs.place import Place
from terrarium.jobs.workloads import NoLog, Silence, Workloads
from tests.jobs.shelves import MemoryShelf

_INDEX = "batch.kubernetes.io/job-completion-index"


class Pods(Workloads):
    """The pods of a job.

    Args:
        logs: The log of each: lines, and then perhaps what it ends by.
        ending: Whether they are given up by their machines.
    """

    def __init__(self, *logs: Sequence[bytes | Exception], ending: bool = False) -> None:
        self._logs = logs
        self._ending = ending

    def job(self, name: str) -> dict[str, Any] | None:
        del name
        return None

    def pods(self, job: str) -> list[dict[str, Any]]:
        del job
        running = {"containerStatuses": [{"name": "job", "state": {"running": {}}}]}
        ending = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if self._ending else {}
        return [
            {
                "metadata": {"name": str(index), "uid": "this", "annotations": {_INDEX: str(index)}, **ending},
                "status": running,
            }
            for index in range(len(self._logs))
        ]

    def log(self, pod: str, *, since: str | None = None, follow: bool = False) -> Iterator[tuple[str, bytes]]:
        del since, follow
        for line in self._logs[int(pod)]:
            if isinstance(line, Exception):
                raise line
            yield "2026-01-01T00:00:00Z", line


class There(Place):
    """Where it runs, and what the store has of it."""

    def __init__(self, workloads: Workloads, shelf: Shelf) -> None:
        self.bucket = None
        self.workloads = workloads
        self._kept = shelf

    def shelf(self) -> Shelf:
        return self._kept


@pytest.fixture
def shelf(tmp_path: Path) -> MemoryShelf:
    """What an earlier attempt left, which failed."""
    made = MemoryShelf()
    left(made, tmp_path, "earlier", "of another attempt\n")
    return made


def left(shelf: MemoryShelf, folder: Path, attempt: str, log: str) -> None:
    file = folder / attempt
    file.write_text(log)
    publish(shelf, Orders("train-1", "run", attempt, 0), Ended(3, "", attempt), file, [])


def test_of_a_pod_its_own_is_given(shelf: MemoryShelf) -> None:
    assert Job(There(Pods([b"a\n"]), shelf), "train-1").logs() == "a\n"
    assert Job(There(Pods([b"a\n"], ending=True), shelf), "train-1").logs() == "a\n"


def test_a_pod_that_has_said_nothing_yet_has_an_empty_one(shelf: MemoryShelf) -> None:
    assert Job(There(Pods([]), shelf), "train-1").logs() == ""


@pytest.mark.parametrize("pods", [Pods([NoLog("gone")]), Pods([], ending=True)])
def test_where_the_pod_has_none_any_more_that_of_the_last_attempt_is_given(pods: Pods, shelf: MemoryShelf) -> None:
    assert Job(There(pods, shelf), "train-1").logs() == "of another attempt\n"


@pytest.mark.parametrize("pod", [[b"a\n", NoLog("cut off")], [b"c\n"], [NoLog("gone")]], ids=["cut", "rotated", "gone"])
def test_of_what_has_ended_all_is_given_from_the_store(
    pod: Sequence[bytes | Exception], shelf: MemoryShelf, tmp_path: Path
) -> None:
    # A progress bar among it, which is one line.
    left(shelf, tmp_path, "this", "a\n1%\r50%\r100%\nc\n")
    found: list[bytes] = []
    Job(There(Pods(pod), shelf), "train-1").print(lambda _, line: found.append(line))
    assert found == [b"a\n", b"1%\r50%\r100%\n", b"c\n"]


def test_what_can_not_be_had_is_said_and_keeps_no_other_index_back() -> None:
    found: list[tuple[int | None, bytes]] = []
    pods = Pods([b"a\n", NoLog("0 was cut off")], [NoLog("1 has none: its node fails")], [b"c\n"])
    with pytest.raises(NoLog) as told:
        Job(There(pods, MemoryShelf()), "train-1").print(lambda index, line: found.append((index, line)))
    assert str(told.value).splitlines() == ["0 was cut off", "1 has none: its node fails"]
    assert found == [(0, b"a\n"), (2, b"c\n")]


class Node(Cluster):
    """A cluster that answers with a log."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def send(self, *_: Any, **__: Any) -> Any:
        return HTTPResponse(io.BytesIO(self._body), status=200, preload_content=False)


def test_what_a_node_says_of_its_own_failure_is_no_line_of_the_log() -> None:
    body = b"2026-01-01T00:00:00.123456789Z epoch 1\nfailed to read log file: input/output error"
    with pytest.raises(NoLog, match="input/output error"):
        list(Workloads(Node(body), "churn-dev").log("train-1-x"))
    lines = list(Workloads(Node(body.splitlines(keepends=True)[0]), "churn-dev").log("train-1-x"))
    assert lines == [("2026-01-01T00:00:00.123456789Z", b"epoch 1\n")]


def test_the_rest_of_a_long_line_from_before_is_no_failure_of_a_node() -> None:
    """A node logs it in parts, and gives those that are new enough; the time stands before a line's first part."""
    body = b"87%|###\n2026-01-01T00:00:00.4Z epoch 1\n"
    lines = Workloads(Node(body), "churn-dev").log("train-1-x", since="2026-01-01T00:00:00Z")
    assert list(lines) == [("2026-01-01T00:00:00.4Z", b"epoch 1\n")]
    with pytest.raises(NoLog, match="no such file"):
        list(Workloads(Node(b"no such file"), "churn-dev").log("train-1-x", since="2026-01-01T00:00:00Z"))
    with pytest.raises(NoLog, match="87%"):
        list(Workloads(Node(body), "churn-dev").log("train-1-x"))


class Stalled(Cluster):
    """A cluster whose node has stopped in the middle of a log."""

    def __init__(self) -> None:
        pass

    def send(self, *_: Any, **__: Any) -> Any:
        class Body(io.RawIOBase):
            def read(self, *_: Any) -> bytes:
                raise TimeoutError

        return HTTPResponse(Body(), status=200, preload_content=False)


def test_a_node_that_stalls_is_not_a_job_that_prints_nothing() -> None:
    with pytest.raises(Silence, match="printed nothing"):
        list(Workloads(Stalled(), "churn-dev").log("train-1-x", follow=True))
    with pytest.raises(NoLog, match="its node sent nothing") as told:
        list(Workloads(Stalled(), "churn-dev").log("train-1-x"))
    assert not isinstance(told.value, Silence)
