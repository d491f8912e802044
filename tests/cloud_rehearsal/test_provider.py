from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.cloud.state import State
from rehearsal.plugins.properties import UNKNOWN, Secret, to_struct

from .conftest import ACCOUNT, REGION, Told
from .driver import Driver, Imagined, RefusedError

VPC, SUBNET, GROUP = "ec2/vpc:Vpc", "ec2/subnet:Subnet", "ec2/securityGroup:SecurityGroup"
ROLE, LOGS, CLUSTER, DATABASE = (
    "iam/role:Role",
    "cloudwatch/logGroup:LogGroup",
    "eks/cluster:Cluster",
    "rds/instance:Instance",
)
WORD = "hunter22"
TRUST = json.dumps({"Statement": [{"Effect": "Allow", "Action": ["b", "a"]}]})


def edited(state: State, column: str, identifier: str, **values: Any) -> None:
    """Edit a row by hand."""
    patch = f"UPDATE resources SET {column} = json_patch({column}, ?) WHERE id = ?"  # noqa: S608 - ours
    with closing(sqlite3.connect(state.file)) as rows, rows:
        rows.execute(patch, (json.dumps(values), identifier))


def network(aws: Driver) -> tuple[Any, Any, Any]:
    vpc = aws.create(VPC, cidrBlock="10.0.0.0/16")
    one, other = (
        aws.create(SUBNET, vpcId=vpc[0], cidrBlock=f"10.0.{part}.0/24", availabilityZone=f"{REGION}{zone}")
        for part, zone in ((1, "a"), (2, "b"))
    )
    return vpc, one, other


def test_what_is_made_has_ids_arns_and_the_providers_tags(aws: Driver) -> None:
    identifier, made, _ = aws.create(VPC, cidrBlock="10.0.0.0/16", tags={"Name": "x"})
    assert identifier.startswith("vpc-")
    assert made["arn"] == f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/{identifier}"
    assert made["tagsAll"] == {"Name": "x", "environment": "churn-dev"}
    assert made["tags"] == {"Name": "x"}
    assert (made["enableDnsSupport"], made["region"], made["mainRouteTableId"]) == (
        True,
        REGION,
        made["defaultRouteTableId"],
    )
    assert not [name for name in made if name.startswith("_")]


def test_a_preview_knows_what_inputs_say_and_nothing_that_the_cloud_computes(aws: Driver, state: State) -> None:
    identifier, planned, _ = aws.create(VPC, preview=True, cidrBlock="10.0.0.0/16")
    assert identifier == ""
    assert planned["arn"] is UNKNOWN
    assert planned["defaultSecurityGroupId"] is UNKNOWN
    assert (planned["cidrBlock"], planned["instanceTenancy"]) == ("10.0.0.0/16", "default")
    assert planned["tagsAll"] == {"environment": "churn-dev"}
    assert state.things() == []
    _, planned, _ = aws.create(SUBNET, preview=True, vpcId=UNKNOWN, cidrBlock="10.0.0.0/24")
    assert planned["vpcId"] is UNKNOWN
    assert planned["availabilityZone"] is UNKNOWN


def test_the_same_is_no_change_in_whatever_order_it_is_written(aws: Driver) -> None:
    _, made, given = aws.create(ROLE, name="x", assumeRolePolicy=TRUST)
    again = json.dumps({"Statement": [{"Action": ["a", "b"], "Effect": "Allow"}]}, indent=1)
    assert aws.diff(ROLE, made, given, {**given, "assumeRolePolicy": again}) == ({}, False)
    assert aws.diff(ROLE, made, given, {**given, "maxSessionDuration": 3600}) == ({}, False)


def test_what_the_documentation_lets_change_is_changed_and_the_rest_replaced(aws: Driver) -> None:
    _, made, given = aws.create(VPC, cidrBlock="10.0.0.0/16")
    assert aws.diff(VPC, made, given, {**given, "enableDnsHostnames": True}) == ({"enableDnsHostnames": "ADD"}, False)
    assert aws.diff(VPC, made, given, {**given, "cidrBlock": "10.1.0.0/16"}) == ({"cidrBlock": "UPDATE_REPLACE"}, False)
    changed = aws.update(VPC, made, {**given, "enableDnsHostnames": True, "tags": {"Name": "y"}})
    assert (changed["enableDnsHostnames"], changed["arn"]) == (True, made["arn"])
    assert changed["tagsAll"] == {"Name": "y", "environment": "churn-dev"}


