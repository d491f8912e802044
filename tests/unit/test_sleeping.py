"""What sleep stops, waits for and leaves, on a cluster in memory whose pods end as its controllers would have it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from terrarium.errors import Refused
from terrarium.lifetimes import marks, sleeping
from terrarium.lifetimes.kinds import BEFORE
from terrarium.lifetimes.objects import FIELD_MANAGER, Object, Objects
from terrarium.lifetimes.sleeping import Outcome, Sleeper

NAMESPACE = "naps-dev"
NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
CORE, APPS, BATCH = (f"/{group}/v1/namespaces/{NAMESPACE}" for group in ("api", "apis/apps", "apis/batch"))
QUEUE = f"/apis/kueue.x-k8s.io/v1beta2/clusterqueues/{NAMESPACE}"
QUEUED = {"kueue.x-k8s.io/queue-name": "default"}


class Memory:
    """Objects by path, and a log of what was changed and of which pods went, in order."""

    def __init__(self) -> None:
        self.held: dict[str, Object] = {}
        self.refuses: set[str] = set()
        self.log: list[str] = []
        self.lasts: dict[str, int] = {}
        """How many looks a pod's end takes."""
        for path in (f"/api/v1/namespaces/{NAMESPACE}", f"/api/v1/namespaces/terrarium-system/configmaps/{NAMESPACE}"):
            self.held[path] = {"metadata": {"name": NAMESPACE, "creationTimestamp": "2027-01-01T00:00:00Z"}}

    def add(self, path: str, maker: str = "", **more: Any) -> str:
        """Add an object, made by that of another path."""
        name = path.rpartition("/")[2]
        kind, _, uid = maker.rpartition(":")
        owners = {"ownerReferences": [{"kind": kind, "name": "it", "uid": uid, "controller": True}]} if maker else {}
        metadata = {"name": name, "uid": path, **owners, **more.pop("metadata", {})}
        self.held[path] = {"metadata": metadata, "spec": {}, "status": {}, **more}
        return path

    def deployment(self, name: str, maker: str = "") -> None:
        path = self.add(f"{APPS}/deployments/{name}", maker, spec={"replicas": 2})
        replicas = self.add(f"{APPS}/replicasets/{name}-1", f"Deployment:{path}", spec={"replicas": 2})
        self.add(f"{CORE}/pods/{name}-1-x", f"ReplicaSet:{replicas}")

    def stateful(self, name: str, maker: str = "") -> None:
        path = self.add(f"{APPS}/statefulsets/{name}", maker, spec={"replicas": 1})
        self.add(f"{CORE}/pods/{name}-0", f"StatefulSet:{path}")

    def job(self, name: str, maker: str = "", **more: Any) -> None:
        path = self.add(f"{BATCH}/jobs/{name}", maker, **more)
        self.add(f"{CORE}/pods/{name}-x", f"Job:{path}")

    def get(self, path: str) -> Object | None:
        if path == "/apis/kueue.x-k8s.io" and QUEUE in self.held:
            return {"preferredVersion": {"version": "v1beta2"}}
        return copy.deepcopy(self.held.get(path))

    def items(self, path: str) -> list[Object]:
        if path.endswith("/pods"):
            self._look()
        return [copy.deepcopy(one) for key, one in self.held.items() if key.rpartition("/")[0] == path]

    def change(self, path: str, how: Callable[[Object], bool]) -> bool:
        found = self.get(path)
        if found is None or not how(found):
            return False
        if path in self.refuses:
            raise Refused(f"{path} is not to be changed")
        self.held[path] = found
        self.log.append(path)
        return True

    def _look(self) -> None:
        """End the pods of what is stopped, each after its time."""
        for path in [path for path in self.held if path.startswith(f"{CORE}/pods/")]:
            if not self._stands(self.held[path]):
                self.lasts[path] = self.lasts.get(path, 1) - 1
                if self.lasts[path] < 0:
                    del self.held[path]
                    self.log.append(path)

    def _stands(self, found: Object) -> bool:
        owners = found["metadata"].get("ownerReferences")
        maker = self.held[owners[0]["uid"]] if owners else None
        if maker is None:
            return True
        drained = QUEUED.items() <= maker["metadata"].get("labels", {}).items() and (
            self.held[QUEUE]["spec"].get("stopPolicy") == "HoldAndDrain"
        )
        stopped = maker["spec"].get("replicas") == 0 or maker["spec"].get("suspend")
        return not (drained or stopped) and self._stands(maker)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.setattr(sleeping, "_PAUSE", 0)
    return Memory()


def sleeper(memory: Memory) -> Sleeper:
    return Sleeper(cast("Objects", memory), NAMESPACE, lambda _: None)


