"""What a stack file can say of who deploys it: the one CI whose tokens a cloud takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from components.naming import NameRule
from components.settings.fields import Settings

# Without a wildcard or a quote: what is written here becomes a part of what a cloud compares tokens with.
_REPOSITORY = NameRule(
    service="a repository",
    longest=200,
    pattern=r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+",
    alphabet="organisation/repository of letters, digits, `-`, `_` and `.`",
    source="docs.github.com and docs.gitlab.com, names of repositories",
)
_REF = NameRule(
    service="a branch or a deployment environment",
    longest=200,
    pattern=r"[A-Za-z0-9][A-Za-z0-9_./-]*",
    alphabet="letters, digits, `-`, `_`, `.` and `/`; no wildcard",
    source="one branch deploys, not a pattern of them",
)
_HOST = NameRule(
    service="a host",
    longest=200,
    pattern=r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
    alphabet="a host's name alone, without https://",
    source="RFC 1123",
)
Repository = Annotated[str, AfterValidator(_REPOSITORY.check), WithJsonSchema(_REPOSITORY.json_schema())]
Ref = Annotated[str, AfterValidator(_REF.check), WithJsonSchema(_REF.json_schema())]
Host = Annotated[str, AfterValidator(_HOST.check), WithJsonSchema(_HOST.json_schema())]


class CiSettings(Settings):
    """The CI that deploys. The cloud takes its tokens for this repository, branch and deployment environment alone."""

    issuer: Literal["github", "gitlab"]
    """`github` (Actions) or `gitlab`."""
    host: Host | None = None
    """Name of a GitLab or GitHub Enterprise server of one's own; by default github.com or gitlab.com."""
    repository: Repository
    """The repository, as `organisation/repository`."""
    repository_id: Annotated[int, Field(ge=1)] | None = None
    """The repository's number, as its host counts. With it a repository that somebody makes later under the same name
    is refused, where the cloud compares it: Google Cloud always, AWS of github.com, GHE.com and gitlab.com."""
    branch: Ref = "main"
    """The branch (default main). Wildcards are not taken."""
    environment: Ref | None = None
    """The protected deployment environment; by default it is called as the tier."""
