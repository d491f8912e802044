"""What a stack file can say of who deploys it: the one CI whose tokens a cloud takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from components.settings.fields import Settings

Repository = Annotated[str, StringConstraints(pattern=r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+", max_length=200)]
Branch = Annotated[str, StringConstraints(pattern=r"[A-Za-z0-9][A-Za-z0-9_./-]*", max_length=200)]
Host = Annotated[str, StringConstraints(pattern=r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", max_length=200)]


class CiSettings(Settings):
    """The CI that deploys. The cloud takes its tokens for this repository, branch and deployment environment alone."""

    issuer: Literal["github", "gitlab"]
    """`github` (Actions) or `gitlab`."""
    host: Host | None = None
    """Name of a GitLab or GitHub Enterprise server of one's own; by default github.com or gitlab.com."""
    repository: Repository
    """The repository, as `organisation/repository`."""
    branch: Branch = "main"
    """The branch (default main). Wildcards are not taken."""
    environment: Branch | None = None
    """The protected deployment environment; by default it is called as the tier."""