def sleep(memory: Memory, patience: float = 60) -> Outcome:
    return sleeper(memory).sleep(NOW, "test", patience)


@pytest.mark.parametrize("queue", [True, False])
def test_work_has_ended_before_what_it_may_need_is_stopped(memory: Memory, queue: bool) -> None:
    if queue:
        memory.add(QUEUE)
    memory.stateful("database")
    memory.deployment("web")
    memory.job("train", metadata={"labels": QUEUED} if queue else {})
    memory.lasts = {f"{CORE}/pods/train-x": 5, f"{CORE}/pods/web-1-x": 3}
    assert sleep(memory).shortfall == ""
    order = [f"{CORE}/pods/train-x", f"{APPS}/deployments/web", f"{CORE}/pods/web-1-x", f"{APPS}/statefulsets/database"]
    assert [path for path in memory.log if path in order] == order


def test_patience_is_for_all_and_what_it_may_need_is_stopped_all_the_same(memory: Memory) -> None:
    memory.job("stuck")
    memory.lasts = {f"{CORE}/pods/stuck-x": 1_000_000}
    memory.stateful("database")
    outcome = sleep(memory, patience=0)
    assert outcome.ending == ("database-0", "stuck-x")
    assert "database-0, stuck-x" in outcome.shortfall
    assert memory.held[f"{APPS}/statefulsets/database"]["spec"]["replicas"] == 0


def test_what_another_operator_runs_is_named_and_not_waited_for(memory: Memory) -> None:
    memory.stateful("notebook", "Notebook:n")
    memory.deployment("served", "InferenceService:i")
    memory.job("set-0", "JobSet:j")
    memory.deployment("web")
    for one in ("n", "i", "j"):
        memory.add(one)
    outcome = sleep(memory)
    assert outcome.shortfall == ""
    assert outcome.running == ("notebook-0", "served-1-x", "set-0-x")
    assert outcome.changed == ("Deployment web",)


def test_what_is_started_again_meanwhile_is_said(memory: Memory) -> None:
    """As by Flux, which knows no sleep."""
    memory.deployment("web")
    pod = copy.deepcopy(memory.held[f"{CORE}/pods/web-1-x"])

    def say(_: str) -> None:
        memory.held[f"{CORE}/pods/web-1-x"] = pod
        memory.held[f"{APPS}/deployments/web"]["spec"]["replicas"] = 2

    outcome = Sleeper(cast("Objects", memory), NAMESPACE, say).sleep(NOW, "test", 0)
    assert outcome.ending == ("web-1-x",)


def test_what_is_refused_stops_no_other_and_is_said(memory: Memory) -> None:
    memory.deployment("held")
    memory.deployment("web")
    memory.stateful("database")
    memory.refuses = {f"{APPS}/deployments/held"}
    outcome = sleep(memory)
    assert outcome.changed == ("Deployment web", "StatefulSet database")
    assert "Deployment held" in outcome.shortfall
    assert "is not to be changed" in outcome.shortfall
    assert (outcome.running, outcome.ending) == (("held-1-x",), ())
    assert sleeper(memory).runs()

    memory.refuses = {f"{APPS}/statefulsets/database"}
    woken = sleeper(memory).wake(NOW)
    assert woken.changed == ("Deployment web",)
    assert "StatefulSet database" in woken.shortfall
    known, _ = marks.read(cast("Objects", memory), NAMESPACE)
    # Until all is back it says that it sleeps; that somebody wants it awake is noted from the first step on.
    assert known.sleep is not None
    assert known.awoke == NOW


def test_whether_anything_runs_that_sleep_would_stop(memory: Memory) -> None:
    memory.add(QUEUE)
    memory.stateful("notebook", "Notebook:n")
    memory.add("n")
    assert sleeper(memory).runs()  # the queue lets jobs in
    sleep(memory)
    assert not sleeper(memory).runs()
    memory.deployment("web")
    assert sleeper(memory).runs()


def test_waking_gives_up_the_fields_that_it_gave_back(memory: Memory) -> None:
    """Whoever applies the object server-side would find a conflict in them."""
    theirs = {"manager": "helm", "operation": "Apply"}
    memory.deployment("web")
    sleep(memory)
    memory.held[f"{APPS}/deployments/web"]["metadata"]["managedFields"] = [theirs, {"manager": FIELD_MANAGER}]
    sleeper(memory).wake(NOW)
    found = memory.held[f"{APPS}/deployments/web"]
    assert found["spec"]["replicas"] == 2
    assert BEFORE not in found["metadata"]["annotations"]
    assert found["metadata"]["managedFields"] == [theirs]
