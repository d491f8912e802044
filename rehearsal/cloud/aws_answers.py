"""What the rehearsed AWS answers: of account and region from the state's settings, else of what stands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rehearsal.cloud.table import Query
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.trees import values_at

# Cores by size, of every family that has it (EC2 instance types guide).
_CORES = {"micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4}
_QUOTAS = {"L-1216C47A": 640, "L-34B43A08": 640, "L-DB2E81BA": 192, "L-3819A6DF": 192, "L-417A185B": 192}
_QUOTAS |= {"L-F678F1CE": 5, "L-0263D0A3": 5}
_FILTERS = {"vpc-id": "vpcId", "subnet-id": "id", "cidr-block": "cidrBlock", "availability-zone": "availabilityZone"}


def zone_id(zone: str, region: str) -> str:
    """The id of a zone: `euc1-az2` of eu-central-1b."""
    area, *sides, number = region.split("-")
    letters = "".join(part[0] for part in re.findall("gov|north|south|east|west|central", "".join(sides)))
    return f"{area}{letters}{number}-az{'abcdefgh'.index(zone[-1]) + 1}"


def _identity(query: Query) -> Properties:
    arn = f"arn:aws:iam::{query.account}:{query.settings['caller']}"
    return {"accountId": query.account, "arn": arn, "userId": "AIDAREHEARSAL", "id": query.account}


def _session(query: Query) -> Properties:
    arn = str(query.arguments["arn"])
    name, session = (*arn.rpartition("/")[2:], "") if ":assumed-role/" not in arn else arn.split("/")[-2:]
    role = re.sub(r":sts:(.*):assumed-role/([^/]+)/.*", r":iam:\1:role/\2", arn)
    known = next((one.values()["arn"] for one in query.things("iam/role:Role") if one.id == name), role)
    return {"arn": arn, "id": arn, "issuerArn": known, "issuerName": name, "issuerId": "", "sessionName": session}


def _zones(query: Query) -> Properties:
    names = [f"{query.region}{letter}" for letter in query.settings["zones"]]
    without = (*query.arguments.get("excludeNames", ()), *query.arguments.get("excludeZoneIds", ()))
    names = [one for one in names if one not in without and zone_id(one, query.region) not in without]
    ids = [zone_id(one, query.region) for one in names]
    return {**query.arguments, "names": names, "zoneIds": ids, "groupNames": [query.region], "id": query.region}


def _wanted(query: Query, name: str) -> list[str]:
    filters = query.arguments.get("filters", ())
    return [value for one in filters if one["name"] == name for value in one["values"]]


def _offered(query: Query) -> Iterator[str]:
    known = query.settings["machines"]
    for kind in _wanted(query, "instance-type"):
        family, _, size = kind.partition(".")
        if family in known["families"].split() and _cores(size) and not {kind, family} & {*known["not_offered"]}:
            yield kind


def _offerings(query: Query) -> Properties:
    where = query.arguments.get("locationType", "region")
    zones = [f"{query.region}{one}" for one in query.settings["zones"]]
    places = zones if where == "availability-zone" else [query.region]
    found = [(kind, place) for kind in _offered(query) for place in places]
    kinds, locations = [kind for kind, _ in found], [place for _, place in found]
    told = {"instanceTypes": kinds, "locations": locations, "locationTypes": [where] * len(found)}
    return {**query.arguments, **told, "id": query.region}


def _type(query: Query) -> Properties:
    family, _, size = (kind := query.arguments["instanceType"]).partition(".")
    if family not in query.settings["machines"]["families"].split() or not _cores(size):
        raise ProviderError(f"InvalidInstanceType: The following supplied instance types do not exist: [{kind}]")
    return {"instanceType": kind, "id": kind, "defaultVcpus": _cores(size), "currentGeneration": True}


def _cores(size: str) -> int:
    found = re.fullmatch(r"(\d+)xlarge", size)
    return int(found[1]) * 4 if found else _CORES.get(size, 0)


def _quota(query: Query) -> Properties:
    code = query.arguments.get("quotaCode", "")
    if (value := {**_QUOTAS, **query.settings["quotas"]}.get(code)) is None:
        raise ProviderError(f"NoSuchResourceException: there is no quota {code}")
    return {**query.arguments, "value": value, "defaultValue": value, "quotaName": code, "adjustable": True, "id": code}


def _prefixes(_query: Query) -> Properties:
    # Some of S3's public ranges (ip-ranges.amazonaws.com), of which nobody is asked anything in a rehearsal.
    return {"id": "pl-6ea54007", "prefixListId": "pl-6ea54007", "cidrBlocks": ["52.219.0.0/16", "3.5.0.0/16"]}


def _orderable(query: Query) -> Properties:
    kind = query.arguments.get("instanceClass", "")
    if kind.rpartition(".")[0] not in query.settings["machines"]["databases"].split():
        raise ProviderError(f"no RDS DB Instance Options match the criteria: {kind}; try different search")
    zones = [f"{query.region}{letter}" for letter in query.settings["zones"]]
    told = {"multiAzCapable": True, "supportsIamDatabaseAuthentication": True, "supportsStorageEncryption": True}
    return {"engineVersion": "17.6", **query.arguments, **told, "availabilityZones": zones, "id": kind}


def _secret(query: Query) -> Properties:
    wanted = query.arguments["secretId"]
    for one in query.things("rds/instance:Instance"):
        if wanted in values_at(one.outputs, "masterUserSecrets.secretArn"):
            from rehearsal.cloud.embedded import password_of  # noqa: PLC0415 - the platform's modules take time

            login = {"username": one.inputs.get("username"), "password": password_of(one)}
            told = {"arn": wanted, "id": f"{wanted}|AWSCURRENT", "versionId": "1", "versionStage": "AWSCURRENT"}
            return {**query.arguments, **told, "secretString": json.dumps(login)}
    raise ProviderError(f"ResourceNotFoundException: Secrets Manager can't find the specified secret: {wanted}")


def _matching(query: Query, token: str) -> list[Properties]:
    """What stands in the region and has all that is asked for, by arguments, tags, and filters in EC2's words."""
    arguments = query.arguments
    asked: dict[str, set[Any]] = {
        name: {arguments[name]}
        for name in ("id", "name", "bucket", "vpcId", "cidrBlock", "url", "arn")
        if name in arguments
    }
    asked |= {f"tag:{key}": {value} for key, value in arguments.get("tags", {}).items()}
    asked |= {_FILTERS.get(one["name"], one["name"]): {*one["values"]} for one in arguments.get("filters", ())}
    standing = [one.values() for one in query.things(token) if one.region == query.region or token.startswith("iam/")]
    told = [{**one, **{f"tag:{key}": value for key, value in (one.get("tagsAll") or {}).items()}} for one in standing]
    same = [all(one.get(name) in allowed for name, allowed in asked.items()) for one in told]
    return [one for one, fits in zip(standing, same, strict=True) if fits]


