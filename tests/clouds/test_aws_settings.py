"""What stands under cloud.aws is refused by key, all of it at once, and without a call to AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.aws import regions
from components.aws.settings import AwsSettings, resolved
from components.tiers import Tier
from tests.clouds.aws_answers import ACCOUNT, REGION
from tests.clouds.aws_declared import environment, lake, platform, problems, sliced

SLICE_KEYS = ("api", "kubernetes_version", "nat", "endpoints", "zones", "machines", "flow_logs_days", "log_days")


@pytest.mark.parametrize("tier", [tier.value for tier in Tier])
def test_an_environment_with_its_own_cluster_is_declared(tmp_path: Path, tier: str) -> None:
    assert problems(tmp_path, environment(tier)) == {}


def test_platform_lake_and_slice_are_declared(tmp_path: Path) -> None:
    assert problems(tmp_path, platform(), "platform") == {}
    assert problems(tmp_path, lake(), "lake") == {}
    assert problems(tmp_path, sliced()) == {}


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"account": "12345"}, "account", "has 5 characters; an AWS account takes 12 to 12"),
        ({"account": "12345678901x"}, "account", "twelve digits"),
        ({"account": "123456789012\n"}, "account", "characters"),
        ({"region": "eu-central-7"}, "region", "AWS has no region eu-central-7; there are eu-central-1, eu-central-2"),
        ({"region": "frankfurt"}, "region", "a region is called as eu-central-1"),
        ({"role": "deploy"}, "role", "arn:aws:iam::123456789012:role/deploy"),
        ({"role": "arn:aws:iam::210987654321:role/x"}, "role", "is a role of account 210987654321"),
        ({"zones": 4}, "zones", "3"),
        ({"kubernetes_version": "latest"}, "kubernetes_version", "1.34"),
        ({"api": None}, "api.cidrs", "is missing"),
        ({"api": {"cidrs": ["0.0.0.0/0"]}}, "api.cidrs", "at least /16"),
        ({"api": {"cidrs": ["203.0.0.0/16", "203.1.0.0/16"]}}, "api.cidrs", "at least /16"),
        ({"api": {"cidrs": ["10.0.0.0/16"]}}, "api.cidrs", "is not of the internet"),
        (
            {"nat": "none", "kueue": False, "endpoints": ["ecr.api", "ecr.dkr"]},
            "endpoints",
            "also need ec2, eks-auth",
        ),
        (
            {"nat": "none", "endpoints": ["ec2", "ecr.api", "ecr.dkr", "eks-auth"]},
            "kueue",
            "can't be had from registry.k8s.io/kueue; set it to false",
        ),
        ({"deploy_from": ["203.0.113.0/24"]}, "deploy_from", "is no private range"),
        ({"deploy_from": ["fd00::/64"]}, "deploy_from", "is no private range"),
        ({"api": {"cidrs": ["2001:db8::/48"]}}, "api.cidrs", "is of IPv6"),
        ({"adopt": {"vpc": "my-vpc"}}, "adopt.vpc", "vpc-0a1b2c3d4e5f60718"),
        ({"adopt": {"node_subnets": ["subnet-12345678"]}}, "adopt.node_subnets", "name it under cloud.aws.adopt.vpc"),
        ({"principals": {"team": "team"}}, "principals.team", "the ARN of a role or user"),
        ({"principals": {"eks:x": f"arn:aws:iam::{ACCOUNT}:role/x"}}, "principals", "EKS takes no group"),
        ({"principals": {"team": f"arn:aws-cn:iam::{ACCOUNT}:role/x"}}, "principals.team", "begin with arn:aws:"),
        ({"role": f"arn:aws-us-gov:iam::{ACCOUNT}:role/x"}, "role", "is of another partition than"),
        ({"machines": {"other": {"weight": 1}}}, "machines.other", "there is no such pool; there are general"),
        ({"database": {"authorities": "a.pem", "instance_class": "m5"}}, "database.instance_class", "db.t4g.medium"),
        ({"database": {"authorities": "a.pem", "storage_gb": 5}}, "database.storage_gb", "20"),
        ({"database": None}, "database", "is missing"),
        ({"flow_logs_days": 31}, "flow_logs_days", "30"),
        ({"endpoints": ["com.amazonaws/s3"]}, "endpoints.0", "such as ecr.api"),
    ],
)
def test_what_aws_would_refuse_is_refused_by_key(tmp_path: Path, changes: Any, key: str, says: str) -> None:
    found = problems(tmp_path, environment(aws=changes))
    assert set(found) == {f"cloud.aws.{key}"}
    assert any(says in message for message in found[f"cloud.aws.{key}"]), found


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"network": {"cidr": "10.64.0.0/24"}}, "network.cidr", "need a /23 at least"),
        ({"network": {"cidr": "10.0.0.0/8"}}, "network.cidr", "larger than a VPC can be"),
        ({"network": {"cidr": "fd00::/48"}}, "network.cidr", "is of IPv6"),
        ({"network": {}}, "network.cidr", "is missing"),
        ({"network": {"cidr": "10.64.0.0/22"}, "pools": {"a": {"max": 40}}}, "network.cidr", "take a /20"),
        ({"network": {"cidr": "10.64.0.0/16"}, "pools": {"a": {"max": 4000}}}, "network.cidr", "no VPC has as many"),
        ({"pools": {"a": {"cpu": 500, "max": 1}}}, "pools.a", "the largest has 192 cores and 768Gi"),
        ({"pools": {"a": {"machine": "compute", "memory": "1Ti", "max": 1}}}, "pools.a", "memory 8Gi"),
        ({"pools": {"a": {"machine": "gpu", "gpu": 16, "max": 1}}}, "pools.a", "8 GPUs, 192 cores and 768Gi"),
        ({"pools": {"a": {"size": "t3.nano", "max": 1}}}, "pools.a", "no machine that EKS Auto Mode runs"),
        ({"pools": {"a": {"size": "n2-standard-4", "max": 1}}}, "pools.a", "as m7i.xlarge"),
        ({"pools": {"system": {"max": 1}}}, "pools.system", "EKS keeps system and general-purpose for itself"),
        ({"pools": {"a": {"min": 1, "max": 2}, "a-base": {"max": 1}}}, "pools.a-base", "rename it"),
        ({"quota": {"gpu": 2}}, "quota.gpu", "no pool has any"),
    ],
)
def test_ranges_and_pools_that_cannot_be_are_refused(tmp_path: Path, changes: Any, key: str, says: str) -> None:
    found = problems(tmp_path, environment(**changes))
    assert any(says in message for message in found.get(key, ())), found


def test_ci_is_nobody_of_the_people(tmp_path: Path) -> None:
    own = {"ci": f"arn:aws:iam::{ACCOUNT}:role/terrarium/churn-x/churn-x-deploy"}
    ci = {"issuer": "github", "repository": "example/churn"}
    assert list(problems(tmp_path, environment(aws={"principals": own}, ci=ci))) == ["cloud.aws.principals.ci"]
    assert problems(tmp_path, environment(aws={"principals": own})) == {}


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        environment(
            aws={"region": "mars-1", "role": "arn:aws:iam::210987654321:role/x", "api": None, "database": None},
            network={"cidr": "10.64.0.0/25"},
            pools={"a": {"cpu": 900, "max": 1}, "b": {"machine": "gpu", "gpu": 99, "max": 1}},
        ),
    )
    keys = {"region", "role", "api.cidrs", "database"}
    assert set(found) == {*(f"cloud.aws.{key}" for key in keys), "network.cidr", "pools.a", "pools.b"}


def test_production_is_private_and_in_three_zones(tmp_path: Path) -> None:
    found = problems(tmp_path, environment("production", {"api": {"cidrs": ["203.0.113.0/24"]}, "zones": 2}))
    assert "production's API is private" in found["cloud.aws.api.cidrs"][0]
    assert "production takes 3" in found["cloud.aws.zones"][0]


def test_a_slice_says_nothing_of_a_cluster_that_it_does_not_make(tmp_path: Path) -> None:
    given = {
        "api": {"cidrs": ["203.0.113.0/24"]},
        "kubernetes_version": "1.34",
        "nat": "one",
        "endpoints": ["sts"],
        "zones": 3,
        "machines": {"a": {}},
        "flow_logs_days": 30,
        "log_days": 30,
        "adopt": {"vpc": "vpc-12345678"},
    }
    found = problems(tmp_path, sliced(aws=given, pools={"a": {"max": 1}}, network={"cidr": "10.64.0.0/20"}))
    keys = {*(f"cloud.aws.{key}" for key in SLICE_KEYS), "cloud.aws.adopt.vpc", "pools", "network.cidr"}
    assert set(found) == keys
    assert set(given) == {*SLICE_KEYS, "adopt"}


def test_platforms_and_lakes_are_what_they_are(tmp_path: Path) -> None:
    found = problems(tmp_path, platform({"platform": "other", "database": {"authorities": "x"}}), "platform")
    assert {"cloud.aws.platform", "cloud.aws.database"} <= set(found)
    found = problems(tmp_path, lake({"platform": None} | {"database": {"authorities": "x"}}), "lake")
    assert {"cloud.aws.platform", "cloud.aws.database"} <= set(found)


def test_an_adopted_network_comes_with_its_subnets(tmp_path: Path) -> None:
    found = problems(tmp_path, environment(aws={"adopt": {"vpc": "vpc-12345678"}, "nat": "one"}))
    assert set(found) == {
        "network.cidr",
        "cloud.aws.adopt.node_subnets",
        "cloud.aws.adopt.database_subnets",
        "cloud.aws.nat",
    }


@pytest.mark.parametrize(
    ("tier", "nat", "endpoints", "kind"),
    [
        (Tier.EXPERIMENTATION, "one", 0, "db.t4g.medium"),
        (Tier.TESTING, "one", 4, "db.t4g.medium"),
        (Tier.PRODUCTION, "per-zone", 4, "db.m7g.large"),
    ],
)
def test_a_tier_sets_what_the_block_leaves_open(tier: Tier, nat: str, endpoints: int, kind: str) -> None:
    found = resolved(AwsSettings(account=ACCOUNT, region=REGION), tier)
    assert (found.nat, len(found.endpoints), found.instance_class) == (nat, endpoints, kind)
    assert found.multi_az is (tier is Tier.PRODUCTION)
    own = resolved(AwsSettings(account=ACCOUNT, region=REGION, nat="none", endpoints=()), tier)
    assert (own.nat, own.endpoints) == ("none", ())


def test_regions_are_those_of_the_sdk() -> None:
    import boto3  # noqa: PLC0415 - the product does not import it for this

    session = boto3.Session()
    for partition in session.get_available_partitions():
        for name in session.get_available_regions("ec2", partition_name=partition):
            assert regions.region(name).partition == partition
    assert regions.region("cn-north-1").dns_suffix == "amazonaws.com.cn"
    with pytest.raises(ValueError, match="no region aws-global"):
        regions.region("aws-global")


def test_checking_imports_no_sdk() -> None:
    program = (
        "import sys\nfrom components.aws import cloud\nfrom components.settings.models import PlatformSettings\n"
        f"block = cloud.settings.model_validate(dict(account={ACCOUNT!r}, region={REGION!r}))\n"
        f"settings = PlatformSettings.model_validate({platform()!r})\n"
        "found = list(cloud.adapter(block).contradictions(settings))\n"
        "import json; print(json.dumps([m for m in ('pulumi', 'pulumi_aws', 'boto3', 'botocore') if m in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == []
