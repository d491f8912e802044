"""Environments sleep, wake and end on the real engine and API server, with the real Kueue and without it.

Nodes are simulated: pods are placed and end, and run nothing. That a cloud takes away the machines that nobody needs
any more is its own part, and not shown.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.client import AppsV1Api, BatchV1Api
from kubernetes.client.exceptions import ApiException

from rehearsal.platform import Platform
from rehearsal.platform.pools import Pool
from terrarium.cluster import Cluster
from terrarium.lifetimes import marks
from terrarium.lifetimes.kinds import BEFORE
from terrarium.lifetimes.marks import Announcement
from terrarium.lifetimes.objects import Objects
from terrarium.lifetimes.sleeping import Sleeper
from terrarium.lifetimes.tidying import Line, Tidy
from terrarium.plan import Watch
from tests.support.api import Person
from tests.support.checkout import ROOT, Checkout
from tests.support.declared import environment
from tests.support.waiting import until

NAMESPACE = "naps-dev"
KUEUE = ("kueue.x-k8s.io", "v1beta2")
IMAGE = f"registry.k8s.io/pause@sha256:{'0' * 64}"
POD = {
    "containers": [
        {
            "name": "it",
            "image": IMAGE,
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
# Its pods have their place and never end by themselves.
HELD = {**POD, "restartPolicy": "Never", "schedulingGates": [{"name": "example.org/held"}]}
TODAY = datetime.now(UTC).date()

# What a queue changes nothing about is tried once.
WITH_QUEUES = pytest.mark.parametrize("world", [True], ids=["queues"], indirect=True)


@dataclass
class World:
    """An experiment on a platform, and its administrator."""

    checkout: Checkout
    platform: Platform
    queues: bool

    def __post_init__(self) -> None:
        self.person = Person(self.platform)
        self.apps, self.batch = AppsV1Api(self.person.api), BatchV1Api(self.person.api)
        self.objects = Objects(Cluster({"context": self.platform.context}, str(self.platform.kubeconfig)))

    def declare(self, **more: object) -> None:
        cloud = {"context": self.platform.context, "platform": "shared", **({"kueue": True} if self.queues else {})}
        self.checkout.declare("dev", "environment", **environment("naps", "dev", "experimentation", cloud, **more))

    def fill(self) -> None:
        """Have things run as they do in an experiment."""
        template = {"metadata": {"labels": {"app": "it"}}, "spec": POD}
        for name, replicas in (("web", 2), ("off", 0)):
            spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "it"}}, "template": template}
            self.apps.create_namespaced_deployment(NAMESPACE, {"metadata": {"name": name}, "spec": spec})
        lasting = {"metadata": {"labels": {"app": "lasting"}}, "spec": POD}
        spec = {"serviceName": "notebook", "selector": {"matchLabels": {"app": "lasting"}}, "template": lasting}
        self.apps.create_namespaced_stateful_set(NAMESPACE, {"metadata": {"name": "notebook"}, "spec": spec})
        for name, suspended in (("nightly", False), ("paused", True)):
            job = {"spec": {"template": {"spec": HELD}}}
            spec = {"schedule": "0 3 1 1 *", "suspend": suspended, "jobTemplate": job}
            self.batch.create_namespaced_cron_job(NAMESPACE, {"metadata": {"name": name}, "spec": spec})
        self.start("train")
        until(self.is_up)

    def start(self, name: str) -> None:
        body = {"metadata": {"name": name}, "spec": {"template": {"spec": HELD}}}
        self.batch.create_namespaced_job(NAMESPACE, body)

    def is_up(self) -> bool:
        """Whether all runs that is to run: two, one and the job's."""
        web = self.apps.read_namespaced_deployment("web", NAMESPACE).status.ready_replicas == 2
        notebook = self.apps.read_namespaced_stateful_set("notebook", NAMESPACE).status.ready_replicas == 1
        return web and notebook and bool(self.batch.read_namespaced_job("train", NAMESPACE).status.active)

    def pods(self) -> list[Any]:
        return list(self.person.core.list_namespaced_pod(NAMESPACE).items)

    def specs(self) -> dict[str, Any]:
        """Return what was said of everything, and every note of ours that is left."""
        apps, batch = (f"/apis/{group}/v1/namespaces/{NAMESPACE}" for group in ("apps", "batch"))
        paths = [f"{apps}/deployments", f"{apps}/statefulsets", f"{batch}/cronjobs", f"{batch}/jobs"]
        found = {f"{path}/{one['metadata']['name']}": one for path in paths for one in self.objects.items(path)}
        if self.queues:
            queue = f"/apis/{'/'.join(KUEUE)}/clusterqueues/{NAMESPACE}"
            found[queue] = self.objects.get(queue) or {}
        return {
            path: (one["spec"], (one["metadata"].get("annotations") or {}).get(BEFORE)) for path, one in found.items()
        }

    def marks(self) -> marks.Marks:
        return marks.read(self.objects, NAMESPACE)[0]

    def state_is_there(self) -> bool:
        return bool(self.checkout.state("dev").get("resources"))

    def sleeper(self, objects: Objects | None = None) -> Sleeper:
        return Sleeper(objects or self.objects, NAMESPACE, lambda _: None)

    def tidy(self, later: timedelta = timedelta(0), *, act: bool = True) -> Line:
        """Do a round at another time."""
        work = Tidy(self.checkout.folder, datetime.now(UTC) + later, 14, 60, lambda _: None, Watch)
        [line] = work.lines((), act=act)
        return line


