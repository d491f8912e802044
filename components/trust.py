"""Whose tokens a cloud takes for deploying: one repository's, of one branch, for one deployment environment. Pure.

GitHub: docs.github.com "OpenID Connect reference" (claims, and customised subjects); GitLab: docs.gitlab.com "OpenID
Connect (OIDC) authentication using ID tokens" (claims).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from components.settings.ci import CiSettings
from components.tiers import Tier

_HOSTS = {"github": "github.com", "gitlab": "gitlab.com"}


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

    AWS looks at `sub` and `aud` alone, so the subject must name repository, branch and deployment environment together.
    GitHub's does after the repository was told to (docs/clouds.md): `include_claim_keys` repo, context and ref.
    GitLab's names project and branch; its deployment environment is a claim of its own, which AWS does not see: there
    the branch must be protected, as must the environment.

    Args:
        ci: The CI.
        tier: The tier that is deployed.
        audience: Whom tokens are made for.
    """
    environment = ci.environment or tier.value
    host = ci.host or _HOSTS[ci.issuer]
    ref = f"refs/heads/{ci.branch}"
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
            },
        )
    # A server of one's own has its issuer on its own host; github.com's has one for all.
    hosted = host == _HOSTS["github"]
    return Trust(
        issuer="https://token.actions.githubusercontent.com" if hosted else f"https://{host}/_services/token",
        audience=audience,
        subject=f"repo:{ci.repository}:environment:{environment}:ref:{ref}",
        claims={"repository": ci.repository, "ref": ref, "ref_type": "branch", "environment": environment},
    )


def aws_document(wanted: Trust, provider_arn: str) -> str:
    """Return the trust document of a role that this token opens.

    Args:
        wanted: What the token must say.
        provider_arn: ARN of the OpenID Connect provider for its issuer.
    """
    host = wanted.issuer.removeprefix("https://")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        # StringEquals, never StringLike: a `*` in a subject lets pull requests of forks in.
        "Condition": {"StringEquals": {f"{host}:aud": wanted.audience, f"{host}:sub": wanted.subject}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


def gcp_condition(wanted: Trust) -> str:
    """Return the CEL condition of a workload identity provider that takes this token and no other."""
    # Not by `sub`, which says the same and on GitHub, also on a server of one's own, only after it was told to. Values
    # hold no quote: the settings refuse them.
    return " && ".join(f"assertion.{claim} == '{value}'" for claim, value in sorted(wanted.claims.items()))
