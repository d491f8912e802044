"""The whole life of environments on the real engine and a real API server.

Proves: environments of three tiers come up side by side and then show no change; rights, quotas and admission of one
open nothing of another; what would lose data is refused; destroying leaves nothing. Does not prove that packets are
filtered: no packet flows on simulated nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from kubernetes.client import AdmissionregistrationV1Api, BatchV1Api
from kubernetes.client.exceptions import ApiException

from rehearsal.platform import Platform
from terrarium.jobs.manifest import Spec, manifest
from terrarium.jobs.router import Placement
from tests.support.api import Person
from tests.support.checkout import Checkout
from tests.support.cluster import try_kubectl
from tests.support.declared import environment

BYTES = "sha256:" + "a" * 64
RELEASED = f"registry.k8s.io/churn/train@{BYTES}"
"""An image that security's files know, and production takes."""


class World:
    """A platform with three slices of two projects, and production on a cluster of its own."""

    def __init__(self, checkout: Checkout, shared: Platform, production: Platform) -> None:
        self.checkout, self.shared, self.production = checkout, shared, production
        self.slice = {"context": shared.context, "platform": "shared"}
        checkout.declare(
            "platform",
            "platform",
            name="shared",
            tiers=["experimentation", "testing"],
            cloud={"kubernetes": {"context": shared.context}},
        )
        self.declare("dev", environment("life", "dev", "experimentation", self.slice))
        self.declare("test", environment("life", "test", "testing", self.slice))
        self.declare("fraud-dev", environment("fraud", "dev", "experimentation", self.slice))
        self.declare("prod", environment("life", "prod", "production", {"context": production.context}))
        checkout.amend("approved.yaml", base_images=["registry.k8s.io/base"])
        record = {"base": f"registry.k8s.io/base@{BYTES}", "scanned_on": datetime.now(UTC).date().isoformat()}
        checkout.amend("images.yaml", images={BYTES: {**record, "clean": True, "signed": True, "release": "test"}})

    def declare(self, stack: str, settings: dict[str, object]) -> None:
        folder = "environments/fraud" if stack == "fraud-dev" else "."  # a fleet keeps its stack files apart
        self.checkout.declare(stack, "environment", folder=folder, **settings)


@pytest.fixture(scope="module")
def world(
    new_checkout: Callable[[], Checkout], embedded_platform: Platform, production_platform: Platform
) -> Iterator[World]:
    world = World(new_checkout(), embedded_platform, production_platform)
    # Of each tier and kind one by `terrarium`; the others are the same to the engine.
    world.checkout.terrarium("up", "platform")
    world.checkout.bring_up("dev")
    for stack in ("test", "fraud-dev", "prod"):
        world.checkout.terrarium("up", stack)
    yield world
    for stack, name in (
        ("prod", "life-prod"),
        ("fraud-dev", ""),
        ("test", "life-test"),
        ("dev", ""),
        ("platform", "shared"),
    ):
        world.checkout.terrarium("destroy", stack, "--yes", *(("--confirm", name) if name else ()))
    assert Person(embedded_platform).owned("app.kubernetes.io/managed-by", "terrarium") == set()
    assert Person(production_platform).owned("app.kubernetes.io/managed-by", "terrarium") == set()


@pytest.mark.parametrize("stack", ["platform", "dev", "test", "fraud-dev", "prod"])
def test_what_is_up_shows_no_change(world: World, stack: str) -> None:
    assert world.checkout.answer("preview", stack, "--expect-no-changes")["changes"] == {}


def test_plain_pulumi_sees_no_change_either(world: World) -> None:
    world.checkout.pulumi("preview", "--stack", "dev", "--expect-no-changes")
    world.checkout.pulumi("preview", "--stack", "prod", "--expect-no-changes", tier="production")


def test_status_tells_what_exists_and_how_to_reach_it(world: World) -> None:
    found = {state["stack"]: state for state in world.checkout.answer("status")["stacks"]}
    assert found["dev"]["outputs"]["namespace"] == "life-dev"
    assert found["dev"]["reach"] == f"kubectl --context {world.shared.context} -n life-dev get all"
    assert found["prod"]["outputs"]["cluster"]["shared"] is False
    assert all(not state["pending"] for state in found.values())


