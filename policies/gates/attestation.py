"""What CI attests of the code that is deployed: a token of its own, signed by its issuer.

Claims: docs.github.com "OpenID Connect reference"; docs.gitlab.com "OpenID Connect (OIDC) authentication using ID
tokens". A checkout's own word counts for nothing: any tree can be called main.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from policies.gates.book import Book
from policies.gates.files import TrustedCi
from policies.rules import Deployment

TOKEN = "TERRARIUM_CI_TOKEN"  # noqa: S105 - the variable's name
"""Variable that holds the token, as CI gives one to a job that asks for it."""

_ALGORITHMS = ("RS256", "ES256")
# GitHub's tokens end after five minutes, before an `up` of a cluster does.
_LONGEST = timedelta(hours=1)


def attested(token: str, book: Book, root: Path) -> Deployment:
    """Return what a token says of the checkout. One that nobody trusted has signed says nothing.

    Args:
        token: The token, a signed JWT; empty if CI gave none.
        book: Whose word is taken.
        root: The checkout.
    """
    for ci in book.approved.ci if token else ():
        claims = _claims(token, ci, book.keys[ci.issuer])
        if claims:
            commit = _head(root)
            clean = commit is not None and claims.get("sha") == commit
            return Deployment(attested=True, ref=_ref(claims), reviewed=_reviewed(claims, ci), clean=clean)
    return Deployment()


def _claims(token: str, ci: TrustedCi, keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the claims of a token that this CI signed for us and this repository; nothing of any other."""
    # Imported here: a stack whose CI gave no token must not pay for it (0.1 s).
    import jwt  # noqa: PLC0415

    try:
        known = {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys}
        key = known[jwt.get_unverified_header(token).get("kid")]
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key.key,
            # The key's own, not what the token says of itself.
            algorithms=[name for name in _ALGORITHMS if name == key.algorithm_name],
            audience=ci.audience,
            issuer=ci.issuer,
            options={"verify_exp": False, "require": ["iat", "iss", "aud"]},
        )
        made = datetime.fromtimestamp(claims["iat"], UTC)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return {}  # of what anybody can send, nothing may stop a gate otherwise
    if datetime.now(UTC) - made > _LONGEST:
        return {}
    return claims if _of_repository(claims, ci) else {}


def _reviewed(claims: Mapping[str, Any], ci: TrustedCi) -> bool:
    # GitLab lets every job name any environment, and says of which it is that only some may deploy to it.
    protected = not _of_gitlab(claims) or claims.get("environment_protected") == "true"
    return protected and claims.get("environment") in ci.environments


def _of_gitlab(claims: Mapping[str, Any]) -> bool:
    return "project_path" in claims


def _of_repository(claims: Mapping[str, Any], ci: TrustedCi) -> bool:
    # GitHub says `repository`, GitLab `project_path`.
    name = claims.get("repository") or claims.get("project_path")
    number = claims.get("repository_id") or claims.get("project_id")
    return name == ci.repository and ci.repository_id in {None, str(number)}


def _ref(claims: Mapping[str, Any]) -> str:
    """Return the full ref: GitHub gives that, GitLab a name and its type; a branch may be called refs/heads/main."""
    ref = str(claims.get("ref", ""))
    if not _of_gitlab(claims):
        return ref
    folder = {"branch": "heads", "tag": "tags"}.get(str(claims.get("ref_type")))
    return f"refs/{folder}/{ref}" if folder else ""


def _head(root: Path) -> str | None:
    """Return the commit that the checkout is exactly; None if anything of it was changed, or it is no checkout."""
    try:
        changed = _git(root, "status", "--porcelain")
        return None if changed else _git(root, "rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()
