"""An image on its way to a registry: its layers, itself, its papers, and last of all a tag."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_version

from terrarium.images import cache, papers, referrers, sbom, statements
from terrarium.images.assembly import Image
from terrarium.images.inputs import ARCHITECTURE, Build
from terrarium.images.registry import digest_of
from terrarium.images.scan import Scan

if TYPE_CHECKING:
    from securesystemslib.signer import Signer


def push(work: Build, image: Image) -> None:
    """Push an image by its digest. What is interrupted leaves blobs that nothing names.

    Args:
        work: The build.
        image: The image.
    """
    work.say(f"Pushing to {work.repository.name}")
    for layer in work.base.layers:
        digest = str(layer["digest"])
        if not work.repository.mount(digest, work.origin):
            _carry(work, digest)
    for own in image.layers:
        work.repository.put_blob(own.digest, own.path)
    work.repository.put_blob(digest_of(image.config), image.config)
    # By digest: nothing is called by a name before it is whole.
    work.repository.put_manifest(image.manifest)


def _carry(work: Build, digest: str) -> None:
    """Bring a layer of the base over from another registry."""
    with cache.workbench() as folder:
        file = folder / "layer"
        with file.open("wb") as stream:
            work.origin.fetch(digest, stream)
        work.repository.put_blob(digest, file)


def attach(work: Build, image: Image, found: Scan, by: Signer | None, begun: datetime) -> None:
    """Attach an image's papers, and give it the tag that keeps it.

    Args:
        work: The build.
        image: The image, pushed.
        found: Its scan.
        by: Who signs.
        begun: When the build began.
    """
    now = datetime.now(UTC)
    called = (work.repository.name, image.digest)
    packages = [package for layer in image.layers for package in layer.packages]
    hashes = {(pin.name, canonicalize_version(pin.version)): pin.hashes for pin in work.lock.pins}
    document = sbom.sbom(f"{work.repository.name}@{image.digest}", work.base.reference, packages, hashes, now)
    provenance = statements.provenance(
        image=called,
        origin=work.source.origin,
        base=work.base.reference,
        lock=work.lock,
        parameters={"command": work.source.command, "python": work.target.image.python, "platform": ARCHITECTURE},
        builder=_builder(),
        times=(begun, now),
        byproducts={"sbom": digest_of(document)},
    )
    told = [papers.bill(document), papers.stated(provenance, statements.PROVENANCE, by)]
    referrers.attach(work.repository, image.manifest, told)
    attach_scan(work, image, found, by)
    # Last: registries clear away what no tag names, and what was interrupted before stays without one.
    tag = f"inputs-{work.key[:16]}"
    if work.repository.digest(tag) != image.digest:
        work.repository.put_manifest(image.manifest, tag)


def attach_scan(work: Build, image: Image, found: Scan, by: Signer | None) -> None:
    """Attach what a scan found.

    Args:
        work: The build.
        image: The image, pushed.
        found: The scan.
        by: Who signs.
    """
    packages = sum(len(layer.packages) for layer in image.layers)
    statement = statements.scanned((work.repository.name, image.digest), found, packages, datetime.now(UTC))
    referrers.attach(work.repository, image.manifest, [papers.stated(statement, statements.SCAN, by)])


def _builder() -> str:
    """Return who builds: a CI's run where it says which, else this machine."""
    if os.environ.get("GITHUB_ACTIONS"):
        told = {key: os.environ.get(f"GITHUB_{key}", "") for key in ("SERVER_URL", "REPOSITORY", "RUN_ID")}
        return f"{told['SERVER_URL']}/{told['REPOSITORY']}/actions/runs/{told['RUN_ID']}"
    return os.environ.get("CI_JOB_URL") or f"host:{socket.gethostname()}"
