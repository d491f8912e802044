"""The budget that warns, and the role that a stack's CI takes without a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.aws_answers import ACCOUNT, DATA_SUBNETS, Account
from tests.clouds.aws_declared import AUTHORITIES, environment, platform, sliced
from tests.support.recording import Recorded, Registration

Run = Callable[..., Recorded]
BUDGET = {"monthly": 500, "alert_at": [60, 90], "notify": ["ops@example.org"]}
CI = {"issuer": "github", "repository": "example/churn"}
ISSUER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def of(recorded: Recorded, kind: str) -> dict[str, Registration]:
    return {r.name: r for r in recorded.registrations if r.kind == kind}


def test_nothing_is_made_that_is_not_declared(run: Run) -> None:
    recorded = run(environment())
    assert not of(recorded, "aws:budgets/budget:Budget")
    assert not of(recorded, "aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert "governance" not in recorded.outputs


def test_a_budget_counts_what_bears_the_stacks_tag(run: Run) -> None:
    recorded = run(environment(budget=BUDGET))
    [budget] = of(recorded, "aws:budgets/budget:Budget").values()
    assert (budget.inputs["limitAmount"], budget.inputs["limitUnit"]) == ("500", "USD")
    assert budget.inputs["costFilters"] == [{"name": "TagKeyValue", "values": ["user:environment$churn-x"]}]
    told = [(n["notificationType"], n["threshold"]) for n in budget.inputs["notifications"]]
    assert told == [("ACTUAL", 60), ("ACTUAL", 90), ("FORECASTED", 100)]
    assert all(n["subscriberEmailAddresses"] == ["ops@example.org"] for n in budget.inputs["notifications"])
    assert recorded.outputs["governance"]["budget"] == {
        "monthly": 500,
        "currency": "USD",
        "notify": ["ops@example.org"],
    }


def test_ci_is_taken_by_its_repository_branch_and_environment(run: Run) -> None:
    recorded = run(environment("testing", ci=CI))
    [issuer] = of(recorded, "aws:iam/openIdConnectProvider:OpenIdConnectProvider").values()
    assert issuer.inputs["clientIdLists"] == ["sts.amazonaws.com"]
    role = of(recorded, "aws:iam/role:Role")["churn-x-deploy-role"].inputs
    [statement] = json.loads(role["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Federated": ISSUER}
    host = "token.actions.githubusercontent.com"
    subject = "repo:example/churn:environment:testing:ref:refs/heads/main"
    said = {"aud": "sts.amazonaws.com", "sub": subject, "repository": "example/churn"}
    said |= {"ref": "refs/heads/main", "environment": "testing"}
    assert statement["Condition"] == {"StringEquals": {f"{host}:{claim}": value for claim, value in said.items()}}
    assert recorded.outputs["governance"]["ci"] == {
        "role": f"arn:aws:iam::{ACCOUNT}:role/terrarium/churn-x/churn-x-deploy",
        "issuer": f"https://{host}",
        "subject": subject,
    }


def test_an_issuer_of_another_stack_is_used_and_ones_own_stays(run: Run, tmp_path: Path) -> None:
    other = Account(issuers={ISSUER: {"environment": "other-x"}})
    recorded = run(environment(ci=CI), answer=other.answer)
    assert not of(recorded, "aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    role = of(recorded, "aws:iam/role:Role")["churn-x-deploy-role"].inputs
    assert json.loads(role["assumeRolePolicy"])["Statement"][0]["Principal"] == {"Federated": ISSUER}
    (tmp_path / "Pulumi.x.yaml").unlink()
    own = Account(issuers={ISSUER: {"environment": "churn-x"}})
    assert of(run(environment(ci=CI), answer=own.answer), "aws:iam/openIdConnectProvider:OpenIdConnectProvider")


def test_ci_changes_roles_of_its_own_stack_and_not_the_one_it_has(run: Run) -> None:
    recorded = run(environment(ci=CI))
    policy = of(recorded, "aws:iam/rolePolicy:RolePolicy")["churn-x-deploy-policy"].inputs["policy"]
    statements: dict[str, Any] = {s["Sid"]: s for s in json.loads(policy)["Statement"]}
    roles = f"arn:aws:iam::{ACCOUNT}:role/terrarium/churn-x/churn-x-"
    assert statements["Roles"]["Resource"] == f"{roles}*"
    assert (statements["NotItself"]["Effect"], statements["NotItself"]["Resource"]) == ("Deny", f"{roles}deploy")
    assert statements["BoundedRoles"]["Resource"] == f"{roles}*"
    assert {"iam:PutRolePolicy", "iam:PassRole"} <= set(statements["NotItself"]["Action"])
    # Tags are changed with the owner in the stack file, its own and the issuer's too.
    assert "iam:TagRole" in statements["Roles"]["Action"]
    assert "iam:TagRole" not in statements["NotItself"]["Action"]
    assert statements["OwnIssuer"]["Action"] == ["iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider"]
    assert statements["OwnIssuer"]["Condition"] == {"StringEquals": {"aws:ResourceTag/environment": "churn-x"}}
    allowed = {a for s in statements.values() if s["Effect"] == "Allow" for a in s["Action"]}
    assert not {a for a in allowed if "User" in a or "AccessKey" in a or "*" in a}
    # Every role that the stack makes is one that its CI may make.
    made = [r.inputs for r in of(recorded, "aws:iam/role:Role").values()]
    assert all(role["path"] == "/terrarium/churn-x/" and role["name"].startswith("churn-x-") for role in made)


def test_ci_of_a_platform_may_deploy(run: Run) -> None:
    recorded = run(platform(ci=CI), "platform", answer=Account(subnets=DATA_SUBNETS).answer)
    principals = [r.inputs["principalArn"] for r in of(recorded, "aws:eks/accessEntry:AccessEntry").values()]
    assert f"arn:aws:iam::{ACCOUNT}:role/terrarium/shared/shared-deploy" in principals


def test_ci_of_one_slice_would_administer_all_of_them_and_is_refused(run: Run) -> None:
    with pytest.raises(Exception, match="would administer its platform's cluster"):
        run(sliced(ci=CI))
