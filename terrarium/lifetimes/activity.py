"""When an environment was last used, as its cluster knows it. Pure: of the objects as the API has them.

A job that runs or waits is use, and so is a pod that nothing would make again. A service or a notebook is used when
somebody makes or changes it: whether anybody looks at it later, the cluster does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from terrarium.lifetimes.marks import Marks, moment
from terrarium.lifetimes.objects import FIELD_MANAGER, Object

_LASTING = {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"}
# Conditions of a Job that has ended, or is about to.
_ENDED = {"Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"}


@dataclass(frozen=True)
class Seen:
    """What stands in an environment's namespace.

    Args:
        pods: Its pods.
        jobs: Its Jobs.
        schedules: Its CronJobs.
        services: Its Deployments, StatefulSets and the like.
    """

    pods: Iterable[Object]
    jobs: Iterable[Object]
    schedules: Iterable[Object]
    services: Iterable[Object]


@dataclass(frozen=True)
class Use:
    """How an environment was used.

    Args:
        last: When it was last used; None if it is being used.
        by: What uses it, or used it last.
    """

    last: datetime | None
    by: str


def use(seen: Seen, made: datetime, noted: Marks) -> Use:
    """Return how an environment was last used.

    Args:
        seen: What stands in it.
        made: When it was made.
        noted: What is noted on it: when it last woke, and use of what may be gone.
    """
    busy = next(_busy(seen), None)
    if busy:
        return Use(None, busy)
    times = [(made, "it was made"), *_noted(noted), *_times(seen)]
    last, by = max(times, key=lambda one: one[0])
    return Use(last, by)


def owner(found: Object) -> tuple[str, str] | None:
    """Return kind and name of what made an object and would make it again."""
    reference = controller(found)
    return (str(reference["kind"]), str(reference["name"])) if reference else None


def controller(found: Object) -> Object | None:
    """Return an object's reference to what made it and would make it again."""
    references = found["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def queued(job: Object) -> bool:
    """Tell whether a Job is one that Kueue starts and ends."""
    return "kueue.x-k8s.io/queue-name" in (job["metadata"].get("labels") or {})


def ended(job: Object) -> bool:
    """Tell whether a Job has ended, or is about to."""
    return any(_true(condition) for condition in _conditions(job))


def over(pod: Object) -> bool:
    """Tell whether a pod has ended."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _busy(seen: Seen) -> Iterator[str]:
    for job in seen.jobs:
        # One that waits for a machine or for its turn is work that somebody wants done.
        if not ended(job) and (queued(job) or not job["spec"].get("suspend")):
            yield f"job {_name(job)}"
    for pod in seen.pods:
        maker = owner(pod)
        if not over(pod) and (maker is None or maker[0] not in {*_LASTING, "Job"}):
            yield f"pod {_name(pod)}"


def _noted(noted: Marks) -> Iterator[tuple[datetime, str]]:
    if noted.awoke:
        yield noted.awoke, "it woke"
    if noted.used:
        yield noted.used.at, noted.used.by


def _times(seen: Seen) -> Iterator[tuple[datetime, str]]:
    for job in seen.jobs:
        conditions = [moment(one.get("lastTransitionTime")) for one in _conditions(job) if _true(one)]
        yield from ((found, f"job {_name(job)}") for found in (*conditions, _made(job)) if found)
    for schedule in seen.schedules:
        status = schedule.get("status") or {}
        for key in ("lastScheduleTime", "lastSuccessfulTime"):
            if found := moment(status.get(key)):
                yield found, f"schedule {_name(schedule)}"
        yield from _changes(schedule, "schedule")
    for service in seen.services:
        yield from _changes(service, "service")
    for pod in seen.pods:
        # One that nothing made and that has ended was somebody's work, too.
        for status in (pod.get("status") or {}).get("containerStatuses") or () if owner(pod) is None else ():
            if found := moment(((status.get("state") or {}).get("terminated") or {}).get("finishedAt")):
                yield found, f"pod {_name(pod)}"


def _changes(found: Object, what: str) -> Iterator[tuple[datetime, str]]:
    """Yield when somebody made or changed an object; its controller only writes its status."""
    written = (
        moment(entry.get("time"))
        for entry in found["metadata"].get("managedFields") or ()
        if entry.get("subresource") != "status" and entry.get("manager") not in {FIELD_MANAGER, _CONTROLLERS}
    )
    yield from ((time, f"{what} {_name(found)}") for time in (*written, _made(found)) if time)


# Kubernetes' own notes the number of a Deployment's revision outside of its status.
_CONTROLLERS = "kube-controller-manager"


def _conditions(found: Object) -> list[Any]:
    return [one for one in (found.get("status") or {}).get("conditions") or () if one.get("type") in _ENDED]


def _true(condition: Any) -> bool:
    return bool(condition.get("status") == "True")


def _made(found: Object) -> datetime | None:
    return moment(found["metadata"].get("creationTimestamp"))


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])