@pytest.fixture(scope="module", params=[True, False], ids=["queues", "none"])
def world(
    request: pytest.FixtureRequest, platform_home: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    platform = Platform(f"naps-{request.param}".lower(), platform_home, queues=request.param, pools=(Pool("general"),))
    platform.start()
    tiers = ["experimentation", "testing"]
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), dict.fromkeys(tiers, platform))
    world = World(checkout, platform, request.param)
    machine = {"cpu": 8, "memory": "32Gi", "max": 1, "labels": {"terrarium.dev/pool": "general"}}
    queues = {"kueue": True, "pools": {"general": machine}} if world.queues else {}
    cloud = {"kubernetes": {"context": platform.context, **queues}}
    world.checkout.declare("platform", "platform", name="shared", tiers=tiers, cloud=cloud)
    world.checkout.bring_up("platform")
    world.declare()
    world.checkout.bring_up("dev")
    world.fill()
    yield world
    platform.reset()


@pytest.fixture
def awake(world: World) -> Iterator[World]:
    """An experiment in which all runs, before the test and after it."""
    yield world
    world.sleeper().wake(datetime.now(UTC))
    until(world.is_up)
    if world.queues:
        until(lambda: not world.batch.read_namespaced_job("train", NAMESPACE).spec.suspend)


def settled(specs: dict[str, Any]) -> dict[str, Any]:
    """Return what was said, without what Kueue says of a job that it lets in again."""
    return {path: spec for path, spec in specs.items() if not path.endswith("/jobs/train")}


def test_sleep_ends_everything_and_wake_brings_it_back(awake: World) -> None:
    before = awake.specs()
    said = awake.checkout.terrarium("sleep", "dev", code=3)
    assert "job train" in said
    assert "--yes" in said
    assert awake.specs() == before

    told = awake.checkout.answer("sleep", "dev", "--yes")
    assert told["asleep"] is True
    assert {"Deployment web", "StatefulSet notebook", "CronJob nightly"} <= {*told["changed"]}
    assert ("ClusterQueue" in told["changed"]) == awake.queues
    assert not {"Deployment off", "CronJob paused"} & {*told["changed"]}
    assert awake.pods() == []
    assert awake.marks().sleep is not None
    # Whoever works there reads it where the environment describes itself.
    described = awake.person.core.read_namespaced_config_map(NAMESPACE, "terrarium-system")
    assert "by hand" in described.metadata.annotations[marks.ASLEEP]
    assert awake.checkout.answer("sleep", "dev")["changed"] == []

    awake.checkout.terrarium("wake", "dev")
    until(awake.is_up)
    assert settled(awake.specs()) == settled(before)
    assert awake.marks().sleep is None
    assert awake.checkout.answer("wake", "dev")["changed"] == []


