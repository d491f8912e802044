from __future__ import annotations

import json
from typing import Any

import pytest

from rehearsal.cloud import aws_answers, embedded
from rehearsal.cloud.aws import CLOUD, TYPES
from rehearsal.cloud.state import State
from rehearsal.plugins import schema

from .conftest import ACCOUNT, REGION
from .driver import Driver, RefusedError


@pytest.mark.parametrize("token", TYPES)
def test_a_type_says_only_what_the_sdk_has(token: str) -> None:
    kind = TYPES[token]
    inputs, outputs = schema.inputs_of("aws", token), schema.outputs_of("aws", token)
    named = (kind.fixed, kind.unique, kind.named, kind.protected, *kind.refers, *kind.defaults)
    assert {name.split(".")[0].removesuffix("?") for text in named for name in text.split()} <= inputs.keys()
    assert {name for name in kind.outputs if not name.startswith("_")} <= outputs.keys()
    assert {one for text in kind.refers.values() for one in text.split("|")} <= TYPES.keys()
    assert kind.doc.startswith("aws_")
    assert not kind.embedded or hasattr(embedded, kind.embedded)


@pytest.mark.parametrize("token", CLOUD.invokes)
def test_an_answer_has_only_what_the_sdk_reads(aws: Driver, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {"locationType": "availability-zone"},
        "ec2/getInstanceType:getInstanceType": {"instanceType": "g5.12xlarge"},
        "ec2/getVpc:getVpc": {"id": vpc(aws)},
        "ec2/getSubnet:getSubnet": {"vpcId": vpc(aws), "cidrBlock": "10.0.1.0/24"},
        "eks/getCluster:getCluster": {"name": "c"},
        "s3/getBucket:getBucket": {"bucket": aws.create("s3/bucket:Bucket", bucket="it")[0]},
        "iam/getSessionContext:getSessionContext": {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"},
        "iam/getOpenIdConnectProvider:getOpenIdConnectProvider": {"url": "https://example.test"},
        "servicequotas/getServiceQuota:getServiceQuota": {"serviceCode": "ec2", "quotaCode": "L-1216C47A"},
        "rds/getOrderableDbInstance:getOrderableDbInstance": {"engine": "postgres", "instanceClass": "db.t4g.medium"},
        "secretsmanager/getSecretVersion:getSecretVersion": {"secretId": made_secret(aws)},
    }
    monkeypatch.setattr(embedded, "password_of", lambda _instance: "hunter22")
    answer = aws.invoke(token, **arguments.get(token, {}))
    known = set(schema.outputs_of("aws", token))
    assert answer.keys() & known
    assert {"id"} & known <= answer.keys()
    # What stands is told with all that is known of it; the SDK takes what it has a field for.
    assert answer.keys() <= known | {*schema.outputs_of("aws", _of(token)), "tags"}


def _of(token: str) -> str:
    found = [kind for kind in TYPES if kind.rsplit(":")[1] == token.rsplit("get", maxsplit=1)[1]]
    return found[0] if found else "ec2/vpc:Vpc"


def vpc(aws: Driver) -> str:
    found = aws.invoke("ec2/getVpcs:getVpcs")["ids"]
    return str(found[0]) if found else _ground(aws)


def _ground(aws: Driver) -> str:
    key, _, _ = aws.create("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    subnets = [
        aws.create("ec2/subnet:Subnet", vpcId=key, cidrBlock=f"10.0.{part}.0/24", availabilityZone=f"{REGION}{zone}")[0]
        for part, zone in ((1, "a"), (2, "b"))
    ]
    role = aws.create("iam/role:Role", name="r", path="/p/", assumeRolePolicy="{}")[1]["arn"]
    aws.create("eks/cluster:Cluster", name="c", roleArn=role, vpcConfig={"subnetIds": subnets}, tags={"a": "b"})
    aws.create("iam/openIdConnectProvider:OpenIdConnectProvider", url="https://example.test", clientIdLists=["x"])
    return key


def made_secret(aws: Driver) -> str:
    made: dict[str, Any] = {
        "instanceClass": "db.t4g.medium",
        "engine": "postgres",
        "skipFinalSnapshot": True,
        "username": "u",
    }
    kind = "rds/instance:Instance"
    _, kept, _ = aws.create(kind, called="db", identifier="db", manageMasterUserPassword=True, **made)
    return str(kept["masterUserSecrets"][0]["secretArn"])


def test_the_master_users_password_is_told_as_a_secret(aws: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "password_of", lambda _instance: "hunter22")
    answer = aws.invoke("secretsmanager/getSecretVersion:getSecretVersion", secretId=made_secret(aws))
    assert json.loads(answer["secretString"].value) == {"username": "u", "password": "hunter22"}
    with pytest.raises(RefusedError, match="ResourceNotFoundException"):
        aws.invoke("secretsmanager/getSecretVersion:getSecretVersion", secretId="arn:nothing")


def test_account_region_and_limits_come_from_the_settings(aws: Driver, state: State) -> None:
    assert aws.invoke("index/getCallerIdentity:getCallerIdentity")["arn"] == f"arn:aws:iam::{ACCOUNT}:user/rehearsal"
    zones = {"excludeZoneIds": ["euc1-az2"], "allAvailabilityZones": True}
    found = aws.invoke("index/getAvailabilityZones:getAvailabilityZones", **zones)
    assert found["names"] == ["eu-central-1a", "eu-central-1c"]
    assert found["zoneIds"] == ["euc1-az1", "euc1-az3"]
    state.set(quotas={"L-F678F1CE": 1})
    quota = {"serviceCode": "vpc", "quotaCode": "L-F678F1CE"}
    assert aws.invoke("servicequotas/getServiceQuota:getServiceQuota", **quota)["value"] == 1


def test_machines_are_offered_by_family_and_size_unless_the_settings_say_not(aws: Driver, state: State) -> None:
    kind = "ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
    asked = [{"name": "instance-type", "values": ["m7i.2xlarge", "g5.xlarge", "z9.large", "m5.odd"]}]
    found = aws.invoke(kind, filters=asked, locationType="availability-zone")
    assert found["instanceTypes"] == ["m7i.2xlarge"] * 3 + ["g5.xlarge"] * 3
    assert found["locations"] == [f"{REGION}{zone}" for zone in "abc"] * 2
    state.set(machines={**CLOUD.settings["machines"], "not_offered": ["g5"]})
    assert aws.invoke(kind, filters=asked)["instanceTypes"] == ["m7i.2xlarge"]
    assert aws.invoke("ec2/getInstanceType:getInstanceType", instanceType="m7i.2xlarge")["defaultVcpus"] == 8
    with pytest.raises(RefusedError, match="InvalidInstanceType"):
        aws.invoke("ec2/getInstanceType:getInstanceType", instanceType="z9.large")
    with pytest.raises(RefusedError, match="no RDS DB Instance Options"):
        aws.invoke("rds/getOrderableDbInstance:getOrderableDbInstance", engine="postgres", instanceClass="db.z9.large")


def test_what_stands_is_found_by_tags_and_filters(aws: Driver) -> None:
    key = vpc(aws)
    kind = "ec2/getSubnets:getSubnets"
    assert len(aws.invoke(kind, filters=[{"name": "vpc-id", "values": [key]}])["ids"]) == 2
    zone = [{"name": "availability-zone", "values": [f"{REGION}a"]}, {"name": "vpc-id", "values": [key]}]
    assert len(aws.invoke(kind, filters=zone)["ids"]) == 1
    assert aws.invoke(kind, tags={"environment": "churn-dev", "other": "x"})["ids"] == []
    assert aws.invoke("ec2/getVpcs:getVpcs", tags={"environment": "churn-dev"})["ids"] == [key]
    assert aws.invoke("ec2/getVpcs:getVpcs", region="eu-west-1")["ids"] == []
    with pytest.raises(RefusedError, match="no matching EC2 VPC found"):
        aws.invoke("ec2/getVpc:getVpc", id="vpc-0")
    cluster = aws.invoke("eks/getCluster:getCluster", name="c")
    assert cluster["vpcConfig"]["vpcId"] == key
    assert cluster["certificateAuthorities"] == [{"data": ""}]


def test_who_stands_behind_a_session_is_told_with_its_path(aws: Driver) -> None:
    kind = "iam/getSessionContext:getSessionContext"
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/r/someone"
    assert aws.invoke(kind, arn=session)["issuerArn"] == f"arn:aws:iam::{ACCOUNT}:role/r"
    vpc(aws)
    assert aws.invoke(kind, arn=session)["issuerArn"] == f"arn:aws:iam::{ACCOUNT}:role/p/r"
    user = f"arn:aws:iam::{ACCOUNT}:user/x"
    assert aws.invoke(kind, arn=user)["issuerArn"] == user


@pytest.mark.parametrize(
    ("zone", "known"), [("us-east-1c", "use1-az3"), ("ap-southeast-2a", "apse2-az1"), ("us-gov-west-1b", "usgw1-az2")]
)
def test_zones_have_ids(zone: str, known: str) -> None:
    assert aws_answers.zone_id(zone, zone[:-1]) == known


def test_what_aws_itself_would_refuse_is_refused(aws: Driver) -> None:
    key = vpc(aws)
    subnet: dict[str, Any] = {"vpcId": key, "cidrBlock": "10.9.0.0/24"}
    one = aws.invoke("ec2/getSubnets:getSubnets")["ids"][:1]
    mode = {"roleArn": "x", "vpcConfig": {"subnetIds": []}, "computeConfig": {"enabled": True}}
    admin = {"clusterName": "c", "principalArn": "nobody", "policyArn": "p", "accessScope": {"type": "cluster"}}
    for kind, inputs, said in (
        ("ec2/subnet:Subnet", subnet, "InvalidSubnet.Range"),
        ("ec2/subnet:Subnet", {**subnet, "cidrBlock": "10.0.9.0/24", "availabilityZone": f"{REGION}f"}, "no zone"),
        ("ec2/subnet:Subnet", {**subnet, "cidrBlock": "10.0.1.0/24"}, "InvalidSubnet.Conflict"),
        ("ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/8"}, "must be between /16 and /28"),
        ("iam/role:Role", {"assumeRolePolicy": "{"}, "no JSON object"),
        ("eks/cluster:Cluster", mode, "must be enabled as"),
        ("rds/instance:Instance", {"instanceClass": "db.t4g.medium"}, "finalSnapshotIdentifier: is required"),
        ("rds/subnetGroup:SubnetGroup", {"subnetIds": one}, "two availability zones"),
        ("eks/accessPolicyAssociation:AccessPolicyAssociation", admin, "there is no eks/accessEntry"),
    ):
        with pytest.raises(RefusedError, match=said):
            aws.create(kind, **inputs)


