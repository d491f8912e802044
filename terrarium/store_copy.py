"""`terrarium store cp`: which objects go where, several at a time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrarium.errors import InvalidInput, Refused
from terrarium.store_places import Local, Pipe, Place, Remote
from terrarium.store_transfer import Count, Stopped, Transfer, inside, same, tree

if TYPE_CHECKING:
    from terrarium.client.store import Store

# Objects on their way at one time. Each large one has four parts of at least 8 MiB in memory.
_AT_ONCE = 4
# Bytes from which on people see how far it is.
_LONG = 32 << 20


@dataclass(frozen=True)
class Copy:
    """One object's copy.

    Args:
        name: What is copied, for people.
        size: Bytes; None if nobody knows.
        run: Does it.
    """

    name: str
    size: int | None
    run: Callable[[Transfer], None]


@dataclass
class Outcome:
    """What a copy command did."""

    copied: int = 0
    """Objects copied."""
    skipped: int = 0
    """Objects that were there already, equal."""
    bytes: int = 0
    """Bytes of what was copied."""
    jobs: list[Copy] = field(default_factory=list)
    """What is to be done."""
    left_out: list[str] = field(default_factory=list)
    """Local paths that are neither file nor folder, or links to a folder."""


class _Counter:
    """Adds up what several threads count."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def add(self, number: int) -> int:
        with self._lock:
            self.total += number
        return number


def plan(store: Store, source: Place, target: Place, *, recursive: bool) -> Outcome:
    """Say what has to be copied.

    Args:
        store: The store.
        source: From where.
        target: To where; below it if it is a folder.
        recursive: Whether all below the source goes below the target, but for what is equal there already.

    Raises:
        InvalidInput: If there is nothing, it is a folder without `recursive`, or neither place is in the store.
        Refused: If the target is the lake.
        OSError: From the store.
    """
    if isinstance(target, Remote) and target.kind == "lake":
        raise Refused("the lake is only read here; what stands in it is written where the lake is declared")
    if not isinstance(source, Remote) and not isinstance(target, Remote):
        raise InvalidInput(f"neither `{source}` nor `{target}` is in the store: write KIND:PATH, such as models:v1/x")
    if recursive:
        return _all(store, source, target)
    return Outcome(jobs=[_one(store, source, target)])


def carry_out(store: Store, outcome: Outcome) -> Outcome:
    """Do what was planned. After a failure or an interruption nothing partial is left under a final name.

    Raises:
        CommandFailed: If one could not be copied; those before it stay.
        OSError: The same, from the store or a file.
    """
    counted = _Counter()
    with _shown(sum(job.size or 0 for job in outcome.jobs)) as show:
        transfer = Transfer(store, lambda number: show(counted.add(number)))
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="copy") as threads:
            running = [threads.submit(job.run, transfer) for job in outcome.jobs]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
            finally:
                # Also when interrupted: leaving the block waits for what runs.
                transfer.stop()
                for one in running:
                    one.cancel()
        failures = [one.exception() for one in running if not one.cancelled()]
    for failure in failures:
        if failure is not None and not isinstance(failure, Stopped):
            raise failure
    outcome.copied, outcome.bytes = len(outcome.jobs), counted.total
    return outcome


def _one(store: Store, source: Place, target: Place) -> Copy:
    if isinstance(source, Remote) and not source.folder:
        return _from_store(store, source, target)
    if isinstance(source, Local) and isinstance(target, Remote) and not source.folder:
        if not source.path.exists():
            raise InvalidInput(f"{source} does not exist")
        place = target.below(source.path.name) if target.folder else target
        return Copy(str(place), source.path.stat().st_size, lambda t: t.upload(source.path, place))
    if isinstance(source, Pipe) and isinstance(target, Remote):
        if target.folder:
            raise InvalidInput(f"{target} is a folder: name the object that standard input becomes")
        return Copy(str(target), None, lambda t: t.upload_pipe(sys.stdin.buffer, target))
    raise InvalidInput(f"{source} is a folder: add -r to copy all that is in it")


