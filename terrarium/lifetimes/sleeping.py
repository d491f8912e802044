"""Sleep and wake: what runs in an environment ends in order, and is there again as it was.

Each object is changed in one step, with what it was noted on it, so that a command that is killed anywhere is finished
by itself or its opposite. The namespace says that the environment sleeps before the first step, and until after the
last one of waking. Machines go and come by themselves, with the pods. Nothing here is the engine's: the fields belong
to a field manager of their own, and `terrarium up` leaves them as they are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.labels import LABEL
from terrarium.engine import Say
from terrarium.lifetimes import marks
from terrarium.lifetimes.activity import Seen, ended, over, owner
from terrarium.lifetimes.objects import Object, Objects

BEFORE = f"{LABEL}/before-sleep"
"""Annotation: what the field was that sleep has changed, as JSON."""
QUEUED = "kueue.x-k8s.io/queue-name"
_KUEUE = "/apis/kueue.x-k8s.io"
# Seconds between two looks at what still runs.
_PAUSE = 0.5


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


_QUEUE = Kind("ClusterQueue", "", "stopPolicy", stopped="HoldAndDrain", usual="None")


def _of_nobody(found: Object) -> bool:
    return owner(found) is None


def _jobs_of(queue: bool) -> Callable[[Object], bool]:
    """Return which Jobs are suspended here: not those that a queue holds, nor those of another operator."""

    def takes(job: Object) -> bool:
        maker = owner(job)
        held = queue and QUEUED in (job["metadata"].get("labels") or {})
        return not held and not ended(job) and (maker is None or maker[0] == "CronJob")

    return takes


def kinds(namespace: str, *, queue: bool) -> tuple[Kind, ...]:
    """Return what is stopped in a namespace, in this order; waking takes the reverse.

    First what makes new work, then work, then what work may need until its end.

    Args:
        namespace: The namespace.
        queue: Whether jobs wait in a queue, which ends those that it has let in.
    """
    batch, apps = f"/apis/batch/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    core = f"/api/v1/namespaces/{namespace}"
    return (
        Kind("CronJob", f"{batch}/cronjobs", "suspend", stopped=True, usual=False),
        Kind("Job", f"{batch}/jobs", "suspend", stopped=True, usual=False, takes=_jobs_of(queue)),
        Kind("Deployment", f"{apps}/deployments", "replicas", stopped=0, usual=1, takes=_of_nobody),
        Kind("ReplicaSet", f"{apps}/replicasets", "replicas", stopped=0, usual=1, takes=_of_nobody),
        Kind("ReplicationController", f"{core}/replicationcontrollers", "replicas", 0, 1, _of_nobody),
        Kind("StatefulSet", f"{apps}/statefulsets", "replicas", stopped=0, usual=1, takes=_of_nobody),
    )


@dataclass(frozen=True)
class Outcome:
    """What a command came to.

    Args:
        changed: What was stopped or started, as `Deployment web`.
        ending: Pods of what was stopped that had not ended when patience did.
        running: Pods that go on, as nothing would make them again, or something else makes them.
    """

    changed: tuple[str, ...]
    ending: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


class Sleeper:
    """Puts one environment to sleep, and wakes it.

    Args:
        objects: The cluster's.
        environment: The environment's id, which its namespace and its queue are called.
        say: Takes a sentence on what goes on, for people.
    """

    def __init__(self, objects: Objects, environment: str, say: Say) -> None:
        self._objects = objects
        self._environment = environment
        self._say = say

    def seen(self) -> Seen:
        """Return what stands in the environment's namespace."""
        batch, apps = (f"/apis/{group}/v1/namespaces/{self._environment}" for group in ("batch", "apps"))
        services = (f"{apps}/{plural}" for plural in ("deployments", "statefulsets", "replicasets"))
        return Seen(
            self._pods(),
            self._objects.items(f"{batch}/jobs"),
            self._objects.items(f"{batch}/cronjobs"),
            [one for path in services for one in self._objects.items(path) if owner(one) is None],
        )

    def sleep(self, now: datetime, because: str, patience: float) -> Outcome:
        """Put the environment to sleep. Of one that sleeps already, what runs again is stopped.

        Args:
            now: The present time.
            because: Why, for whoever finds it asleep.
            patience: Seconds to wait for what was stopped to end.
        """
        known, _ = marks.read(self._objects, self._environment)
        if known.sleep is None:
            marks.note(self._objects, self._environment, {marks.ASLEEP: marks.asleep(now, because)})
        changed: list[str] = []
        queue = self._queue()
        if queue and self._objects.change(queue, _stopping(_QUEUE)):
            self._say("the queue lets nothing in, and ends what it has let in")
            changed.append("ClusterQueue")
        for kind in kinds(self._environment, queue=queue is not None):
            changed.extend(self._each(kind, _stopping(kind), "stopped"))
        return Outcome(tuple(changed), *self._ended(patience))

    def wake(self, now: datetime) -> Outcome:
        """Bring back what was there before the environment was put to sleep.

        What somebody has started by hand meanwhile stays as it is.

        Args:
            now: The present time.
        """
        changed: list[str] = []
        queue = self._queue()
        for kind in reversed(kinds(self._environment, queue=queue is not None)):
            changed.extend(self._each(kind, _restoring(kind), "started"))
        if queue and self._objects.change(queue, _restoring(_QUEUE)):
            self._say("the queue lets jobs in")
            changed.append("ClusterQueue")
        known, _ = marks.read(self._objects, self._environment)
        if known.sleep is not None:
            marks.note(self._objects, self._environment, {marks.ASLEEP: None, marks.AWOKE: marks.written(now)})
        return Outcome(tuple(changed))

    def _queue(self) -> str | None:
        """Return the path of the environment's ClusterQueue; None if it has none."""
        group = self._objects.get(_KUEUE)
        if group is None:
            return None
        path = f"{_KUEUE}/{group['preferredVersion']['version']}/clusterqueues/{self._environment}"
        return path if self._objects.get(path) else None

    def _each(self, kind: Kind, how: Callable[[Object], bool], done: str) -> Iterator[str]:
        for found in self._objects.items(kind.path):
            name = found["metadata"]["name"]
            if self._objects.change(f"{kind.path}/{name}", how):
                self._say(f"{done} {kind.name} {name}")
                yield f"{kind.name} {name}"

    def _pods(self) -> list[Object]:
        return self._objects.items(f"/api/v1/namespaces/{self._environment}/pods")

    def _ended(self, patience: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Wait until what was stopped has ended; return the pods that have not, and those that were not meant to."""
        until = time.monotonic() + patience
        stoppable = {"ReplicaSet", "StatefulSet", "Job", "ReplicationController"}
        said = -1
        while True:
            left = [pod for pod in self._pods() if not over(pod)]
            ending = [pod for pod in left if (maker := owner(pod)) and maker[0] in stoppable]
            if not ending or time.monotonic() >= until:
                return _names(ending), _names([pod for pod in left if pod not in ending])
            if len(ending) != said:
                said = len(ending)
                self._say(f"waiting for {said} pod{'s' if said > 1 else ''} to end")
            time.sleep(_PAUSE)


def _names(pods: list[Object]) -> tuple[str, ...]:
    return tuple(sorted(pod["metadata"]["name"] for pod in pods))


def _stopping(kind: Kind) -> Callable[[Object], bool]:
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


def _restoring(kind: Kind) -> Callable[[Object], bool]:
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


def _noted(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