@WITH_QUEUES
def test_up_leaves_a_sleeping_environment_asleep(awake: World) -> None:
    before = awake.specs()
    awake.checkout.terrarium("sleep", "dev", "--yes")
    # Kueue stops a job first, and then takes from it what it had given it.
    until(lambda: not awake.batch.read_namespaced_job("train", NAMESPACE).spec.template.spec.node_selector)
    asleep = awake.specs()
    awake.declare(quota={"cpu": "12", "pods": 50}, people={"members": ["others"]})
    try:
        changes = awake.checkout.answer("up", "dev", "--refresh")["changes"]
        assert changes.get("update", 0) >= 2
        assert set(changes) <= {"update", "create", "delete", "replace"}
        kept = awake.specs()
        [queue] = [path for path in kept if "clusterqueues" in path]
        assert kept[queue][0]["stopPolicy"] == "HoldAndDrain"
        assert kept[queue][0] != asleep[queue][0]  # what the quota says has come through
        del kept[queue], asleep[queue]
        assert kept == asleep
        assert awake.pods() == []
        assert awake.marks().sleep is not None
    finally:
        awake.declare()
        awake.checkout.terrarium("up", "dev")
    assert awake.checkout.answer("preview", "dev", "--refresh", "--expect-no-changes")["changes"] == {}
    awake.checkout.terrarium("wake", "dev")
    until(awake.is_up)
    assert settled(awake.specs()) == settled(before)
    assert awake.checkout.answer("preview", "dev", "--refresh", "--expect-no-changes")["changes"] == {}


@WITH_QUEUES
def test_a_job_that_is_sent_to_a_sleeping_environment_waits_in_its_queue(awake: World) -> None:
    awake.sleeper().sleep(datetime.now(UTC), "test", 60)
    awake.start("late")
    time.sleep(2)
    assert awake.batch.read_namespaced_job("late", NAMESPACE).spec.suspend
    awake.sleeper().wake(datetime.now(UTC))
    until(lambda: not awake.batch.read_namespaced_job("late", NAMESPACE).spec.suspend)
    awake.batch.delete_namespaced_job("late", NAMESPACE, propagation_policy="Background")
    until(lambda: not [pod for pod in awake.pods() if pod.metadata.name.startswith("late")])


def test_a_pod_that_nothing_would_make_again_goes_on_and_is_said(awake: World) -> None:
    awake.person.core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": "shell"}, "spec": POD})
    try:
        told = awake.checkout.answer("sleep", "dev", "--yes")
        assert (told["running"], told["ending"]) == (["shell"], [])
    finally:
        awake.person.core.delete_namespaced_pod("shell", NAMESPACE, grace_period_seconds=0)


@WITH_QUEUES
def test_what_somebody_starts_meanwhile_stays_as_it_is(awake: World) -> None:
    awake.sleeper().sleep(datetime.now(UTC), "test", 60)
    awake.apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 1}})
    awake.sleeper().wake(datetime.now(UTC))
    assert awake.apps.read_namespaced_deployment("web", NAMESPACE).spec.replicas == 1
    # And is stopped with the rest by the next sleep, as it then is.
    awake.sleeper().sleep(datetime.now(UTC), "test", 60)
    awake.sleeper().wake(datetime.now(UTC))
    assert awake.apps.read_namespaced_deployment("web", NAMESPACE).spec.replicas == 1
    awake.apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 2}})


@WITH_QUEUES
def test_who_applies_an_object_server_side_finds_no_conflict_once_it_is_awake(awake: World) -> None:
    def apply(replicas: int) -> Any:
        template = {"metadata": {"labels": {"app": "applied"}}, "spec": POD}
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "applied"}}, "template": template}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "applied"}, "spec": spec}
        return awake.apps.patch_namespaced_deployment(
            "applied", NAMESPACE, body, field_manager="team", _content_type="application/apply-patch+yaml"
        )

    try:
        apply(1)
        awake.sleeper().sleep(datetime.now(UTC), "test", 60)
        with pytest.raises(ApiException, match="terrarium-lifetimes"):
            apply(2)
        awake.sleeper().wake(datetime.now(UTC))
        found = awake.apps.read_namespaced_deployment("applied", NAMESPACE)
        assert found.spec.replicas == 1
        assert "terrarium-lifetimes" not in {entry.manager for entry in found.metadata.managed_fields}
        assert apply(2).spec.replicas == 2
    finally:
        awake.apps.delete_namespaced_deployment("applied", NAMESPACE)
        until(lambda: not [pod for pod in awake.pods() if pod.metadata.name.startswith("applied")])


