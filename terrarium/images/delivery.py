"""An image on its way to a registry: its layers, itself, its papers, and last of all a tag."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from terrarium.images import cache, papers, referrers, sbom, statements
from terrarium.images.assembly import Image
from terrarium.images.job import ARCHITECTURE, Job
from terrarium.images.registry import digest_of
from terrarium.images.scan import Scan

if TYPE_CHECKING:
    from securesystemslib.signer import Signer


def push(job: Job, image: Image) -> None:
    """Push an image by its digest. What is interrupted leaves blobs that nothing names.

    Args:
        job: The build.
        image: The image.
    """
    job.say(f"Pushing to {job.repository.name}")
    for layer in job.base.layers:
        digest = str(layer["digest"])
        if not job.repository.mount(digest, job.origin):
            _carry(job, digest)
    for own in image.layers:
        job.repository.put_blob(own.digest, own.path)
    job.repository.put_blob(digest_of(image.config), image.config)
    # By digest: nothing is called by a name before it is whole.
    job.repository.put_manifest(image.manifest)


def _carry(job: Job, digest: str) -> None:
    """Bring a layer of the base over from another registry."""
    with cache.workbench() as folder:
        file = folder / "layer"
        with file.open("wb") as stream:
            for chunk in job.origin.stream(digest):
                stream.write(chunk)
        job.repository.put_blob(digest, file)


def attach(job: Job, image: Image, found: Scan, by: Signer | None, begun: datetime) -> None:
    """Attach an image's papers, and give it the tag that keeps it.

    Args:
        job: The build.
        image: The image, pushed.
        found: Its scan.
        by: Who signs.
        begun: When the build began.
    """
    now = datetime.now(UTC)
    called = (job.repository.name, image.digest)
    packages = [package for layer in image.layers for package in layer.packages]
    hashes = {pin.name: pin.hashes for pin in job.lock.pins}
    document = sbom.sbom(f"{job.repository.name}@{image.digest}", job.base.reference, packages, hashes, now)
    provenance = statements.provenance(
        image=called,
        origin=job.source.origin,
        base=job.base.reference,
        lock=job.lock,
        parameters={"command": job.source.command, "python": job.target.image.python, "platform": ARCHITECTURE},
        builder=_builder(),
        times=(begun, now),
        byproducts={"sbom": digest_of(document)},
    )
    told = [papers.bill(document), papers.stated(provenance, statements.PROVENANCE, by)]
    referrers.attach(job.repository, image.manifest, told)
    attach_scan(job, image, found, by)
    # Last: registries clear away what no tag names, and what was interrupted before stays without one.
    tag = f"inputs-{job.key[:16]}"
    if job.repository.digest(tag) != image.digest:
        job.repository.put_manifest(image.manifest, tag)


def attach_scan(job: Job, image: Image, found: Scan, by: Signer | None) -> None:
    """Attach what a scan found.

    Args:
        job: The build.
        image: The image, pushed.
        found: The scan.
        by: Who signs.
    """
    packages = sum(len(layer.packages) for layer in image.layers)
    statement = statements.scanned((job.repository.name, image.digest), found, packages, datetime.now(UTC))
    referrers.attach(job.repository, image.manifest, [papers.stated(statement, statements.SCAN, by)])


def _builder() -> str:
    """Return who builds: a CI's run where it says which, else this machine."""
    if os.environ.get("GITHUB_ACTIONS"):
        told = {key: os.environ.get(f"GITHUB_{key}", "") for key in ("SERVER_URL", "REPOSITORY", "RUN_ID")}
        return f"{told['SERVER_URL']}/{told['REPOSITORY']}/actions/runs/{told['RUN_ID']}"
    return os.environ.get("CI_JOB_URL") or f"host:{socket.gethostname()}"
