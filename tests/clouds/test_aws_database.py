"""What is asked of RDS, how its administrator is reached, and what of it may ever be seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.aws import database, store
from components.contract import NotReached
from tests.clouds import aws_ground
from tests.clouds.aws_ground import AUTHORITIES, KEY, PASSWORD, block
from tests.support.recording import Recorded, Registration, record_program

SIGNATURE = "4dabf18193072939515e22adb298388d"
Make = Callable[..., Recorded]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "stacks")
    return tmp_path


@pytest.fixture
def make(project: Path) -> Make:
    del project

    def run(declared: Mapping[str, Any]) -> Recorded:
        settings, own = aws_ground.environment(declared)

        def program() -> Mapping[str, Any]:
            uid, ground = pulumi.Output.from_input("0badcafe"), aws_ground.ground()
            builder = store.Builder(own, "churn-x-store", uid, ground, pulumi.ResourceOptions())
            return {"store": builder.environment(settings, None).published}

        return record_program(program, made=aws_ground.made, answer=aws_ground.answer)

    return run


def of(recorded: Recorded, kind: str) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in recorded.registrations if r.kind == kind}


def instance(recorded: Recorded) -> dict[str, Any]:
    [found] = of(recorded, "aws:rds/instance:Instance").values()
    return found


def test_the_server_is_private_encrypted_and_has_a_password_that_aws_draws(make: Make) -> None:
    found = instance(make(block()))
    assert found == {
        "identifier": "churn-x-0badcafe",
        "engine": "postgres",
        "engineVersion": "17",
        "allowMajorVersionUpgrade": True,
        "autoMinorVersionUpgrade": True,
        "instanceClass": "db.t4g.medium",
        "storageType": "gp3",
        "allocatedStorage": 50.0,
        "storageEncrypted": True,
        "kmsKeyId": KEY,
        "username": "terrarium",
        "manageMasterUserPassword": True,
        "masterUserSecretKmsKeyId": KEY,
        "iamDatabaseAuthenticationEnabled": True,
        "dbSubnetGroupName": "churn-x-0badcafe",
        "vpcSecurityGroupIds": ["churn-x-store-server-id"],
        "publiclyAccessible": False,
        "port": 5432.0,
        "parameterGroupName": "churn-x-0badcafe-17",
        "multiAz": False,
        "backupRetentionPeriod": 1.0,
        "copyTagsToSnapshot": True,
        "deleteAutomatedBackups": True,
        "deletionProtection": False,
        "skipFinalSnapshot": True,
        "performanceInsightsEnabled": False,
        "applyImmediately": True,
    }


@pytest.mark.parametrize(("tier", "days"), [("experimentation", 1), ("testing", 7), ("production", 35)])
def test_how_far_back_one_can_go_is_the_tiers_to_say(make: Make, tier: str, days: int) -> None:
    found = instance(make(block(tier)))
    assert found["backupRetentionPeriod"] == days
    assert found["multiAz"] is (tier == "production")


def test_production_outlives_a_mistake(make: Make) -> None:
    found = instance(make(block("production")))
    assert found["deletionProtection"]
    assert not found["skipFinalSnapshot"]
    assert not found["deleteAutomatedBackups"]
    assert found["finalSnapshotIdentifier"] == "churn-x-0badcafe-final"
    assert found["instanceClass"] == "db.m7g.large"


def test_only_the_cluster_reaches_it_and_only_by_tls(make: Make) -> None:
    recorded = make(block())
    [group] = of(recorded, "aws:ec2/securityGroup:SecurityGroup").values()
    assert "ingress" not in group
    assert "egress" not in group
    [rule] = of(recorded, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").values()
    assert (rule["referencedSecurityGroupId"], rule["ipProtocol"]) == ("sg-cluster", "tcp")
    assert (rule["fromPort"], rule["toPort"]) == (5432, 5432)
    [parameters] = of(recorded, "aws:rds/parameterGroup:ParameterGroup").values()
    assert parameters["family"] == "postgres17"
    assert parameters["parameters"] == [{"name": "rds.force_ssl", "value": "1", "applyMethod": "pending-reboot"}]
    [subnets] = of(recorded, "aws:rds/subnetGroup:SubnetGroup").values()
    assert subnets["subnetIds"] == ["subnet-1", "subnet-2", "subnet-3"]


def test_its_administrator_is_no_superuser_and_verifies_whom_it_talks_to(make: Make) -> None:
    providers = of(make(block()), "pulumi:providers:postgresql")
    assert set(providers) == {"churn-x-store-database", "churn-x-store-logins"}
    for found in providers.values():
        assert (found["superuser"], found["username"], found["sslmode"]) == ("false", "terrarium", "verify-full")
        assert found["sslrootcert"] == "../rds.pem", "the same in every checkout"
        assert found["host"] == "churn-x-0badcafe.c1.eu-west-1.rds.amazonaws.com"
        assert found["password"] == {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": PASSWORD}
    assert providers["churn-x-store-logins"]["database"] == "churn_x_0badcafe"


def test_the_masters_password_stands_nowhere_but_in_a_secret(make: Make) -> None:
    recorded = make(block())
    assert PASSWORD not in json.dumps([_open(r) for r in recorded.registrations])


def _open(value: Any) -> Any:
    """What of a value is not marked as secret."""
    if isinstance(value, Registration):
        return _open(value.inputs)
    if isinstance(value, dict):
        return {} if SIGNATURE in value else {key: _open(item) for key, item in value.items()}
    return [_open(item) for item in value] if isinstance(value, list) else value


def test_tokens_open_a_login_of_their_own_as_they_would_shut_passwords_out(make: Make) -> None:
    asked = block(aws={"database": {"authorities": "rds.pem", "token_logins": True}})
    roles = of(make(asked), "postgresql:index/role:Role")
    tokens = {n: i for n, i in roles.items() if n.endswith("-tokens")}
    assert {i["name"] for i in tokens.values()} == {"churn_x_0badcafe_rw_iam", "churn_x_0badcafe_ro_iam"}
    for found in tokens.values():
        assert found["roles"][1:] == ["rds_iam"]
        assert found["assumeRole"] == found["roles"][0]
        assert "password" not in found
    for name, found in roles.items():
        assert name in tokens or "rds_iam" not in (found.get("roles") or [])


def test_no_group_is_called_as_ec2_calls_its_own(make: Make) -> None:
    groups = of(make(block(project="sg")), "aws:ec2/securityGroup:SecurityGroup")
    assert [group["name"] for group in groups.values()] == ["database-sg-x-0badcafe"]


def test_nobody_shuts_the_administrators_password_out_unasked(make: Make) -> None:
    recorded = make(block("production"))
    assert "rds_iam" not in json.dumps([r.inputs for r in recorded.registrations if r.short == "Role"])
    assert "rds-db:connect" not in json.dumps([r.inputs for r in recorded.registrations if r.short == "RolePolicy"])


def test_the_final_snapshot_is_made_before_anything_is_dropped(make: Make) -> None:
    made = [r for r in make(block("production")).registrations if r.kind.startswith("postgresql:")]
    assert len(made) > 10
    assert {r.deleted_with.rpartition("::")[2] for r in made} == {"churn-x-store-server", "churn-x-store-database"}
    [database] = [r for r in made if r.short == "Database"]
    assert database.deleted_with.endswith("::churn-x-store-server")


def test_a_major_version_is_what_the_stack_file_says(make: Make) -> None:
    recorded = make(block(aws={"database": {"authorities": "rds.pem", "version": "16", "max_storage_gb": 100}}))
    assert instance(recorded)["engineVersion"] == "16"
    assert instance(recorded)["maxAllocatedStorage"] == 100
    assert list(of(recorded, "aws:rds/parameterGroup:ParameterGroup")) == ["churn-x-store-server-parameters-16"]


def test_authorities_are_found_from_a_folder_of_the_project_and_told_apart_from_other_files(project: Path) -> None:
    declared = aws_ground.environment(block())[1].database
    assert declared is not None
    assert database.authorities(declared) == project / "rds.pem"
    with pytest.raises(NotReached, match=r"can't be read \(FileNotFoundError\)"):
        database.authorities(declared, project / "stacks")
    (project / "rds.pem").write_text("<html>", encoding="utf-8")
    with pytest.raises(NotReached, match="holds no certificate in PEM form"):
        database.authorities(declared)


def test_without_a_database_nothing_is_made() -> None:
    settings, own = aws_ground.environment(block(aws={"database": None}))

    def program() -> Mapping[str, Any]:
        uid, ground = pulumi.Output.from_input("0badcafe"), aws_ground.ground()
        store.Builder(own, "s", uid, ground, pulumi.ResourceOptions()).environment(settings, None)
        return {}

    with pytest.raises(NotReached, match=r"cloud\.aws\.database is missing"):
        record_program(program, made=aws_ground.made, answer=aws_ground.answer)
