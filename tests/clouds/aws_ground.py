"""A place on AWS for the parts that stand on a network and a cluster, without making those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs
from pulumi_aws import Provider

from components.aws.place import Account, Eks, Vpc
from components.aws.settings import AwsSettings
from components.contract import Ground
from components.settings.models import EnvironmentSettings
from components.tiers import TIERS, Tier

ID, REGION = "123456789012", "eu-west-1"
CLUSTER = f"arn:aws:eks:{REGION}:{ID}:cluster/shared"
KEY = f"arn:aws:kms:{REGION}:{ID}:key/11111111-2222-3333-4444-555555555555"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ID}:secret:rds!db-1-AbCdEf"
PASSWORD = "hidden-of-the-master"  # noqa: S105 - of no server
AUTHORITIES = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def block(tier: str = "experimentation", aws: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An environment on a platform of this account."""
    own = {
        "account": ID,
        "region": REGION,
        "platform": "shared",
        "database": {"authorities": "rds.pem"},
        **(aws or {}),
    }
    people = {"automation": ["ci"], "readers": ["audit"]} | ({} if tier == "production" else {"members": ["team"]})
    return {
        "project": "churn",
        "name": "x",
        "tier": tier,
        "owner": "churn team",
        "cost_centre": "c1",
        "cloud": {"aws": own},
        "people": people,
        **changes,
    }


def environment(declared: Mapping[str, Any]) -> tuple[EnvironmentSettings, AwsSettings]:
    """What a block of a stack file says, the tier's defaults filled in."""
    usual = TIERS[Tier(declared["tier"])].defaults.as_settings()
    merged = {**usual, **declared, "store": {**cast("dict[str, Any]", usual["store"]), **declared.get("store", {})}}
    return EnvironmentSettings.model_validate(merged), AwsSettings.model_validate(declared["cloud"]["aws"])


def ground(**account: Any) -> Ground:
    """A network and a cluster; call it inside a program."""
    provider = Provider("x-account", region=REGION)
    known = {"partition": "aws", "dns_suffix": "amazonaws.com", **account}
    place = Account(
        id=ID,
        region=REGION,
        deployer=f"arn:aws:iam::{ID}:role/deployer",
        opts=pulumi.ResourceOptions(provider=provider),
        tags={},
        **known,
    )
    network = Vpc(
        cidr=None,
        kind="VPC",
        account=place,
        zones=["a", "b", "c"],
        vpc_id="vpc-1",
        node_subnets=[],
        data_subnets=["subnet-1", "subnet-2", "subnet-3"],
        data_cidrs=["10.0.1.0/27", "10.0.2.0/27", "10.0.3.0/27"],
        logs_key=None,
        data_key=pulumi.Output.from_input(KEY),
        services_cidr="",
    )
    cluster = Eks(
        name="shared",
        provider=provider,
        platform="shared",
        access={},
        cluster_name=pulumi.Output.from_input("shared"),
        arn=pulumi.Output.from_input(CLUSTER),
        security_group=pulumi.Output.from_input("sg-cluster"),
        owned=False,
    )
    return Ground(network, cluster)


def made(args: MockResourceArgs) -> Mapping[str, Any]:
    """What AWS computes of a resource."""
    name = args.inputs.get("identifier") or args.inputs.get("bucket") or args.inputs.get("name")
    return {
        "aws:s3/bucket:Bucket": {"bucketRegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com"},
        "aws:iam/role:Role": {"arn": f"arn:aws:iam::{ID}:role{args.inputs.get('path')}{name}"},
        "aws:rds/instance:Instance": {
            "address": f"{name}.c1.{REGION}.rds.amazonaws.com",
            "port": 5432,
            "resourceId": "db-RESOURCE",
            "masterUserSecrets": [{"secretArn": SECRET, "kmsKeyId": KEY, "secretStatus": "active"}],
        },
        "aws:ecr/repository:Repository": {"repositoryUrl": f"{ID}.dkr.ecr.{REGION}.amazonaws.com/{name}"},
    }.get(args.typ, {})


def answer(args: MockCallArgs) -> Mapping[str, Any]:
    """What AWS answers when it is asked."""
    bucket = args.args.get("bucket")
    answers: dict[str, Mapping[str, Any]] = {
        "aws:ec2/getPrefixList:getPrefixList": {
            "id": "pl-1",
            "name": args.args.get("name"),
            "cidrBlocks": ["52.218.0.0/17", "3.5.64.0/21"],
        },
        "aws:secretsmanager/getSecretVersion:getSecretVersion": {
            "secretString": json.dumps({"username": "terrarium", "password": PASSWORD})
        },
        "aws:s3/getBucket:getBucket": {
            "bucket": bucket,
            "bucketRegionalDomainName": f"{bucket}.s3.{REGION}.amazonaws.com",
        },
    }
    return answers[args.token]
