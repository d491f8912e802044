"""What says that a store holds a restore, of what, and how far it came: `restore.json` among its backups."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from terrarium.backups.environments import Environment
from terrarium.errors import CommandFailed

_KEY = "restore.json"


@dataclass(frozen=True)
class Marker:
    """A restore.

    Args:
        environment: Id of the environment whose data it brings.
        uid: Its uid.
        asked: The time that was asked for, as it was typed.
        time: The time that it restores to, RFC 3339.
        objects: The same time by the objects' own store's clock, RFC 3339.
        begun: When it was begun, RFC 3339.
        backup: Time of the backup that it takes from; None if it takes from none.
        database: Whether the database is from that backup; else it is from the server's log.
        kinds: Kinds of objects that are from that backup; the others are from their versions.
        schemas: Schemas of the database that are done.
        result: What it brought; None until it is done.
    """

    environment: str
    uid: str
    asked: str
    time: str
    objects: str
    begun: str
    backup: str | None
    database: bool
    kinds: tuple[str, ...]
    schemas: tuple[str, ...] = ()
    result: dict[str, Any] | None = None

    def with_schemas(self, schemas: Iterable[str]) -> Marker:
        """Return it with these schemas done."""
        return replace(self, schemas=tuple(schemas))

    def done(self, result: dict[str, Any]) -> Marker:
        """Return it as done."""
        return replace(self, result=result)


def read(environment: Environment) -> Marker | None:
    """Return what is restored into an environment's store; None if nothing is.

    Raises:
        CommandFailed: If the marker is damaged.
    """
    content = environment.objects.read(environment.backups, _KEY)
    if content is None:
        return None
    try:
        found = json.loads(content)
        return Marker(**{**found, "kinds": tuple(found["kinds"]), "schemas": tuple(found["schemas"])})
    except (ValueError, TypeError, KeyError):
        raise CommandFailed(
            f"{_KEY} in bucket {environment.backups} is damaged: destroy {environment.id} and restore again"
        ) from None


def write(environment: Environment, marker: Marker) -> None:
    """Say what is restored into an environment's store."""
    content = json.dumps(asdict(marker), indent=1, sort_keys=True).encode()
    environment.objects.write(environment.backups, _KEY, content)
