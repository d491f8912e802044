"""A job that was submitted, for whoever waits for it, reads its log, or takes its results."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from terrarium.client.faults import as_command
from terrarium.client.sources import Source
from terrarium.errors import CommandFailed, Exit, InvalidInput
from terrarium.jobs import following
from terrarium.jobs import state as states
from terrarium.jobs.asking import Wish
from terrarium.jobs.following import Gone, Write
from terrarium.jobs.kept import Kept, Record
from terrarium.jobs.manifest import BUCKET
from terrarium.jobs.place import Place
from terrarium.jobs.submitting import Build, Say, built, submit
from terrarium.jobs.workloads import NoLog


class Result:
    """What one index of a job left.

    Args:
        kept: Where.
        record: What it is.
    """

    def __init__(self, kept: Kept, record: Record) -> None:
        self._kept = kept
        self.index = record.index
        """The index; 0 of a job that has none."""
        self.metrics: Mapping[str, Any] | None = record.metrics
        """What the script wrote to `metrics.json`, if it was a JSON object."""
        self.files = {file.path: file for file in record.files}
        """The outputs, by the paths that the script gave them. `key` is where each is among the store's results."""
        self._record = record

    def __repr__(self) -> str:
        return f"<result {self.index}: {', '.join(self.files) or 'no files'}>"

    @property
    def log(self) -> str:
        """What it printed."""
        return self._kept.log(self._record).decode("utf-8", "replace")

    def fetch(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the outputs below a folder of this machine, and return them."""
        self._kept.fetch(self._record, Path(folder))
        return [Path(folder, path) for path in self.files]


class Job:
    """A job by its name.

    Args:
        place: Where it runs.
        name: Its name.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self.name = name
        """Its name, by which `terrarium jobs` knows it."""

    def __repr__(self) -> str:
        return f"<job {self.name} in {self._place.environment}>"

    @property
    def state(self) -> states.State:
        """How far it is.

        Raises:
            InvalidInput: If the cluster knows no such job, or no more.
        """
        found = self._place.workloads.job(self.name)
        if found is None:
            raise InvalidInput(f"{self._place.environment} has no job {self.name}, or no more; its results are kept")
        return states.state(found)

    def wait(self, write: Write | None = None, say: Say = lambda _: None, *, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code: of an array, that of the first index that failed.

        Args:
            write: Takes each line of its log; by default the log is not looked at.
            say: Takes sentences about why it waits.
            timeout: Seconds to wait at most; the job itself goes on.

        Raises:
            TimeoutError: If it is not over by then.
        """
        try:
            job = following.ended(self._place.workloads, self.name, write, say, timeout=timeout, kept=self._is_kept)
        except Gone as gone:
            say(str(gone))
            return int(Exit.FAILED)
        if job is None:
            return int(Exit.DONE)
        how = states.state(job)
        if how.phase is states.Phase.DONE:
            return int(Exit.DONE)
        return self._failed(job, how, say)

    def _failed(self, job: dict[str, Any], how: states.State, say: Callable[[str], None]) -> int:
        if how.why:
            say(f"job {self.name} failed: {how.why}")
        if states.timed_out(job):
            return states.TIMED_OUT
        index = states.failed_index(job)
        code, why = states.exit_code(self._place.workloads.pods(self.name), index)
        if why:
            say(f"job {self.name}: {why}")
        if code is None:
            # Its pod is gone; what it left may say it.
            kept = self._kept()
            record = kept.last(index or 0) if kept else None
            code = record.code if record else None
        return code or int(Exit.FAILED)

    def logs(self, index: int | None = None) -> str:
        """Return what it printed so far, of an index or of all of them.

        Raises:
            InvalidInput: If there is no log, neither in the cluster nor in the store.
            NoLog: If one can't be had, or not all of it, and is not in the store; `print` gives what there is.
        """
        found: list[bytes] = []
        self.print(lambda _, line: found.append(line), index=index)
        return b"".join(found).decode("utf-8", "replace")

    def print(self, write: Write, *, index: int | None = None) -> None:
        """Give each line of its log: from the store what has ended, else from its pods.

        Args:
            write: Takes them.
            index: Of this index alone.

        Raises:
            InvalidInput: If there is no log.
            NoLog: If one can't be had, or not all of it, and is not in the store; those of other indexes are given all
                the same.
        """
        pods = {states.index_of(pod) or 0: pod for pod in self._place.workloads.pods(self.name) if states.begun(pod)}
        kept = self._kept()
        with as_command():
            known = {*pods, *(kept.indexes() if kept else ())}
            wanted = sorted(known) if index is None else [index]
            given, missing = False, []
            for one in wanted:
                try:
                    given |= self._print(partial(write, one if len(known) > 1 else None), one, pods.get(one), kept)
                except NoLog as error:
                    missing.append(str(error))
        if missing:
            raise NoLog("\n".join(missing))
        if not given:
            which = "" if index is None else f", index {index}"
            where = "nor in the store" if kept else "and you may not read the store"
            if index is None and self._place.workloads.schedule(self.name):
                raise InvalidInput(
                    f"{self.name} is a schedule: each of its runs is a job of its own (`terrarium jobs list`), with "
                    "its log"
                )
            raise InvalidInput(f"there is no log of job {self.name}{which}, neither in the cluster {where}")

    def _print(self, write: Callable[[bytes], None], index: int, pod: dict[str, Any] | None, kept: Kept | None) -> bool:
        """Give the log of an index, and return whether there is one."""
        # Of what has ended the store has all, and in one order; a pod has no more than its node has not rotated away.
        record = kept.attempt(index, pod["metadata"]["uid"]) if kept and pod else None
        missing = None
        if pod and record is None:
            begun = False
            try:
                for _, line in self._place.workloads.log(pod["metadata"]["name"]):
                    begun = True
                    write(line)
            except NoLog as error:
                if begun:
                    raise
                missing = error
            # A machine that gives a pod up may have nothing of it any more.
            if begun or (missing is None and not pod["metadata"].get("deletionTimestamp")):
                return True
        record = record or (kept.last(index) if kept else None)
        if kept and record:
            # By "\n" alone, as the pod's: a progress bar's "\r" ends no line.
            for line in BytesIO(kept.log(record)):
                write(line)
            return True
        if missing:
            raise missing
        return pod is not None

    def cancel(self) -> str:
        """End it, or the schedule of this name, and return which it was. What it left stays in the store.

        Returns:
            `job` or `schedule`; `ended` of a job that was over already, which stays as it is, unless it still holds
            its place.

        Raises:
            InvalidInput: If there is no such job.
        """
        found = self._place.workloads.job(self.name)
        if found is not None and states.state(found).phase.over and not states.stranded(found):
            return "ended"
        for kind in ("Job", "CronJob"):
            if self._place.workloads.delete(kind, self.name):
                return "job" if kind == "Job" else "schedule"
        raise InvalidInput(f"{self._place.environment} has no job and no schedule {self.name}")

    @property
    def results(self) -> list[Result]:
        """What each index left that was done; of a job without an array there is one.

        Raises:
            InvalidInput: If this person may not read the store, or there is none.
        """
        kept = self._kept()
        if kept is None:
            raise InvalidInput(f"you may not read the store of {self._place.environment}, or it has none")
        with as_command():
            return [Result(kept, record) for record in kept.results()]

    @property
    def nothing(self) -> str:
        """Why there are no results, for people."""
        place = self._place
        kept = self._kept()
        job = place.workloads.job(self.name)
        if job or (kept and kept.indexes()):
            yet = "" if job is None or states.state(job).phase.over else " yet"
            return (
                f"job {self.name} left no results in {place.environment}: no attempt at it has succeeded{yet}. What a "
                f"failed one left lies in results:jobs/{self.name}/ (`terrarium store ls`); `terrarium jobs logs` "
                "shows its log"
            )
        where = f"bucket {place.bucket} of {place.environment}" if place.bucket else place.environment
        buckets = ", ".join((place.descriptor.get("store") or {}).get("buckets") or ())
        hint = f"; of a bucket's job, name the bucket (-b; there are {buckets})" if buckets and not place.bucket else ""
        return f"nothing is known of a job {self.name} in {where}{hint}"

    @property
    def kept_code(self) -> int:
        """The exit code that is kept of a job which the cluster knows no more: of the first index that failed."""
        kept = self._kept()
        with as_command():
            records = [kept.last(index) for index in kept.indexes()] if kept else []
        return next((record.code for record in records if record and record.code), int(Exit.DONE))

    def _is_kept(self) -> bool:
        """Tell whether the store names an attempt that succeeded; not, if that can't be known."""
        try:
            kept = self._kept()
            return kept is not None and kept.result(0) is not None
        except (CommandFailed, OSError):
            return False

    def _kept(self) -> Kept | None:
        place = self._place
        if place.bucket is None:
            # A bucket's job keeps what it leaves in that bucket.
            job = place.workloads.job(self.name) or {"metadata": {}}
            bucket = (job["metadata"].get("labels") or {}).get(BUCKET)
            place = Place(place.source, bucket) if bucket else place
        shelf = place.shelf()
        return None if shelf is None else Kept(shelf, self.name)


def submitted(source: Source, wish: Wish, say: Say = lambda _: None, build: Build = built) -> Job:
    """Submit a job, and return it.

    Args:
        source: Knows the way to the environment.
        wish: What is asked for.
        say: Takes sentences about what goes on.
        build: Makes the image.
    """
    place = Place(source, wish.bucket)
    with as_command():
        return Job(place, submit(place, wish, say, build).name)


def known(source: Source, name: str, bucket: str | None = None) -> Job:
    """Return a job by its name; nothing is asked.

    Args:
        source: Knows the way to the environment.
        name: The job's name.
        bucket: The bucket whose job it is.
    """
    return Job(Place(source, bucket), name)


def printed(index: int | None, line: bytes) -> None:
    """Write a line of a log to stdout; of an array, behind its index."""
    prefix = b"" if index is None else f"[{index}] ".encode()
    sys.stdout.buffer.write(prefix + line)
    sys.stdout.buffer.flush()