def test_a_named_thing_goes_before_its_successor_comes_unless_its_name_was_made_up(aws: Driver) -> None:
    _, made, given = aws.create(LOGS, name="x")
    assert aws.diff(LOGS, made, given, {**given, "logGroupClass": "INFREQUENT_ACCESS"})[1]
    _, made, given = aws.create(LOGS)
    assert given["name"].startswith("it-")
    assert not aws.diff(LOGS, made, given, {**given, "logGroupClass": "INFREQUENT_ACCESS"})[1]
    assert aws.check(LOGS, {}, given)["name"] == given["name"]


def test_a_change_that_nobody_looked_up_is_told_once(aws: Driver, told: Told) -> None:
    _, made, given = aws.create(VPC, cidrBlock="10.0.0.0/16")
    for _ in range(2):
        aws.diff(VPC, made, given, {**given, "ipv6NetmaskLength": 56})
        aws.diff(VPC, made, given, {**given, "tags": {"a": "b"}})
    assert [line for line in told.lines if "unverified" in line] == [
        "unverified: whether ec2/vpc:Vpc can change ipv6NetmaskLength in place; the rehearsal does"
    ]


def test_what_is_referred_to_must_exist_and_can_not_be_deleted(aws: Driver) -> None:
    missing = "vpc-0123456789abcdef0"
    with pytest.raises(RefusedError, match=f"vpcId: there is no ec2/vpc:Vpc {missing}"):
        aws.create(SUBNET, vpcId=missing, cidrBlock="10.0.0.0/24")
    with pytest.raises(RefusedError, match="there is no sg-0123456789abcdef0"):
        aws.create(ROLE, name="x", assumeRolePolicy="{}", description="sg-0123456789abcdef0")
    (_, vpc, _), (_, subnet, _), _ = network(aws)
    with pytest.raises(
        RefusedError, match=f"DependencyViolation: {vpc['id']} is used by ec2/subnet:Subnet {subnet['id']}"
    ):
        aws.delete(VPC, vpc)


def test_what_a_thing_gave_out_exists_too(aws: Driver) -> None:
    (_, vpc, _), *_ = network(aws)
    _, group, _ = aws.create("ec2/defaultSecurityGroup:DefaultSecurityGroup", vpcId=vpc["id"])
    assert group["id"] == vpc["defaultSecurityGroupId"]


def test_names_are_unique_in_their_scope(aws: Driver, state: State) -> None:
    aws.create(ROLE, name="x", assumeRolePolicy="{}")
    with pytest.raises(RefusedError, match="EntityAlreadyExists: there is one with name x already"):
        aws.create(ROLE, name="x", assumeRolePolicy="{}")
    aws.create(LOGS, name="x")
    _, other, given = aws.create(LOGS, name="x", region="eu-west-1")
    assert (other["region"], given["region"]) == ("eu-west-1", "eu-west-1")
    aws.delete(LOGS, other)
    assert [thing.region for thing in state.things() if thing.type == LOGS] == [REGION]
    aws.create("s3/bucket:Bucket", bucket="the-world")
    with pytest.raises(RefusedError, match="BucketAlreadyExists"):
        aws.create("s3/bucket:Bucket", bucket="the-world", region="eu-west-1")


def test_what_was_changed_by_hand_is_a_difference_and_what_was_deleted_is_gone(aws: Driver, state: State) -> None:
    key, made, given = aws.create(LOGS, name="x", retentionInDays=7)
    assert aws.read(LOGS, key, made, given) == (made, given)
    edited(state, "inputs", key, retentionInDays=1)
    live, inputs = aws.read(LOGS, key, made, given)
    assert live["retentionInDays"] == 1
    assert aws.diff(LOGS, live, inputs, given)[0] == {"retentionInDays": "UPDATE"}
    edited(state, "outputs", key, tagsAll={"environment": None})
    live, inputs = aws.read(LOGS, key, live, inputs)
    assert "tagsAll.environment" in aws.diff(LOGS, live, inputs, given)[0]
    assert aws.update(LOGS, live, given)["tagsAll"] == {"environment": "churn-dev"}
    with state.rows() as rows:
        rows.execute("DELETE FROM resources")
    assert aws.read(LOGS, key, live, inputs) == ({}, {})
    with pytest.raises(RefusedError, match="x is gone"):
        aws.update(LOGS, live, given)
    aws.delete(LOGS, live)


def test_what_stands_there_is_imported_by_its_id(aws: Driver) -> None:
    key, made, given = aws.create(LOGS, name="x", retentionInDays=7)
    assert aws.read(LOGS, key, {}, {}) == (made, given)


