"""An image's papers: made, signed and attached after a build; read and judged when somebody asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from terrarium.images import referrers, sbom, statements
from terrarium.images.referrers import Paper
from terrarium.images.registry import Repository, digest_of
from terrarium.images.scan import Scan
from terrarium.images.signing import ENVELOPE, opened, seal
from terrarium.images.statements import Provenance

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

_PREDICATE = "in-toto.io/predicate-type"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Known:
    """What papers say of an image.

    Args:
        provenance: Where it comes from (SLSA), as stated; None if nothing is.
        base: What that says the image is built on.
        signer: Who vouches for that; None if nobody who counts does.
        scan: The newest scan, of those whose signer counts if there are any.
        scan_signer: Who vouches for that.
        components: What it is made of: names and versions of packages.
        wrong: Papers that are not believed, and why. Whoever may push can attach some: they change nothing.
    """

    provenance: Mapping[str, Any] | None = None
    base: str = ""
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
    pile = _Pile({}, [], [])
    wrong: list[str] = []
    for descriptor in referrers.listed(repository, digest):
        try:
            pile.add(repository, digest, descriptor, signers)
        except ValueError as error:
            wrong.append(f"paper {descriptor.get('digest')} is not believed: {error}")
        except (LookupError, TypeError, AttributeError, RecursionError):
            wrong.append(f"paper {descriptor.get('digest')} is not believed: it is not in its kind's form")
    provenance, signer = _best(pile.provenances)
    newest, scan_signer = _best([told for _, told in sorted(pile.scans, key=itemgetter(0))])
    return Known(
        provenance=provenance.predicate if provenance else None,
        base=provenance.base if provenance else "",
        signer=signer,
        scan=newest,
        scan_signer=scan_signer,
        # The provenance's signer vouches for the bill of materials that it names, and for no other.
        components=pile.bills.get(provenance.bill, ()) if provenance else (),
        wrong=wrong,
    )


@dataclass
class _Pile:
    """Papers that could be read, each with who vouches for it; scans with when they were made."""

    bills: dict[str, Sequence[str]]
    provenances: list[tuple[Provenance, str | None]]
    scans: list[tuple[float, tuple[Scan, str | None]]]

    def add(
        self, repository: Repository, image: str, descriptor: Mapping[str, Any], signers: Mapping[str, str]
    ) -> None:
        """Add a paper; whoever may push can have made it, so that anything may be wrong with it."""
        kind = descriptor.get("artifactType")
        if kind not in {statements.MEDIA_TYPE, sbom.MEDIA_TYPE}:
            return
        data = referrers.read(repository, descriptor)
        if kind == sbom.MEDIA_TYPE:
            self.bills[digest_of(data)] = _components(data)
            return
        statement, signer = opened(data, signers)
        if image not in statements.subject(statement):
            raise ValueError("it speaks of another image")
        predicate = statement["predicate"]
        if statement.get("predicateType") == statements.PROVENANCE:
            self.provenances.append((statements.read_provenance(predicate), signer))
        elif statement.get("predicateType") == statements.SCAN:
            made, scan = statements.read_scan(predicate)
            self.scans.append((made, (scan, signer)))


def _best(told: Sequence[tuple[_T, str | None]]) -> tuple[_T | None, str | None]:
    """Return the last one that somebody vouches for, or else the last one."""
    if not told:
        return None, None
    return ([one for one in told if one[1]] or told)[-1]


def _components(data: bytes) -> Sequence[str]:
    listed = json.loads(data).get("components", [])
    return [f"{one['name']} {one.get('version', '')}".strip() for one in listed]