@WITH_QUEUES
@pytest.mark.parametrize("note", ["", "nonsense", '"x"', "true", "1.5", "null"])
def test_a_note_that_somebody_wrote_over_breaks_no_waking(awake: World, note: str) -> None:
    awake.sleeper().sleep(datetime.now(UTC), "test", 60)
    awake.apps.patch_namespaced_deployment("web", NAMESPACE, {"metadata": {"annotations": {BEFORE: note}}})
    awake.sleeper().wake(datetime.now(UTC))
    assert awake.marks().sleep is None
    assert awake.apps.read_namespaced_deployment("web", NAMESPACE).spec.replicas == 0
    awake.apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 2}})


# ------------------------------------------------------------------ killed


class Killed(BaseException):
    """The process is gone."""


class Mortal(Objects):
    """Objects whose process is killed after so many changes."""

    def __init__(self, world: World, changes: int) -> None:
        super().__init__(Cluster({"context": world.platform.context}, str(world.platform.kubeconfig)))
        self._left = changes

    def change(self, path: str, how: Any) -> bool:
        if self._left == 0 and (found := self.get(path)) is not None and how(found):
            raise Killed
        done = super().change(path, how)
        self._left -= done
        return done


@pytest.mark.parametrize("finished_by", ["sleep", "wake"])
def test_a_sleep_that_is_killed_after_any_step_is_finished_or_undone(awake: World, finished_by: str) -> None:
    before, killed = settled(awake.specs()), 0
    for changes in range(20):
        try:
            awake.sleeper(Mortal(awake, changes)).sleep(datetime.now(UTC), "test", 60)
            whole = True
        except Killed:
            whole, killed = False, killed + 1
        if finished_by == "sleep":
            awake.sleeper().sleep(datetime.now(UTC), "test", 60)
            assert awake.pods() == []
            assert awake.marks().sleep is not None
        awake.sleeper().wake(datetime.now(UTC))
        assert settled(awake.specs()) == before
        assert awake.marks().sleep is None
        if whole:
            break
    assert killed >= 5


@WITH_QUEUES
def test_a_wake_that_is_killed_after_any_step_still_says_that_it_sleeps_and_is_finished(awake: World) -> None:
    before, killed = settled(awake.specs()), 0
    for changes in range(20):
        awake.sleeper().sleep(datetime.now(UTC), "test", 60)
        try:
            awake.sleeper(Mortal(awake, changes)).wake(datetime.now(UTC))
            break
        except Killed:
            killed += 1
            assert awake.marks().sleep is not None
        awake.sleeper().wake(datetime.now(UTC))
        assert settled(awake.specs()) == before
    assert killed >= 5


PROGRAM = """
import sys
from datetime import UTC, datetime
from terrarium.cluster import Cluster
from terrarium.lifetimes.objects import Objects
from terrarium.lifetimes.sleeping import Sleeper
context, kubeconfig, namespace = sys.argv[1:]
sleeper = Sleeper(Objects(Cluster({"context": context}, kubeconfig)), namespace, lambda _: None)
sleeper.seen()
print("ready", flush=True)
while True:
    sleeper.sleep(datetime.now(UTC), "test", 0)
    sleeper.wake(datetime.now(UTC))
"""


@WITH_QUEUES
def test_killed_at_any_time_twenty_times(awake: World) -> None:
    before, random_ = settled(awake.specs()), random.Random(7)  # noqa: S311 - a seed, so that it can be run again
    for _ in range(20):
        arguments = (awake.platform.context, str(awake.platform.kubeconfig), NAMESPACE)
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random_.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        awake.sleeper().wake(datetime.now(UTC))
        assert settled(awake.specs()) == before
        assert awake.marks().sleep is None


# ------------------------------------------------------------------ rounds


@WITH_QUEUES
def test_what_nobody_uses_is_put_to_sleep_and_what_runs_is_not(awake: World) -> None:
    awake.declare(sleep={"idle_hours": 2})
    try:
        assert awake.tidy(timedelta(hours=9), act=False).actions == ()  # the job runs
        awake.batch.delete_namespaced_job("train", NAMESPACE, propagation_policy="Background")
        until(lambda: len(awake.pods()) == 3)
        assert awake.tidy().actions == ()
        line = awake.tidy(timedelta(hours=9), act=False)
        assert (line.actions, line.done) == (("sleep",), [])
        assert awake.marks().sleep is None
        line = awake.tidy(timedelta(hours=9))
        assert (line.done, line.error) == (["sleep"], "")
        assert awake.pods() == []
        assert awake.tidy(timedelta(hours=10)).actions == ()
        awake.sleeper().wake(datetime.now(UTC) + timedelta(hours=10))
        # One that woke is not put to sleep at once.
        assert awake.tidy(timedelta(hours=11)).actions == ()
    finally:
        awake.declare()
        awake.start("train")


