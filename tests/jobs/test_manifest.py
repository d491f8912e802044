"""What a job is in Kubernetes' words, judged by every rule that there is for pods, in every tier."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from components.naming import NameRefused
from policies.cases import production
from policies.rules import Resource, Tier, check
from terrarium.inside import orders
from terrarium.jobs import needs, router
from terrarium.jobs.manifest import LEAST, Identity, Spec, manifest
from terrarium.jobs.router import Placement
from terrarium.jobs.submitting import _name
from tests.jobs.world import IMAGE, compute


def spec(**more: Any) -> Spec:
    placement = router.route(compute(), needs.parse(more.pop("needs", "")), environment="churn-dev", tasks=20)
    assert isinstance(placement, Placement)
    return Spec(
        name="train-1a2b3c",
        environment="churn-dev",
        namespace="churn-dev",
        tier="experimentation",
        placement=placement,
        image=IMAGE,
        **{"identity": Identity("store-rw-1"), **more},
    )


WHOLE: dict[str, Any] = {
    "needs": "gpu=1,pool=training,disk=20Gi,priority=high",
    "tasks": 20,
    "retries": 2,
    "timeout": 3600,
    "arguments": ["--rate", "0.1", "$HOME", "$(TERRARIUM_JOB)"],
    "inputs": [orders.Input("datasets", "x.csv", folder=False, path="x.csv")],
    "references": ["churn-dev/datasets/x.csv", "lake:main/datasets/rain.csv"],
    "outputs": ["model.pkl"],
    "bucket": "alice",
}
SHAPES = {
    "one": {},
    "array": {"tasks": 20},
    "whole": WHOLE,
    "scheduled": {**WHOLE, "schedule": "0 6 * * *"},
    "no store": {"identity": None},
    "tokens": {"identity": Identity("store-rw-1", "store-rw", "sts.amazonaws.com")},
}


def pod(found: dict[str, Any]) -> dict[str, Any]:
    job = found["spec"]["jobTemplate"] if found["kind"] == "CronJob" else found
    inner: dict[str, Any] = job["spec"]["template"]["spec"]
    return inner


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_rule_is_broken(shape: str, tier: Tier) -> None:
    labels = {"terrarium.dev/environment": "churn-dev", "terrarium.dev/tier": tier.value}
    made = manifest(replace(spec(**SHAPES[shape]), tier=tier.value, labels=labels))
    facts = replace(production(), tier=tier, inputs=frozenset({"lake:main"}))
    resource = Resource(f"kubernetes:batch/v1:{made['kind']}", made["metadata"]["name"], made)
    assert check(resource, facts) == ()


def test_the_rules_would_say_what_is_wrong() -> None:
    made = manifest(spec())
    pod(made)["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    resource = Resource("kubernetes:batch/v1:Job", "train", made)
    assert {one.rule for one in check(resource, production())} == {"no-escalation", "own-priority"}


def test_an_array_is_an_indexed_job() -> None:
    job = manifest(spec(**WHOLE))["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 20, 4)
    assert (job["backoffLimitPerIndex"], job["activeDeadlineSeconds"], job["suspend"]) == (2, 3600, True)
    assert "backoffLimit" not in job


@pytest.mark.parametrize(("at_a_time", "least"), [(1, None), (2, "1"), (4, "1"), (5, "2"), (64, "16")])
def test_an_array_begins_with_a_quarter(at_a_time: int, least: str | None) -> None:
    """Kueue refuses a least that is not less than what is asked for."""
    placement = Placement(queue="default", requests={"cpu": "1", "memory": "1Gi"}, parallelism=at_a_time)
    made = manifest(replace(spec(tasks=100), placement=placement))
    assert made["metadata"]["annotations"].get(LEAST) == least
    assert LEAST not in made["spec"]["template"]["metadata"]["annotations"]


def test_one_pod_is_a_plain_job() -> None:
    job = manifest(spec())["spec"]
    assert (job["backoffLimit"], job.get("completionMode"), job.get("activeDeadlineSeconds")) == (0, None, None)


def test_a_machine_that_dies_is_no_failure() -> None:
    [rule] = manifest(spec())["spec"]["podFailurePolicy"]["rules"]
    assert rule == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_without_a_queue_it_begins_at_once() -> None:
    made = manifest(replace(spec(), placement=Placement()))
    assert made["spec"]["suspend"] is False
    assert not [key for key in made["metadata"]["labels"] if key.startswith("kueue")]


def test_labels_and_annotations_are_on_the_pods_too() -> None:
    made = manifest(spec(**WHOLE))
    for metadata in (made["metadata"], made["spec"]["template"]["metadata"]):
        assert metadata["labels"]["terrarium.dev/job"] == "train-1a2b3c"
        assert metadata["labels"]["kueue.x-k8s.io/queue-name"] == "default"
        assert metadata["labels"]["kueue.x-k8s.io/priority-class"] == "terrarium-high"
        assert metadata["annotations"]["terrarium.dev/inputs"] == "churn-dev/datasets/x.csv,lake:main/datasets/rain.csv"


def test_arguments_arrive_as_they_were_typed() -> None:
    [container] = pod(manifest(spec(**WHOLE)))["containers"]
    # As Kubernetes expands them: `$$` is `$`.
    assert [one.replace("$$", "$") for one in container["args"]] == WHOLE["arguments"]
    assert container["args"][2] == "$$HOME"


def test_nothing_secret_is_in_a_variable() -> None:
    [container] = pod(manifest(spec(**WHOLE)))["containers"]
    told = {one["name"]: one for one in container["env"]}
    assert {name for name, one in told.items() if "valueFrom" in one} == {orders.JOB, orders.RUN, orders.ATTEMPT}
    assert all(list(one["valueFrom"]) == ["fieldRef"] for one in told.values() if "valueFrom" in one)
    plan = json.loads(told[orders.PLAN]["value"])
    assert plan["inputs"] == [{"kind": "datasets", "key": "x.csv", "folder": False, "path": "x.csv"}]
    assert (plan["array"], plan["outputs"]) == (True, ["model.pkl"])


def test_the_pod_reads_its_orders_again() -> None:
    [container] = pod(manifest(spec(**WHOLE)))["containers"]
    said = {one["name"]: one.get("value", "x") for one in container["env"]}
    found = orders.read({**said, orders.INDEX: "7"})
    assert found is not None
    assert (found.index, found.inputs, found.outputs) == (7, tuple(WHOLE["inputs"]), ("model.pkl",))
    assert found.command(["train", "--fold", "{index}"]) == ["train", "--fold", "7"]


def test_a_command_without_an_array_keeps_its_braces() -> None:
    assert orders.Orders("j", "r", "a").command(["{index}"]) == ["{index}"]


def test_a_token_is_projected_where_the_store_takes_them() -> None:
    found = pod(manifest(spec(**SHAPES["tokens"])))
    assert found["serviceAccountName"] == "store-rw"
    [token] = [one["projected"] for one in found["volumes"] if "projected" in one]
    assert token["sources"][0]["serviceAccountToken"]["audience"] == "sts.amazonaws.com"
    assert {one["mountPath"] for one in found["containers"][0]["volumeMounts"]} > {"/var/run/terrarium/store-token"}


def test_a_schedule_holds_the_same_job() -> None:
    made = manifest(spec(**SHAPES["scheduled"]))
    assert made["kind"] == "CronJob"
    assert made["spec"]["jobTemplate"]["spec"] == manifest(spec(**WHOLE))["spec"]
    assert made["spec"]["concurrencyPolicy"] == "Forbid"


@pytest.mark.parametrize(
    ("stem", "begins"), [("train", "train-"), ("Train_Model.v2", "train-model-v2-"), ("___", "job-"), ("x" * 90, "xxx")]
)
def test_names_are_taken_and_differ(stem: str, begins: str) -> None:
    names = {_name(stem, once=True) for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith(begins) for name in names)
    for name in names:
        manifest(replace(spec(), name=name))


def test_a_schedule_keeps_its_name() -> None:
    assert _name("train", once=False) == "train"


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(NameRefused):
        manifest(replace(spec(), name="x" * 53))
