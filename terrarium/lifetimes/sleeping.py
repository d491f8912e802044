"""Sleep and wake: what runs in an environment ends in order, and is there again as it was.

Each object is changed in one step, with what it was noted on it, so that a command that is killed anywhere is finished
by itself or its opposite. The namespace says that the environment sleeps before the first step, and until after the
last one of waking. Machines go and come by themselves, with the pods. Nothing here is the engine's: the fields belong
to a field manager of their own, and `terrarium up` leaves them as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from terrarium.engine import Say
from terrarium.errors import Refused
from terrarium.lifetimes import marks
from terrarium.lifetimes.activity import Seen, controller, ended, over, owner, queued
from terrarium.lifetimes.kinds import QUEUE, Kind, release, restoring, stages, stopping
from terrarium.lifetimes.objects import Object, Objects

_KUEUE = "/apis/kueue.x-k8s.io"
# Seconds between two looks at what still runs.
_PAUSE = 0.5


@dataclass(frozen=True)
class Outcome:
    """What a command came to.

    Args:
        changed: What was stopped or started, as `Deployment web`.
        refused: What could not be, and why.
        ending: Pods of what was stopped that had not ended when patience did.
        running: Pods that go on, as nothing would make them again, or something else makes them.
    """

    changed: tuple[str, ...]
    refused: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    running: tuple[str, ...] = ()

    @property
    def shortfall(self) -> str:
        """What was not reached, in words; empty if all was."""
        parts = (
            f"these pods have not ended: {', '.join(self.ending)}" if self.ending else "",
            f"these could not be changed: {'; '.join(self.refused)}" if self.refused else "",
        )
        return ", and ".join(part for part in parts if part)


@dataclass
class _Steps:
    """What was done so far.

    Args:
        changed: What was changed.
        refused: What could not be, and why.
        stopped: The uids of what stands still now, whoever stopped it.
        drained: Whether the queue ends what it has let in.
    """

    changed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    drained: bool = False


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

        What is refused stops no other.

        Args:
            now: The present time.
            because: Why, for whoever finds it asleep.
            patience: Seconds to wait for what was stopped to end, in all.
        """
        until = time.monotonic() + patience
        known, _ = marks.read(self._objects, self._environment)
        if known.sleep is None:
            marks.note(self._objects, self._environment, {marks.ASLEEP: marks.asleep(now, because)})
        steps, queue = _Steps(), self._queue()
        if queue:
            told = "the queue lets nothing in, and ends what it has let in"
            steps.drained = self._step(steps, queue, stopping(QUEUE), "ClusterQueue", told)
        ending: tuple[str, ...] = ()
        running: tuple[str, ...] = ()
        for stage in stages(self._environment, queue=queue is not None):
            for kind in stage:
                self._stop(steps, kind)
            ending, running = self._wait(steps, until)
        return Outcome(tuple(steps.changed), tuple(steps.refused), ending, running)

    def runs(self) -> bool:
        """Tell whether anything runs that `sleep` would stop."""
        queue = self._queue()
        if queue and (found := self._objects.get(queue)) and stopping(QUEUE)(found):
            return True
        kinds = (kind for stage in stages(self._environment, queue=queue is not None) for kind in stage)
        return any(stopping(kind)(found) for kind in kinds for found in self._objects.items(kind.path))

    def wake(self, now: datetime) -> Outcome:
        """Bring back what was there before the environment was put to sleep.

        What somebody has started by hand meanwhile stays as it is. What is refused stops no other, and the environment
        says that it sleeps until all is back.

        Args:
            now: The present time.
        """
        known, _ = marks.read(self._objects, self._environment)
        if known.sleep is not None:
            # First, so that one that is half awake is not taken for one that fell asleep half-way.
            marks.note(self._objects, self._environment, {marks.AWOKE: marks.written(now)})
        steps, queue = _Steps(), self._queue()
        for stage in reversed(stages(self._environment, queue=queue is not None)):
            for kind in reversed(stage):
                self._start(steps, kind)
        if queue:
            self._step(steps, queue, restoring(QUEUE), "ClusterQueue", "the queue lets jobs in")
        if known.sleep is not None and not steps.refused:
            marks.note(self._objects, self._environment, {marks.ASLEEP: None})
        return Outcome(tuple(steps.changed), tuple(steps.refused))

    def _queue(self) -> str | None:
        """Return the path of the environment's ClusterQueue; None if it has none."""
        group = self._objects.get(_KUEUE)
        if group is None:
            return None
        path = f"{_KUEUE}/{group['preferredVersion']['version']}/clusterqueues/{self._environment}"
        return path if self._objects.get(path) else None

    def _stop(self, steps: _Steps, kind: Kind) -> None:
        for found in self._objects.items(kind.path):
            path, name = _place(kind, found)
            if self._step(steps, path, stopping(kind), name, f"stopped {name}") and kind.takes(found):
                steps.stopped.add(found["metadata"]["uid"])

    def _start(self, steps: _Steps, kind: Kind) -> None:
        for found in self._objects.items(kind.path):
            path, name = _place(kind, found)
            if self._step(steps, path, restoring(kind), name, f"started {name}"):
                self._objects.change(path, release)

    def _step(self, steps: _Steps, path: str, how: Callable[[Object], bool], name: str, told: str) -> bool:
        """Change an object, and tell whether it is now as it is to be."""
        try:
            if self._objects.change(path, how):
                self._say(told)
                steps.changed.append(name)
        except Refused as error:
            self._say(f"{name}: {error}")
            steps.refused.append(f"{name} ({error})")
            return False
        return True

    def _pods(self) -> list[Object]:
        return self._objects.items(f"/api/v1/namespaces/{self._environment}/pods")

    def _wait(self, steps: _Steps, until: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Wait until what was stopped has ended; return the pods that have not, and those that were not meant to."""
        said = -1
        while True:
            left = [pod for pod in self._pods() if not over(pod)]
            makers = self._makers(steps) if left else set()
            ending = [pod for pod in left if _maker(pod) in makers]
            if not ending or time.monotonic() >= until:
                return _names(ending), _names([pod for pod in left if pod not in ending])
            if len(ending) != said:
                said = len(ending)
                self._say(f"waiting for {said} pod{'s' if said > 1 else ''} to end")
            time.sleep(_PAUSE)

    def _makers(self, steps: _Steps) -> set[str]:
        """Return the uids of those whose pods end: what was stopped, what belongs to it, and what ends by itself."""
        batch, apps = (f"/apis/{group}/v1/namespaces/{self._environment}" for group in ("batch", "apps"))
        sets = [one for one in self._objects.items(f"{apps}/replicasets") if _maker(one) in steps.stopped]
        jobs = [one for one in self._objects.items(f"{batch}/jobs") if ended(one) or (steps.drained and queued(one))]
        return steps.stopped | {one["metadata"]["uid"] for one in (*sets, *jobs)}


def _place(kind: Kind, found: Object) -> tuple[str, str]:
    """Return an object's path, and what it is called."""
    name = found["metadata"]["name"]
    return f"{kind.path}/{name}", f"{kind.name} {name}"


def _maker(found: Object) -> str | None:
    """Return the uid of what made an object."""
    reference = controller(found)
    return str(reference["uid"]) if reference else None


def _names(pods: list[Object]) -> tuple[str, ...]:
    return tuple(sorted(pod["metadata"]["name"] for pod in pods))