# Who x what x where, asked of the API server with a certificate of each group. 1 = allowed.
# Columns: list pods, create pods, exec, create jobs, read secrets, change quotas, change roles, delete the namespace.
QUESTIONS = (
    ("list", "pods"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("create", "jobs.batch"),
    ("get", "secrets"),
    ("update", "resourcequotas"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("delete", "namespaces"),
)
NOTHING = "00000000"
MATRIX = {
    #               life-dev    life-test   fraud-dev
    "life-team": ("11111000", "10000000", NOTHING),
    "life-ci": ("10010000", "10010000", NOTHING),
    "life-leads": (NOTHING, "10010000", NOTHING),
    "fraud-team": (NOTHING, NOTHING, "11111000"),
    "fraud-ci": (NOTHING, NOTHING, "10010000"),
    "security": ("10000000", "10000000", "10000000"),
    "nobody": (NOTHING, NOTHING, NOTHING),
}


@pytest.mark.parametrize("group", MATRIX)
def test_rights_of_one_environment_open_nothing_of_another(world: World, group: str) -> None:
    person = Person(world.shared, f"somebody-of-{group}", [group])
    namespaces = ("life-dev", "life-test", "fraud-dev")
    answers = tuple(
        "".join(str(int(person.may(verb, resource, namespace))) for verb, resource in QUESTIONS)
        for namespace in namespaces
    )
    assert answers == MATRIX[group]


def test_production_knows_no_team_and_no_shell(world: World) -> None:
    answers = {
        group: "".join(
            str(int(Person(world.production, f"of-{group}", [group]).may(verb, resource, "life-prod")))
            for verb, resource in QUESTIONS
        )
        for group in ("life-team", "security", "life-ci", "life-leads")
    }
    assert answers == {"life-team": NOTHING, "security": "10000000", "life-ci": "10010000", "life-leads": "10010000"}


def test_a_person_reads_the_descriptors_that_concern_them_and_no_other(world: World) -> None:
    person = Person(world.shared, "ana", ["life-team"])
    descriptor = person.core.read_namespaced_config_map("life-dev", "terrarium-system").data["descriptor.json"]
    assert '"tier": "experimentation"' in descriptor
    for attempt in (
        lambda: person.core.read_namespaced_config_map("terrarium", "terrarium-system"),
        lambda: person.core.read_namespaced_config_map("fraud-dev", "terrarium-system"),
        lambda: person.core.patch_namespaced_config_map("life-dev", "terrarium-system", {"data": {}}),
        lambda: person.core.delete_namespaced_config_map("life-dev", "terrarium-system"),
    ):
        with pytest.raises(ApiException) as refused:
            attempt()
        assert refused.value.status == 403


def pod(**spec: object) -> dict[str, object]:
    hardened = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "main", "image": "registry.k8s.io/pause:3.10", "securityContext": hardened}
    container |= spec.pop("container", {})  # type: ignore[arg-type]  # a dict by the tests below
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "try-"},
        "spec": {"containers": [container], **spec},
    }


REFUSED_PODS = {
    "root": (pod(container={"securityContext": {}}), "violates PodSecurity"),
    "host network": (pod(hostNetwork=True), "violates PodSecurity"),
    "too large": (pod(container={"resources": {"limits": {"cpu": "9"}}}), "maximum cpu usage per Container is 8"),
    "more than the default, and no limit": (
        pod(container={"resources": {"requests": {"memory": "2Gi"}}}),
        "must be less than or equal to memory limit",
    ),
    "another tier's priority": (pod(priorityClassName="terrarium-testing"), "own-priority: "),
    "the system's priority": (pod(priorityClassName="system-node-critical"), "own-priority: "),
    "a GPU beyond the quota": (
        pod(container={"resources": {"limits": {"nvidia.com/gpu": "1"}}}),
        "exceeded quota",
    ),
}


@pytest.mark.parametrize("what", REFUSED_PODS)
def test_the_cluster_refuses_what_the_environment_does_not_allow(world: World, what: str) -> None:
    body, reason = REFUSED_PODS[what]
    person = Person(world.shared, "ana", ["life-team"])
    with pytest.raises(ApiException) as refused:
        person.core.create_namespaced_pod("life-dev", body, dry_run="All")
    assert reason in str(refused.value.body)


def test_the_cluster_takes_an_ordinary_pod_and_one_of_the_own_priority(world: World) -> None:
    person = Person(world.shared, "ana", ["life-team"])
    person.core.create_namespaced_pod("life-dev", pod(), dry_run="All")
    person.core.create_namespaced_pod("life-dev", pod(priorityClassName="terrarium-experimentation"), dry_run="All")


# What decides in admission, and ways past it: cluster-scoped, then in a namespace.
OF_ADMINISTRATORS = (
    ("validatingadmissionpolicies.admissionregistration.k8s.io", False),
    ("validatingadmissionpolicybindings.admissionregistration.k8s.io", False),
    ("priorityclasses.scheduling.k8s.io", False),
    ("namespaces", True),
    ("pods/binding", True),
    ("bindings", True),
    ("pods/ephemeralcontainers", True),
)


