"""What AWS computes of resources and answers when it is asked, as far as the program looks at it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

ACCOUNT, REGION = "123456789012", "eu-central-1"
DEPLOYER = f"arn:aws:iam::{ACCOUNT}:role/administrators/deploy"
ZONES = tuple(f"{REGION}{letter}" for letter in "abc")
VPC = "vpc-0123456789abcdef0"


def made(args: MockResourceArgs) -> Mapping[str, Any]:
    """Return what AWS computes of a resource."""
    compute = _MADE.get(args.typ)
    return compute(args) if compute else {}


def _arn(service: str, resource: str, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def _cluster(args: MockResourceArgs) -> Mapping[str, Any]:
    name = args.inputs["name"]
    return {
        "arn": _arn("eks", f"cluster/{name}"),
        "endpoint": f"https://{name}.eks.example.org",
        "certificateAuthority": {"data": "QVVUSE9SSVRZ"},
        "vpcConfig": {**args.inputs["vpcConfig"], "clusterSecurityGroupId": f"sg-of-{name}"},
    }


def _instance(args: MockResourceArgs) -> Mapping[str, Any]:
    name = args.inputs["identifier"]
    return {
        "arn": _arn("rds", f"db:{name}"),
        "address": f"{name}.rds.example.org",
        "port": 5432,
        "resourceId": "db-ABCDEFGHIJKL",
        "masterUserSecrets": [{"secretArn": _arn("secretsmanager", f"secret:{name}"), "secretStatus": "active"}],
    }


def _bucket(args: MockResourceArgs) -> Mapping[str, Any]:
    name = args.inputs.get("bucket", args.name)
    return {"arn": f"arn:aws:s3:::{name}", "bucketRegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com"}


_MADE: Mapping[str, Callable[[MockResourceArgs], Mapping[str, Any]]] = {
    "aws:eks/cluster:Cluster": _cluster,
    "aws:rds/instance:Instance": _instance,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:kms/key:Key": lambda a: {"arn": _arn("kms", f"key/{a.name}"), "keyId": a.name},
    "aws:iam/role:Role": lambda a: {"arn": _arn("iam", f"role{a.inputs.get('path', '/')}{a.inputs['name']}", "")},
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": lambda a: {
        "arn": _arn("iam", f"oidc-provider/{str(a.inputs['url']).removeprefix('https://')}", "")
    },
    "aws:cloudwatch/logGroup:LogGroup": lambda a: {"arn": _arn("logs", f"log-group:{a.inputs['name']}")},
    "aws:ec2/eip:Eip": lambda a: {"allocationId": f"eipalloc-{a.name}"},
    "aws:ecr/repository:Repository": lambda a: {
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{a.inputs['name']}",
        "arn": _arn("ecr", f"repository/{a.inputs['name']}"),
    },
}


@dataclass
class Account:
    """An account as it answers; a test changes what it is about, and sees what was asked.

    Attributes:
        number: The account of the credentials.
        caller: Their ARN.
        zones: The region's zones.
        offered: Whether an instance type is offered.
        quotas: Quotas by code; all others are high.
        vpcs: VPCs of others.
        subnets: Existing subnets by id: their VPC, zone and range.
        clusters: Names of existing clusters.
        issuers: Tags of existing OpenID Connect providers, by ARN.
        asked: Tokens and arguments of all questions, in order.
    """

    number: str = ACCOUNT
    caller: str = DEPLOYER
    zones: tuple[str, ...] = ZONES
    offered: Callable[[str], bool] = lambda _: True
    quotas: Mapping[str, float] = field(default_factory=dict)
    vpcs: int = 1
    subnets: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    clusters: tuple[str, ...] = ("shared",)
    issuers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, args: MockCallArgs) -> Mapping[str, Any]:
        """Answer one question."""
        name = args.token.rpartition(":")[2]
        self.asked.append((name, dict(args.args)))
        reply = getattr(self, f"_{_snake(name)}", None)
        if reply is None:
            raise AssertionError(f"AWS is asked what no test expects: {args.token}")
        return dict(reply(**{_snake(key): value for key, value in args.args.items()}))

    def _get_caller_identity(self, **_: Any) -> Mapping[str, Any]:
        return {"accountId": self.number, "arn": self.caller, "id": self.number, "userId": "AIDA"}

    def _get_session_context(self, arn: str, **_: Any) -> Mapping[str, Any]:
        role = arn.split("/")[1]
        return {"arn": arn, "id": arn, "issuerArn": f"arn:aws:iam::{self.number}:role/people/{role}"}

    def _get_availability_zones(self, **_: Any) -> Mapping[str, Any]:
        return {"names": list(self.zones), "zoneIds": [f"euc1-az{n}" for n in range(len(self.zones))], "id": REGION}

    def _get_vpcs(self, tags: Mapping[str, str] | None = None, **_: Any) -> Mapping[str, Any]:
        return {"ids": [] if tags else [f"vpc-{n}" for n in range(self.vpcs)], "id": REGION}

    def _get_eips(self, **_: Any) -> Mapping[str, Any]:
        return {"allocationIds": [], "publicIps": [], "id": REGION}

    def _get_instance_type_offerings(self, filters: list[Any], **_: Any) -> Mapping[str, Any]:
        pairs = [(each, zone) for each in filters[0]["values"] if self.offered(each) for zone in self.zones]
        return {"instanceTypes": [p[0] for p in pairs], "locations": [p[1] for p in pairs], "id": REGION}

    def _get_instance_type(self, instance_type: str, **_: Any) -> Mapping[str, Any]:
        return {"defaultVcpus": 16, "instanceType": instance_type, "id": instance_type}

    def _get_service_quota(self, quota_code: str, **_: Any) -> Mapping[str, Any]:
        return {"value": self.quotas.get(quota_code, 10_000), "quotaCode": quota_code, "id": quota_code}

    def _get_orderable_db_instance(self, **_: Any) -> Mapping[str, Any]:
        return {"multiAzCapable": True, "id": "m7g"}

    def _get_cluster(self, name: str, **_: Any) -> Mapping[str, Any]:
        if name not in self.clusters:
            raise LookupError(f"couldn't find resource: no EKS cluster {name}")
        return {
            "name": name,
            "arn": _arn("eks", f"cluster/{name}"),
            "endpoint": f"https://{name}.eks.example.org",
            "certificateAuthorities": [{"data": "QVVUSE9SSVRZ"}],
            "vpcConfig": {"vpcId": VPC, "clusterSecurityGroupId": f"sg-of-{name}", "subnetIds": []},
            "id": name,
        }

    def _get_vpc(self, **asked: Any) -> Mapping[str, Any]:
        return {"id": asked["id"], "cidrBlock": "10.80.0.0/16"}

    def _get_subnets(self, **_: Any) -> Mapping[str, Any]:
        return {"ids": list(self.subnets), "id": REGION}

    def _get_subnet(self, **asked: Any) -> Mapping[str, Any]:
        vpc, zone, cidr = self.subnets[asked["id"]]
        return {"id": asked["id"], "vpcId": vpc, "availabilityZone": zone, "cidrBlock": cidr}

    def _get_open_id_connect_provider(self, arn: str, **_: Any) -> Mapping[str, Any]:
        return {
            "arn": arn,
            "tags": self.issuers[arn],
            "url": "x",
            "clientIdLists": [],
            "thumbprintLists": [],
            "id": arn,
        }

    def _get_prefix_list(self, **_: Any) -> Mapping[str, Any]:
        return {"cidrBlocks": ["52.219.140.0/24"], "id": "pl-6ea54007"}

    def _get_secret_version(self, **_: Any) -> Mapping[str, Any]:
        return {"secretString": json.dumps({"username": "terrarium", "password": "hidden-master"}), "id": "secret"}


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)


def answer(args: MockCallArgs) -> Mapping[str, Any]:
    """Answer one question, as an account does in which nothing is in the way."""
    return Account(subnets=DATA_SUBNETS).answer(args)


DATA_SUBNETS = {f"subnet-0000000000000000{n}": (VPC, zone, f"10.80.{n}.0/24") for n, zone in enumerate(ZONES)}
