"""What one build is of, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from terrarium.images import cache, contents
from terrarium.images.assembly import ENTRYPOINT
from terrarium.images.base import Base
from terrarium.images.compiled import magic
from terrarium.images.locking import Lock
from terrarium.images.registry import Repository
from terrarium.images.scan import Scan
from terrarium.images.source import Source
from terrarium.images.target import Target

ARCHITECTURE = "amd64"
"""What images are built for."""
# Told apart from what an earlier release built of the same.
_FORM = 1


@dataclass(frozen=True)
class Built:
    """An image that is in its registry.

    Args:
        reference: `registry/path@sha256:…`, to run.
        digest: Its digest.
        entrypoint: What a container runs; arguments of a person are added behind it.
        base: What it is built on, by digest.
        scan: What is known of its packages.
        signer: Identity of the key that signed its provenance; empty if none did.
        cached: Whether it was there already.
        lock: The lock's text.
    """

    reference: str
    digest: str
    entrypoint: tuple[str, ...]
    base: str
    scan: Scan
    signer: str
    cached: bool
    lock: str


@dataclass(frozen=True)
class Build:
    """All that a build is of.

    Args:
        target: The environment.
        source: The code.
        lock: What it needs.
        base: What it is built on.
        origin: The base's repository.
        repository: The image's.
        options: uv's options for the image's Python.
        say: Told what goes on.
    """

    target: Target
    source: Source
    lock: Lock
    base: Base
    origin: Repository
    repository: Repository
    options: Sequence[str]
    say: Callable[[str], None]

    @property
    def key(self) -> str:
        """Hash of all that goes in."""
        python = self.target.image.python
        parts = (self.source.digest, self.source.command, self.lock.form, self.lock.text, self.base.reference)
        compiled = magic(python)
        return cache.digest(
            _FORM, parts, contents.client_digest(), self.options, compiled, self.repository.name, ENTRYPOINT
        )

    def built(self, digest: str, found: Scan, signer: str, *, cached: bool) -> Built:
        """Return what came out.

        Args:
            digest: The image's.
            found: Its scan.
            signer: Who signed its provenance.
            cached: Whether it was there already.
        """
        return Built(
            reference=f"{self.repository.name}@{digest}",
            digest=digest,
            entrypoint=(*ENTRYPOINT, *self.source.command),
            base=self.base.reference,
            scan=found,
            signer=signer,
            cached=cached,
            lock=self.lock.text,
        )
