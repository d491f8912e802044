"""What a Job's own status says: how far it is, how it ended, with which exit code. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from terrarium.jobs.manifest import CONTAINER

TIMED_OUT = 124
"""Exit code of a job that took longer than it may, as `timeout` says it."""
_SUCCEEDED = "SuccessCriteriaMet"
_INDEX = "batch.kubernetes.io/job-completion-index"
Object = Mapping[str, Any]


class Phase(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Phase.DONE, Phase.FAILED)


@dataclass(frozen=True)
class State:
    """How far a job is.

    Args:
        phase: In a word.
        done: Indexes, or pods, that succeeded.
        failed: Those that failed for good.
        tasks: All of them.
        why: Why it failed; empty otherwise.
    """

    phase: Phase
    done: int
    failed: int
    tasks: int
    why: str = ""


def state(job: Object) -> State:
    """Return how far a job is.

    Args:
        job: The Job, as the API server has it.
    """
    spec, status = job["spec"], job.get("status") or {}
    conditions = _conditions(job)
    tasks = spec.get("completions") or 1
    done = status.get("succeeded") or 0
    failed = len(indexes(status.get("failedIndexes") or ""))
    # Said as soon as all of it has succeeded; `Complete` follows when its pods are gone, if it can (`stranded`).
    if conditions.keys() & {"Complete", _SUCCEEDED}:
        return State(Phase.DONE, done, failed, tasks)
    if "Failed" in conditions:
        ended = conditions["Failed"]
        return State(Phase.FAILED, done, failed or 1, tasks, _why(ended.get("reason", ""), ended.get("message", "")))
    if spec.get("suspend"):
        return State(Phase.QUEUED, done, failed, tasks)
    begun = (status.get("ready") or 0) or done or failed
    return State(Phase.RUNNING if begun else Phase.STARTING, done, failed, tasks)


def stranded(job: Object) -> bool:
    """Tell whether a job succeeded and can't become complete, so that it holds its share of the queue for ever.

    Its queue took its place back in the moment in which it ended. A job that is stopped loses its start time, by Kueue
    (0.19) and by Kubernetes (1.36), and "startTime is required for finished job".

    Args:
        job: The Job, as the API server has it.
    """
    status = job.get("status") or {}
    stopped = bool(job["spec"].get("suspend")) and not status.get("startTime")
    conditions = _conditions(job)
    return stopped and _SUCCEEDED in conditions and "Complete" not in conditions


def timed_out(job: Object) -> bool:
    """Tell whether a job was ended because it took too long."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Failed" and one.get("reason") == "DeadlineExceeded" for one in conditions)


def failed_index(job: Object) -> int | None:
    """Return the first index that failed for good; None of a job without an array, or if none did."""
    found = indexes((job.get("status") or {}).get("failedIndexes") or "")
    return min(found, default=None)


def exit_code(pods: Iterable[Object], index: int | None) -> tuple[int | None, str]:
    """Return with which exit code a failed job's command ended, and what else Kubernetes says of it.

    Args:
        pods: The job's pods.
        index: The index that is asked for; None for a job without an array.
    """
    mine = [pod for pod in pods if index is None or index_of(pod) == index]
    by_age = sorted(mine, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    for pod in by_age:
        ended = terminated(pod)
        if ended and ended.get("exitCode"):
            return int(ended["exitCode"]), _said(ended)
    return None, ""


def index_of(pod: Object) -> int | None:
    """Return which index a pod is of; None of a job without an array."""
    metadata = pod["metadata"]
    said = (metadata.get("labels") or {}).get(_INDEX) or (metadata.get("annotations") or {}).get(_INDEX)
    return None if said is None else int(said)


def container(pod: Object) -> Mapping[str, Any]:
    """Return the status of a pod's one container; empty before it has one."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((one for one in statuses if one["name"] == CONTAINER), {})


def terminated(pod: Object) -> Mapping[str, Any] | None:
    """Return how a pod's container ended, or None if it did not."""
    return (container(pod).get("state") or {}).get("terminated")


def begun(pod: Object) -> bool:
    """Tell whether a pod's container has begun, and so has a log."""
    found = container(pod).get("state") or {}
    return "running" in found or "terminated" in found


def indexes(text: str) -> list[int]:
    """Return indexes that a status names, as `1,3-5`."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        found.extend(range(int(first), int(last if dash else first) + 1))
    return found


def _conditions(job: Object) -> dict[str, Object]:
    """Return what is true of a job, by its type."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return {one["type"]: one for one in conditions if one["status"] == "True"}


def _said(ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return "it took more memory than it asked for; ask for more: --needs memory=..."
    return ""


def _why(reason: str, message: str) -> str:
    if reason == "DeadlineExceeded":
        return "it took longer than its timeout"
    if reason in ("BackoffLimitExceeded", "FailedIndexes", "MaxFailedIndexesExceeded"):
        return ""
    return message or reason
