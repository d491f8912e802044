"""Jobs wait in queues on the real Kueue: which pools they get, what is borrowed and given back, who may change what.

Nodes are simulated: jobs are placed on them and run nothing. A job that is to last holds its pods back by a scheduling
gate: it has its place, and ends when the gate is taken away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from kubernetes.client import BatchV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException

from rehearsal.platform import Platform
from rehearsal.platform.pools import Pool
from tests.support.api import Person
from tests.support.checkout import Checkout
from tests.support.declared import environment

GROUP, VERSION = "kueue.x-k8s.io", "v1beta2"
QUEUE, PRIORITY = f"{GROUP}/queue-name", f"{GROUP}/priority-class"
POOLS = (Pool("general", count=3), Pool("training", count=1, gpu=2))
IMAGE = f"registry.k8s.io/pause@sha256:{'0' * 64}"
TOLERATES = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
QUOTA = {"cpu": 4, "memory": "16Gi"}
CONTAINER = {"default": {"cpu": "500m", "memory": "1Gi"}, "maximum": {"cpu": 4, "memory": "16Gi"}}
# Seconds. Kueue answers in one; a busy machine takes several times that.
PATIENCE = 60
# Within which something that must not happen would have happened.
QUIET = 3


class World:
    """A platform with two experiments, which may borrow, and testing, which may not."""

    def __init__(self, checkout: Checkout, platform: Platform) -> None:
        self.checkout, self.platform = checkout, platform
        admin = Person(platform)
        self.batch, self.core, self.kueue = BatchV1Api(admin.api), admin.core, CustomObjectsApi(admin.api)
        machine = {"cpu": 8, "memory": "32Gi"}
        pools = {
            "general": {"labels": {"terrarium.dev/pool": "general"}, "max": 3, **machine},
            "training": {
                **{"labels": {"terrarium.dev/pool": "training"}, "max": 1, "gpu": 2, **machine},
                "taints": [{"key": "nvidia.com/gpu", "value": "present"}],
            },
        }
        context = {"context": platform.context, "kueue": True}
        tiers = ["experimentation", "testing"]
        cloud = {"kubernetes": {**context, "pools": pools}}
        checkout.declare("platform", "platform", name="shared", tiers=tiers, cloud=cloud)
        own = {"quota": {**QUOTA, "gpu": 1, "borrow_percent": 300}, "container": CONTAINER}
        for name, tier, more in (
            ("one", "experimentation", own),
            ("two", "experimentation", own),
            ("test", "testing", {"quota": QUOTA, "container": CONTAINER}),
        ):
            slice_ = {**context, "platform": "shared"}
            checkout.declare(name, "environment", **environment("queues", name, tier, slice_, **more))

    def submit(
        self,
        name: str,
        where: str = "one",
        *,
        cpu: str = "4",
        gpu: int = 0,
        held: bool = True,
        labels: dict[str, str] | None = None,
        tolerations: Sequence[dict[str, str]] = (),
    ) -> None:
        resources = {"cpu": cpu, "memory": "1Gi", **({"nvidia.com/gpu": str(gpu)} if gpu else {})}
        container = {
            **{
                "name": "it",
                "image": IMAGE,
                "resources": {"requests": resources, "limits": resources},
            },
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        pod = {
            **{"restartPolicy": "Never", "containers": [container], "tolerations": list(tolerations)},
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            **({"schedulingGates": [{"name": "example.org/held"}]} if held else {}),
        }
        metadata = {"name": name, "labels": {QUEUE: "default"} if labels is None else labels}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": pod}}}
        self.batch.create_namespaced_job(f"queues-{where}", job)

    def job(self, name: str, where: str = "one") -> Any:
        return self.batch.read_namespaced_job(name, f"queues-{where}")

    def runs(self, name: str, where: str = "one") -> bool:
        """Whether a job has its place."""
        return not self.job(name, where).spec.suspend

    def pods(self, name: str, where: str = "one") -> list[Any]:
        listed = self.core.list_namespaced_pod(f"queues-{where}", label_selector=f"job-name={name}")
        return list(listed.items)

    def clear(self) -> None:
        for where in ("one", "two", "test"):
            namespace = f"queues-{where}"
            self.batch.delete_collection_namespaced_job(namespace, propagation_policy="Background")
            eventually(lambda at=namespace: not self.core.list_namespaced_pod(at).items)
            eventually(lambda at=namespace: not self._workloads(at))

    def _workloads(self, namespace: str) -> list[Any]:
        listed = self.kueue.list_namespaced_custom_object(GROUP, VERSION, namespace, "workloads")
        return list(listed["items"])


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def never(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + QUIET
    while time.monotonic() < deadline:
        assert not condition()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def platform(platform_home: Any) -> Iterator[Platform]:
    platform = Platform("queues", platform_home, queues=True, pools=POOLS)
    platform.start()
    yield platform
    platform.reset()


@pytest.fixture(scope="module")
def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    tiers = dict.fromkeys(("experimentation", "testing"), platform)
    world = World(Checkout(tmp_path_factory.mktemp("checkout"), tiers), platform)
    world.checkout.terrarium("up", "platform")
    for stack in ("one", "two"):
        world.checkout.bring_up(stack)
    world.checkout.terrarium("up", "test")
    yield world
    # A job that has its place holds its environment's queue.
    world.submit("left", "one")
    eventually(lambda: world.runs("left"))
    for stack, confirmed in (("test", "queues-test"), ("two", ""), ("one", ""), ("platform", "shared")):
        world.checkout.terrarium("destroy", stack, "--yes", *(("--confirm", confirmed) if confirmed else ()))
    for plural in ("clusterqueues", "resourceflavors", "workloadpriorityclasses"):
        assert world.kueue.list_cluster_custom_object(GROUP, VERSION, plural)["items"] == []


@pytest.fixture(autouse=True)
def cleared(world: World) -> Iterator[None]:
    yield
    world.clear()


@pytest.mark.parametrize("stack", ["platform", "one", "test"])
def test_what_is_up_shows_no_change(world: World, stack: str) -> None:
    assert world.checkout.answer("preview", stack, "--expect-no-changes")["changes"] == {}


def test_jobs_land_on_the_pool_that_is_for_them(world: World) -> None:
    world.submit("plain", held=False)
    world.submit("learns", held=False, gpu=1, tolerations=TOLERATES)
    for name, pool in (("plain", "general-"), ("learns", "training-")):
        eventually(lambda at=name: bool(world.job(at).status.succeeded))
        assert [pod.spec.node_name.startswith(pool) for pod in world.pods(name)] == [True]


def test_a_job_that_needs_no_gpu_does_not_take_a_machine_that_has_some(world: World) -> None:
    # More than `general` has for this environment, with all that it may borrow there.
    for number in range(3):
        world.submit(f"many-{number}")
    eventually(lambda: world.runs("many-1"))
    never(lambda: world.runs("many-2"))


def test_what_another_experiment_leaves_unused_is_borrowed_and_given_back(world: World) -> None:
    world.submit("own")
    eventually(lambda: world.runs("own"))
    world.submit("borrows")
    eventually(lambda: world.runs("borrows"))
    # Neither from testing, which has as much and uses none of it.
    world.submit("more")
    never(lambda: world.runs("more"))
    world.submit("wants", "two")
    eventually(lambda: world.runs("wants", "two"))
    eventually(lambda: world.runs("own") != world.runs("borrows"))
    [stopped] = [name for name in ("own", "borrows") if not world.runs(name)]
    world.batch.delete_namespaced_job("wants", "queues-two", propagation_policy="Background")
    eventually(lambda: world.runs(stopped) or world.runs("more"))


def test_testing_borrows_nothing(world: World) -> None:
    world.submit("own", "test")
    eventually(lambda: world.runs("own", "test"))
    world.submit("more", "test")
    never(lambda: world.runs("more", "test"))


def test_a_job_that_names_no_queue_waits_in_the_usual_one(world: World) -> None:
    world.submit("takes-all", "test")
    eventually(lambda: world.runs("takes-all", "test"))
    world.submit("by-hand", "test", labels={})
    assert world.job("by-hand", "test").metadata.labels[QUEUE] == "default"
    never(lambda: world.runs("by-hand", "test"))
    world.batch.delete_namespaced_job("takes-all", "queues-test", propagation_policy="Background")
    eventually(lambda: world.runs("by-hand", "test"))


def test_a_job_in_a_queue_that_is_not_there_does_not_run(world: World) -> None:
    world.submit("lost", labels={QUEUE: "another"})
    never(lambda: world.runs("lost"))


def test_a_job_can_neither_be_let_go_by_hand_nor_lose_its_queue(world: World) -> None:
    world.submit("takes-all", "test")
    eventually(lambda: world.runs("takes-all", "test"))
    world.submit("waits", "test")
    world.batch.patch_namespaced_job("waits", "queues-test", {"spec": {"suspend": False}})
    eventually(lambda: not world.runs("waits", "test"))
    with pytest.raises(ApiException):
        world.batch.patch_namespaced_job("takes-all", "queues-test", {"metadata": {"labels": {QUEUE: None}}})


def test_a_job_of_high_importance_goes_before_others_of_its_environment(world: World) -> None:
    world.submit("usual", "test")
    eventually(lambda: world.runs("usual", "test"))
    world.submit("urgent", "test", labels={QUEUE: "default", PRIORITY: "terrarium-high"})
    eventually(lambda: world.runs("urgent", "test") and not world.runs("usual", "test"))


def test_whoever_works_in_an_environment_sees_its_queues_and_changes_none(world: World) -> None:
    member = Person(world.platform, "ana", ["queues-team"])
    assert member.may("create", "jobs.batch", "queues-one")
    assert member.may("list", f"workloads.{GROUP}", "queues-one")
    assert member.may("get", f"localqueues.{GROUP}", "queues-one")
    for verb in ("create", "update", "patch", "delete"):
        assert not member.may(verb, f"localqueues.{GROUP}", "queues-one")
        assert not member.may(verb, f"workloads.{GROUP}", "queues-one")
        assert not member.may(verb, f"clusterqueues.{GROUP}", "")
        assert not member.may(verb, f"resourceflavors.{GROUP}", "")