def test_another_account_is_refused_before_anything_is_asked(aws: Driver) -> None:
    with pytest.raises(RefusedError, match=f"AWS account ID not allowed: {ACCOUNT}"):
        aws.configure(region=REGION, allowedAccountIds='["999999999999"]')
    with pytest.raises(RefusedError, match="Missing region"):
        aws.configure()
    role = '[{"roleArn": "arn:aws:iam::444455556666:role/deploy"}]'
    aws.configure(region=REGION, allowedAccountIds='["444455556666"]', assumeRoles=role)
    assert aws.invoke("index/getCallerIdentity:getCallerIdentity")["accountId"] == "444455556666"


def test_settings_that_the_sdk_lacks_are_refused(aws: Driver) -> None:
    news = to_struct({"region": REGION, "regoin": "x", "defaultTags": '{"tags": 3}', "version": "7.12.0"})
    failures = aws.provider.CheckConfig(pb.CheckRequest(news=news), aws.context).failures
    assert {one.property for one in failures} == {"regoin", "defaultTags.tags"}


def test_a_password_is_secret_in_state_and_absent_elsewhere(aws: Driver, state: State, told: Told) -> None:
    made: dict[str, Any] = {
        "instanceClass": "db.t4g.medium",
        "engine": "postgres",
        "skipFinalSnapshot": True,
        "username": "u",
    }
    key, kept, given = aws.create(DATABASE, identifier="x", password=WORD, **made)
    assert kept["password"] == given["password"] == Secret(WORD)
    assert aws.read(DATABASE, key, kept, given)[1]["password"] == Secret(WORD)
    assert aws.diff(DATABASE, kept, given, {**given, "password": Secret("other")})[0] == {"password": "UPDATE"}
    with pytest.raises(RefusedError) as refused:
        aws.create(DATABASE, identifier="x", password=Secret(WORD), dbSubnetGroupName=WORD, **made)
    assert WORD not in str(refused.value)
    state.note("read", DATABASE, key, "done")
    with sqlite3.connect(state.file) as rows:
        stored = "\n".join(rows.iterdump())
    rows.close()
    assert WORD not in stored + "".join(told.lines)


def test_what_is_protected_is_not_deleted(aws: Driver) -> None:
    made: dict[str, Any] = {"instanceClass": "db.t4g.medium", "engine": "postgres", "skipFinalSnapshot": True}
    _, kept, given = aws.create(DATABASE, identifier="x", deletionProtection=True, **made)
    with pytest.raises(RefusedError, match="is protected: set deletionProtection to false first"):
        aws.delete(DATABASE, kept)
    aws.delete(DATABASE, aws.update(DATABASE, kept, {**given, "deletionProtection": False}))


def cluster(aws: Driver, part: Imagined) -> tuple[str, Any, Any]:
    _, (one, *_), (other, *_) = network(aws)
    _, role, _ = aws.create(ROLE, name="x", assumeRolePolicy="{}")
    return aws.create(CLUSTER, name="c", roleArn=role["arn"], vpcConfig={"subnetIds": [one, other]})


def test_real_parts_are_made_healed_and_deleted(aws: Driver, part: Imagined, state: State) -> None:
    key, made, given = cluster(aws, part)
    assert made["endpoint"] == "https://127.0.0.1:1"
    assert made["vpcConfig"]["clusterSecurityGroupId"].startswith("sg-")
    assert made["vpcConfig"]["subnetIds"] == given["vpcConfig"]["subnetIds"]
    assert aws.update(CLUSTER, made, {**given, "tags": {"a": "b"}})["endpoint"] == "https://127.0.0.1:1"
    part.gone = True
    assert aws.read(CLUSTER, key, made, given) == ({}, {})
    assert not [thing for thing in state.things() if thing.type == CLUSTER]


def test_a_real_part_that_does_not_start_leaves_nothing(aws: Driver, part: Imagined, state: State) -> None:
    part.fails = True
    with pytest.raises(RefusedError, match="the part does not start"):
        cluster(aws, part)
    assert not [thing for thing in state.things() if thing.type == CLUSTER]


def test_an_unknown_type_or_function_is_refused_by_name(aws: Driver) -> None:
    with pytest.raises(RefusedError, match="the rehearsal of AWS has no sqs/queue:Queue"):
        aws.check("sqs/queue:Queue", {})
    with pytest.raises(RefusedError, match="has no such function"):
        aws.invoke("sqs/getQueue:getQueue", name="x")
    with pytest.raises(RefusedError, match="there is no argument nmae"):
        aws.invoke("eks/getCluster:getCluster", nmae="x")
