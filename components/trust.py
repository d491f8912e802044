"""Whose tokens a cloud takes for deploying: one repository's, of one branch, for one deployment environment. Pure.

GitHub: docs.github.com "OpenID Connect reference" (claims, issuers, and customised subjects); GitLab: docs.gitlab.com
"OpenID Connect (OIDC) authentication using ID tokens" (claims). What AWS compares: docs.aws.amazon.com, IAM user guide,
"Available keys for AWS OIDC federation". Whom Google lets in: cloud.google.com, IAM, "Principal identifiers".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.settings.ci import CiSettings
from components.tiers import Tier

_HOSTS = {"github": "github.com", "gitlab": "gitlab.com"}
_GITHUB = "token.actions.githubusercontent.com"
_GHE = ".ghe.com"
# Of each issuer IAM compares `sub` and `aud`; of these, since January 2026, what it names and we ask for; of a server
# of one's own no more.
_IAM_COMPARES = {
    "github": ("repository", "repository_id", "ref", "environment"),
    "gitlab": ("project_id", "ref_protected"),
}
# Joins the values that make up Google's one attribute; no name may hold it.
_JOINT = "@"


@dataclass(frozen=True)
class Trust:
    """What a token must say.

    Args:
        issuer: Who signs it, a URL.
        audience: Whom it is made for.
        subject: Its `sub`.
        claims: Other claims and their values, for clouds that look at them.
    """

    issuer: str
    audience: str
    subject: str
    claims: Mapping[str, str]


def trust(ci: CiSettings, tier: Tier, audience: str) -> Trust:
    """Return whom a stack's cloud takes as its deployer.

    AWS looks at `sub` and `aud`, and at little else, so the subject must name repository, branch and deployment
    environment together. GitHub's does after the repository was told to (docs/clouds.md): `include_claim_keys` repo,
    context and ref. GitLab's names project and branch; its deployment environment is a claim of its own, which AWS does
    not see: there the branch must be protected.

    Args:
        ci: The CI.
        tier: The tier that is deployed.
        audience: Whom tokens are made for.
    """
    environment = ci.environment or tier.value
    host = ci.host or _HOSTS[ci.issuer]
    ref = f"refs/heads/{ci.branch}"
    number = str(ci.repository_id) if ci.repository_id else ""
    if ci.issuer == "gitlab":
        return Trust(
            issuer=f"https://{host}",
            audience=audience,
            subject=f"project_path:{ci.repository}:ref_type:branch:ref:{ci.branch}",
            claims={
                "project_path": ci.repository,
                "ref": ci.branch,
                "ref_type": "branch",
                "ref_protected": "true",
                "environment": environment,
            }
            | ({"project_id": number} if number else {}),
        )
    return Trust(
        issuer=f"https://{_github_issuer(host)}",
        audience=audience,
        subject=f"repo:{ci.repository}:environment:{environment}:ref:{ref}",
        claims={"repository": ci.repository, "ref": ref, "ref_type": "branch", "environment": environment}
        | ({"repository_id": number} if number else {}),
    )


def _github_issuer(host: str) -> str:
    # A server of one's own has its issuer on its own host; github.com's has one for all, GHE.com one for each customer.
    if host == _HOSTS["github"]:
        return _GITHUB
    return f"token.actions.{host}" if host.endswith(_GHE) else f"{host}/_services/token"


def _compared(host: str, provider_arn: str) -> Sequence[str]:
    # Announced for the commercial regions: where IAM did not know a claim, nobody would be let in.
    if not provider_arn.startswith("arn:aws:"):
        return ()
    if host == _GITHUB or host.endswith(_GHE):
        return _IAM_COMPARES["github"]
    return _IAM_COMPARES["gitlab"] if host == _HOSTS["gitlab"] else ()


def aws_document(wanted: Trust, provider_arn: str) -> str:
    """Return the trust document of a role that this token opens.

    Args:
        wanted: What the token must say.
        provider_arn: ARN of the OpenID Connect provider for its issuer.
    """
    host = wanted.issuer.removeprefix("https://")
    claims = {"aud": wanted.audience, "sub": wanted.subject}
    claims |= {claim: wanted.claims[claim] for claim in _compared(host, provider_arn) if claim in wanted.claims}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        # StringEquals, never StringLike: a `*` in a subject lets pull requests of forks in.
        "Condition": {"StringEquals": {f"{host}:{claim}": value for claim, value in claims.items()}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


def gcp_condition(wanted: Trust) -> str:
    """Return the CEL condition of a workload identity provider that takes this token and no other."""
    # Not by `sub`, which says the same and on GitHub, also on a server of one's own, only after it was told to. Values
    # hold no quote: the settings refuse them.
    return " && ".join(f"assertion.{claim} == '{value}'" for claim, value in sorted(wanted.claims.items()))


def gcp_attribute(wanted: Trust) -> str:
    """Return the CEL expression of the attribute that says of a token all that its condition asks for."""
    return f" + '{_JOINT}' + ".join(f"assertion.{claim}" for claim in sorted(wanted.claims))


def gcp_principal(wanted: Trust, attribute: str) -> str:
    """Return who is let in, below their pool's name: whose attribute has these values.

    Args:
        wanted: What the token must say.
        attribute: The attribute's name.
    """
    return f"attribute.{attribute}/" + _JOINT.join(value for _, value in sorted(wanted.claims.items()))
