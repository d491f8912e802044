"""What the rehearsed AWS answers: of account and region from the state's settings, else of what stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rehearsal.cloud.table import Find, Making
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError

# Cores by size, of every family that has it (EC2 instance types guide).
_CORES = {"micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4}


def zone_id(zone: str, region: str) -> str:
    """The id of a zone: `euc1-az2` of eu-central-1b."""
    area, *sides, number = region.split("-")
    letters = "".join(part[0] for part in re.findall("gov|north|south|east|west|central", "".join(sides)))
    return f"{area}{letters}{number}-az{'abcdefgh'.index(zone[-1]) + 1}"


def _session(query: Making) -> Properties:
    arn = str(query.inputs["arn"])
    found = re.fullmatch(r"(.*):sts:(.*):assumed-role/([^/]+)/.*", arn)
    role = f"{found[1]}:iam:{found[2]}:role/{found[3]}" if found else arn
    known = (one["arn"] for one in query.things("iam/role:Role") if found and one["id"] == found[3])
    return {"arn": arn, "id": arn, "issuerArn": next(known, role)}


def _zones(query: Making) -> Properties:
    ids = {(name := f"{query.region}{zone}"): zone_id(name, query.region) for zone in query.settings["zones"]}
    kept = {name: key for name, key in ids.items() if key not in query.inputs.get("excludeZoneIds", ())}
    return {"names": [*kept], "zoneIds": [*kept.values()], "id": query.region}


def _cores(kind: str, query: Making) -> int:
    """The cores of a machine type; none where there is no such type."""
    family, _, size = kind.partition(".")
    many, known = re.fullmatch(r"(\d+)xlarge", size), query.settings["machines"]["families"].split()
    return (int(many[1]) * 4 if many else _CORES.get(size, 0)) if family in known else 0


def _offerings(query: Making) -> Properties:
    wanted = [kind for asked in query.inputs.get("filters", ()) for kind in asked["values"] if _cores(kind, query)]
    refused = {*query.settings["machines"]["not_offered"]}
    zones = query.settings["zones"] if query.inputs.get("locationType") == "availability-zone" else [""]
    found = [(kind, one) for kind in wanted if not refused & {kind, kind.partition(".")[0]} for one in zones]
    places = [f"{query.region}{one}" for _, one in found]
    return {"instanceTypes": [kind for kind, _ in found], "locations": places, "id": query.region}


def _type(query: Making) -> Properties:
    if not (cores := _cores(kind := query.inputs["instanceType"], query)):
        raise ProviderError(f"InvalidInstanceType: The following supplied instance types do not exist: [{kind}]")
    return {"instanceType": kind, "id": kind, "defaultVcpus": cores}


def _quota(query: Making) -> Properties:
    if (code := query.inputs["quotaCode"]) not in query.settings["quotas"]:
        raise ProviderError(f"NoSuchResourceException: there is no quota {code}")
    return {"value": query.settings["quotas"][code], "id": code}


def _orderable(query: Making) -> Properties:
    kind = query.inputs.get("instanceClass", "")
    if kind.rpartition(".")[0] not in query.settings["machines"]["databases"].split():
        raise ProviderError(f"no RDS DB Instance Options match the criteria: {kind}; try different search")
    return {"multiAzCapable": True, "id": kind}


def _secret(query: Making) -> Properties:
    wanted = query.inputs["secretId"]
    found = query.known.find("rds/instance:Instance", wanted)
    if not found:
        raise ProviderError(f"ResourceNotFoundException: Secrets Manager can't find the specified secret: {wanted}")
    from rehearsal.cloud.embedded import password_of  # noqa: PLC0415 - the platform's modules take time

    login = {"username": found.inputs.get("username"), "password": password_of(found)}
    return {"id": f"{wanted}|AWSCURRENT", "secretString": json.dumps(login)}


_IDENTITY = {"id": "{account}", "accountId": "{account}", "arn": "arn:aws:iam::{account}:{caller}"}
# Some of S3's public ranges (ip-ranges.amazonaws.com), of which nobody is asked anything in a rehearsal.
_PREFIXES = {"id": "pl-6ea54007", "prefixListId": "pl-6ea54007", "cidrBlocks": ["52.219.0.0/16", "3.5.0.0/16"]}
_PROVIDER = "iam/openIdConnectProvider:OpenIdConnectProvider"
_NO_CLUSTER = "ResourceNotFoundException: No cluster found"

ANSWERS: Mapping[str, Any] = {
    "index/getCallerIdentity:getCallerIdentity": _IDENTITY,
    "index/getAvailabilityZones:getAvailabilityZones": _zones,
    "iam/getSessionContext:getSessionContext": _session,
    "iam/getOpenIdConnectProvider:getOpenIdConnectProvider": Find(_PROVIDER, "NoSuchEntity"),
    "ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offerings,
    "ec2/getInstanceType:getInstanceType": _type,
    "ec2/getPrefixList:getPrefixList": _PREFIXES,
    "ec2/getVpc:getVpc": Find("ec2/vpc:Vpc", "no matching EC2 VPC found"),
    "ec2/getVpcs:getVpcs": Find("ec2/vpc:Vpc", ids="ids"),
    "ec2/getSubnet:getSubnet": Find("ec2/subnet:Subnet", "no matching EC2 Subnet found"),
    "ec2/getSubnets:getSubnets": Find("ec2/subnet:Subnet", ids="ids"),
    "ec2/getEips:getEips": Find("ec2/eip:Eip", ids="allocationIds"),
    "s3/getBucket:getBucket": Find("s3/bucket:Bucket", "no such bucket"),
    "servicequotas/getServiceQuota:getServiceQuota": _quota,
    "eks/getCluster:getCluster": Find("eks/cluster:Cluster", _NO_CLUSTER, lists="certificateAuthority accessConfig"),
    "rds/getOrderableDbInstance:getOrderableDbInstance": _orderable,
    "secretsmanager/getSecretVersion:getSecretVersion": _secret,
}
