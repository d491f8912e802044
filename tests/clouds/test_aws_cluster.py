"""The EKS cluster, who may call it, and the cluster that exists."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.aws import access
from tests.clouds.aws_answers import ACCOUNT, DEPLOYER, REGION, VPC, Account
from tests.clouds.aws_declared import AUTHORITIES, OFFICE, environment, platform, sliced
from tests.support.recording import Recorded, Registration

Run = Callable[..., Recorded]
CI = {"issuer": "github", "repository": "example/churn"}
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/terrarium/churn-x/churn-x-deploy"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def of(recorded: Recorded, kind: str) -> list[Registration]:
    return [r for r in recorded.registrations if r.kind.rpartition(":")[2] == kind and r.kind.startswith("aws:")]


def cluster(recorded: Recorded) -> Mapping[str, Any]:
    [found] = of(recorded, "Cluster")
    return found.inputs


def kubeconfig(recorded: Recorded) -> Any:
    [provider] = [r for r in recorded.registrations if r.kind == "pulumi:providers:kubernetes"]
    return json.loads(provider.inputs["kubeconfig"])


def entries(recorded: Recorded) -> dict[str, list[str]]:
    return {r.inputs["principalArn"]: r.inputs.get("kubernetesGroups", []) for r in of(recorded, "AccessEntry")}


def administrators(recorded: Recorded) -> set[str]:
    return {r.inputs["principalArn"] for r in of(recorded, "AccessPolicyAssociation")}


def test_auto_mode_is_switched_on_as_a_whole(run: Run) -> None:
    found = cluster(run(environment()))
    assert found["computeConfig"]["enabled"] is True
    assert found["computeConfig"]["nodePools"] == ["system"]
    assert found["storageConfig"]["blockStorage"]["enabled"] is True
    assert found["kubernetesNetworkConfig"]["elasticLoadBalancing"]["enabled"] is True
    assert found["bootstrapSelfManagedAddons"] is False
    assert found["version"] == "1.34"


def test_secrets_are_encrypted_and_all_is_logged(run: Run) -> None:
    recorded = run(environment())
    found = cluster(recorded)
    assert found["encryptionConfig"]["resources"] == ["secrets"]
    assert found["encryptionConfig"]["provider"]["keyArn"].endswith("churn-x-cluster-key")
    assert sorted(found["enabledClusterLogTypes"]) == [
        "api",
        "audit",
        "authenticator",
        "controllerManager",
        "scheduler",
    ]
    [group] = [r for r in of(recorded, "LogGroup") if r.name == "churn-x-cluster-logs"]
    assert group.inputs["name"] == "/aws/eks/churn-x/cluster"
    assert group.inputs["retentionInDays"] == 90


@pytest.mark.parametrize(
    ("tier", "public", "protected", "deletion"),
    [("experimentation", [OFFICE], False, False), ("testing", [OFFICE], True, False), ("production", None, True, True)],
)
def test_a_tier_has_its_api_and_its_protection(
    run: Run, tier: str, public: list[str] | None, protected: bool, deletion: bool
) -> None:
    recorded = run(environment(tier))
    [registered] = of(recorded, "Cluster")
    network = registered.inputs["vpcConfig"]
    assert network["endpointPrivateAccess"] is True
    assert network["endpointPublicAccess"] is (public is not None)
    assert network.get("publicAccessCidrs") == public
    assert registered.protect is protected
    assert registered.inputs["deletionProtection"] is deletion


def test_there_is_no_entry_but_those_declared(run: Run) -> None:
    groups = {"team": f"arn:aws:iam::{ACCOUNT}:role/sso/team", "audit": f"arn:aws:iam::{ACCOUNT}:role/sso/audit"}
    groups["leads"] = groups["team"]
    recorded = run(environment(aws={"principals": groups}))
    access_config = cluster(recorded)["accessConfig"]
    assert access_config == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    assert entries(recorded) == {
        DEPLOYER: [],
        groups["team"]: ["leads", "team"],
        groups["audit"]: ["audit"],
    }
    assert administrators(recorded) == {DEPLOYER}


def test_a_deployer_who_is_also_a_group_has_one_entry(run: Run) -> None:
    recorded = run(environment(aws={"principals": {"ops": DEPLOYER}}))
    assert entries(recorded) == {DEPLOYER: ["ops"]}


def test_the_role_of_the_stack_file_administers_whoever_takes_it(run: Run) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/deploy"
    recorded = run(environment(aws={"role": role}))
    assert administrators(recorded) == {role}
    arguments = kubeconfig(recorded)["users"][0]["user"]["exec"]["args"]
    assert arguments[-2:] == ["--role-arn", role]


def test_an_entry_stays_when_ci_takes_over(run: Run, tmp_path: Path) -> None:
    by_hand = {r.name for r in of(run(environment(ci=CI)), "AccessEntry")}
    (tmp_path / "Pulumi.x.yaml").unlink()
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/churn-x-deploy/run-1"

    class InCi(Account):
        def _get_session_context(self, arn: str, **_: Any) -> Any:
            del arn
            return {"arn": session, "id": session, "issuerArn": DEPLOY}

    recorded = run(environment(ci=CI), answer=InCi(caller=session).answer)
    by_ci = {r.name for r in of(recorded, "AccessEntry")}
    assert entries(recorded) == {DEPLOY: []}
    # The same resource, so that nothing of it is deleted while CI depends on it.
    assert by_ci < by_hand
    assert administrators(recorded) == {DEPLOY}


def test_people_and_programs_sign_in_by_the_cloud(run: Run) -> None:
    recorded = run(environment())
    found = kubeconfig(recorded)
    assert found["clusters"][0]["cluster"] == {
        "server": "https://churn-x.eks.example.org",
        "certificate-authority-data": "QVVUSE9SSVRZ",
    }
    sign_in = found["users"][0]["user"]["exec"]
    assert sign_in["command"] == "aws"
    assert sign_in["args"][:6] == ["eks", "get-token", "--cluster-name", "churn-x", "--region", REGION]
    assert (sign_in["interactiveMode"], sign_in["provideClusterInfo"]) == ("Never", True)
    assert recorded.outputs["access"] == {
        "context": "churn-x",
        "login": f"aws eks update-kubeconfig --name churn-x --region {REGION} --alias churn-x",
    }


def test_the_cluster_waits_for_the_rights_of_its_roles(run: Run) -> None:
    recorded = run(environment())
    roles = {r.inputs["name"]: r.inputs for r in of(recorded, "Role")}
    assert all(role["path"] == "/terrarium/churn-x/" for role in roles.values())
    assert {"churn-x-cluster", "churn-x-nodes", "churn-x-flow-logs"} <= set(roles)
    trust = json.loads(roles["churn-x-cluster"]["assumeRolePolicy"])["Statement"][0]
    assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    order = [r.name for r in recorded.registrations]
    rights = [
        r.name for r in recorded.registrations if r.name.startswith(("churn-x-cluster-Amazon", "churn-x-nodes-A"))
    ]
    assert len(rights) == 7
    assert max(order.index(name) for name in [*rights, "churn-x-cluster-policy"]) < order.index("churn-x-eks")


def test_auto_mode_may_put_our_tags_on_machines(run: Run) -> None:
    [policy] = [r for r in of(run(environment()), "RolePolicy") if r.name == "churn-x-cluster-policy"]
    statements = {s["Sid"]: s for s in json.loads(policy.inputs["policy"])["Statement"]}
    assert set(statements) == {"Compute", "Storage", "Networking", "LoadBalancing", "Secrets"}
    for name, statement in statements.items():
        if name != "Secrets":
            own = statement["Condition"]["StringEquals"]
            assert own == {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}


def test_add_ons_are_pinned(run: Run) -> None:
    [addon] = of(run(environment()), "Addon")
    assert addon.inputs["addonName"] == "metrics-server"
    assert addon.inputs["addonVersion"].startswith("v0.")
    assert json.loads(addon.inputs["configurationValues"])["nodeSelector"] == {"karpenter.sh/nodepool": "system"}


def test_a_slice_uses_its_platforms_cluster(run: Run) -> None:
    recorded = run(sliced())
    assert not of(recorded, "Cluster")
    assert not of(recorded, "AccessEntry")
    assert kubeconfig(recorded)["clusters"][0]["name"] == "shared"
    assert recorded.outputs["cluster"] == {"name": "shared", "platform": "shared", "shared": True}
    assert recorded.outputs["access"]["context"] == "shared"


def test_a_cluster_is_adopted_whole(run: Run) -> None:
    aws = {"adopt": {"cluster": "old", "database_subnets": ["subnet-11111111", "subnet-22222222"]}, "api": None}
    subnets = {
        "subnet-11111111": (VPC, f"{REGION}a", "10.80.1.0/24"),
        "subnet-22222222": (VPC, f"{REGION}b", "10.80.2.0/24"),
    }
    account = Account(clusters=("old",), subnets=subnets)
    recorded = run(environment(aws=aws, network={}), answer=account.answer)
    assert not {"Vpc", "Cluster", "NodePool"} & {r.short for r in recorded.registrations}
    assert recorded.outputs["cluster"]["name"] == "old"
    assert recorded.outputs["cluster"]["shared"] is False


def test_a_platforms_cluster_has_its_name(run: Run) -> None:
    recorded = run(platform(), "platform")
    assert cluster(recorded)["name"] == "shared"
    assert recorded.outputs["access"]["context"] == "shared"


def test_two_principals_of_one_name_have_two_entries() -> None:
    groups = {"a": f"arn:aws:iam::{ACCOUNT}:role/x/team", "b": f"arn:aws:iam::{ACCOUNT}:role/y/team"}
    assert access.by_principal(groups) == {groups["a"]: ["a"], groups["b"]: ["b"]}


def test_who_deploys_from_inside_reaches_api_and_database_and_nothing_is_made_before(run: Run) -> None:
    recorded = run(environment("production", {"deploy_from": ["10.8.0.0/24"]}))
    rules = {r.name: r.inputs for r in of(recorded, "SecurityGroupIngressRule")}
    api, database = rules["churn-x-api-from-10.8.0.0-24"], rules["churn-x-store-server-from-10.8.0.0-24"]
    assert (api["cidrIpv4"], api["fromPort"], api["toPort"]) == ("10.8.0.0/24", 443, 443)
    assert (database["cidrIpv4"], database["fromPort"], database["toPort"]) == ("10.8.0.0/24", 5432, 5432)
    order = [r.name for r in recorded.registrations]
    assert order.index("churn-x-api-from-10.8.0.0-24") < order.index("churn-x-cluster")
    assert len(of(run(environment("production")), "SecurityGroupIngressRule")) == 1
