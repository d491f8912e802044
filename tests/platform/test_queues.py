"""Queues and pools of an embedded platform: the real Kueue beside the API server, and nodes of several kinds."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from components.queues import manager
from rehearsal.build import QUEUE_SETS, build
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform.api import Api
from rehearsal.platform.layout import Layout
from rehearsal.platform.pools import Pool, parse
from rehearsal.platform.queues import define, definitions, named
from rehearsal.progress import Silent
from tests.support.cluster import kubectl, try_kubectl

PART = "kueue-controller"
POOLS = (Pool("general", count=2), Pool("training", gpu=2, cpu="16", memory="64Gi", labels={"example.org/team": "a"}))
PATIENCE = 30


@pytest.fixture(scope="module")
def queues(platform_home: Path) -> Iterator[Platform]:
    platform = Platform("pooled", platform_home, queues=True, pools=POOLS)
    platform.start()
    for name, labels in (("works", {"terrarium.dev/environment": "works"}), ("apart", {})):
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        kubectl(platform.kubeconfig, "apply", "--server-side", "-f", "-", manifest=space)
    yield platform
    platform.reset()


def job(name: str) -> dict[str, Any]:
    container = {"name": "it", "image": "registry.invalid/it", "resources": {"requests": {"cpu": "1"}}}
    pod = {"restartPolicy": "Never", "containers": [container]}
    spec = {"template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def suspended(platform: Platform, name: str, namespace: str) -> bool:
    said = kubectl(platform.kubeconfig, "get", "job", name, "-n", namespace, "-o", "jsonpath={.spec.suspend}")
    return said == "true"


def test_a_job_in_an_environment_waits_until_there_is_a_queue_for_it(queues: Platform) -> None:
    kubectl(queues.kubeconfig, "create", "-n", "works", "-f", "-", manifest=job("waits"))
    assert suspended(queues, "waits", "works")


def test_jobs_of_the_cluster_itself_are_left_alone(queues: Platform) -> None:
    kubectl(queues.kubeconfig, "create", "-n", "apart", "-f", "-", manifest=job("runs"))
    assert not suspended(queues, "runs", "apart")
    kubectl(queues.kubeconfig, "wait", "-n", "apart", "job/runs", "--for=condition=Complete", f"--timeout={PATIENCE}s")


def test_it_is_told_what_the_product_s_release_tells_it(queues: Platform) -> None:
    """But for where it listens, who elects it, and what is not here."""
    told, product = yaml.safe_load((queues.folder / "config" / "kueue.yaml").read_text()), manager()
    absent = {"VisibilityOnDemand": False, "MultiKueue": False}
    assert told.pop("featureGates") == product.pop("featureGates") | absent
    apart = {"health", "metrics", "webhook", "leaderElection", "namespace", "internalCertManagement"}
    assert {key: told[key] for key in told.keys() - apart} == {key: product[key] for key in product.keys() - apart}


def test_its_kinds_are_served_in_one_version(queues: Platform) -> None:
    """For another, Kueue would be asked to convert every change of every queue, whether or not somebody reads it."""
    served = json.loads(kubectl(queues.kubeconfig, "get", "--raw", "/apis/kueue.x-k8s.io"))
    assert [version["version"] for version in served["versions"]] == ["v1beta2"]


def test_a_kind_that_was_served_in_two_versions_is_served_in_one(queues: Platform) -> None:
    """As it was on a platform of an earlier release."""
    layout = Layout(queues.folder)
    api = Api(queues.port("kube-apiserver"), layout.authority.certificate, layout.pair("admin"))
    [built] = build(QUEUE_SETS, Silent()).values()
    path, now = next(pair for pair in definitions(built) if pair[0].endswith("/topologies.kueue.x-k8s.io"))
    [version] = now["spec"]["versions"]
    older = {**version, "name": "v1beta1", "storage": False}
    client = {"url": "https://127.0.0.1:1/convert"}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
    before = {**now, "spec": {**now["spec"], "versions": [older, version], "conversion": conversion}}
    before["metadata"] = {**now["metadata"], "annotations": {}}
    api.apply(path, before)
    define(api, path, now)
    found = api.get(path)
    assert found is not None
    assert [one["name"] for one in found["spec"]["versions"]] == ["v1beta2"]
    assert found["spec"]["conversion"] == {"strategy": "None"}


class Told(Api):
    """An API server that answers as it is told."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers

    def get(self, path: str, accept: str = "") -> dict[str, Any] | None:
        del accept
        found: dict[str, Any] | None = self._answers.get(path)
        return found


