"""Queues on the clouds that make clusters: Kueue comes with them, on machines that are there anyway."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.clouds import aws_declared, gcp_declared
from tests.support.recording import Recorded, Registration

Run = Callable[..., Recorded]
CLOUDS = [pytest.param("aws", aws_declared, id="aws"), pytest.param("gcp", gcp_declared, id="gcp")]
SYSTEM = {
    "aws": ({"karpenter.sh/nodepool": "system"}, "CriticalAddonsOnly"),
    "gcp": ({"cloud.google.com/gke-nodepool": "system"}, "components.gke.io/gke-managed-components"),
}
POOLS = {"general": {"cpu": 4, "memory": "16Gi", "max": 5}, "training": {"machine": "gpu", "gpu": 1, "max": 2}}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(aws_declared.AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def releases(recorded: Recorded) -> list[Registration]:
    return [r for r in recorded.registrations if r.kind == "kubernetes:helm.sh/v3:Release"]


@pytest.mark.parametrize(("cloud", "declared"), CLOUDS)
def test_a_cluster_that_is_made_comes_with_kueue(cloud: str, declared: ModuleType, run: Run) -> None:
    recorded = run(declared.environment(pools=POOLS, quota={"gpu": 1}))
    [release] = releases(recorded)
    assert release.inputs["chart"] == "oci://registry.k8s.io/kueue/charts/kueue"
    assert release.inputs["version"] == "0.19.2"
    # Not on pools that scale to zero: it would keep a machine of one for ever.
    labels, taint = SYSTEM[cloud]
    where = release.inputs["values"]["controllerManager"]
    assert where["nodeSelector"] == labels
    assert [toleration["key"] for toleration in where["tolerations"]] == [taint]
    settings = json.loads(release.inputs["values"]["managerConfig"]["controllerManagerConfigYaml"])
    assert settings["manageJobsWithoutQueueName"] is True
    # Jobs of the cluster itself are none of its business.
    assert settings["managedJobsNamespaceSelector"] == {
        "matchExpressions": [{"key": "terrarium.dev/environment", "operator": "Exists"}]
    }
    assert settings["integrations"] == {"frameworks": ["batch/job"]}
    # The only port beside 443 that a control plane on Google Cloud reaches.
    [port] = release.inputs["values"]["webhookService"]["ports"]
    assert int(port["targetPort"]) == settings["webhook"]["port"] == 10250


@pytest.mark.parametrize(("cloud", "declared"), CLOUDS)
def test_its_pools_are_flavors_that_their_machines_bear_the_labels_of(
    cloud: str, declared: ModuleType, run: Run
) -> None:
    recorded = run(declared.environment(pools=POOLS, quota={"gpu": 1}))
    flavors = {r.metadata["name"]: r.inputs["spec"] for r in recorded.of("ResourceFlavor").values()}
    assert flavors["terrarium-general"] == {"nodeLabels": {"terrarium.dev/pool": "general"}}
    assert flavors["terrarium-training"]["nodeLabels"] == {"terrarium.dev/pool": "training"}
    [taint] = flavors["terrarium-training"]["nodeTaints"]
    assert (taint["key"], taint["effect"]) == ("nvidia.com/gpu", "NoSchedule")
    if cloud == "aws":
        spec = recorded.of("NodePool")["churn-x-pool-training"].inputs["spec"]["template"]
        assert spec["metadata"]["labels"] == {"terrarium.dev/pool": "training"}
        assert spec["spec"]["taints"] == [taint]
    else:
        [made] = [r for r in recorded.registrations if r.short == "NodePool" and r.inputs["name"] == "training"]
        assert made.inputs["nodeConfig"]["labels"] == {"terrarium.dev/pool": "training"}


@pytest.mark.parametrize(("cloud", "declared"), CLOUDS)
def test_an_environment_without_others_lends_to_nobody(cloud: str, declared: ModuleType, run: Run) -> None:
    del cloud
    recorded = run(declared.environment())
    [queue] = recorded.of("ClusterQueue").values()
    assert "cohortName" not in queue.inputs["spec"]


@pytest.mark.parametrize(("cloud", "declared"), CLOUDS)
def test_a_slice_has_queues_and_no_kueue_of_its_own(cloud: str, declared: ModuleType, run: Run) -> None:
    block = aws_declared.sliced() if cloud == "aws" else gcp_declared.piece()
    del declared
    recorded = run(block)
    assert not releases(recorded)
    assert not recorded.of("ResourceFlavor")
    [queue] = recorded.of("ClusterQueue").values()
    assert queue.inputs["spec"]["cohortName"] == "shared-experimentation"


@pytest.mark.parametrize(("cloud", "declared"), CLOUDS)
def test_a_cluster_can_do_without(cloud: str, declared: ModuleType, run: Run) -> None:
    block = declared.environment(**{"aws" if cloud == "aws" else "cloud": {"kueue": False}})
    recorded = run(block)
    assert not releases(recorded)
    assert not recorded.of("ClusterQueue")
    assert recorded.outputs["compute"]["queues"] is None
    assert [pool["name"] for pool in recorded.outputs["compute"]["pools"]] == ["general"]


def problems(folder: Path, block: dict[str, Any], kind: str = "environment") -> dict[str, list[str]]:
    return aws_declared.problems(folder, block, kind)


@pytest.mark.parametrize(("cloud", "declared"), CLOUDS)
def test_what_a_rare_machine_has_is_asked_for(cloud: str, declared: ModuleType, tmp_path: Path) -> None:
    size = {"aws": "p5.48xlarge", "gcp": "a3-megagpu-8g"}[cloud]
    block = declared.environment(pools={"large": {"size": size, "max": 1}})
    assert "say its cpu, memory" in " ".join(problems(tmp_path, block)["pools.large.size"])
    said = {"size": size, "cpu": 192, "memory": "2Ti", "gpu": 8, "max": 1}
    assert problems(tmp_path, declared.environment(pools={"large": said})) == {}


@pytest.mark.parametrize(("cloud", "declared"), CLOUDS)
def test_on_an_adopted_cluster_nothing_is_known_to_queue_for(cloud: str, declared: ModuleType, tmp_path: Path) -> None:
    adopted = {"adopt": {"cluster": "theirs"}, "kueue": True, "api": None}
    block = declared.platform(**{"aws" if cloud == "aws" else "cloud": adopted})
    del block["network"]
    assert "nothing is known" in " ".join(problems(tmp_path, block, "platform")[f"cloud.{cloud}.kueue"])