@WITH_QUEUES
def test_without_an_end_an_experiment_is_reported_and_stays(awake: World) -> None:
    said = awake.checkout.terrarium("tidy", "--yes")
    assert "no end is declared" in said
    assert awake.marks().used is not None
    assert awake.marks() == marks.Marks(awoke=awake.marks().awoke, used=awake.marks().used)


@WITH_QUEUES
def test_an_end_is_announced_and_taken_back(awake: World) -> None:
    soon, far = TODAY + timedelta(days=10), TODAY + timedelta(days=300)
    awake.declare(expires=soon.isoformat())
    try:
        # The engine reads the day as this program does, and publishes it.
        awake.checkout.terrarium("up", "dev")
        described = awake.person.core.read_namespaced_config_map(NAMESPACE, "terrarium-system")
        assert json.loads(described.data["descriptor.json"])["lifetime"] == {"expires": soon.isoformat()}
        assert awake.checkout.answer("preview", "dev", "--expect-no-changes")["changes"] == {}

        [told] = awake.checkout.answer("tidy")["environments"]
        assert (told["actions"], told["done"], told["announced"]) == (["announce"], [], None)
        assert awake.marks().announcement is None
        awake.checkout.terrarium("tidy", "--yes")
        assert awake.marks().announcement == Announcement(soon, datetime.now(UTC).date())
        described = awake.person.core.read_namespaced_config_map(NAMESPACE, "terrarium-system")
        assert soon.isoformat() in described.metadata.annotations[marks.ENDS]
        [told] = awake.checkout.answer("tidy", "--yes")["environments"]
        assert (told["actions"], told["destroyedOn"]) == ([], (soon + timedelta(days=1)).isoformat())

        # What is applied leaves the note where it is; an end that moves takes it back.
        awake.declare(expires=far.isoformat())
        awake.checkout.terrarium("up", "dev")
        assert awake.marks().announcement is not None
        awake.checkout.terrarium("tidy", "--yes")
        assert awake.marks().announcement is None
    finally:
        awake.declare()
        awake.checkout.terrarium("up", "dev")


@WITH_QUEUES
def test_production_and_what_is_no_environment_never_sleep(awake: World) -> None:
    said = awake.checkout.terrarium("sleep", "platform", code=3)
    assert "only environments sleep and end" in said
    cloud = {"context": awake.platform.context, "platform": "shared"}
    awake.checkout.declare("prod", "environment", **environment("naps", "prod", "production", cloud))
    try:
        for command in ("sleep", "wake"):
            assert "it never sleeps" in awake.checkout.terrarium(command, "prod", code=3)
        assert [line["stack"] for line in awake.checkout.answer("tidy")["environments"]] == ["dev"]
        assert "it never sleeps" in awake.checkout.terrarium("tidy", "prod", "--yes", code=3)
    finally:
        (awake.checkout.folder / "Pulumi.prod.yaml").unlink()


@WITH_QUEUES
def test_what_was_announced_a_week_ago_and_has_passed_is_destroyed(world: World) -> None:
    """Last: the environment is gone."""
    ended = TODAY - timedelta(days=30)
    world.declare(expires=ended.isoformat())
    # One that is only declared counts for nothing yet.
    assert world.tidy().actions == ()
    world.checkout.terrarium("up", "dev")
    world.checkout.terrarium("tidy", "--yes")
    # However long ago the end is, it was announced only now.
    assert world.tidy(timedelta(days=6)).actions == ()
    world.sleeper().sleep(datetime.now(UTC), "test", 60)
    week_ago = Announcement(ended, TODAY - timedelta(days=7))
    marks.note(world.objects, NAMESPACE, {marks.ENDS: marks.announced(week_ago)})
    assert world.checkout.answer("tidy")["environments"][0]["actions"] == ["destroy"]
    assert world.state_is_there()
    [told] = world.checkout.answer("tidy", "--yes")["environments"]
    assert told["done"] == ["destroy"]
    assert not world.state_is_there()
    assert world.objects.get(f"/api/v1/namespaces/{NAMESPACE}") is None
    assert world.checkout.answer("tidy", "--yes")["environments"][0]["note"] == "not there"
    assert "never brought up" in world.checkout.terrarium("wake", "dev", code=3)