@pytest.mark.parametrize("missing", ["", "/apis", "/apis/k.io/v1"])
def test_kinds_are_named_once_both_lists_have_them(missing: str) -> None:
    both = [{"resource": "queues", "name": "queues"}, {"resource": "flavors", "name": "flavors"}]

    def those(path: str) -> list[dict[str, str]]:
        return both[:1] if path == missing else both

    group = {"metadata": {"name": "k.io"}, "versions": [{"version": "v1", "resources": those("/apis")}]}
    api = Told({"/apis": {"items": [group]}, "/apis/k.io/v1": {"resources": those("/apis/k.io/v1")}})
    assert named(api, {("k.io", "v1", "queues"), ("k.io", "v1", "flavors")}) == (missing == "")
    assert not named(Told({}), {("k.io", "v1", "queues")})


def test_what_kueue_would_refuse_is_refused(queues: Platform) -> None:
    queue = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue", "metadata": {"name": "wrong"}}
    resources = [{"name": "cpu", "nominalQuota": "-1"}]
    group = {"coveredResources": ["cpu"], "flavors": [{"name": "x", "resources": resources}]}
    done = try_kubectl(queues.kubeconfig, "create", "-f", "-", manifest={**queue, "spec": {"resourceGroups": [group]}})
    assert done.returncode
    assert "nominalQuota" in done.stderr


def test_nodes_are_what_their_pools_say(queues: Platform) -> None:
    found = {
        node["metadata"]["name"]: node
        for node in json.loads(kubectl(queues.kubeconfig, "get", "nodes", "-o", "json"))["items"]
    }
    assert set(found) == {"general-1", "general-2", "training-1"}
    machine = found["training-1"]
    assert {"terrarium.dev/pool": "training", "example.org/team": "a"}.items() <= machine["metadata"]["labels"].items()
    assert machine["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert machine["status"]["allocatable"]["cpu"] == "16"
    assert [taint["key"] for taint in machine["spec"]["taints"]] == ["nvidia.com/gpu"]
    assert "taints" not in found["general-1"]["spec"]


def test_a_killed_kueue_comes_back_alone_and_no_job_gets_past_it(queues: Platform) -> None:
    before = {part.name: part.pid for part in queues.status().parts}
    victim = before[PART]
    assert victim
    os.kill(victim, signal.SIGKILL)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(victim).wait(PATIENCE)
    assert not queues.status().ready
    refused = try_kubectl(queues.kubeconfig, "create", "-n", "works", "-f", "-", manifest=job("sneaks-in"))
    assert "failed calling webhook" in refused.stderr
    after = {part.name: part.pid for part in queues.start().parts}
    assert {name for name in before if before[name] != after[name]} == {PART}
    kubectl(queues.kubeconfig, "create", "-n", "works", "-f", "-", manifest=job("later"))
    assert suspended(queues, "later", "works")


def test_it_keeps_queues_and_pools_however_it_is_named_later(queues: Platform) -> None:
    same = Platform(queues.name, queues.folder.parent)
    same.stop()
    assert same.start().ready
    assert PART in {part.name for part in same.status().parts}
    assert len(kubectl(same.kubeconfig, "get", "nodes", "-o", "name").split()) == 3
    eventually(lambda: suspended(same, "waits", "works"))


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("general", Pool("general")),
        ("general:count=3", Pool("general", count=3)),
        (
            "training:cpu=16,memory=64Gi,gpu=2,example.org/team=a",
            Pool("training", cpu="16", memory="64Gi", gpu=2, labels={"example.org/team": "a"}),
        ),
    ],
)
def test_a_pool_is_named_on_the_command_line(text: str, pool: Pool) -> None:
    assert parse(text) == pool


@pytest.mark.parametrize("text", ["", "General", "x:count", "x:count=many", "x:gpu=-1", "x:,", "-x:count=1"])
def test_what_names_no_pool_is_told_how_to(text: str) -> None:
    with pytest.raises(RehearsalError, match="write NAME:KEY=VALUE"):
        parse(text)
