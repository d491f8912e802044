"""Follows a job from outside: prints what its pods print, says why it waits, until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from terrarium.errors import CommandFailed, InvalidInput, Refused
from terrarium.jobs import waiting
from terrarium.jobs.state import begun, index_of, state
from terrarium.jobs.workloads import Silence, Workloads

# Seconds between two questions: at first often, as most that goes wrong does so at once.
_OFTEN, _SELDOM, _EAGER = 0.2, 1.0, 60.0
# Logs that are read at a time; others follow when these have ended.
_LOGS = 16
# How often a log is asked for that is not there, or was cut off, and seconds between.
_TRIES, _PAUSE = 5, 0.5
# Seconds that an API server may be away, as while it is replaced by a newer one: a job does not end with that.
_OUTAGE = 300.0

_Seen = tuple[dict[str, Any] | None, list[dict[str, Any]], list[dict[str, Any]] | None]
Write = Callable[[int | None, bytes], None]
"""Takes a line of an index, or of the one pod there is."""


class Gone(CommandFailed):
    """The job was deleted while somebody looked."""


class OutOfSight(CommandFailed):
    """The cluster was away for too long; the job goes on without anybody looking."""


def ended(
    workloads: Workloads,
    name: str,
    write: Write | None,
    say: Callable[[str], None],
    *,
    timeout: float | None = None,
    kept: Callable[[], bool] = lambda: False,
) -> dict[str, Any] | None:
    """Wait for the end of a job, and return it; None if its results are kept, and the cluster has yet to hear of it.

    Args:
        workloads: Where it is.
        name: Its name.
        write: Takes its log; None to leave the log alone.
        say: Takes sentences about what goes on.
        timeout: Seconds to wait at most; None for as long as it takes.
        kept: Tells whether the store has the results of a job of one pod.

    Raises:
        Gone: If it was deleted.
        OutOfSight: If the cluster did not answer for five minutes.
        TimeoutError: If it is not over by then.
    """
    logs = _Logs(workloads, write, say)
    look = _Patient(workloads, name, say)
    begin, said = time.monotonic(), ""
    while True:
        job, pods, queued = look()
        if job is None:
            logs.finish()
            raise Gone(f"job {name} was cancelled: somebody deleted it")
        logs.look(pods)
        now, a_log_ended = state(job), logs.ended_since()
        if now.phase.over:
            logs.finish()
            return job
        # A node sees after a second that a container has ended, and Kubernetes' controller of jobs after another.
        if a_log_ended and now.tasks == 1 and kept():
            return None
        why = waiting.why(job, pods, queued)
        if why and why != said:
            say(f"{name} {why}")
        said = why
        if timeout is not None and time.monotonic() - begin > timeout:
            raise TimeoutError(f"job {name} was not over after {timeout:g} s; it goes on")
        logs.pause(_OFTEN if time.monotonic() - begin < _EAGER and len(pods) < _LOGS else _SELDOM)


class _Patient:
    """Looks at a job, and waits for a cluster that is away."""

    def __init__(self, workloads: Workloads, name: str, say: Callable[[str], None]) -> None:
        self._workloads = workloads
        self._name = name
        self._say = say

    def __call__(self) -> _Seen:
        """Return the job, its pods and what waits beside it.

        Raises:
            OutOfSight: If the cluster stays away.
            Refused: If this person may not look.
        """
        since = None
        while True:
            try:
                return self._look()
            except (Refused, InvalidInput):
                raise
            except CommandFailed as error:
                if since is None:
                    since = time.monotonic()
                    self._say(f"{error}; job {self._name} goes on, and is asked for again")
                elif time.monotonic() - since > _OUTAGE:
                    raise OutOfSight(
                        f"{error}. Job {self._name} goes on: `terrarium jobs logs {self._name} -e ENV --follow` looks "
                        "at it again once the cluster answers"
                    ) from None
                time.sleep(_SELDOM)

    def _look(self) -> _Seen:
        job = self._workloads.job(self._name)
        if job is None:
            return None, [], None
        waits = bool(job["spec"].get("suspend"))
        return job, self._workloads.pods(self._name), self._workloads.queued() if waits else None


class _Logs:
    """The logs of a job's pods, each followed once."""

    def __init__(self, workloads: Workloads, write: Write | None, say: Callable[[str], None]) -> None:
        self._workloads = workloads
        self._write = write
        self._say = say
        self._seen: set[str] = set()
        self._some_ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._room = threading.Semaphore(_LOGS)
        self._lock = threading.Lock()

    def look(self, pods: Sequence[dict[str, Any]]) -> None:
        """Follow the logs of pods that have begun by now."""
        for pod in pods if self._write else ():
            name = pod["metadata"]["name"]
            if name in self._seen or not begun(pod):
                continue
            self._seen.add(name)
            # A daemon: whoever interrupts the command does not wait for a log's next line.
            thread = threading.Thread(target=self._follow, args=(name, index_of(pod)), daemon=True)
            self._threads.append(thread)
            thread.start()

    def ended_since(self) -> bool:
        """Tell whether a log has come to its end since this was asked last."""
        found = self._some_ended.is_set()
        self._some_ended.clear()
        return found

    def pause(self, seconds: float) -> None:
        """Wait, but not once a log has come to its end."""
        self._some_ended.wait(seconds)

    def finish(self) -> None:
        """Wait until what the pods have printed was written."""
        for thread in self._threads:
            thread.join()

    def _follow(self, pod: str, index: int | None) -> None:
        try:
            self._read(pod, index)
        finally:
            self._some_ended.set()

    def _read(self, pod: str, index: int | None) -> None:
        with self._room:
            last, tries = "", 0
            while True:
                try:
                    for moment, line in self._workloads.log(pod, since=last or None, follow=True):
                        # Times are asked for by the second: what was read is not written again.
                        if moment > last:
                            last, tries = moment, 0
                            self._put(index, line)
                except Silence:
                    # A long epoch. A machine that is gone says so to the next question.
                    continue
                except CommandFailed as error:
                    tries += 1
                    if tries == _TRIES:
                        self._say(f"{error}; it is followed no more, `terrarium jobs logs` gives what there is")
                        return
                    time.sleep(_PAUSE)
                else:
                    return

    def _put(self, index: int | None, line: bytes) -> None:
        with self._lock:
            if not self._write:
                return
            try:
                self._write(index, line)
            except BrokenPipeError:
                # Whoever read has seen enough (`| head`); the job goes on, and its exit code is still asked for.
                self._write = None