@pytest.mark.parametrize("group", MATRIX)
def test_nobody_of_an_environment_changes_what_admission_goes_by(world: World, group: str) -> None:
    for platform, namespace in ((world.shared, "life-dev"), (world.production, "life-prod")):
        person = Person(platform, f"of-{group}", [group])
        allowed = [
            (verb, resource)
            for resource, inside in OF_ADMINISTRATORS
            for verb in ("create", "update", "patch", "delete", "deletecollection")
            if person.may(verb, resource, namespace if inside else "")
        ]
        assert allowed == []
        policies = AdmissionregistrationV1Api(person.api)
        for attempt in (
            lambda api=policies: api.delete_validating_admission_policy("terrarium-images"),
            lambda api=policies: api.delete_validating_admission_policy_binding("terrarium-images"),
            lambda api=policies: api.patch_validating_admission_policy("terrarium-images", {"spec": {}}),
        ):
            with pytest.raises(ApiException) as refused:
                attempt()
            assert refused.value.status == 403


def test_a_pod_by_hand_passes_the_rules_or_names_the_one_that_it_breaks(world: World) -> None:
    body = pod(container={"image": "ghcr.io/somebody/tool:1.0"})
    body["metadata"] = {"name": "by-hand"}
    for platform, namespace in ((world.shared, "life-dev"), (world.production, "life-prod")):
        # As an administrator: admission asks nobody who he is.
        done = try_kubectl(platform.kubeconfig, "-n", namespace, "apply", "-f", "-", manifest=body)
        assert done.returncode != 0
        assert "image-approved-registry: " in done.stderr


def test_who_may_launch_in_production_is_judged_too(world: World) -> None:
    batch = BatchV1Api(Person(world.production, "ci", ["life-ci"]).api)
    template = {"spec": {**pod()["spec"], "restartPolicy": "Never"}}  # type: ignore[dict-item]  # a dict by pod()
    with pytest.raises(ApiException) as refused:
        batch.create_namespaced_job("life-prod", {"metadata": {"name": "train"}, "spec": {"template": template}})
    assert "image-digest-pinned: " in str(refused.value.body)


def test_a_production_job_fed_by_an_experiment_is_refused_at_submit_and_by_hand(world: World) -> None:
    (world.checkout.folder / "train.py").write_text("print('trained')\n", encoding="utf-8")
    said = world.checkout.answer("run", "-e", "prod", "train.py", "--input", "life-dev/datasets:sales.csv", code=3)
    assert any("input life-dev/datasets:sales.csv" in problem for problem in said["problems"]), said
    said = {data: _admission(world, data) for data in ("life-dev/datasets/sales.csv", "life-prod/datasets/sales.csv")}
    assert "inputs-allowed: " in said["life-dev/datasets/sales.csv"], said
    # In nothing else do they differ: fed by its own data, it would run.
    assert said["life-prod/datasets/sales.csv"] == "job.batch/fed created (server dry run)\n"


def _admission(world: World, data: str) -> str:
    """Return what the API server says of a job by hand in production that declares to read this."""
    requests = {"cpu": "1", "memory": "1Gi"}
    placement = Placement(requests=requests)
    spec = Spec("fed", "life-prod", "life-prod", "production", placement, RELEASED, references=[data])
    words = ("-n", "life-prod", "create", "--dry-run=server", "-f", "-")
    done = try_kubectl(world.production.kubeconfig, *words, manifest=manifest(spec))
    return done.stdout + done.stderr


REFUSED_SERVICES = {
    "a load balancer": ({"type": "LoadBalancer"}, "exceeded quota"),
    "a node port": ({"type": "NodePort"}, "exceeded quota"),
    "somebody else's address": ({"externalIPs": ["192.0.2.1"]}, "spec.externalIPs is closed in environments"),
    "somebody else's name": (
        {"type": "ExternalName", "externalName": "example.org"},
        "type ExternalName is closed in environments",
    ),
}


@pytest.mark.parametrize("what", REFUSED_SERVICES)
def test_ways_into_the_environment_are_closed(world: World, what: str) -> None:
    spec, reason = REFUSED_SERVICES[what]
    ports = {"ports": [{"port": 80}]}
    person = Person(world.shared, "ana", ["life-team"])
    with pytest.raises(ApiException) as refused:
        person.core.create_namespaced_service("life-dev", {"metadata": {"name": "way-in"}, "spec": ports | spec})
    assert reason in str(refused.value.body)