def _from_store(store: Store, source: Remote, target: Place) -> Copy:
    info = store.files(source.kind).info(source.path)
    if info["type"] == "directory":
        raise InvalidInput(f"{source} is a folder: add -r to copy all that is in it")
    size, name = int(info["size"]), source.path.rpartition("/")[2]
    if isinstance(target, Remote):
        place = target.below(name) if target.folder else target
        if (place.kind, place.path) == (source.kind, source.path):
            raise InvalidInput(f"{source} and {target} are the same object")
        return Copy(str(place), size, lambda t: t.copy(source, place, size))
    if isinstance(target, Pipe):
        return Copy("-", size, lambda t: t.download_pipe(source, sys.stdout.buffer))
    path = inside(target.path, name) if target.folder else target.path
    return Copy(str(path), size, lambda t: t.download(source, path))


def _all(store: Store, source: Place, target: Place) -> Outcome:
    outcome = Outcome()
    if isinstance(source, Local) and isinstance(target, Remote):
        files, outcome.left_out = _tree(source)
        jobs = _uploads(store, files, target)
    elif isinstance(source, Remote) and isinstance(target, Local):
        jobs = _downloads(store, source, target)
    elif isinstance(source, Remote) and isinstance(target, Remote):
        jobs = _copies(store, source, target)
    else:
        raise InvalidInput("standard input and output hold one object: leave -r out")
    for job in jobs:
        if job is None:
            outcome.skipped += 1
        else:
            outcome.jobs.append(job)
    return outcome


# Each of these yields None for what is there already, equal.
def _uploads(store: Store, files: Mapping[str, Path], target: Remote) -> Iterator[Copy | None]:
    present = _listed(store, target, missing_ok=True)
    for relative, path in files.items():
        there = present.get(relative)
        equal = there is not None and same(path, there["size"], there["e_tag"])
        yield None if equal else _upload(path, target.below(relative))


def _downloads(store: Store, source: Remote, target: Local) -> Iterator[Copy | None]:
    for relative, info in _listed(store, source).items():
        path = inside(target.path, relative)
        equal = same(path, info["size"], info["e_tag"])
        yield None if equal else _download(source.below(relative), info["size"], path)


def _copies(store: Store, source: Remote, target: Remote) -> Iterator[Copy | None]:
    if source.kind == target.kind and f"{target.path}/".startswith(f"{source.path}/" if source.path else ""):
        raise InvalidInput(f"{target} is inside {source}: a folder can't be copied into itself")
    present = _listed(store, target, missing_ok=True)
    for relative, info in _listed(store, source).items():
        there = present.get(relative)
        equal = there is not None and (there["size"], there["e_tag"]) == (info["size"], info["e_tag"])
        yield None if equal else _copy(source.below(relative), target.below(relative), info["size"])


def _tree(source: Local) -> tuple[dict[str, Path], list[str]]:
    if not source.path.is_dir():
        raise InvalidInput(f"{source} is no folder" if source.path.exists() else f"{source} does not exist")
    return tree(source.path)


def _listed(store: Store, place: Remote, *, missing_ok: bool = False) -> dict[str, Any]:
    files = store.files(place.kind)
    found = files.find(place.path, detail=True)
    if not missing_ok:
        if not found and place.path:
            # Says that it does not exist; an empty folder does.
            files.info(place.path)
        # An empty folder's mark, `folder/`, is listed as an empty object `folder`, which can't be had.
        found = {name: one for name, one in found.items() if one["size"] or files.info(name)["type"] == "file"}
    skip = len(place.path) + 1 if place.path else 0
    # An object lists as itself: below a target of its name there is nothing yet.
    return {name[skip:] or name.rpartition("/")[2]: info for name, info in found.items()}


# Functions, because a lambda in a loop would see the loop's last values.
def _upload(path: Path, place: Remote) -> Copy:
    return Copy(str(place), path.stat().st_size, lambda t: t.upload(path, place))


def _download(place: Remote, size: int, path: Path) -> Copy:
    return Copy(str(path), size, lambda t: t.download(place, path))


def _copy(source: Remote, target: Remote, size: int) -> Copy:
    return Copy(str(target), size, lambda t: t.copy(source, target, size))


@contextmanager
def _shown(total: int) -> Iterator[Count]:
    """Give what counts bytes; on a terminal, of a long transfer, people see them."""
    if total < _LONG or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - most copies are short
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn  # noqa: PLC0415 - as above

    columns = (BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("copy", total=total)
        yield lambda number: progress.update(task, advance=number)