def _one(token: str, missing: str) -> Callable[[Query], Properties]:
    def answer(query: Query) -> Properties:
        found = _matching(query, token)
        if len(found) != 1:
            raise ProviderError(f"{missing}: {len(found)} match {query.arguments}, one must")
        return {**found[0], "tags": found[0].get("tagsAll") or {}}

    return answer


def _many(token: str, name: str) -> Callable[[Query], Properties]:
    def answer(query: Query) -> Properties:
        ids = [one["id"] for one in _matching(query, token)]
        return {**query.arguments, name: ids, "id": query.region}

    return answer


def _cluster(query: Query) -> Properties:
    values = _one("eks/cluster:Cluster", "ResourceNotFoundException: No cluster found")(query)
    plural = {"certificateAuthorities": [values["certificateAuthority"]], "clusterId": ""}
    plural |= {f"{name}s": [values[name]] for name in ("accessConfig", "kubernetesNetworkConfig") if name in values}
    return {**values, **plural}


ANSWERS: Mapping[str, Callable[[Query], Properties]] = {
    "index/getCallerIdentity:getCallerIdentity": _identity,
    "index/getAvailabilityZones:getAvailabilityZones": _zones,
    "iam/getSessionContext:getSessionContext": _session,
    "iam/getOpenIdConnectProvider:getOpenIdConnectProvider": _one(
        "iam/openIdConnectProvider:OpenIdConnectProvider", "NoSuchEntity"
    ),
    "ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offerings,
    "ec2/getInstanceType:getInstanceType": _type,
    "ec2/getPrefixList:getPrefixList": _prefixes,
    "ec2/getVpc:getVpc": _one("ec2/vpc:Vpc", "no matching EC2 VPC found"),
    "ec2/getVpcs:getVpcs": _many("ec2/vpc:Vpc", "ids"),
    "ec2/getSubnet:getSubnet": _one("ec2/subnet:Subnet", "no matching EC2 Subnet found"),
    "ec2/getSubnets:getSubnets": _many("ec2/subnet:Subnet", "ids"),
    "ec2/getEips:getEips": _many("ec2/eip:Eip", "allocationIds"),
    "s3/getBucket:getBucket": _one("s3/bucket:Bucket", "no such bucket"),
    "servicequotas/getServiceQuota:getServiceQuota": _quota,
    "eks/getCluster:getCluster": _cluster,
    "rds/getOrderableDbInstance:getOrderableDbInstance": _orderable,
    "secretsmanager/getSecretVersion:getSecretVersion": _secret,
}