def test_an_ordinary_service_is_taken_and_can_not_be_turned_into_a_way_in(world: World) -> None:
    core = Person(world.shared, "ana", ["life-team"]).core
    core.create_namespaced_service("life-dev", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    try:
        with pytest.raises(ApiException) as refused:
            core.patch_namespaced_service("web", "life-dev", {"spec": {"externalIPs": ["192.0.2.1"]}})
    finally:
        core.delete_namespaced_service("web", "life-dev")
    assert "spec.externalIPs is closed" in str(refused.value.body)


@pytest.fixture
def data_in_dev(world: World) -> Iterator[str]:
    core = Person(world.shared).core
    claim = {
        # A name of its own each time: a deleted claim is gone only after a while.
        "metadata": {"generateName": "results-"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    name = core.create_namespaced_persistent_volume_claim("life-dev", claim).metadata.name
    yield name
    core.delete_namespaced_persistent_volume_claim(name, "life-dev")


@pytest.mark.parametrize(("key", "value"), [("name", "other"), ("project", "life2"), ("tier", "testing")])
def test_what_would_replace_a_namespace_with_data_is_refused_and_said_why(
    world: World, data_in_dev: str, key: str, value: str
) -> None:
    settings = environment("life", "dev", "experimentation", world.slice)
    world.declare("dev", settings | {key: value})
    try:
        said = world.checkout.answer("up", "dev", code=3)["error"]
        by_hand = world.checkout.pulumi("up", "--yes", "--stack", "dev", fails=True)
    finally:
        world.declare("dev", settings)
    assert f"`{key}` was" in said
    assert "PersistentVolumeClaim" in said
    assert "protect" in by_hand
    assert data_in_dev in [
        item.metadata.name
        for item in Person(world.shared).core.list_namespaced_persistent_volume_claim("life-dev").items
    ]


def test_production_is_refused_on_a_shared_platform_by_its_file(world: World) -> None:
    world.declare("wrong", environment("life", "wrong", "production", world.slice))
    try:
        said = world.checkout.answer("up", "wrong", code=2)["error"]
    finally:
        (world.checkout.folder / "Pulumi.wrong.yaml").unlink()
    assert "platform shared takes experimentation, testing, not production" in said


def test_production_is_refused_by_the_shared_platform_itself(world: World) -> None:
    """Where the platform's stack file is in another checkout; nothing of the environment is planned then."""
    folder, site = world.checkout.folder, world.checkout.site
    production = (site / "production.env").read_text()
    world.declare("wrong", environment("life", "wrong", "production", world.slice))
    (folder / "Pulumi.platform.yaml").rename(folder / "elsewhere")
    # Its state is production's, its cluster is not.
    (site / "production.env").write_text(
        production.replace(str(world.production.kubeconfig), str(world.shared.kubeconfig))
    )
    try:
        said = world.checkout.answer("up", "wrong", code=1)["error"]
    finally:
        (site / "production.env").write_text(production)
        (folder / "elsewhere").rename(folder / "Pulumi.platform.yaml")
        (folder / "Pulumi.wrong.yaml").unlink()
    assert "platform shared takes experimentation, testing, not production" in said
    assert not Person(world.shared).owned("terrarium.dev/environment", "life-wrong")


def test_an_occupied_platform_is_not_destroyed(world: World) -> None:
    said = world.checkout.answer("destroy", "platform", "--yes", "--confirm", "shared", code=3)
    assert said["occupants"] == ["fraud-dev", "life-dev", "life-test"]
    assert "protect" in world.checkout.pulumi("destroy", "--yes", "--stack", "platform", fails=True)


def test_destroying_testing_needs_its_name(world: World) -> None:
    said = world.checkout.terrarium("destroy", "test", "--yes", code=3)
    assert "--confirm life-test" in said


def test_a_changed_allowance_updates_and_replaces_nothing(world: World) -> None:
    settings = environment("fraud", "dev", "experimentation", world.slice)
    way_out = {"cidr": "10.9.0.0/16", "ports": [443], "why": "A test"}
    world.declare("fraud-dev", settings | {"network": {"egress_to": {"store": way_out}}, "quota": {"cpu": "9"}})
    changes = world.checkout.answer("up", "fraud-dev")["changes"]
    # The quota, and the descriptor, which tells whoever submits jobs of it.
    assert changes == {"create": 1, "update": 2}
    world.declare("fraud-dev", settings)
    assert world.checkout.answer("up", "fraud-dev")["changes"] == {"delete": 1, "update": 2}


def test_what_somebody_changed_by_hand_is_put_right(world: World) -> None:
    core = Person(world.shared).core
    core.patch_namespaced_resource_quota("quota", "fraud-dev", {"spec": {"hard": {"pods": "9999"}}})
    world.checkout.terrarium("up", "fraud-dev", "--refresh")
    assert core.read_namespaced_resource_quota("quota", "fraud-dev").spec.hard["pods"] == "100"
