"""Whose tokens open a cloud to deployments: exactly one repository's, branch's and deployment environment's."""

from __future__ import annotations

import json

import pytest

from components import trust
from components.settings.ci import CiSettings
from components.tiers import Tier

GITHUB = CiSettings(issuer="github", repository="acme/churn")
GITLAB = CiSettings(issuer="gitlab", repository="acme/data/churn", host="git.acme.example")


def test_github_names_repository_environment_and_branch_in_the_subject() -> None:
    found = trust.trust(GITHUB, Tier.PRODUCTION, "sts.amazonaws.com")
    assert found.issuer == "https://token.actions.githubusercontent.com"
    assert found.subject == "repo:acme/churn:environment:production:ref:refs/heads/main"


def test_a_server_of_ones_own_is_its_own_issuer() -> None:
    own = GITHUB.model_copy(update={"host": "git.acme.example"})
    assert trust.trust(own, Tier.TESTING, "x").issuer == "https://git.acme.example/_services/token"
    assert trust.trust(GITLAB, Tier.TESTING, "x").issuer == "https://git.acme.example"
    rented = GITHUB.model_copy(update={"host": "acme.ghe.com"})
    assert trust.trust(rented, Tier.TESTING, "x").issuer == "https://token.actions.acme.ghe.com"


def test_the_role_takes_one_subject_and_one_audience_word_for_word() -> None:
    wanted = trust.trust(GITLAB, Tier.PRODUCTION, "sts.amazonaws.com")
    [statement] = json.loads(trust.aws_document(wanted, "arn:aws:iam::1:oidc-provider/git.acme.example"))["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "git.acme.example:aud": "sts.amazonaws.com",
            "git.acme.example:sub": "project_path:acme/data/churn:ref_type:branch:ref:main",
        }
    }


@pytest.mark.parametrize(
    ("ci", "partition", "compared"),
    [
        (GITHUB, "aws", {"aud", "sub", "repository", "ref", "environment"}),
        (GITHUB.model_copy(update={"host": "acme.ghe.com"}), "aws", {"aud", "sub", "repository", "ref", "environment"}),
        (GITHUB.model_copy(update={"host": "git.acme.example"}), "aws", {"aud", "sub"}),
        (GITLAB.model_copy(update={"host": None}), "aws", {"aud", "sub", "ref_protected"}),
        (GITLAB, "aws", {"aud", "sub"}),
        (GITHUB, "aws-cn", {"aud", "sub"}),
    ],
)
def test_the_role_compares_what_iam_knows_of_the_issuer(ci: CiSettings, partition: str, compared: set[str]) -> None:
    wanted = trust.trust(ci, Tier.PRODUCTION, "sts.amazonaws.com")
    host = wanted.issuer.removeprefix("https://")
    document = json.loads(trust.aws_document(wanted, f"arn:{partition}:iam::1:oidc-provider/{host}"))
    [statement] = document["Statement"]
    assert {key.removeprefix(f"{host}:") for key in statement["Condition"]["StringEquals"]} == compared


@pytest.mark.parametrize("ci", [GITHUB, GITLAB])
def test_google_looks_at_repository_branch_and_environment(ci: CiSettings) -> None:
    condition = trust.gcp_condition(trust.trust(ci, Tier.PRODUCTION, "x"))
    named = "project_path" if ci is GITLAB else "repository"
    for part in (
        f"assertion.{named} == '{ci.repository}'",
        "assertion.environment == 'production'",
        "assertion.ref_type == 'branch'",
        "main'",
    ):
        assert part in condition
    assert "||" not in condition


@pytest.mark.parametrize("ci", [GITHUB, GITHUB.model_copy(update={"host": "git.acme.example"}), GITLAB])
def test_google_takes_tokens_of_every_server_without_a_subject_made_for_it(ci: CiSettings) -> None:
    assert "assertion.sub" not in trust.gcp_condition(trust.trust(ci, Tier.PRODUCTION, "x"))
