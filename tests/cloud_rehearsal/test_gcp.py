"""The table of the rehearsed Google Cloud: what refers to what, what is unique, what can't change, what is answered."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rehearsal.cloud import embedded, gcp
from rehearsal.cloud.gcp import ANSWERS, CLOUD, TYPES, number
from rehearsal.cloud.provider import CloudProvider
from rehearsal.cloud.state import State
from rehearsal.plugins import schema
from rehearsal.plugins.properties import plain
from rehearsal.plugins.serving import EngineLog

from .driver import Driver, Imagined, RefusedError

PROJECT, REGION = "churn-rehearsed", "europe-west3"
NETWORK, SUBNETWORK, CONNECTION = (
    "compute/network:Network",
    "compute/subnetwork:Subnetwork",
    "servicenetworking/connection:Connection",
)
CLUSTER, POOL, DATABASE = (
    "container/cluster:Cluster",
    "container/nodePool:NodePool",
    "sql/databaseInstance:DatabaseInstance",
)


class Quiet(EngineLog):
    """Shows nothing to anybody."""

    def __init__(self) -> None:
        super().__init__("")

    def __call__(self, severity: object, message: str, urn: str = "", *, passing: bool = False) -> None:  # noqa: ARG002 - as the log's
        return


@pytest.fixture
def cloud(tmp_path: Path) -> Driver:
    """A provider of a project, with nothing real behind it."""
    provider = CloudProvider(Quiet(), CLOUD, State("gcp", CLOUD.settings, tmp_path))
    provider.ledger = replace(provider.ledger, part=lambda _name: Imagined())
    driver = Driver(provider)
    driver.configure(project=PROJECT, region=REGION, defaultLabels='{"environment": "churn-dev"}')
    return driver


def network(cloud: Driver, name: str = "main") -> str:
    return cloud.create(NETWORK, name=name, autoCreateSubnetworks=False)[0]


def subnetwork(cloud: Driver, **changed: Any) -> str:
    ranges = [{"rangeName": "pods", "ipCidrRange": "10.64.0.0/14"}]
    given: dict[str, Any] = {"name": "nodes", "ipCidrRange": "10.0.0.0/20", "secondaryIpRanges": ranges, **changed}
    if "network" not in given:
        given["network"] = network(cloud)
    return cloud.create(SUBNETWORK, **given)[0]


def cluster(cloud: Driver, **changed: Any) -> tuple[str, Any, Any]:
    given: dict[str, Any] = {
        "name": "churn-dev",
        "location": REGION,
        "deletionProtection": False,
        "subnetwork": subnetwork(cloud),
        "ipAllocationPolicy": {"clusterSecondaryRangeName": "pods"},
    }
    return cloud.create(CLUSTER, **(given | changed))


@pytest.mark.parametrize("token", TYPES)
def test_every_type_is_the_sdks_and_names_only_its_own_inputs_and_outputs(token: str) -> None:
    kind, inputs, outputs = TYPES[token], schema.inputs_of("gcp", token), schema.outputs_of("gcp", token)
    for path in (*kind.fixed.split(), *kind.unique.split(), *kind.refers, kind.named):
        first = path.partition(".")[0]
        assert not first or first in inputs or first in outputs, f"{token}: {path}"
    assert {name for name in kind.outputs if not name.startswith("_")} <= {*inputs, *outputs}, token
    assert kind.defaults.keys() <= {*inputs}, token
    assert {one for many in kind.refers.values() for one in many.split("|")} <= TYPES.keys()
    assert not kind.embedded or callable(getattr(embedded, kind.embedded)().create)


def test_every_question_is_the_sdks() -> None:
    for token in ANSWERS:
        module, name = token.partition(":")[0].split("/")
        assert name in {"getSQuotaInfo"} or hasattr(importlib.import_module(f"pulumi_gcp.{module}"), _snake(name))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def test_a_type_takes_at_most_fifteen_lines() -> None:
    text = Path(str(gcp.__file__)).read_text(encoding="utf-8").partition("TYPES:")[2].partition("# fmt: on")[0]
    lengths = [len(part.splitlines()) for part in text.split('\n    "')]
    assert len(lengths) == len(TYPES) + 1
    assert max(lengths) <= 15


def test_a_provider_needs_a_project(cloud: Driver) -> None:
    with pytest.raises(RefusedError, match="project: required field is not set"):
        cloud.configure(region=REGION)


def test_names_are_like_googles_and_labels_have_the_providers(cloud: Driver) -> None:
    key, made, _ = cloud.create(NETWORK, name="main")
    assert key == f"projects/{PROJECT}/global/networks/main"
    assert made["selfLink"] == f"https://www.googleapis.com/compute/v1/{key}"
    _, account, _ = cloud.create("serviceaccount/account:Account", accountId="nodes")
    assert account["member"] == f"serviceAccount:nodes@{PROJECT}.iam.gserviceaccount.com"
    _, bucket, _ = cloud.create("storage/bucket:Bucket", name="churn-x", location="EUROPE-WEST3", labels={"a": "b"})
    assert plain(bucket["effectiveLabels"]) == {"environment": "churn-dev", "a": "b"}
    _, identity, _ = cloud.create("projects/serviceIdentity:ServiceIdentity", service="sqladmin.googleapis.com")
    assert identity["email"] == f"service-{number(PROJECT)}@gcp-sa-cloud-sql.iam.gserviceaccount.com"


def test_what_is_referred_to_must_exist_and_stays(cloud: Driver) -> None:
    with pytest.raises(RefusedError, match="there is no compute/network:Network"):
        subnetwork(cloud, network="projects/x/global/networks/none")
    key, kept, _ = cloud.create(NETWORK, name="held")
    cloud.create(SUBNETWORK, name="nodes", network=key, ipCidrRange="10.0.0.0/24")
    with pytest.raises(RefusedError, match="is used by compute/subnetwork"):
        cloud.delete(NETWORK, kept)


def test_a_name_is_given_once_in_its_scope(cloud: Driver) -> None:
    network(cloud)
    with pytest.raises(RefusedError, match="AlreadyExists"):
        network(cloud)
    cloud.create(NETWORK, name="main", project="another-project")
    cloud.create("storage/bucket:Bucket", name="of-the-world", location=REGION)
    with pytest.raises(RefusedError, match="AlreadyExists"):
        cloud.create("storage/bucket:Bucket", name="of-the-world", location=REGION, project="another-project")


def test_ranges_of_one_subnetwork_may_not_overlap(cloud: Driver) -> None:
    ranges = [{"rangeName": "pods", "ipCidrRange": "10.0.8.0/22"}]
    with pytest.raises(RefusedError, match="overlap"):
        subnetwork(cloud, secondaryIpRanges=ranges)
    with pytest.raises(RefusedError, match="ipCidrRange"):
        subnetwork(cloud, name="other", network=network(cloud, "other"), ipCidrRange="10.0.0.1/8")


def test_a_cluster_names_ranges_that_its_subnetwork_has(cloud: Driver) -> None:
    with pytest.raises(RefusedError, match="has no range strange"):
        cluster(cloud, ipAllocationPolicy={"clusterSecondaryRangeName": "strange"})


def test_a_protected_cluster_stays_until_its_protection_is_lifted(cloud: Driver) -> None:
    _, kept, given = cluster(cloud, deletionProtection=True)
    with pytest.raises(RefusedError, match="is protected"):
        cloud.delete(CLUSTER, kept)
    kept = cloud.update(CLUSTER, kept, {**given, "deletionProtection": False})
    cloud.delete(CLUSTER, kept)


def test_a_pool_grows_in_place_and_other_machines_take_another(cloud: Driver) -> None:
    _, made, _ = cluster(cloud)
    machines = {"machineType": "n2-standard-4", "spot": False}
    inputs: dict[str, Any] = {"name": "general", "cluster": made["name"], "location": REGION, "nodeConfig": machines}
    _, kept, given = cloud.create(POOL, **inputs, autoscaling={"totalMaxNodeCount": 3})
    kinds, _ = cloud.diff(POOL, kept, given, {**given, "autoscaling": {"totalMaxNodeCount": 5}})
    assert list(kinds.values()) == ["UPDATE"]
    for other in ({"spot": True}, {"ephemeralStorageLocalSsdConfig": {"localSsdCount": 1}}):
        kinds, _ = cloud.diff(POOL, kept, given, {**given, "nodeConfig": {**machines, **other}})
        assert any("REPLACE" in kind for kind in kinds.values()), other


def test_a_database_needs_a_network_that_is_peered(cloud: Driver) -> None:
    key = network(cloud)
    given: dict[str, Any] = {
        "name": "churn-1",
        "databaseVersion": "POSTGRES_17",
        "settings": {"tier": "db-custom-2-7680", "ipConfiguration": {"privateNetwork": key}},
    }
    with pytest.raises(RefusedError, match="NETWORK_NOT_PEERED"):
        cloud.create(DATABASE, **given)
    _, address, _ = cloud.create("compute/globalAddress:GlobalAddress", name="range", network=key, prefixLength=20)
    ranges = [address["name"]]
    cloud.create(CONNECTION, network=key, service="servicenetworking.googleapis.com", reservedPeeringRanges=ranges)
    _, made, _ = cloud.create(DATABASE, **given)
    assert made["connectionName"] == f"{PROJECT}:{REGION}:churn-1"


def test_two_conditions_are_two_grants(cloud: Driver) -> None:
    cloud.create("storage/bucket:Bucket", name="shared", location=REGION)
    given: dict[str, Any] = {"bucket": "shared", "role": "roles/storage.objectViewer", "member": "group:a@example.org"}
    titles: tuple[dict[str, Any], ...] = ({}, {"condition": {"title": "one", "expression": "true"}})
    ids = {cloud.create("storage/bucketIAMMember:BucketIAMMember", **given, **more)[0] for more in titles}
    assert len(ids) == 2
    with pytest.raises(RefusedError, match="AlreadyExists"):
        cloud.create("storage/bucketIAMMember:BucketIAMMember", **given)


def test_what_google_offers_stands_in_the_settings(cloud: Driver) -> None:
    assert REGION in cloud.invoke("compute/getRegions:getRegions")["names"]
    zones = cloud.invoke("compute/getZones:getZones", region=REGION)["names"]
    assert zones == [f"{REGION}-a", f"{REGION}-b", f"{REGION}-c"]
    assert cloud.invoke("compute/getZones:getZones", region="atlantis-west1")["names"] == []
    among = '(name = "n2-standard-4") OR (name = "g2-standard-24") OR (name = "z9-standard-4") OR (name = "odd")'
    found = cloud.invoke("compute/getMachineTypes:getMachineTypes", zone=zones[0], filter=among)["machineTypes"]
    assert [(one["name"], one["guestCpus"]) for one in found] == [("n2-standard-4", 4), ("g2-standard-24", 24)]
    assert found[1]["accelerators"] == [{"guestAcceleratorType": "nvidia-l4", "guestAcceleratorCount": 2}]
    state = cloud.provider.state  # type: ignore[attr-defined]  # of the provider in the fixture
    state.set(quotas={"N2-CPUS-per-project-region": 8}, projects=[PROJECT])
    asked: dict[str, Any] = {"parent": f"projects/{PROJECT}", "service": "compute.googleapis.com"}
    quota = cloud.invoke("cloudquota/getSQuotaInfo:getSQuotaInfo", quotaId="N2-CPUS-per-project-region", **asked)
    here = [one for one in quota["dimensionsInfos"] if one["dimensions"] == {"region": REGION}]
    assert here[0]["details"] == [{"value": "8"}]
    assert cloud.invoke("organizations/getProject:getProject", projectId=PROJECT)["number"] == number(PROJECT)
    with pytest.raises(RefusedError, match="403"):
        cloud.invoke("organizations/getProject:getProject", projectId="somebody-elses")


def test_what_stands_is_found_by_questions(cloud: Driver) -> None:
    _, made, _ = cluster(cloud)
    account = cloud.create("serviceaccount/account:Account", accountId="nodes")[1]["email"]
    config: dict[str, Any] = {"serviceAccount": account}
    cloud.create(POOL, name="general", cluster=made["name"], location=REGION, nodeConfig=config)
    found = cloud.invoke("container/getCluster:getCluster", name="churn-dev", location=REGION)
    assert found["nodePools"][0]["nodeConfigs"][0]["serviceAccount"] == account
    assert "clusterCaCertificate" in found["masterAuths"][0]
    with pytest.raises(RefusedError, match="404"):
        cloud.invoke("container/getCluster:getCluster", name="none", location=REGION)
    assert cloud.invoke("compute/getNetwork:getNetwork", name="main")["selfLink"].endswith("/networks/main")


def test_a_preview_knows_nothing_that_google_computes(cloud: Driver) -> None:
    _, kept, _ = cloud.create(CLUSTER, preview=True, name="x", location=REGION)
    assert plain(kept)["name"] == "x"
    assert not isinstance(kept["endpoint"], str)