def test_access_entries_and_identities_are_of_a_cluster(aws: Driver) -> None:
    vpc(aws)
    people = "arn:aws:iam::123456789012:role/people"
    aws.create("eks/accessEntry:AccessEntry", clusterName="c", principalArn=people, kubernetesGroups=["writers"])
    scope: dict[str, Any] = {
        "clusterName": "c",
        "principalArn": people,
        "policyArn": "p",
        "accessScope": {"type": "cluster"},
    }
    aws.create("eks/accessPolicyAssociation:AccessPolicyAssociation", **scope)
    role = aws.create("iam/role:Role", name="pods", assumeRolePolicy="{}")[1]["arn"]
    pods: dict[str, Any] = {"clusterName": "c", "namespace": "n", "serviceAccount": "s", "roleArn": role}
    assert aws.create("eks/podIdentityAssociation:PodIdentityAssociation", **pods)[0].startswith("a-")
    with pytest.raises(RefusedError, match="ResourceInUseException"):
        aws.create("eks/podIdentityAssociation:PodIdentityAssociation", **pods)


def test_a_clusters_own_group_can_be_let_in_and_holds_the_cluster(aws: Driver) -> None:
    key = vpc(aws)
    own = aws.invoke("eks/getCluster:getCluster", name="c")["vpcConfig"]["clusterSecurityGroupId"]
    group = aws.create("ec2/securityGroup:SecurityGroup", name="db", vpcId=key)[0]
    rule: dict[str, Any] = {
        "securityGroupId": group,
        "referencedSecurityGroupId": own,
        "ipProtocol": "tcp",
        "fromPort": 1,
        "toPort": 1,
    }
    kind = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    _, made, given = aws.create(kind, **rule)
    # A rule's ports can be changed, and not what kind of source it has (EC2 API, ModifySecurityGroupRules).
    assert aws.diff(kind, made, given, {**given, "toPort": 2})[0] == {"toPort": "UPDATE"}
    open_to = {name: value for name, value in given.items() if name != "referencedSecurityGroupId"}
    found = aws.diff(kind, made, given, {**open_to, "cidrIpv4": "10.0.0.0/8"})[0]
    assert found == {"cidrIpv4": "ADD_REPLACE", "referencedSecurityGroupId": "DELETE_REPLACE"}
    with pytest.raises(RefusedError, match="DependencyViolation: c is used by vpc/securityGroupIngressRule"):
        aws.delete("eks/cluster:Cluster", {"id": "c"})
