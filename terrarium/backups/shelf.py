"""The backups that an environment has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

from terrarium.backups import moments
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import MANIFEST, Item, Manifest, decode, listed
from terrarium.engine import Say
from terrarium.errors import CommandFailed


def names(environment: Environment) -> list[str]:
    """Return the names of the environment's backups, unfinished ones too, oldest first."""
    found = environment.objects.folders(environment.backups)
    return sorted(name for name in found if moments.named(name) is not None)


def read(environment: Environment, name: str) -> Manifest | None:
    """Return the manifest of a backup; None if it was never finished.

    Raises:
        CommandFailed: If it is damaged, or a later program's.
    """
    content = environment.objects.read(environment.backups, f"{name}/{MANIFEST}")
    return None if content is None else decode(content, name)


def manifests(environment: Environment, say: Say) -> list[Manifest]:
    """Return the environment's backups, oldest first.

    Args:
        environment: Whose.
        say: Takes a sentence on each that can't be read: one of them must not hide the others.
    """
    return list(_readable(environment, names(environment), say))


def at(environment: Environment, moment: datetime | None, say: Say) -> Manifest | None:
    """Return the newest backup of a time or before; None if there is none.

    Args:
        environment: Whose.
        moment: The time; None for the newest of all.
        say: As of `manifests`.
    """
    found = reversed(names(environment))
    before = (name for name in found if moment is None or (moments.named(name) or moment) <= moment)
    return next(_readable(environment, before, say), None)


def items(environment: Environment, manifest: Manifest, kind: str) -> Iterator[Item]:
    """Yield the objects of one kind in a backup.

    Raises:
        CommandFailed: If its listing is missing or damaged.
    """
    kept = manifest.objects[kind]
    content = environment.objects.read(environment.backups, kept.listing)
    if content is None or hashlib.sha256(content).hexdigest() != kept.sha256:
        raise CommandFailed(f"{kept.listing} is missing or damaged; choose a time of another backup")
    yield from listed(content, kept.listing)


def _readable(environment: Environment, names: Iterable[str], say: Say) -> Iterator[Manifest]:
    for name in names:
        try:
            found = read(environment, name)
        except CommandFailed as error:
            say(f"{error}; it is left out")
            continue
        if found is not None:
            yield found
