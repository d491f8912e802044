"""A retried index never doubles: whatever fails at whatever step, a reader sees all of one attempt, or nothing."""

from __future__ import annotations

import errno
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from terrarium.client.faults import StoreFailed
from terrarium.inside.layout import Place
from terrarium.inside.orders import Orders
from terrarium.inside.outputs import Output
from terrarium.inside.publishing import Ended, ForeignResults, publish, published
from terrarium.inside.shelf import Shelf
from terrarium.jobs.kept import Kept
from tests.jobs.shelves import Faulty, MemoryShelf

REPETITIONS = 20
OK = Ended(0, "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00")


def attempt(folder: Path, shelf: Shelf, name: str, *, index: int = 0, how: Ended = OK, count: int = 3) -> bool:
    """Do what a pod does: look whether it was done, else leave files that say whose they are, and publish them."""
    orders = Orders("train-1", "run", name, index)
    if published(shelf, orders) is not None:
        return True
    home = folder / name
    home.mkdir(exist_ok=True)
    files = []
    for number in range(count):
        file = home / f"part-{number}.txt"
        file.write_text(f"{name} {index} {number}")
        files.append(Output(f"out/{file.name}", file))
    metrics = home / "metrics.json"
    metrics.write_text(json.dumps({"attempt": name}))
    log = home / "log.txt"
    log.write_text(f"log of {name}")
    return publish(shelf, orders, how, log, [*files, Output("metrics.json", metrics)])


def whole(shelf: MemoryShelf, folder: Path, index: int = 0) -> str | None:
    """Return which attempt a reader sees, having found all of it and nothing else; None if there is none."""
    kept = Kept(shelf, "train-1")
    found = [record for record in kept.results() if record.index == index]
    if not found:
        assert kept.result(index) is None
        return None
    [record] = found
    target = folder / f"read-{record.attempt}-{index}"
    kept.fetch(record, target)
    contents = {file.relative_to(target).as_posix(): file.read_text() for file in target.rglob("*") if file.is_file()}
    assert contents.pop("metrics.json") == json.dumps({"attempt": record.attempt})
    assert contents == {
        f"out/part-{number}.txt": f"{record.attempt} {index} {number}" for number in range(len(contents))
    }
    assert contents
    assert kept.log(record).decode() == f"log of {record.attempt}"
    return record.attempt


def steps() -> int:
    """Return how many steps an attempt takes; counted, so that a new one is tried too."""
    return 8


def test_the_steps_are_counted(tmp_path: Path) -> None:
    faulty = Faulty(MemoryShelf())
    assert attempt(tmp_path, faulty, "a")
    assert faulty.steps == steps()


@pytest.mark.parametrize("after", [False, True], ids=["undone", "unanswered"])
@pytest.mark.parametrize("step", range(steps()))
def test_a_fault_at_any_step_leaves_all_or_nothing(tmp_path: Path, step: int, after: bool) -> None:
    for repetition in range(REPETITIONS):
        home = tmp_path / str(repetition)
        home.mkdir()
        shelf = MemoryShelf()
        with pytest.raises(OSError, match=r"does not answer|was lost"):
            attempt(home, Faulty(shelf, step, after=after), "first")
        before = whole(shelf, home)
        assert before in (None, "first")
        assert attempt(home, shelf, "second")
        assert whole(shelf, home) == (before or "second")
        assert len(Kept(shelf, "train-1").results()) == 1


def test_many_faults_in_a_row_and_many_indexes(tmp_path: Path) -> None:
    choice = random.Random(7)  # noqa: S311 - it chooses faults
    for repetition in range(REPETITIONS):
        home = tmp_path / str(repetition)
        home.mkdir()
        shelf = MemoryShelf()
        for index in range(5):
            for number in range(choice.randrange(1, 5)):
                faulty = Faulty(shelf, choice.randrange(steps()), after=choice.random() < 0.5)
                try:
                    attempt(home, faulty, f"{index}-{number}", index=index)
                except OSError:
                    whole(shelf, home, index)
            assert attempt(home, shelf, f"{index}-last", index=index)
        assert [record.index for record in Kept(shelf, "train-1").results()] == list(range(5))
        assert all(whole(shelf, home, index) for index in range(5))


