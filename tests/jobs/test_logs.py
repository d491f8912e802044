"""A job's log is given once and whole: from the pod that has it, or from the store, and never a bit of both."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from urllib3 import HTTPResponse

from terrarium.cluster import Cluster
from terrarium.inside.shelf import Shelf
from terrarium.jobs.handle import Job
from terrarium.jobs.place import Place
from terrarium.jobs.workloads import NoLog, Workloads
from tests.jobs.shelves import MemoryShelf
from tests.jobs.test_publishing import attempt


class Pods(Workloads):
    """A job of one pod.

    Args:
        lines: Its log: lines, and then perhaps what it ends by.
    """

    def __init__(self, *lines: bytes | Exception) -> None:
        self._lines = lines

    def job(self, name: str) -> dict[str, Any] | None:
        del name
        return None

    def pods(self, job: str) -> list[dict[str, Any]]:
        running = {"containerStatuses": [{"name": "job", "state": {"running": {}}}]}
        return [{"metadata": {"name": f"{job}-x", "uid": "this"}, "status": running}]

    def log(self, pod: str, *, since: str | None = None, follow: bool = False) -> Iterator[tuple[str, bytes]]:
        del pod, since, follow
        for line in self._lines:
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


def test_of_a_pod_whose_log_is_kept_the_store_s_is_given(tmp_path: Path) -> None:
    # Its machine has given part of it up already.
    shelf = MemoryShelf()
    attempt(tmp_path, shelf, "this")
    assert Job(There(Pods(b"log of\n"), shelf), "train-1").logs() == "log of this"


def test_of_a_pod_that_runs_its_own_is_given_and_not_that_of_an_earlier_attempt(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    attempt(tmp_path, shelf, "earlier")
    assert Job(There(Pods(b"log of\n"), shelf), "train-1").logs() == "log of\n"


def test_where_the_pod_has_none_that_of_an_earlier_attempt_is_given(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    attempt(tmp_path, shelf, "earlier")
    assert Job(There(Pods(NoLog("gone")), shelf), "train-1").logs() == "log of earlier"


def test_what_is_cut_off_is_said_to_be_and_not_followed_by_another_beginning(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    attempt(tmp_path, shelf, "earlier")
    seen: list[bytes] = []
    with pytest.raises(NoLog, match="cut off"):
        Job(There(Pods(b"log of\n", NoLog("cut off")), shelf), "train-1").print(lambda _, line: seen.append(line))
    assert seen == [b"log of\n"]


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
