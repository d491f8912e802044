from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rehearsal.cloud.aws import CLOUD
from rehearsal.cloud.state import HOME, State
from rehearsal.cloud.table import Thing
from tests.plugins.project import Project

from .conftest import ACCOUNT

PROGRAM = """
import json
import pulumi, pulumi_aws as aws

account = aws.Provider(
    "account", region="eu-central-1", allowed_account_ids=["{account}"],
    default_tags=aws.ProviderDefaultTagsArgs(tags={{"environment": "churn-dev"}}),
)
opts = pulumi.ResourceOptions(provider=account)
asked = pulumi.InvokeOptions(provider=account)
zones = aws.get_availability_zones(opts=asked).names
vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, opts=opts)
aws.ec2.DefaultSecurityGroup("empty", vpc_id=vpc.id, opts=opts)
table = aws.ec2.RouteTable("table", vpc_id=vpc.id, opts=opts)
for number, zone in enumerate(zones):
    cidr = f"10.0.{{number + {shift}}}.0/24"
    subnet = aws.ec2.Subnet(
        f"subnet-{{zone[-1]}}", vpc_id=vpc.id, availability_zone=zone, cidr_block=cidr, opts=opts
    )
    aws.ec2.RouteTableAssociation(f"routed-{{zone[-1]}}", route_table_id=table.id, subnet_id=subnet.id, opts=opts)
key = aws.kms.Key("key", enable_key_rotation=True, opts=opts)
logs = aws.cloudwatch.LogGroup("logs", name="/flow", retention_in_days={days}, kms_key_id=key.arn, opts=opts)
trust = json.dumps({{"Version": "2012-10-17", "Statement": []}})
role = aws.iam.Role("role", path="/terrarium/", assume_role_policy=trust, opts=opts)
policy = aws.iam.RolePolicy("policy", role=role.name, policy=trust, opts=opts)
aws.ec2.FlowLog(
    "flow", vpc_id=vpc.id, traffic_type="ALL", log_destination=logs.arn, iam_role_arn=role.arn, opts=opts
)
pulumi.export("arn", vpc.arn)
"""


@pytest.fixture
def cloud(project: Project, tmp_path: Path) -> State:
    """The cloud that the project's plugins find by their variable."""
    project.environment[HOME] = str(tmp_path / "cloud")
    return State("aws", CLOUD.settings, tmp_path / "cloud")


def program(days: int = 7, shift: int = 1, account: str = ACCOUNT) -> str:
    return PROGRAM.format(days=days, shift=shift, account=account)


def test_a_rehearsed_account_lives_as_a_real_one(project: Project, cloud: State) -> None:
    project.write(program())
    steps = project.steps()
    assert steps["vpc"] == ("create", set())
    assert cloud.things() == []
    project.told(project.up(), "rehearsed: nothing is made on AWS")
    made = {thing.type: thing for thing in cloud.things()}
    assert project.resources()["vpc"]["id"] == made["ec2/vpc:Vpc"].id
    assert project.resources()["vpc"]["outputs"]["tagsAll"] == {"environment": "churn-dev"}
    project.pulumi("preview", "--refresh", "--expect-no-changes")

    project.write(program(days=14))
    assert project.steps() == {"logs": ("update", {"retentionInDays"})}
    project.up()
    with closing(sqlite3.connect(cloud.file)) as rows, rows:
        rows.execute("UPDATE resources SET inputs = json_set(inputs, '$.retentionInDays', 1) WHERE id = '/flow'")
        rows.execute("DELETE FROM resources WHERE type = 'ec2/routeTableAssociation:RouteTableAssociation'")
    project.up("--refresh")
    stood = {thing.type: thing for thing in cloud.things()}
    assert stood["cloudwatch/logGroup:LogGroup"].inputs["retentionInDays"] == 14
    assert "ec2/routeTableAssociation:RouteTableAssociation" in stood

    project.write(program(days=14, shift=4))
    assert {name: op for name, (op, _) in project.steps().items()} == {
        **{f"subnet-{zone}": "replace" for zone in "abc"},
        **{f"routed-{zone}": "replace" for zone in "abc"},
    }
    project.up()
    project.pulumi("preview", "--refresh", "--expect-no-changes")

    group = Thing(
        "ec2/securityGroup:SecurityGroup", "sg-1", ACCOUNT, "eu-central-1", "", {"vpcId": stood["ec2/vpc:Vpc"].id}, {}
    )
    cloud.put(group)
    project.told(project.pulumi("destroy", "--yes", fails=True), "DependencyViolation", "sg-1")
    cloud.remove(group)
    project.pulumi("destroy", "--yes")
    assert cloud.things() == []


def test_another_account_is_refused_before_anything_is_made(project: Project, cloud: State) -> None:
    project.write(program(account="999999999999"))
    project.told(project.up(fails=True), f"AWS account ID not allowed: {ACCOUNT}")
    assert cloud.things() == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cloud_that_fails_three_calls_in_ten_is_built_and_cleared(project: Project, cloud: State, seed: int) -> None:
    cloud.set(faults={"rate": 0.3, "seed": seed, "slow": 0.05})
    project.write(program())
    project.up()
    assert sum(thing.type == "ec2/subnet:Subnet" for thing in cloud.things()) == 3
    project.write(program(days=14, shift=4))
    project.up("--refresh")
    project.pulumi("preview", "--refresh", "--expect-no-changes")
    project.pulumi("destroy", "--yes")
    assert cloud.things() == []
    with cloud.rows() as rows:
        results = dict(rows.execute("SELECT result, count(*) FROM calls GROUP BY result"))
    assert results.keys() == {"done", "lost", "throttled"}, json.dumps(results)
