"""From a script or package to an image in a registry, by digest, with its papers; unchanged code is not built again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from components.tiers import Tier
from terrarium.errors import InvalidInput, Refused
from terrarium.images import base as bases
from terrarium.images import cache, contents, places, scan, uv
from terrarium.images.assembly import Image, assemble
from terrarium.images.job import ARCHITECTURE, Built, Job
from terrarium.images.locking import lock
from terrarium.images.registry import Repository
from terrarium.images.scan import Scan
from terrarium.images.source import Source, opened
from terrarium.images.target import Target, target

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

__all__ = ["Built", "build"]

_KIND = "builds"


def build(
    source: str,
    *,
    environment: str | None = None,
    name: str | None = None,
    requirements: Path | None = None,
    root: Path | None = None,
    sign_key: str | None = None,
    sign_public: str | None = None,
    upgrade: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Built:
    """Build an image, push it by digest with its papers, and return what is known of it.

    Args:
        source: A script, a package's folder, `REV:PATH` of this repository, or `git+URL@REV#PATH`.
        environment: For which environment: a stack's name or an environment's id.
        name: What to call it; by default after the script or package.
        requirements: A file with its requirements or its lock, instead of what the source declares.
        root: The project's checkout.
        sign_key: Who signs its papers: a private key's file, or its address in a key service.
        sign_public: For a key service: the file of the public key.
        upgrade: Resolve anew what an earlier build has resolved.
        say: Told what goes on.

    Raises:
        InvalidInput: Something that was typed or declared is wrong.
        Refused: It is not approved, has known holes, or may not be pushed.
        RegistryFailed: The registry does not answer.
    """
    wanted = target(environment, root)
    python = wanted.image.python
    approved = bases.approve(wanted.image.base, wanted.book.approved.base_images)
    by = _signer(sign_key, sign_public)
    with opened(source, python) as code:
        _check_python(code, python)
        repository = Repository(places.place(wanted.of(name or code.name), wanted.variables))
        origin = Repository(places.place(approved.name, wanted.variables), repository.pool)
        # Before anything is asked of a registry: what can't be locked is told at once.
        options = uv.target(python, ARCHITECTURE)
        locked = lock(code, requirements, options, anew=upgrade)
        base = bases.read(approved, origin, ARCHITECTURE)
        bases.check_python(base, python)
        return _build(Job(wanted, code, locked, base, origin, repository, options, say), by)


def _build(job: Job, by: Signer | None) -> Built:
    known = cache.note(_KIND, job.key)
    if known and job.repository.digest(str(known.get("digest"))):
        try:
            return _again(job, known, by)
        except (KeyError, ValueError):
            # Noted by another release: built anew.
            pass
    # Imported here: an unchanged image is not delivered again.
    from terrarium.images import delivery  # noqa: PLC0415 - an unchanged image is not delivered again
    from terrarium.images.signing import identity  # noqa: PLC0415 - as above

    begun = datetime.now(UTC)
    image = _image(job)
    found = _scanned(job, image)
    delivery.push(job, image)
    delivery.attach(job, image, found, by, begun)
    _keep(job, image.digest, found, identity(by))
    cache.prune()
    return job.built(image.digest, found, identity(by), cached=False)


def _again(job: Job, known: Mapping[str, Any], by: Signer | None) -> Built:
    """Return what was built before; scanned and signed anew where that is due."""
    found, signer, digest = scan.read(known["scan"]), str(known["signer"]), str(known["digest"])
    unsigned = by is not None and by.public_key.keyid != signer
    fresh = scan.fresh(found, job.target.variables)
    if fresh and not unsigned:
        _check_tier(job.target, found)
        return job.built(digest, found, signer, cached=True)
    from terrarium.images import delivery  # noqa: PLC0415 - see _build
    from terrarium.images.signing import identity  # noqa: PLC0415 - as above

    image = _image(job)
    found = found if fresh else _scanned(job, image)
    if unsigned:
        delivery.attach(job, image, found, by, datetime.now(UTC))
        signer = identity(by)
    else:
        delivery.attach_scan(job, image, found, by)
    _keep(job, digest, found, signer)
    return job.built(digest, found, signer, cached=True)


def _keep(job: Job, digest: str, found: Scan, signer: str) -> None:
    cache.keep(_KIND, job.key, {"digest": digest, "scan": found.as_dict(), "signer": signer})


def _image(job: Job) -> Image:
    python = job.target.image.python
    job.say("Preparing terrarium's client")
    layers = [contents.client_layer(job.options, python)]
    if job.lock.pins:
        job.say(f"Installing what {Path(job.lock.origin).name} locks")
        layers += [one for one in [contents.dependencies_layer(job.lock, job.options, python)] if one]
    layers.append(contents.code_layer(job.source, job.lock, python))
    labels = {"org.opencontainers.image.title": job.source.name}
    return assemble(job.base, layers, job.source.command, labels)


def _scanned(job: Job, image: Image) -> Scan:
    packages = [package for layer in image.layers for package in layer.packages]
    job.say("Looking for known holes")
    found = scan.scan(packages, job.target.variables)
    scan.refuse(found, job.source.name)
    if found.day is None:
        job.say(f"The image is NOT SCANNED: {found.why}. Testing and production won't take it.")
    _check_tier(job.target, found)
    return found


def _signer(key: str | None, public: str | None) -> Signer | None:
    if not key:
        return None
    from terrarium.images.signing import signer  # noqa: PLC0415 - most builds at a desk are not signed

    return signer(key, public)


def _check_python(source: Source, python: str) -> None:
    if not source.requires_python:
        return
    try:
        takes = SpecifierSet(source.requires_python)
    except InvalidSpecifier:
        raise InvalidInput(f"{source.where} says requires-python = {source.requires_python!r}, which is none") from None
    # Of a version such as 3.11 some release will do.
    if not any(takes.contains(f"{python}.{patch}", prereleases=True) for patch in range(40)):
        raise InvalidInput(
            f"{source.where} needs Python {source.requires_python}, and the environment's images have {python} "
            "(`image.python`)"
        )


def _check_tier(wanted: Target, found: Scan) -> None:
    if wanted.tier is not Tier.EXPERIMENTATION and found.day is None:
        raise Refused(
            f"{wanted.environment} is of tier {wanted.tier.value}, which takes no image that was not scanned: "
            f"{found.why}"
        )
