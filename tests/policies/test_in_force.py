"""Admission policies in force on a real API server: nothing that makes pods passes by, and what runs is left in peace.

Nodes are simulated: that a machine pulls what was let in is not shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from kubernetes import client

from policies.rules.cluster_gate import Lists, policies
from tests.policies.api_server import DIGEST, IMAGE, ApiServer, deployment, lists, pod
from tests.support.waiting import until

OTHER = f"ghcr.io/churn/train@{DIGEST}"
PRODUCTION_ALONE = {"image-canonical", "image-evidence"}


def carrier(version: str, kind: str, image: str) -> dict[str, Any]:
    """Return an object of a kind, with a pod of this image in it."""
    spec, labels = pod(image)["spec"], {"app": "it"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    job = {"template": {"spec": {**spec, "restartPolicy": "Never"}}}
    forms: dict[str, dict[str, Any]] = {
        "Pod": {"spec": spec},
        "PodTemplate": {"template": template},
        "ReplicationController": {"spec": {"selector": labels, "template": template}},
        "ControllerRevision": {"data": {"spec": {"template": template}}, "revision": 1},
        "Job": {"spec": job},
        "CronJob": {"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}},
    }
    usual = {"spec": {"selector": {"matchLabels": labels}, "template": template}}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "it-too"}, **forms.get(kind, usual)}


CARRIERS = [
    *(("v1", kind) for kind in ("Pod", "PodTemplate", "ReplicationController")),
    *(("apps/v1", kind) for kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "ControllerRevision")),
    *(("batch/v1", kind) for kind in ("Job", "CronJob")),
]


def test_every_kind_that_a_policy_reads_is_tried() -> None:
    read = {resource for _, listed in policies(Lists())[0].resources for resource in listed}
    assert {f"{kind.lower()}s" for _, kind in CARRIERS} == read - {"pods/ephemeralcontainers"}


@pytest.mark.parametrize(("version", "kind"), CARRIERS)
def test_every_kind_that_makes_pods_is_judged(api_server: ApiServer, version: str, kind: str) -> None:
    assert not api_server.create(carrier(version, kind, IMAGE), "churn-prod").refused
    answer = api_server.create(carrier(version, kind, OTHER), "churn-prod")
    assert answer.refused
    assert "image-approved-registry: " in answer.message
    placed = carrier(version, kind, IMAGE)
    _pod_of(placed)["nodeName"] = "node-0"
    assert api_server.create(placed, "churn-prod").rules == {"no-node-name"}


def test_what_another_operator_keeps_as_a_revision_is_let_in(api_server: ApiServer) -> None:
    """LeaderWorkerSet's has another shape than those of Kubernetes' own controllers."""
    kept = carrier("apps/v1", "ControllerRevision", OTHER) | {"data": {"spec": {"leaderWorkerTemplate": {"size": 4}}}}
    assert not api_server.create(kept, "churn-prod").refused


@pytest.mark.parametrize("label", [{}, {"terrarium.dev/tier": "Testing"}])
def test_an_environment_of_no_known_tier_counts_as_production(api_server: ApiServer, label: Mapping[str, str]) -> None:
    name = f"churn-odd-{len(label)}"
    api_server.namespace(name, {"terrarium.dev/environment": name, **label})
    assert api_server.create(pod("registry.example/churn/train:1.0"), name).rules == {
        "image-digest-pinned",
        *PRODUCTION_ALONE,
    }


def test_system_namespaces_are_let_alone(api_server: ApiServer) -> None:
    anything = pod("nginx", nodeName="node-0", tolerations=[{"operator": "Exists"}])
    anything["metadata"]["labels"] = {"terrarium.dev/tier": "none"}
    for name in ("kube-system", api_server.namespace("terrarium-system", {"terrarium.dev/platform": "shared"})):
        answer = api_server.create(anything, name)
        assert (answer.refused, answer.rules) == (False, frozenset()), name


def test_labels_of_anything_are_judged_when_they_change(api_server: ApiServer) -> None:
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "b"}}
    forged = {"terrarium.dev/environment": "fraud-prod"}
    answer = api_server.create(kept | {"metadata": {"name": "kept", "labels": forged}}, "churn-prod", dry=False)
    assert answer.rules == {"own-labels"}
    assert not api_server.create(kept, "churn-prod", dry=False).refused
    assert api_server.change(kept | {"metadata": {"name": "kept", "labels": forged}}, "churn-prod").refused
    assert not api_server.change(kept | {"data": {"a": "c"}}, "churn-prod").refused


def test_a_shrunk_list_stops_new_pods_and_nothing_else(api_server: ApiServer) -> None:
    """What a digest or registry that is taken off a list means: written down in docs/rules.md."""
    running = deployment("running", IMAGE, replicas=1)
    assert not api_server.create(running, "churn-prod", dry=False).refused
    until(lambda: _ready(api_server, "running") == 1)
    try:
        api_server.approve(Lists())
        more = {**_named(running), "spec": {"replicas": 2}}
        assert not api_server.change(more, "churn-prod", "scale").refused
        assert not api_server.change(more, "churn-prod", dry=False).refused
        labelled = {**_named(running), "metadata": {"name": "running", "labels": {"a": "b"}}}
        assert not api_server.change(labelled, "churn-prod").refused
        for finalizers in (["example.com/hold"], None):
            [item] = _pods(api_server, "running")
            held = {"metadata": {"name": item.metadata.name, "finalizers": finalizers}}
            assert not api_server.change({"apiVersion": "v1", "kind": "Pod", **held}, "churn-prod", dry=False).refused
        # The ReplicaSet can't make the second pod, and says why.
        until(lambda: "image-approved-registry: " in _said(api_server, "running"))
        assert len(_pods(api_server, "running")) == 1
        renewed = deployment("running", IMAGE, replicas=2)
        renewed["spec"]["template"]["metadata"]["annotations"] = {"rolled": "out"}
        assert not api_server.change(renewed, "churn-prod").refused, "annotations are no specification"
        renewed["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "b"}]
        assert "image-approved-registry: " in api_server.change(renewed, "churn-prod").message
    finally:
        api_server.approve(lists())
    until(lambda: _ready(api_server, "running") == 2)


def test_pods_that_controllers_place_are_let_in(api_server: ApiServer) -> None:
    """A DaemonSet's controller gives its pods tolerations, and keeps revisions."""
    made = carrier("apps/v1", "DaemonSet", IMAGE)
    made["spec"]["template"]["metadata"]["labels"] = made["spec"]["selector"]["matchLabels"] = {"app": "everywhere"}
    assert not api_server.create(made, "churn-prod", dry=False).refused
    until(lambda: [item.spec.node_name for item in _pods(api_server, "everywhere") if item.spec.node_name])


