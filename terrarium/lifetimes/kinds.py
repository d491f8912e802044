"""What sleep stops: by which field, in which order, and how each is given back what it had. Pure.

Each object holds the note of what its field was, written in the same step: there is no list elsewhere that a kill could
leave out of step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.labels import LABEL
from terrarium.lifetimes.activity import ended, owner, queued
from terrarium.lifetimes.objects import FIELD_MANAGER, Object

BEFORE = f"{LABEL}/before-sleep"
"""Annotation: what the field was that sleep has changed, as JSON."""


@dataclass(frozen=True)
class Kind:
    """A kind of objects that can be stopped by one field, and what stops it.

    Args:
        name: In words.
        path: Where the objects of a namespace are.
        field: The field of `spec`.
        stopped: Its value while the environment sleeps.
        usual: Its value if it is not there.
        takes: Tells which objects are stopped by it.
    """

    name: str
    path: str
    field: str
    stopped: Any
    usual: Any
    takes: Callable[[Object], bool] = lambda _: True


QUEUE = Kind("ClusterQueue", "", "stopPolicy", stopped="HoldAndDrain", usual="None")
"""An environment's queue, which the caller finds: it lets nothing in, and ends what it has let in."""


def _of_nobody(found: Object) -> bool:
    return owner(found) is None


def _jobs_of(queue: bool) -> Callable[[Object], bool]:
    """Return which Jobs are suspended here: not those that a queue holds, nor those of another operator."""

    def takes(job: Object) -> bool:
        maker = owner(job)
        return not (queue and queued(job)) and not ended(job) and (maker is None or maker[0] == "CronJob")

    return takes


def stages(namespace: str, *, queue: bool) -> tuple[tuple[Kind, ...], ...]:
    """Return what is stopped in a namespace, in this order; waking takes the reverse.

    First work and what makes new work, then what work may need until its end, and at last what all of it may store in.

    Args:
        namespace: The namespace.
        queue: Whether jobs wait in a queue, which ends those that it has let in.
    """
    batch, apps = f"/apis/batch/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    core = f"/api/v1/namespaces/{namespace}"
    return (
        (
            Kind("CronJob", f"{batch}/cronjobs", "suspend", stopped=True, usual=False),
            Kind("Job", f"{batch}/jobs", "suspend", stopped=True, usual=False, takes=_jobs_of(queue)),
        ),
        (
            Kind("Deployment", f"{apps}/deployments", "replicas", stopped=0, usual=1, takes=_of_nobody),
            Kind("ReplicaSet", f"{apps}/replicasets", "replicas", stopped=0, usual=1, takes=_of_nobody),
            Kind("ReplicationController", f"{core}/replicationcontrollers", "replicas", 0, 1, _of_nobody),
        ),
        (Kind("StatefulSet", f"{apps}/statefulsets", "replicas", stopped=0, usual=1, takes=_of_nobody),),
    )


def stopping(kind: Kind) -> Callable[[Object], bool]:
    """Return what stops an object, and notes on it what its field was. What stands still by itself is left alone."""

    def stop(found: Object) -> bool:
        spec = found.setdefault("spec", {})
        before = spec.get(kind.field, kind.usual)
        if before == kind.stopped or not kind.takes(found):
            return False
        annotations = found["metadata"].get("annotations") or {}
        found["metadata"]["annotations"] = {**annotations, BEFORE: json.dumps(before)}
        spec[kind.field] = kind.stopped
        return True

    return stop


def restoring(kind: Kind) -> Callable[[Object], bool]:
    """Return what gives an object back what was noted on it, unless somebody has changed its field meanwhile."""

    def restore(found: Object) -> bool:
        annotations = dict(found["metadata"].get("annotations") or {})
        # A Deployment's controller copies annotations to its ReplicaSets.
        if BEFORE not in annotations or not kind.takes(found):
            return False
        before = _noted(annotations.pop(BEFORE))
        found["metadata"]["annotations"] = annotations
        # Whoever may change the object may have written over the note: then it stays stopped, for them to start.
        if found.get("spec", {}).get(kind.field) == kind.stopped and type(before) is type(kind.stopped):
            found["spec"][kind.field] = before
        return True

    return restore


def release(found: Object) -> bool:
    """Give up the fields that were changed here: who applies the object server-side would find a conflict in them.

    The API server makes whoever changes a field its owner, so this can't be part of the step that restores it.
    """
    entries = found["metadata"].get("managedFields") or []
    kept = [entry for entry in entries if entry.get("manager") != FIELD_MANAGER]
    # One empty entry is how an empty list is said: none at all would mean that they are left as they are.
    found["metadata"]["managedFields"] = kept or [{}]
    return len(kept) < len(entries)


def _noted(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
