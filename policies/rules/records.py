"""What others have verified and the rules are told: records of images, the attestation of CI, sovereignty's lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Evidence:
    """What is known of one image, from records whose signature somebody else has verified.

    Args:
        base: `host/path@sha256:…` of the image it was built on; empty if nobody says.
        scanned_on: Day of its newest scan; None if it never was.
        clean: Whether that scan found nothing above the allowed severity.
        signed: Whether an approved signer vouches for it.
        release: Name of the release that holds it; empty if none does.
    """

    base: str = ""
    scanned_on: date | None = None
    clean: bool = False
    signed: bool = False
    release: str = ""


@dataclass(frozen=True)
class Deployment:
    """What CI attests of the code that is deployed; never what the checkout says of itself.

    Args:
        attested: Whether a trusted CI signed this; without it the rest is a claim.
        ref: Full name of the branch, as `refs/heads/main`.
        reviewed: Whether somebody else approved the change.
        clean: Whether the tree is exactly the commit.
    """

    attested: bool = False
    ref: str = ""
    reviewed: bool = False
    clean: bool = False


@dataclass(frozen=True)
class Sovereignty:
    """Where data may be and who may reach it, for `sovereignty: eu` and its like; each list is complete.

    Args:
        name: What the setting says; empty means that nothing is demanded.
        allowed: By kind of service (`cloud`, `region`, `state_backend`, `secrets_provider`, `registry`, `scanner`,
            `sign_in_issuer`, `ci`): the names that are on the list.
        used: By the same kinds: what this stack uses.
    """

    name: str = ""
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    used: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