def test_of_attempts_at_the_same_time_one_counts(tmp_path: Path) -> None:
    # A machine that was given up for dead, and works on.
    for repetition in range(REPETITIONS):
        home = tmp_path / str(repetition)
        home.mkdir()
        shelf = MemoryShelf()
        with ThreadPoolExecutor(4) as threads:
            done = list(threads.map(lambda name: attempt(home, shelf, name), "abcd"))  # noqa: B023 - run at once
        assert any(done)
        assert whole(shelf, home) in set("abcd")
        assert len(Kept(shelf, "train-1").results()) == 1


def test_a_failed_attempt_is_no_result_and_its_log_is_kept(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    assert not attempt(tmp_path, shelf, "bad", how=Ended(3, "a", "b"))
    kept = Kept(shelf, "train-1")
    assert kept.results() == []
    record = kept.last(0)
    assert record is not None
    assert (record.code, kept.log(record)) == (3, b"log of bad")
    assert kept.indexes() == [0]
    assert attempt(tmp_path, shelf, "good")
    last = kept.last(0)
    assert last is not None
    assert last.attempt == "good"


def test_the_last_of_several_failed_attempts_is_shown(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    attempt(tmp_path, shelf, "z", how=Ended(3, "", "2026-01-01"))
    attempt(tmp_path, shelf, "a", how=Ended(4, "", "2026-01-02"))
    last = Kept(shelf, "train-1").last(0)
    assert last is not None
    assert last.code == 4


def test_a_repeated_request_finds_its_own_marker(tmp_path: Path) -> None:
    class Again(MemoryShelf):
        """Its first answer is lost, and the client asks again: the condition then fails."""

        def create(self, key: str, content: bytes) -> bool:
            super().create(key, content)
            return False

    assert attempt(tmp_path, Again(), "a")


def test_an_answer_that_is_lost_for_good_fails_nothing_that_counts(tmp_path: Path) -> None:
    class Deaf(MemoryShelf):
        """It writes the marker, and its answer never comes."""

        def create(self, key: str, content: bytes) -> bool:
            super().create(key, content)
            raise TimeoutError(errno.ETIMEDOUT, "the store was too slow")

    class Dead(MemoryShelf):
        """It writes no marker."""

        def create(self, key: str, content: bytes) -> bool:
            del key, content
            raise TimeoutError(errno.ETIMEDOUT, "the store was too slow")

    assert attempt(tmp_path, Deaf(), "a")
    with pytest.raises(TimeoutError):
        attempt(tmp_path, Dead(), "b")


def test_a_marker_that_is_none_is_not_ours(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    shelf.put(Place("train-1", 0).done, b"not JSON")
    with pytest.raises(ForeignResults):
        attempt(tmp_path, shelf, "a")


def test_results_of_another_job_of_the_name_are_not_taken_for_one_s_own(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    attempt(tmp_path, shelf, "a")
    with pytest.raises(ForeignResults):
        published(shelf, Orders("train-1", "another run", "b", 0))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"files": 3}'])
def test_a_damaged_marker_is_said(content: bytes) -> None:
    shelf = MemoryShelf()
    shelf.put(Place("train-1", 0).done, content)
    with pytest.raises(StoreFailed, match="is no record of a job"):
        Kept(shelf, "train-1").results()


def test_what_would_leave_the_folder_is_not_written(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    attempt(tmp_path, shelf, "a", count=1)
    key = Place("train-1", 0).done
    record = json.loads(shelf.objects[key])
    record["files"][0]["path"] = "../../outside"
    shelf.put(key, json.dumps(record).encode())
    kept = Kept(shelf, "train-1")
    with pytest.raises(StoreFailed, match="would leave"):
        kept.fetch(kept.results()[0], tmp_path / "target")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"auc": 0.9}', {"auc": 0.9}),
        # What no JSON reader but Python's takes.
        (b'{"loss": NaN, "most": [-Infinity, 1e999]}', {"loss": None, "most": [None, None]}),
        (b"[1]", None),
        (b"nonsense", None),
        (b"\xff\xfe", None),
    ],
)
def test_metrics_are_what_the_script_wrote(tmp_path: Path, content: bytes, expected: object) -> None:
    shelf, file = MemoryShelf(), tmp_path / "metrics.json"
    file.write_bytes(content)
    publish(shelf, Orders("train-1", "run", "a"), OK, file, [Output("metrics.json", file)])
    assert Kept(shelf, "train-1").results()[0].metrics == expected
