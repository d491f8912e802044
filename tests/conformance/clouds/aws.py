"""An account of AWS in which nothing is in the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

from rehearsal.cloud.aws import CLOUD
from tests.clouds import aws_answers
from tests.conformance.clouds.kubernetes import kubernetes_replaces

# What AWS itself keeps apart by account and region, and what is the world's.
_NAMED = {
    "aws:s3/bucket:Bucket": frozenset({"bucket"}),
    "aws:iam/role:Role": frozenset({"name"}),
    "aws:eks/cluster:Cluster": frozenset({"name"}),
    "aws:rds/instance:Instance": frozenset({"identifier"}),
    "aws:rds/subnetGroup:SubnetGroup": frozenset({"name"}),
    "aws:rds/parameterGroup:ParameterGroup": frozenset({"name"}),
    "aws:ec2/securityGroup:SecurityGroup": frozenset({"name"}),
    "aws:ecr/repository:Repository": frozenset({"name"}),
    "aws:kms/alias:Alias": frozenset({"name"}),
    "aws:cloudwatch/logGroup:LogGroup": frozenset({"name"}),
    "aws:budgets/budget:Budget": frozenset({"name"}),
    "postgresql:index/database:Database": frozenset({"name"}),
    "postgresql:index/role:Role": frozenset({"name"}),
}
AUTHORITIES = Path(__file__).with_name("authorities.pem")


class AwsHarness:
    cloud = "aws"
    sdks = frozenset({"pulumi_aws"})
    offers = frozenset({"clusters", "store"})

    def block(self, tier: str, *, shared: bool = False) -> dict[str, Any]:
        own: dict[str, Any] = {"platform": "shared"} if shared else {}
        if not shared and tier != "production":
            own = {"api": {"cidrs": ["203.0.113.0/24"]}}
        account = {"account": aws_answers.ACCOUNT, "region": aws_answers.REGION}
        database = {"database": {"authorities": str(AUTHORITIES)}}
        network = {} if shared else {"network": {"cidr": "10.64.0.0/18"}}
        return {"cloud": {"aws": {**account, **own, **database}}, **network}

    def platform(self, tiers: list[str]) -> dict[str, Any]:
        block = self.block(max(tiers))
        del block["cloud"]["aws"]["database"]
        return block

    def made(self, args: MockResourceArgs) -> Mapping[str, Any]:
        return aws_answers.made(args)

    def answer(self, args: MockCallArgs) -> Mapping[str, Any]:
        return aws_answers.answer(args)

    def replaces(self, kind: str, changed: str) -> bool:
        package, _, token = kind.partition(":")
        if package != "aws":
            return kubernetes_replaces(kind, changed)
        fixed = CLOUD.types[token].fixed.split()
        return any(changed == each or changed.startswith(f"{each}.") for each in fixed)

    def named(self, kind: str) -> frozenset[str]:
        return _NAMED.get(kind, frozenset())


harness = AwsHarness()
