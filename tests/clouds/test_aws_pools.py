"""What a cluster's nodes are made of, in the cluster itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.aws_declared import AUTHORITIES, environment, platform, sliced
from tests.support.recording import Recorded, Registration

Run = Callable[..., Recorded]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def pools(recorded: Recorded) -> dict[str, Any]:
    return {r.metadata["name"]: r.inputs["spec"] for r in recorded.of("NodePool").values()}


def one(recorded: Recorded, kind: str, name: str) -> Registration:
    return recorded.of(kind)[name]


def test_network_policies_are_enforced(run: Run) -> None:
    recorded = run(environment())
    switch = one(recorded, "ConfigMap", "churn-x-network-policies")
    assert (switch.metadata["namespace"], switch.metadata["name"]) == ("kube-system", "amazon-vpc-cni")
    assert switch.inputs["data"] == {"enable-network-policy-controller": "true"}
    spec = one(recorded, "NodeClass", "churn-x-node-class").inputs["spec"]
    assert spec["networkPolicy"] == "DefaultAllow"


def test_nodes_are_in_the_private_subnets_with_the_clusters_group(run: Run) -> None:
    spec = one(run(environment()), "NodeClass", "churn-x-node-class").inputs["spec"]
    assert spec["subnetSelectorTerms"] == [{"id": f"churn-x-nodes-{letter}-id"} for letter in "abc"]
    assert spec["securityGroupSelectorTerms"] == [{"id": "sg-of-churn-x"}]
    assert spec["role"] == "churn-x-nodes"
    assert spec["tags"]["environment"] == "churn-x"


@pytest.mark.parametrize(
    ("tier", "names", "spot"),
    [
        ("experimentation", {"general"}, "spot"),
        ("testing", {"general"}, "on-demand"),
        ("production", {"general", "general-base"}, "on-demand"),
    ],
)
def test_a_tier_has_a_pool_by_default(run: Run, tier: str, names: set[str], spot: str) -> None:
    found = pools(run(environment(tier)))
    assert set(found) == names
    for spec in found.values():
        market = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [spot]}
        assert market in spec["template"]["spec"]["requirements"]


def test_declared_pools_take_its_place(run: Run) -> None:
    declared = {
        "train": {"machine": "gpu", "max": 2, "spot": True},
        "odd": {"size": "m7i.4xlarge", "max": 3},
    }
    override = {"train": {"template": {"spec": {"expireAfter": "24h"}}}}
    found = pools(run(environment(pools=declared, aws={"machines": override})))
    assert set(found) == {"train", "odd"}
    assert found["train"]["template"]["spec"]["expireAfter"] == "24h"
    # Cores of a named size are what AWS says.
    assert found["odd"]["limits"] == {"cpu": "48"}


def test_volume_claims_get_encrypted_disks_that_bear_the_costs_tags(run: Run) -> None:
    disks = one(run(platform(), "platform"), "StorageClass", "shared-disks")
    assert disks.metadata["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    parameters = disks.inputs["parameters"]
    assert parameters["encrypted"] == "true"
    assert "environment=shared" in parameters.values()


def test_a_slice_makes_none(run: Run) -> None:
    recorded = run(sliced())
    assert not pools(recorded)
    assert not recorded.of("NodeClass")
    assert not recorded.of("StorageClass")