def test_a_pod_of_many_containers_is_judged_by_long_lists(api_server: ApiServer) -> None:
    digests = tuple(f"sha256:{number:064x}" for number in range(1_500))
    registries = tuple(f"registry-{number}.example/team-{number}" for number in range(200))
    images = [f"registry-{number}.example/team-{number}/app@{digests[-number - 1]}" for number in range(100, 200)]
    whole = pod(images[0])
    whole["spec"]["containers"] = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    try:
        api_server.approve(Lists(registries, digests))
        assert not api_server.create(whole, "churn-prod").refused
        whole["spec"]["containers"][99]["image"] = f"registry-1.example/team-2/app@sha256:{'f' * 64}"
        answer = api_server.create(whole, "churn-prod")
        assert answer.rules == {"image-approved-registry", "image-evidence"}
    finally:
        api_server.approve(lists())


def test_what_is_too_much_to_judge_is_refused(api_server: ApiServer) -> None:
    whole = pod(IMAGE)
    whole["spec"]["containers"] = [{"name": f"c{number}", "image": IMAGE} for number in range(3_000)]
    answer = api_server.create(whole, "churn-prod")
    assert answer.status == 422
    assert "cost limit exceeded" in answer.message


def test_a_rule_that_is_off_refuses_nothing(api_server: ApiServer) -> None:
    try:
        api_server.approve(dataclasses.replace(lists(), off=("image-evidence", "image-canonical")))
        assert not api_server.create(pod(f"registry.example/churn/train:1.0@sha256:{'9' * 64}"), "churn-prod").refused
    finally:
        api_server.approve(lists())


def test_the_api_server_finds_nothing_odd_in_the_expressions(api_server: ApiServer) -> None:
    """It checks them against the kinds that they read, and notes what can never be true."""
    for topic in ("images", "placement", "inputs", "namespaces"):
        api = client.AdmissionregistrationV1Api(api_server.person.api)
        checked = api.read_validating_admission_policy(f"terrarium-{topic}").status.type_checking
        assert checked is not None
        assert not checked.expression_warnings


def _pod_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod's specification in an object."""
    found: dict[str, Any] = {}

    def look(value: object) -> None:
        if isinstance(value, dict):
            if "containers" in value:
                found.setdefault("it", value)
            for below in value.values():
                look(below)

    look(body)
    spec: dict[str, Any] = found["it"]
    return spec


def _named(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: body[key] for key in ("apiVersion", "kind", "metadata")}


def _pods(api: ApiServer, app: str) -> list[Any]:
    items: list[Any] = api.person.core.list_namespaced_pod("churn-prod", label_selector=f"app={app}").items
    return items


def _ready(api: ApiServer, app: str) -> int:
    return sum(item.status.phase == "Running" for item in _pods(api, app))


def _said(api: ApiServer, app: str) -> str:
    """Return what a Deployment's ReplicaSet says about pods that it can't make."""
    listed = client.AppsV1Api(api.person.api).list_namespaced_replica_set("churn-prod", label_selector=f"app={app}")
    return " ".join(one.message for item in listed.items for one in item.status.conditions or ())
