"""Whose tokens open the clouds to deployments, by the documents that the program registers and evaluators of others.

What this does not prove stands in docs/clouds.md, "Who may deploy".
"""

from __future__ import annotations

import copy
import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clouds import aws_answers, aws_declared, gcp_answers, gcp_declared
from tests.support import evaluators, tokens
from tests.support.evaluators import Iam, evaluated
from tests.support.recording import ROOT, Recorded, record

ISSUERS = {
    tokens.GITHUB: {"issuer": "github"},
    tokens.GHE: {"issuer": "github", "host": "acme.ghe.com"},
    tokens.GITHUB_SERVER: {"issuer": "github", "host": "git.acme.example"},
    tokens.GITLAB: {"issuer": "gitlab"},
    tokens.GITLAB_SERVER: {"issuer": "gitlab", "host": "gitlab.acme.example"},
}
TIERS = ["testing", "production"]
every_issuer = pytest.mark.parametrize("issuer", ISSUERS)
every_tier = pytest.mark.parametrize("tier", TIERS)


@pytest.fixture(scope="module")
def iam() -> Iterator[Iam]:
    with evaluators.iam() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stacks")


@functools.cache
def registered(folder: Path, cloud: str, issuer: str, tier: str, *, numbered: bool = False) -> Recorded:
    """What the program registers for a stack with this CI."""
    ci: dict[str, Any] = {**ISSUERS[issuer], "repository": tokens.PROJECT}
    if numbered:
        ci["repository_id"] = tokens.NUMBERS[ci["issuer"]]
    declared, answers = (aws_declared, aws_answers) if cloud == "aws" else (gcp_declared, gcp_answers)
    own = Path(tempfile.mkdtemp(dir=folder))
    (own / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (own / "rds.pem").write_text(aws_declared.AUTHORITIES, encoding="utf-8")
    with chdir(own):
        block = declared.environment(tier, ci=ci)
        return record(own, "x", {"environment": block}, made=answers.made, answer=answers.answer)


def inputs(recorded: Recorded, kind: str, name: str) -> dict[str, Any]:
    [found] = [r.inputs for r in recorded.registrations if r.kind.endswith(f":{kind}") and r.name.endswith(name)]
    return found


class Aws:
    """A role of a stack and who may take it."""

    def __init__(self, iam: Iam, recorded: Recorded) -> None:
        self._iam = iam
        role = inputs(recorded, "Role", "-deploy-role")
        self.role = f"arn:aws:iam::{aws_answers.ACCOUNT}:role{role['path']}{role['name']}"
        self.document = json.loads(role["assumeRolePolicy"])
        [self.audience] = inputs(recorded, "OpenIdConnectProvider", "-issuer")["clientIdLists"]

    @property
    def compared(self) -> dict[str, str]:
        return dict(self.document["Statement"][0]["Condition"]["StringEquals"])

    def lets_in(self, claims: Mapping[str, Any], document: Mapping[str, Any] | None = None) -> bool:
        return self._iam.lets_in(document or self.document, self.role, claims)

    def comparing(self, *claims: str) -> dict[str, Any]:
        """The document, with only these claims in its condition."""
        changed = copy.deepcopy(self.document)
        kept = {key: value for key, value in self.compared.items() if key.rpartition(":")[2] in claims}
        changed["Statement"][0]["Condition"] = {"StringEquals": kept} if kept else {}
        return changed


class Gcp:
    """A service account of a stack and who may act as it."""

    def __init__(self, recorded: Recorded) -> None:
        provider = inputs(recorded, "WorkloadIdentityPoolProvider", "-ci-tokens")
        self.pool = f"projects/{gcp_answers.NUMBER}/locations/global/workloadIdentityPools/"
        self.pool += provider["workloadIdentityPoolId"]
        name = provider["workloadIdentityPoolProviderId"]
        # Google's default, as the provider lists no audience of its own.
        assert "allowedAudiences" not in provider["oidc"]
        self.audience = f"https://iam.googleapis.com/{self.pool}/providers/{name}"
        self.issuer = provider["oidc"]["issuerUri"]
        self.condition: str = provider["attributeCondition"]
        self.attribute: str = provider["attributeMapping"]["attribute.deployment"]
        binding = inputs(recorded, "IAMMember", "-deploy-ci")
        assert binding["role"] == "roles/iam.workloadIdentityUser"
        self.member: str = binding["member"]

    def passes(self, claims: Mapping[str, Any], condition: str) -> bool:
        """Whether the pool takes a token."""
        genuine = (claims["iss"], claims["aud"]) == (self.issuer, self.audience)
        return genuine and evaluated(condition, claims) is True

    def acts(self, claims: Mapping[str, Any], attribute: str, value: str) -> bool:
        """Whether a token that the pool took may act as the account."""
        return f"{self._principal}{evaluated(attribute, claims)}" == f"{self._principal}{value}"

    @property
    def _principal(self) -> str:
        return f"principalSet://iam.googleapis.com/{self.pool}/attribute.deployment/"

    @property
    def value(self) -> str:
        assert self.member.startswith(self._principal)
        return self.member.removeprefix(self._principal)

    def lets_in(self, claims: Mapping[str, Any]) -> bool:
        return self.passes(claims, self.condition) and self.acts(claims, self.attribute, self.value)


@pytest.fixture
def aws(iam: Iam, folder: Path, issuer: str, tier: str) -> Aws:
    return Aws(iam, registered(folder, "aws", issuer, tier))


@pytest.fixture
def gcp(folder: Path, issuer: str, tier: str) -> Gcp:
    return Gcp(registered(folder, "gcp", issuer, tier))


@every_issuer
@every_tier
def test_aws_lets_the_right_token_in_and_no_forged_one(aws: Aws, issuer: str, tier: str) -> None:
    right = tokens.job(issuer, aws.audience, tier)
    assert aws.lets_in(right.claims())
    forged = tokens.forged(right, "aws")
    assert len(forged) > 15
    assert [name for name, job in forged.items() if aws.lets_in(job.claims())] == []


@every_issuer
@every_tier
def test_google_lets_the_right_token_in_and_no_forged_one(gcp: Gcp, issuer: str, tier: str) -> None:
    right = tokens.job(issuer, gcp.audience, tier)
    assert gcp.lets_in(right.claims())
    forged = tokens.forged(right, "gcp")
    assert len(forged) > 15
    assert [name for name, job in forged.items() if gcp.lets_in(job.claims())] == []


@every_issuer
def test_a_token_of_another_tier_is_refused(iam: Iam, folder: Path, issuer: str) -> None:
    aws, gcp = (registered(folder, cloud, issuer, "production") for cloud in ("aws", "gcp"))
    seen = isinstance(tokens.job(issuer, "", ""), tokens.GithubJob)
    role, account = Aws(iam, aws), Gcp(gcp)
    assert role.lets_in(tokens.job(issuer, role.audience, "testing").claims()) is not seen
    assert not account.lets_in(tokens.job(issuer, account.audience, "testing").claims())


@every_issuer
@pytest.mark.parametrize("tier", ["production"])
def test_what_aws_can_t_tell_apart_is_what_the_page_says(aws: Aws, issuer: str, tier: str) -> None:
    right = tokens.job(issuer, aws.audience, tier)
    found = {name for name, job in tokens.unseen_jobs(right).items() if aws.lets_in(job.claims())}
    assert found == tokens.unseen(right)


@every_issuer
@pytest.mark.parametrize("numbered", [False, True])
def test_a_repository_made_anew_is_refused_by_its_number(iam: Iam, folder: Path, issuer: str, numbered: bool) -> None:
    aws, gcp = (registered(folder, cloud, issuer, "production", numbered=numbered) for cloud in ("aws", "gcp"))
    seen = {"aws": issuer not in {tokens.GITHUB_SERVER, tokens.GITLAB_SERVER}, "gcp": True}
    for name, cloud in {"aws": Aws(iam, aws), "gcp": Gcp(gcp)}.items():
        right = tokens.job(issuer, cloud.audience, "production")
        assert cloud.lets_in(right.claims())
        assert cloud.lets_in(tokens.made_anew(right).claims()) is not (numbered and seen[name])


@pytest.mark.parametrize("issuer", [tokens.GITHUB])
@pytest.mark.parametrize("tier", ["production"])
def test_what_neither_cloud_can_tell_apart(aws: Aws, gcp: Gcp, issuer: str, tier: str) -> None:
    # main's own workflow, of main's own code, on somebody's pull request: only the environment's rules can stop it.
    for cloud in (aws, gcp):
        right = tokens.job(issuer, cloud.audience, tier)
        assert cloud.lets_in(replace(right, event="pull_request_target").claims())


@pytest.mark.parametrize("issuer", [tokens.GITHUB])
@pytest.mark.parametrize("tier", ["production"])
@pytest.mark.parametrize(
    "subject",
    [
        "repo:acme/churn:environment:production",
        "repo:acme@123456/churn@456789:environment:production:ref:refs/heads/main",
    ],
)
def test_aws_takes_no_subject_but_the_one_that_the_page_asks_for(
    aws: Aws, gcp: Gcp, issuer: str, tier: str, subject: str
) -> None:
    other = {"sub": subject}
    assert not aws.lets_in(tokens.job(issuer, aws.audience, tier).claims() | other)
    assert gcp.lets_in(tokens.job(issuer, gcp.audience, tier).claims() | other)


# On github.com all is compared twice: as the subject, and claim by claim.
WALLS = {
    tokens.GITHUB: [("aud", "sub"), ("aud", "repository", "ref", "environment")],
    tokens.GHE: [("aud", "sub"), ("aud", "repository", "ref", "environment")],
    tokens.GITHUB_SERVER: [("aud", "sub")],
    tokens.GITLAB: [("aud", "sub", "ref_protected")],
    tokens.GITLAB_SERVER: [("aud", "sub")],
}


@every_issuer
@pytest.mark.parametrize("tier", ["production"])
def test_nothing_in_aws_document_is_there_for_nothing(aws: Aws, issuer: str, tier: str) -> None:
    right = tokens.job(issuer, aws.audience, tier)
    forged = {
        name: job.claims()
        for name, job in tokens.forged(right, "aws").items()
        if not name.startswith("a subject") and name != "a tag that says it is the branch"
    }
    assert {key.rpartition(":")[2] for key in aws.compared} == {claim for wall in WALLS[issuer] for claim in wall}
    for wall in WALLS[issuer]:
        assert not [name for name, claims in forged.items() if aws.lets_in(claims, aws.comparing(*wall))]
        for left_out in wall:
            weaker = aws.comparing(*(claim for claim in wall if claim != left_out))
            assert [name for name, claims in forged.items() if aws.lets_in(claims, weaker)], (wall, left_out)


@pytest.mark.parametrize("issuer", [tokens.GITHUB_SERVER, tokens.GITLAB_SERVER])
@pytest.mark.parametrize("tier", ["production"])
def test_a_wildcard_in_the_document_would_be_found(aws: Aws, issuer: str, tier: str) -> None:
    document = copy.deepcopy(aws.document)
    subject = next(value for key, value in aws.compared.items() if key.endswith(":sub"))
    loose = {key: value.replace(subject, f"{subject[:16]}*") for key, value in aws.compared.items()}
    document["Statement"][0]["Condition"] = {"StringLike": loose}
    forged = tokens.forged(tokens.job(issuer, aws.audience, tier), "aws")
    assert {name for name, job in forged.items() if aws.lets_in(job.claims(), document)} >= {"another branch"}


@every_issuer
@pytest.mark.parametrize("tier", ["production"])
def test_nothing_in_google_s_condition_is_there_for_nothing(gcp: Gcp, issuer: str, tier: str) -> None:
    forged = [job.claims() for job in tokens.forged(tokens.job(issuer, gcp.audience, tier), "gcp").values()]
    assert not [claims for claims in forged if gcp.passes(claims, gcp.condition)]
    clauses = gcp.condition.split(" && ")
    assert len(clauses) >= 4
    for left_out in clauses:
        weaker = " && ".join(clause for clause in clauses if clause != left_out)
        assert [claims for claims in forged if gcp.passes(claims, weaker)], left_out


@every_issuer
@pytest.mark.parametrize("tier", ["production"])
def test_google_s_binding_holds_without_the_condition(gcp: Gcp, issuer: str, tier: str) -> None:
    right = tokens.job(issuer, gcp.audience, tier)
    # Issuer and audience are the pool's to look at.
    forged = [
        job.claims()
        for job in tokens.forged(right, "gcp").values()
        if (job.issuer, job.audience) == (issuer, gcp.audience)
    ]
    assert gcp.acts(right.claims(), gcp.attribute, gcp.value)
    assert not [claims for claims in forged if gcp.acts(claims, gcp.attribute, gcp.value)]
    parts, values = gcp.attribute.split(" + '@' + "), gcp.value.split("@")
    assert len(parts) == len(values) >= 4
    for index, part in enumerate(parts):
        attribute = " + '@' + ".join(each for at, each in enumerate(parts) if at != index)
        value = "@".join(each for at, each in enumerate(values) if at != index)
        assert [claims for claims in forged if gcp.acts(claims, attribute, value)], part


@pytest.mark.parametrize("issuer", ISSUERS)
@pytest.mark.parametrize("tier", ["production"])
@given(data=st.data())
def test_any_change_of_what_is_compared_closes(
    iam: Iam, folder: Path, issuer: str, tier: str, data: st.DataObject
) -> None:
    cloud: Aws | Gcp
    if data.draw(st.booleans()):
        cloud = Aws(iam, registered(folder, "aws", issuer, tier))
        bound = sorted(key.rpartition(":")[2] for key in cloud.compared)
    else:
        cloud = Gcp(registered(folder, "gcp", issuer, tier))
        bound = [
            "aud",
            "iss",
            *(clause.split(" ")[0].removeprefix("assertion.") for clause in cloud.condition.split(" && ")),
        ]
    claims = tokens.job(issuer, cloud.audience, tier).claims()
    claim = data.draw(st.sampled_from(bound))
    said = claims[claim]
    near = st.sampled_from(
        [said.upper(), said.title(), f"{said} ", f" {said}", f"{said}\n", f"{said}/", said[:-1], "*", ""]
    )
    changed = data.draw((st.text() | near).filter(lambda text: text != said))
    assert cloud.lets_in(claims)
    assert not cloud.lets_in(claims | {claim: changed})
    if claim not in {"iss", "aud"}:
        assert not cloud.lets_in({name: value for name, value in claims.items() if name != claim})


BOUNDARY = {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess"}


@pytest.mark.parametrize("issuer", [tokens.GITHUB])
@pytest.mark.parametrize("tier", ["production"])
def test_no_role_that_ci_makes_is_wider_than_ci(aws: Aws, iam: Iam, folder: Path, issuer: str, tier: str) -> None:
    recorded = registered(folder, "aws", issuer, tier)
    policy = json.loads(inputs(recorded, "RolePolicy", "-deploy-policy")["policy"])
    other = aws.role.replace("-deploy", "-nodes")
    changes = [f"iam:{verb}Role" for verb in ("Create", "Delete", "Update")]
    changes += [f"iam:{verb}RolePolicy" for verb in ("Put", "Delete", "Attach", "Detach")]
    changes += ["iam:UpdateAssumeRolePolicy", "iam:UpdateRoleDescription"]
    wider = {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}
    for action in changes:
        assert iam.may(policy, aws.role, action, other, BOUNDARY), action
        for without in ({}, wider):
            assert not iam.may(policy, aws.role, action, other, without), action
        # Not itself, nor a role of another stack, whatever its boundary.
        for beyond in (aws.role, other.replace("churn-x", "churn-y"), aws.role.replace("/terrarium/churn-x/", "/")):
            assert not iam.may(policy, aws.role, action, beyond, BOUNDARY), action
    for action in ("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "CreatePolicyVersion", "CreateUser"):
        assert not iam.may(policy, aws.role, f"iam:{action}", other, BOUNDARY), action
    assert iam.may(policy, aws.role, "iam:PassRole", other)
    assert not iam.may(policy, aws.role, "iam:PassRole", aws.role)


@pytest.mark.parametrize("issuer", [tokens.GITHUB])
@every_tier
def test_every_role_has_the_boundary_but_those_that_ci_may_not_change(folder: Path, issuer: str, tier: str) -> None:
    roles = [r for r in registered(folder, "aws", issuer, tier).registrations if r.kind == "aws:iam/role:Role"]
    unbounded = {r.name for r in roles if r.inputs.get("permissionsBoundary") != BOUNDARY["iam:PermissionsBoundary"]}
    assert len(roles) > 5
    assert unbounded == {"churn-x-deploy-role", "churn-x-cluster-role"}


def test_the_page_says_of_every_job_what_was_found() -> None:
    page = (ROOT / "docs" / "clouds.md").read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    rows = {cells[0]: cells[1:] for cells in lines if cells[0] in tokens.names()}
    assert rows.keys() == tokens.names()
    assert rows == {name: tried_as(name) for name in rows}


def tried_as(name: str) -> list[str]:
    """What a row of the page must hold, by column."""
    github, gitlab = (tokens.job(issuer, "", "") for issuer in (tokens.GITHUB, tokens.GITLAB))
    on_github = {cloud for cloud in ("aws", "gcp") if name in tokens.forged(github, cloud)}
    by_google = name in tokens.forged(gitlab, "gcp")
    own, hosted = (name in tokens.unseen(tokens.job(each, "", "")) for each in (tokens.GITLAB_SERVER, tokens.GITLAB))
    by_aws = name in tokens.forged(tokens.job(tokens.GITLAB, "", ""), "aws")
    return [
        {0: "", 1: "refused by AWS", 2: "refused"}[len(on_github)],
        "refused" if by_google else "",
        "**let in**" if hosted else "refused from gitlab.com, **let in** of one's own" if own else "refused" * by_aws,
    ]
