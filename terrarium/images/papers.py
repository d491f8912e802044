"""An image's papers: made, signed and attached after a build; read and judged when somebody asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from terrarium.images import referrers, sbom, scan, statements
from terrarium.images.referrers import Paper
from terrarium.images.registry import Repository, digest_of
from terrarium.images.scan import Scan
from terrarium.images.signing import ENVELOPE, opened, seal

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

_PREDICATE = "in-toto.io/predicate-type"


@dataclass(frozen=True)
class Known:
    """What papers say of an image.

    Args:
        provenance: Where it comes from (SLSA), as stated; None if nothing is.
        signer: Who vouches for that; None if nobody who counts does.
        scan: The newest scan, of those whose signer counts if there are any.
        scan_signer: Who vouches for that.
        components: What it is made of: names and versions of packages.
        wrong: Papers that are not believed, and why. Whoever may push can attach some: they change nothing.
    """

    provenance: Mapping[str, Any] | None = None
    signer: str | None = None
    scan: Scan | None = None
    scan_signer: str | None = None
    components: Sequence[str] = ()
    wrong: Sequence[str] = field(default=())


def stated(statement: bytes, kind: str, by: Signer | None) -> Paper:
    """Return a statement as a paper, signed if there is somebody to sign it.

    Args:
        statement: The statement.
        kind: Its predicate's type.
        by: Who signs.
    """
    if by is None:
        return Paper(statements.MEDIA_TYPE, statements.MEDIA_TYPE, statement, {_PREDICATE: kind})
    return Paper(statements.MEDIA_TYPE, ENVELOPE, seal(statement, by), {_PREDICATE: kind})


def bill(document: bytes) -> Paper:
    """Return a bill of materials as a paper; the provenance holds its digest, so that its signer vouches for it."""
    return Paper(sbom.MEDIA_TYPE, sbom.MEDIA_TYPE, document, {})


def read(repository: Repository, digest: str, signers: Mapping[str, str]) -> Known:
    """Return what an image's papers say. What speaks of another image, or can't be read, is reported and not believed.

    Args:
        repository: The image's.
        digest: The image's.
        signers: Public keys (PEM) of those who count, by name.
    """
    wrong: list[str] = []
    told: dict[str, list[tuple[Mapping[str, Any], str | None]]] = {}
    bills: dict[str, Sequence[str]] = {}
    for descriptor in referrers.listed(repository, digest):
        kind = descriptor.get("artifactType")
        if kind not in {statements.MEDIA_TYPE, sbom.MEDIA_TYPE}:
            continue
        data = referrers.read(repository, descriptor)
        try:
            if kind == sbom.MEDIA_TYPE:
                bills[digest_of(data)] = _components(data)
                continue
            statement, signer = opened(data, signers)
            if digest not in statements.subject(statement):
                wrong.append(f"paper {descriptor['digest']} speaks of another image")
                continue
            told.setdefault(str(statement.get("predicateType")), []).append((statement["predicate"], signer))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wrong.append(f"paper {descriptor['digest']} can't be read: {error}")
    provenance, signer = _best(told.get(statements.PROVENANCE, []))
    scans = [(one["scan"], by) for one, by in told.get(statements.SCAN, [])]
    newest, scan_signer = _best(sorted(scans, key=lambda pair: str(pair[0].get("tried"))))
    return Known(
        provenance=provenance,
        signer=signer,
        scan=scan.read(newest) if newest else None,
        scan_signer=scan_signer,
        components=_vouched(bills, provenance),
        wrong=wrong,
    )


def _best(told: Sequence[tuple[Mapping[str, Any], str | None]]) -> tuple[Mapping[str, Any] | None, str | None]:
    """Return the last one that somebody vouches for, or else the last one."""
    if not told:
        return None, None
    return ([one for one in told if one[1]] or told)[-1]


def _vouched(bills: Mapping[str, Sequence[str]], provenance: Mapping[str, Any] | None) -> Sequence[str]:
    """Return the packages of the bill of materials that the provenance names: its signer vouches for no other."""
    named = [
        f"sha256:{one['digest']['sha256']}"
        for one in (provenance or {}).get("runDetails", {}).get("byproducts", [])
        if one.get("name") == "sbom"
    ]
    return next((bills[digest] for digest in named if digest in bills), ())


def _components(data: bytes) -> Sequence[str]:
    listed = json.loads(data).get("components", [])
    return [f"{one['name']} {one.get('version', '')}".strip() for one in listed]
