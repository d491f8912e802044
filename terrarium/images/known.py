"""What is known of an image: for people, and as the record that security keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.rules import imageref
from terrarium.errors import InvalidInput, Refused
from terrarium.images import papers, places
from terrarium.images.registry import Repository
from terrarium.images.target import Target


@dataclass(frozen=True)
class Image:
    """An image in a registry, with its papers.

    Args:
        reference: `host/path@sha256:…`.
        digest: Its digest.
        base: What its manifest says it is built on.
        entrypoint: What a container runs.
        size: Of all layers, compressed, in bytes.
        papers: What its papers say.
    """

    reference: str
    digest: str
    base: str
    entrypoint: tuple[str, ...]
    size: int
    papers: papers.Known

    @property
    def record(self) -> Mapping[str, Any]:
        """What security keeps of it in policies/waivers/images.yaml, by digest; the release is theirs to name."""
        found = self.papers.scan
        scanned = {"scanned_on": found.day} if found and found.day else {}
        # Who signed the provenance says nothing of a scan that somebody else attached.
        signed = self.papers.signer is not None and (found is None or self.papers.scan_signer is not None)
        return {
            "base": self.base,
            **scanned,
            "clean": bool(found and found.clean),
            "signed": signed,
            "release": "",
        }


def find(reference: str, wanted: Target, signers: Mapping[str, str] | None = None) -> Image:
    """Return what is known of an image.

    Args:
        reference: Name with a digest or a tag; a bare name is in the environment's registry.
        wanted: The environment.
        signers: Public keys (PEM) of those who count, by name; by default security's.

    Raises:
        InvalidInput: There is no such image.
    """
    whole = wanted.whole(reference)
    try:
        parsed = imageref.parse(whole)
    except imageref.BadReferenceError as error:
        raise InvalidInput(f"{reference} is no image: {error}") from None
    if not (parsed.digest or parsed.tag):
        raise InvalidInput(f"{reference} names neither a digest nor a tag; `terrarium image build` printed the digest")
    repository = Repository(places.place(parsed.name, wanted.variables))
    manifest, digest = repository.manifest(parsed.digest or parsed.tag)
    try:
        config = json.loads(repository.blob(manifest["config"]["digest"]))
        size = sum(int(layer["size"]) for layer in manifest["layers"])
        base = str((manifest.get("annotations") or {}).get("org.opencontainers.image.base.name", ""))
        entrypoint = tuple((config.get("config") or {}).get("Entrypoint") or ())
    except (KeyError, ValueError, TypeError, AttributeError):
        raise InvalidInput(f"{parsed.name}@{digest} is no image for one platform") from None
    return Image(
        reference=f"{parsed.name}@{digest}",
        digest=digest,
        base=base,
        entrypoint=entrypoint,
        size=size,
        papers=papers.read(repository, digest, wanted.book.signers if signers is None else signers),
    )


def verify(image: Image, wanted: Target) -> None:
    """End unless somebody who counts vouches for an image, its base and its scan.

    Raises:
        Refused: With everything that is missing or wrong.
    """
    told = image.papers
    problems: list[str] = []
    if told.provenance is None:
        problems.append("it has no provenance: nobody says where it comes from")
    elif told.signer is None:
        problems.append("its provenance is signed by nobody who counts (signers in policies/waivers/approved.yaml)")
    elif told.base != image.base:
        problems.append(f"its manifest says it is built on {image.base or 'nothing'}, its provenance something else")
    if not told.components:
        problems.append("it has no bill of materials that its provenance names")
    if told.scan is None or told.scan.day is None:
        problems.append(f"it was not scanned: {told.scan.why if told.scan else 'no scan is attached'}")
    elif told.scan.holes:
        problems.extend(map(str, told.scan.holes))
    if told.scan is not None and told.scan_signer is None:
        problems.append("its scan is signed by nobody who counts")
    if not any(_under(image.base, one) for one in wanted.book.approved.base_images):
        problems.append(f"its base {image.base or '(none is named)'} is not approved")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise Refused(f"{image.reference} can't be vouched for:\n{listed}", problems=problems)


def public_key(name: str, file: Path) -> Mapping[str, str]:
    """Return a person's own choice of who counts.

    Raises:
        InvalidInput: The file can't be read.
    """
    try:
        return {name: file.read_text(encoding="utf-8")}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} can't be read: {type(error).__name__}") from None


def _under(base: str, approved: str) -> bool:
    try:
        return imageref.parse(base).under(approved)
    except imageref.BadReferenceError:
        return False
