"""The VPC that each tier gets, the account's one provider, and networks that exist."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clouds.aws_answers import ACCOUNT, REGION, VPC, ZONES, Account
from tests.clouds.aws_declared import AUTHORITIES, RANGE, environment, lake, platform, sliced
from tests.support.recording import Recorded, Registration

Run = Callable[..., Recorded]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def of(recorded: Recorded, kind: str) -> dict[str, Registration]:
    return {r.name: r for r in recorded.registrations if r.kind.rpartition(":")[2] == kind}


def test_everything_goes_through_the_accounts_one_provider(run: Run) -> None:
    recorded = run(environment("production", budget={"monthly": 5, "notify": ["a@example.org"]}))
    [provider] = [r for r in recorded.registrations if r.kind == "pulumi:providers:aws"]
    assert json.loads(provider.inputs["allowedAccountIds"]) == [ACCOUNT]
    assert provider.inputs["region"] == REGION
    tags = json.loads(provider.inputs["defaultTags"])["tags"]
    assert tags == {
        "project": "churn",
        "environment": "churn-x",
        "tier": "production",
        "owner": "churn@example.org",
        "cost-centre": "c1",
        "managed-by": "terrarium",
    }
    ours = [r for r in recorded.registrations if r.kind.startswith("aws:")]
    assert len(ours) > 60
    assert all(provider.name in r.provider for r in ours), [r.name for r in ours if provider.name not in r.provider]
    assert all(r.parent for r in ours)


def test_a_role_is_assumed_by_the_provider_alone(run: Run) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/deploy"
    [provider] = [r for r in run(environment(aws={"role": role})).registrations if r.kind == "pulumi:providers:aws"]
    assert json.loads(provider.inputs["assumeRoles"]) == [{"roleArn": role, "sessionName": "terrarium"}]


@pytest.mark.parametrize(("tier", "gateways", "endpoints"), [("experimentation", 1, 1), ("production", 3, 5)])
def test_a_tier_has_its_gateways_and_endpoints(run: Run, tier: str, gateways: int, endpoints: int) -> None:
    recorded = run(environment(tier))
    assert len(of(recorded, "NatGateway")) == len(of(recorded, "Eip")) == gateways
    assert len(of(recorded, "VpcEndpoint")) == endpoints
    [s3] = [r for r in of(recorded, "VpcEndpoint").values() if r.inputs["vpcEndpointType"] == "Gateway"]
    assert s3.inputs["serviceName"] == f"com.amazonaws.{REGION}.s3"
    assert len(s3.inputs["routeTableIds"]) == 3
    # Every zone has a way out; without a gateway of its own, through the first zone's.
    ways = {r.inputs["routeTableId"]: r.inputs["natGatewayId"] for r in _ways_out(recorded)}
    assert len(ways) == 3
    assert len(set(ways.values())) == gateways


def _ways_out(recorded: Recorded) -> list[Registration]:
    return [r for r in of(recorded, "Route").values() if "natGatewayId" in r.inputs]


def test_without_gateways_nothing_is_public(run: Run) -> None:
    recorded = run(
        environment(aws={"nat": "none", "kueue": False, "endpoints": ["ec2", "ecr.api", "ecr.dkr", "eks-auth"]})
    )
    assert not of(recorded, "Route")
    assert not of(recorded, "InternetGateway")
    assert {r.inputs["tags"]["terrarium.dev/subnets"] for r in of(recorded, "Subnet").values()} == {"nodes", "data"}


def test_nodes_and_databases_are_private_and_databases_have_no_way_out(run: Run) -> None:
    recorded = run(environment())
    assert of(recorded, "Vpc")["churn-x-vpc"].inputs["cidrBlock"] == RANGE
    subnets = of(recorded, "Subnet")
    assert {(r.inputs["tags"]["terrarium.dev/subnets"], r.inputs["availabilityZone"]) for r in subnets.values()} == {
        *(("nodes", zone) for zone in ZONES),
        *(("data", zone) for zone in ZONES),
        ("public", ZONES[0]),
    }
    assert not any("mapPublicIpOnLaunch" in r.inputs for r in subnets.values())
    routed = {r.inputs["subnetId"]: r.inputs["routeTableId"] for r in of(recorded, "RouteTableAssociation").values()}
    with_ways = {r.inputs["routeTableId"] for r in of(recorded, "Route").values()}
    for name, subnet in subnets.items():
        has_way = routed[f"{name}-id"] in with_ways
        assert has_way == (subnet.inputs["tags"]["terrarium.dev/subnets"] != "data")
    internet = [r for r in of(recorded, "Route").values() if "gatewayId" in r.inputs]
    assert [r.name for r in internet] == ["churn-x-out-public-a"]


def test_the_default_group_is_emptied_and_traffic_is_logged(run: Run) -> None:
    recorded = run(environment())
    [group] = of(recorded, "DefaultSecurityGroup").values()
    assert set(group.inputs) == {"vpcId"}
    [log] = of(recorded, "FlowLog").values()
    assert (log.inputs["trafficType"], log.inputs["logDestinationType"]) == ("ALL", "cloud-watch-logs")
    group = of(recorded, "LogGroup")["churn-x-flow-logs"]
    assert group.inputs["retentionInDays"] == 30
    assert group.inputs["kmsKeyId"].endswith("key/churn-x-cluster-key")


@pytest.mark.parametrize(("tier", "protected", "days"), [("experimentation", False, 7), ("testing", True, 30)])
def test_keys_are_kept(run: Run, tier: str, protected: bool, days: int) -> None:
    keys = of(run(environment(tier)), "Key")
    assert set(keys) == {"churn-x-cluster-key", "churn-x-data-key"}
    assert all(key.protect is protected for key in keys.values())
    assert all(key.inputs["enableKeyRotation"] for key in keys.values())
    assert all(key.inputs["deletionWindowInDays"] == days for key in keys.values())
    services = {
        statement["Principal"].get("Service")
        for key in keys.values()
        for statement in json.loads(key.inputs["policy"])["Statement"]
    }
    assert services == {None, f"logs.{REGION}.amazonaws.com"}


def test_a_platform_has_subnets_for_its_slices_databases_and_no_key_of_data(run: Run) -> None:
    recorded = run(platform(), "platform")
    kinds = [r.inputs["tags"]["terrarium.dev/subnets"] for r in of(recorded, "Subnet").values()]
    assert kinds.count("data") == 3
    assert set(of(recorded, "Key")) == {"shared-cluster-key"}
    [provider] = [r for r in recorded.registrations if r.kind == "pulumi:providers:aws"]
    tags = json.loads(provider.inputs["defaultTags"])["tags"]
    assert (tags["platform"], tags["environment"], tags["tier"]) == ("shared", "shared", "experimentation+testing")


def test_a_slice_and_a_lake_make_no_network(run: Run) -> None:
    recorded = run(sliced())
    assert not {"Vpc", "Subnet", "NatGateway", "FlowLog"} & {r.short for r in recorded.registrations}
    assert recorded.outputs["network"] == {"kind": "network policies", "cidr": None, "egress": "open"}
    assert set(of(recorded, "Key")) == {"churn-x-data-key"}


def test_a_lake_has_a_key_that_is_protected(run: Run) -> None:
    recorded = run(lake(), "lake")
    assert not {"Vpc", "Subnet", "Cluster"} & {r.short for r in recorded.registrations}
    [key] = of(recorded, "Key").values()
    assert key.protect


def test_an_adopted_network_is_used_as_it_is(run: Run) -> None:
    subnets = {f"subnet-{n}0000000": (VPC, zone, f"10.80.{n}.0/24") for n, zone in enumerate(ZONES)}
    adopt = {"vpc": VPC, "node_subnets": list(subnets), "database_subnets": list(subnets)}
    block = environment(aws={"adopt": adopt}, network={})
    recorded = run(block, answer=Account(subnets=subnets).answer)
    assert not {"Vpc", "Subnet", "NatGateway", "FlowLog"} & {r.short for r in recorded.registrations}
    [cluster] = of(recorded, "Cluster").values()
    assert cluster.inputs["vpcConfig"]["subnetIds"] == list(subnets)
    assert cluster.inputs["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "172.20.0.0/16"
    assert recorded.outputs["network"]["cidr"] == "10.80.0.0/16"


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("tier", ["experimentation", "production"])
def test_names_do_not_depend_on_what_only_an_update_knows(run: Run, preview: bool, tier: str) -> None:
    recorded = run(environment(tier), preview=preview)
    names = [(r.kind, r.name) for r in recorded.registrations]
    assert len(names) == len(set(names))
    assert ("aws:eks/cluster:Cluster", "churn-x-eks") in names


def test_owner_and_cost_centre_become_what_tags_can_hold(run: Run) -> None:
    recorded = run(environment(owner="Müller & Söhne (R&D), Zürich; <a@b>"))
    [provider] = [r for r in recorded.registrations if r.kind == "pulumi:providers:aws"]
    assert json.loads(provider.inputs["defaultTags"])["tags"]["owner"] == "Müller - Söhne -R-D-- Zürich- -a@b-"


def test_fewer_zones_are_the_first_ones(run: Run) -> None:
    recorded = run(environment(aws={"zones": 2}))
    assert {r.inputs["availabilityZone"] for r in of(recorded, "Subnet").values()} == set(ZONES[:2])
