"""Tokens of CI as GitHub and GitLab make them, whole, and those that somebody would forge or get by other ways.

Claims, their values and their names are those of the issuers' own pages: docs.github.com "OpenID Connect reference"
(with "Customizing the subject claims": repo, context, ref), docs.gitlab.com "OpenID Connect (OIDC) authentication using
ID tokens". Times, ids of runs and hashes are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

OWNER, PROJECT = "acme", "acme/churn"
GITHUB = "https://token.actions.githubusercontent.com"
GHE = "https://token.actions.acme.ghe.com"
GITHUB_SERVER = "https://git.acme.example/_services/token"
GITLAB, GITLAB_SERVER = "https://gitlab.com", "https://gitlab.acme.example"
_TIMES = {"iat": 1795000000, "nbf": 1794999990, "exp": 1795000300, "jti": "2b3c7d9e-1f2a-4c5d-8e9f-0a1b2c3d4e5f"}
_COMMIT = "5f7d3c1b9a8e6f4d2c0b1a3e5d7f9b8c6a4e2d0f"


@dataclass(frozen=True)
class GithubJob:
    """A job of GitHub Actions. `changed` is put over its claims, None takes one away."""

    issuer: str
    audience: str
    environment: str | None
    repository: str = PROJECT
    ref: str = "refs/heads/main"
    event: str = "push"
    changed: Mapping[str, Any] = field(default_factory=dict)

    def _context(self) -> str:
        if self.environment is not None:
            return f"environment:{self.environment.replace(':', '%3A')}"
        return "pull_request" if self.event == "pull_request" else f"ref:{self.ref}"

    def claims(self) -> dict[str, Any]:
        owner = self.repository.partition("/")[0]
        workflow = f"{self.repository}/.github/workflows/deploy.yml@{self.ref}"
        pull = self.event.startswith("pull_request")
        said = {
            **_TIMES,
            "iss": self.issuer,
            "aud": self.audience,
            "sub": f"repo:{self.repository}:{self._context()}:ref:{self.ref}",
            "ref": self.ref,
            "ref_type": "tag" if self.ref.startswith("refs/tags/") else "branch",
            "ref_protected": "true" if self.ref == "refs/heads/main" else "false",
            "repository": self.repository,
            "repository_owner": owner,
            "repository_id": str(NUMBERS["github"]),
            "repository_owner_id": "123456",
            "repository_visibility": "private",
            "event_name": self.event,
            "head_ref": "feature" if pull else "",
            "base_ref": "main" if pull else "",
            "actor": "octocat",
            "actor_id": "12",
            "workflow": "deploy",
            "workflow_ref": workflow,
            "workflow_sha": _COMMIT,
            "job_workflow_ref": workflow,
            "job_workflow_sha": _COMMIT,
            "sha": _COMMIT,
            "run_id": "1234567890",
            "run_number": "10",
            "run_attempt": "1",
            "runner_environment": "self-hosted",
            "environment": self.environment,
            **self.changed,
        }
        return {claim: value for claim, value in said.items() if value is not None}


@dataclass(frozen=True)
class GitlabJob:
    """A job of GitLab. `changed` is put over its claims, None takes one away."""

    issuer: str
    audience: str
    environment: str | None
    project: str = PROJECT
    ref: str = "main"
    ref_type: str = "branch"
    protected: bool = True
    source: str = "push"
    changed: Mapping[str, Any] = field(default_factory=dict)

    def claims(self) -> dict[str, Any]:
        kind = "tags" if self.ref_type == "tag" else "heads"
        host = self.issuer.removeprefix("https://")
        said = {
            **_TIMES,
            "iss": self.issuer,
            "aud": self.audience,
            "sub": f"project_path:{self.project}:ref_type:{self.ref_type}:ref:{self.ref}",
            "project_id": str(NUMBERS["gitlab"]),
            "project_path": self.project,
            "project_visibility": "private",
            "namespace_id": "72",
            "namespace_path": self.project.rpartition("/")[0],
            "ref": self.ref,
            "ref_type": self.ref_type,
            "ref_path": f"refs/{kind}/{self.ref}",
            "ref_protected": "true" if self.protected else "false",
            "pipeline_id": "574",
            "pipeline_source": self.source,
            "job_id": "302",
            "user_id": "1",
            "user_login": "sample-user",
            "user_email": "sample-user@example.com",
            "user_access_level": "developer",
            "runner_id": 1,
            "runner_environment": "self-hosted",
            "sha": _COMMIT,
            "ci_config_ref_uri": f"{host}/{self.project}//.gitlab-ci.yml@refs/{kind}/{self.ref}",
            "ci_config_sha": _COMMIT,
            "environment": self.environment,
            "environment_protected": None if self.environment is None else "true",
            "deployment_tier": self.environment,
            "environment_action": None if self.environment is None else "start",
            **self.changed,
        }
        return {claim: value for claim, value in said.items() if value is not None}


Job = GithubJob | GitlabJob

# Of the repository of the right jobs.
NUMBERS = {"github": 456789, "gitlab": 20}
# Each by the name under which docs/clouds.md lists it.
_BOTH: dict[str, Any] = {
    "another issuer": {"issuer": "https://token.evil.example"},
    "another audience": {"audience": "https://evil.example"},
    "a subject of `*`": {"changed": {"sub": "*"}},
}
_GITHUB: dict[str, Any] = {
    "a fork: another owner's repository of the same name": {"repository": "mallory/churn"},
    "an owner whose name begins like yours": {"repository": "acme-corp/churn"},
    "another repository of yours": {"repository": "acme/website"},
    "a repository whose name begins like it": {"repository": "acme/churn-2"},
    "a repository whose name ends like it": {"repository": "acme/my-churn"},
    "the repository in other case": {"repository": "Acme/Churn"},
    "a fork's pull request": {"event": "pull_request", "ref": "refs/pull/1/merge", "environment": None},
    "a pull request that names the environment": {"event": "pull_request", "ref": "refs/pull/1/merge"},
    "another branch": {"ref": "refs/heads/feature"},
    "a branch whose name begins like it": {"ref": "refs/heads/main-2"},
    "a branch whose name ends like it": {"ref": "refs/heads/not-main"},
    "a branch in a folder": {"ref": "refs/heads/feature/main"},
    "a branch called refs/heads/main": {"ref": "refs/heads/refs/heads/main"},
    "a tag called as the branch": {"ref": "refs/tags/main"},
    "a tag that says it is the branch": {"changed": {"ref_type": "tag", "sub": f"repo:{PROJECT}:ref:refs/tags/main"}},
    "another deployment environment": {"environment": "staging"},
    "the environment in other case": {"environment": "PRODUCTION"},
    "an environment whose name says more": {
        "environment": "production:ref:refs/heads/main",
        "ref": "refs/heads/feature",
    },
    "no deployment environment": {"environment": None},
    "a subject of `repo:acme/churn:*`": {"changed": {"sub": "repo:acme/churn:*"}},
}
_GITLAB: dict[str, Any] = {
    "a fork: another owner's repository of the same name": {"project": "mallory/churn"},
    "an owner whose name begins like yours": {"project": "acme-corp/churn"},
    "another repository of yours": {"project": "acme/website"},
    "a repository whose name begins like it": {"project": "acme/churn-2"},
    "a repository whose name ends like it": {"project": "acme/my-churn"},
    "a repository in a group called as it": {"project": "acme/churn/tools"},
    "the repository in other case": {"project": "Acme/Churn"},
    "a merge request's pipeline": {"ref": "feature", "source": "merge_request_event", "protected": False},
    "another branch": {"ref": "feature", "protected": False},
    "another protected branch": {"ref": "release"},
    "a branch whose name begins like it": {"ref": "main-2"},
    "a branch whose name ends like it": {"ref": "not-main"},
    "a branch in a folder": {"ref": "feature/main"},
    "a branch called refs/heads/main": {"ref": "refs/heads/main"},
    "a tag called as the branch": {"ref_type": "tag"},
}
# What GitLab says in claims that IAM does not compare: on gitlab.com these,
_UNSEEN: dict[str, Any] = {
    "another deployment environment": {"environment": "staging"},
    "the environment in other case": {"environment": "PRODUCTION"},
    "no deployment environment": {"environment": None},
}
# and of a server of one's own these, too.
_UNPROTECTED: dict[str, Any] = {
    "the branch, unprotected": {"protected": False},
    "a fork's merge request from a branch called as yours, run in your project": {
        "source": "merge_request_event",
        "protected": False,
    },
}


def made_anew(right: Job) -> Job:
    """Return the job of another repository that has the name which the right one gave up."""
    claim = "repository_id" if isinstance(right, GithubJob) else "project_id"
    return replace(right, changed={claim: "999999"})


def job(issuer: str, audience: str, environment: str) -> Job:
    """Return the job that may deploy."""
    kind = GitlabJob if issuer in {GITLAB, GITLAB_SERVER} else GithubJob
    return kind(issuer, audience, environment)


def forged(right: Job, cloud: str) -> dict[str, Job]:
    """Return the jobs whose tokens a cloud must refuse, by name.

    Args:
        right: The job that may deploy.
        cloud: `aws` or `gcp`.
    """
    cases = _BOTH | (_GITHUB if isinstance(right, GithubJob) else _GITLAB | _UNSEEN | _UNPROTECTED)
    # Google does not look at the subject.
    ignored = unseen(right) if cloud == "aws" else {name for name in cases if name.startswith("a subject")}
    return {name: replace(right, **changes) for name, changes in cases.items() if name not in ignored}


def unseen(right: Job) -> set[str]:
    """Return the names of the jobs that AWS can't tell from the right one."""
    if isinstance(right, GithubJob):
        return set()
    return set(_UNSEEN) if right.issuer == GITLAB else {*_UNSEEN, *_UNPROTECTED}


def unseen_jobs(right: Job) -> dict[str, Job]:
    """Return these jobs, by name."""
    cases = _UNSEEN | _UNPROTECTED
    return {name: replace(right, **cases[name]) for name in unseen(right)}


def names() -> set[str]:
    """Return the names of all jobs that are tried."""
    return {*_BOTH, *_GITHUB, *_GITLAB, *_UNSEEN, *_UNPROTECTED}
