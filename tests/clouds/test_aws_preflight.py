"""What AWS would refuse half-way is found before anything is made, all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.clouds.aws_answers import DATA_SUBNETS, VPC, Account
from tests.clouds.aws_declared import AUTHORITIES, environment, lake, platform, sliced
from tests.support.recording import Recorded

Run = Callable[..., Recorded]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that runs a stack which AWS refuses, and returns the lines of the refusal."""
    made: list[str] = []
    real = pulumi.CustomResource.__init__

    def seen(self: Any, kind: str, *args: Any, **kwargs: Any) -> None:
        made.append(kind)
        real(self, kind, *args, **kwargs)

    monkeypatch.setattr(pulumi.CustomResource, "__init__", seen)

    def refusal(account: Account, block: dict[str, Any], kind: str = "environment") -> list[str]:
        with pytest.raises(pulumi.RunError) as error:
            run(block, kind, answer=account.answer)
        assert not [each for each in made if not each.startswith("pulumi:providers")], "something was made"
        return str(error.value).splitlines()

    return refusal


def test_another_account_is_refused_and_nothing_else_is_asked(refused: Callable[..., list[str]]) -> None:
    account = Account(number="999999999999", quotas={"L-1216C47A": 0})
    [line] = refused(account, environment("testing"))
    assert "the credentials are of account 999999999999, and the stack's is 123456789012" in line
    assert [name for name, _ in account.asked] == ["getCallerIdentity"]


def test_credentials_that_are_not_taken_say_what_to_do(refused: Callable[..., list[str]]) -> None:
    class Expired(Account):
        def _get_caller_identity(self, **_: Any) -> Any:
            raise LookupError("ExpiredToken: The security token included in the request is expired")

    lines = refused(Expired(), environment())
    assert "ExpiredToken" in lines[0]
    assert "aws sts get-caller-identity" in lines[1]


def test_all_that_aws_lacks_is_said_at_once(refused: Callable[..., list[str]]) -> None:
    account = Account(
        offered=lambda kind: not kind.startswith("g"),
        zones=("eu-central-1a", "eu-central-1b"),
        quotas={"L-1216C47A": 32, "L-F678F1CE": 5, "L-0263D0A3": 2},
        vpcs=5,
    )
    pools = {
        "work": {"cpu": 8, "max": 10},
        "train": {"machine": "gpu", "max": 2},
        "odd": {"size": "m7i.48xlarge", "max": 1},
    }
    lines = "\n".join(refused(account, environment("production", pools=pools)))
    assert "cloud.aws.zones: 3 zones are asked for, and EKS can use eu-central-1a, eu-central-1b" in lines
    assert "pools.train: GPUs of this kind are not offered in eu-central-1 (asked for g6.xlarge, g5.xlarge)" in lines
    assert "pools: all pools at their maximum have 96 cores, and the account's quota in eu-central-1 is 32" in lines
    assert "L-1216C47A" in lines
    assert "with this one there are 6 VPCs" in lines
    assert "with its gateways' there are 3 addresses" in lines


def test_an_unknown_size_is_refused_by_name(refused: Callable[..., list[str]]) -> None:
    account = Account(offered=lambda kind: kind != "m99i.xlarge")
    [line] = refused(account, environment(pools={"a": {"size": "m99i.xlarge", "max": 1}}))
    assert line == "pools.a: such machines are not offered in eu-central-1 (asked for m99i.xlarge)"


def test_what_may_not_be_asked_is_told_with_aws_own_words(refused: Callable[..., list[str]]) -> None:
    class Strict(Account):
        def _get_service_quota(self, **_: Any) -> Any:
            raise LookupError(
                "invocation of aws:servicequotas/x:x returned an error: AccessDenied: not servicequotas:GetServiceQuota"
            )

        def _get_orderable_db_instance(self, **_: Any) -> Any:
            raise LookupError("no RDS DB Instance Orderable found matching criteria; try a different search")

    lines = refused(Strict(), environment())
    assert any(line.endswith("AWS says: AccessDenied: not servicequotas:GetServiceQuota") for line in lines)
    assert any(line.startswith("cloud.aws.database.instance_class: AWS says: ") for line in lines)


def test_spot_and_on_demand_have_quotas_of_their_own(run: Run) -> None:
    account = Account(quotas={"L-1216C47A": 0})
    run(environment(pools={"a": {"cpu": 4, "max": 9, "spot": True}}), answer=account.answer)
    asked = {args["quotaCode"] for name, args in account.asked if name == "getServiceQuota"}
    assert asked == {"L-34B43A08", "L-F678F1CE", "L-0263D0A3"}


def test_a_database_in_one_zone_is_no_production(refused: Callable[..., list[str]]) -> None:
    class Small(Account):
        def _get_orderable_db_instance(self, **_: Any) -> Any:
            return {"multiAzCapable": False, "id": "x"}

    [line] = refused(Small(), environment("production"))
    assert "db.m7g.large can't stand by in a second zone" in line


@pytest.mark.parametrize(("block", "kind"), [(sliced(), "environment"), (lake(), "lake")])
def test_a_platform_that_is_not_there(refused: Callable[..., list[str]], block: dict[str, Any], kind: str) -> None:
    [line] = refused(Account(clusters=()), block, kind)
    assert line == "cloud.aws.platform: AWS says: couldn't find resource: no EKS cluster shared"


def test_a_platform_without_subnets_for_databases(refused: Callable[..., list[str]]) -> None:
    [line] = refused(Account(), sliced())
    assert f"{VPC} has no subnets of ours for databases" in line


def test_adopted_subnets_are_of_the_vpc_and_in_two_zones(refused: Callable[..., list[str]]) -> None:
    here = "eu-central-1a"
    subnets = {
        "subnet-11111111": (VPC, here, "10.80.1.0/24"),
        "subnet-22222222": (VPC, here, "10.80.2.0/24"),
        "subnet-33333333": ("vpc-99999999", "eu-central-1b", "10.81.3.0/24"),
    }
    adopt = {
        "vpc": VPC,
        "node_subnets": ["subnet-11111111", "subnet-22222222"],
        "database_subnets": ["subnet-33333333", "subnet-44444444"],
    }
    block = environment(aws={"adopt": adopt}, network={})
    lines = refused(Account(subnets=subnets), block)
    assert "cloud.aws.adopt.database_subnets: AWS says: " in lines[0]
    assert "subnet-44444444" in lines[0]
    assert f"subnet-33333333 is in vpc-99999999, not in {VPC}" in "\n".join(lines)
    assert "node_subnets: all are in eu-central-1a; name subnets in two zones" in "\n".join(lines)


def test_a_session_is_traced_to_its_role_with_its_path(run: Run) -> None:
    caller = "arn:aws:sts::123456789012:assumed-role/admin/ada@example.org"
    recorded = run(platform(), "platform", answer=Account(caller=caller).answer)
    entries = [r.inputs["principalArn"] for r in recorded.registrations if r.kind == "aws:eks/accessEntry:AccessEntry"]
    assert entries == ["arn:aws:iam::123456789012:role/people/admin"]


def test_a_slice_asks_neither_for_machines_nor_for_quotas(run: Run) -> None:
    account = Account(subnets=DATA_SUBNETS)
    run(sliced(), answer=account.answer)
    asked = {name for name, _ in account.asked}
    assert not asked & {"getServiceQuota", "getInstanceTypeOfferings", "getVpcs", "getEips"}
