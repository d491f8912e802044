"""From a script or package to an image in a registry, by digest, with its papers; unchanged code is not built again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.tiers import Tier
from terrarium.errors import InvalidInput, Refused
from terrarium.images import base as bases
from terrarium.images import cache, contents, places, scan, signing, uv
from terrarium.images.assembly import Image, assemble
from terrarium.images.inputs import ARCHITECTURE, Build, Built
from terrarium.images.locking import lock
from terrarium.images.registry import Repository
from terrarium.images.scan import Scan
from terrarium.images.signing import identity
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
        sign_key: Who signs its papers: a private key's file, or its address in a key service; by default
            TERRARIUM_SIGN_KEY of the environment, and without that nobody.
        sign_public: For a key service: the file of the public key; by default TERRARIUM_SIGN_PUBLIC.
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
    key = sign_key or wanted.variables.get(signing.KEY_VARIABLE)
    by = signing.signer(key, sign_public or wanted.variables.get(signing.PUBLIC_VARIABLE)) if key else None
    with opened(source, python) as code:
        _check_python(code, python)
        repository = Repository(places.place(wanted.of(name or code.name), wanted.variables))
        origin = Repository(places.place(approved.name, wanted.variables), repository.pool)
        # Before anything is asked of a registry: what can't be locked is told at once.
        options = uv.target(python, ARCHITECTURE)
        locked = lock(code, requirements, options, anew=upgrade)
        base = bases.read(approved, origin, ARCHITECTURE)
        bases.check_python(base, python)
        return _build(Build(wanted, code, locked, base, origin, repository, options, say), by)


@dataclass(frozen=True)
class _Past:
    """An image that an earlier build pushed, and which is there still.

    Args:
        digest: Its digest.
        scan: Its newest scan.
        signer: Identity of the key that signed its provenance; empty if none did.
        scan_signer: Likewise of its newest scan, which is made anew every day, by whoever builds.
    """

    digest: str
    scan: Scan
    signer: str
    scan_signer: str

    def unsigned(self, by: Signer | None) -> bool:
        """Tell whether somebody who would sign has not."""
        return by is not None and not self.signer == self.scan_signer == identity(by)


def _build(work: Build, by: Signer | None) -> Built:
    past = _past(work)
    fresh = past is not None and scan.fresh(past.scan, work.target.variables)
    if past and fresh:
        _check_tier(work.target, past.scan)
        if not past.unsigned(by):
            return work.built(past.digest, past.scan, past.signer, cached=True)
    # Imported here: an unchanged image is not delivered again.
    from terrarium.images import delivery  # noqa: PLC0415 - an unchanged image is not delivered again

    begun = datetime.now(UTC)
    image = _image(work)
    # What a lock allows several files for may be made of others now, and is another image then.
    same = past if past and past.digest == image.digest else None
    found = same.scan if same and fresh else _scanned(work, image)
    if same:
        signer = _renewed(work, image, found, same, by)
        return work.built(image.digest, found, signer, cached=True)
    delivery.push(work, image)
    delivery.attach(work, image, found, by, begun)
    _keep(work, _Past(image.digest, found, identity(by), identity(by)))
    cache.prune()
    return work.built(image.digest, found, identity(by), cached=False)


def _renewed(work: Build, image: Image, found: Scan, past: _Past, by: Signer | None) -> str:
    """Attach to an image that is there what is new: its scan, or a signature; return who signs its provenance."""
    from terrarium.images import delivery  # noqa: PLC0415 - see _build

    signer = identity(by) or past.signer
    if signer == past.signer:
        delivery.attach_scan(work, image, found, by)
    else:
        delivery.attach(work, image, found, by, datetime.now(UTC))
    _keep(work, _Past(image.digest, found, signer, identity(by)))
    return signer


def _past(work: Build) -> _Past | None:
    known = cache.note(_KIND, work.key)
    if not known or not work.repository.digest(str(known.get("digest"))):
        return None
    try:
        return _Past(known["digest"], scan.read(known["scan"]), known["signer"], known["scan_signer"])
    except (KeyError, ValueError):
        # Noted by another release: built anew.
        return None


def _keep(work: Build, made: _Past) -> None:
    cache.keep(_KIND, work.key, asdict(made))


def _image(work: Build) -> Image:
    python = work.target.image.python
    work.say("Preparing terrarium's client")
    layers = [contents.client_layer(work.options, python)]
    if work.lock.pins:
        work.say(f"Installing what {Path(work.lock.origin).name} locks")
        layers += [one for one in [contents.dependencies_layer(work.lock, work.options, python)] if one]
    layers.append(contents.code_layer(work.source, work.lock, work.options, python))
    labels = {"org.opencontainers.image.title": work.source.name}
    return assemble(work.base, layers, work.source.command, labels)


def _scanned(work: Build, image: Image) -> Scan:
    packages = [package for layer in image.layers for package in layer.packages]
    work.say("Looking for known holes")
    found = scan.scan(packages, work.target.variables)
    scan.refuse(found, work.source.name)
    if found.day is None:
        work.say(f"The image is NOT SCANNED: {found.why}. Testing and production won't take it.")
    _check_tier(work.target, found)
    return found


def _check_python(source: Source, python: str) -> None:
    if not source.takes(python):
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
