"""The rules, asked of a job before it is made: what admission would refuse is said here, with the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.tiers import Tier as DeclaredTier
from policies.gates import book
from policies.gates.verdicts import Judge
from policies.rules import Facts, Resource, Tier, imageref
from terrarium.errors import InvalidInput, Refused


def judge(manifest: Mapping[str, Any], tier: str, root: Path | None) -> None:
    """Refuse a job that breaks a rule that is enforced.

    Args:
        manifest: The Job or CronJob.
        tier: The environment's tier.
        root: The project's checkout, which holds security's files; without one, admission alone judges.

    Raises:
        Refused: With every rule that it breaks.
        InvalidSettings: If security's files are not valid.
    """
    if root is None:
        return
    today = datetime.now(UTC).date()
    decided = book.read(root, today)
    approved = decided.approved
    facts = Facts(
        tier=Tier(tier),
        today=today,
        registries=approved.registries,
        base_images=approved.base_images,
        evidence=decided.evidence,
        scan_days=approved.scan_days,
        inputs=frozenset(approved.inputs.get(DeclaredTier(tier), ())),
    )
    name = manifest["metadata"]["name"]
    token = f"kubernetes:{manifest['apiVersion']}:{manifest['kind']}"
    verdicts = Judge(manifest["metadata"]["namespace"], facts, decided).resource(Resource(token, name, manifest))
    denied = [verdict.message for verdict in verdicts if verdict.denied]
    if denied:
        raise Refused("\n".join(denied), problems=denied)


def pinned(reference: str) -> str:
    """Return an image's reference if it names the bytes.

    Args:
        reference: As it was typed.

    Raises:
        InvalidInput: If it is none, or names a tag alone.
    """
    try:
        found = imageref.parse(reference)
    except imageref.BadReferenceError as error:
        raise InvalidInput(f"image: {error}") from None
    if not found.pinned:
        raise InvalidInput(
            f"image: {reference} has no digest: name it as registry/path@sha256:…, which `terrarium image build` prints"
        )
    return reference
