"""What an engine that was killed leaves behind: a lock, and creations of which nobody knows whether they happened."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil

# As the engine's file, S3, GCS and Azure backends say it:
#   s3://…/locks/…/UUID.json: created by ana@laptop (pid 4711) at 2026-11-21T14:35:02Z
_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<time>\S+)")


@dataclass(frozen=True)
class Lock:
    """Who holds a stack.

    Args:
        user: The user's name on that host.
        host: The host's name.
        pid: The engine's process there.
        time: When it was taken, RFC 3339.
    """

    user: str
    host: str
    pid: int
    time: str

    def is_dead(self) -> bool:
        """Tell whether the holder ran on this host and is gone.

        A process that was born after the lock was taken is another one with the same number.
        """
        if self.host != socket.gethostname():
            return False
        try:
            born = psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return True
        return born > datetime.fromisoformat(self.time).timestamp() + 1

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid}) since {self.time}"


def locks(message: str) -> list[Lock]:
    """Return the locks that an engine's error message names."""
    return [Lock(match["user"], match["host"], int(match["pid"]), match["time"]) for match in _LOCK.finditer(message)]


@dataclass(frozen=True)
class PendingCreate:
    """A creation that was begun and never confirmed.

    Args:
        urn: The resource's URN.
        type: Its type token.
        name: The id under which the provider finds it if it was made; None if its name was left to the cloud.
    """

    urn: str
    type: str
    name: str | None

    @property
    def only_in_state(self) -> bool:
        """Whether the resource has nothing outside the state, so that it can simply be made again."""
        return self.type.startswith("random:")


def pending_creates(deployment: Mapping[str, Any]) -> Iterator[PendingCreate]:
    """Yield the unconfirmed creations of an exported state.

    Args:
        deployment: The `deployment` of an exported stack.
    """
    for operation in deployment.get("pending_operations") or ():
        if operation["type"] == "creating":
            resource = operation["resource"]
            yield PendingCreate(
                resource["urn"], resource["type"], _name(resource["type"], resource.get("inputs") or {})
            )


def _name(token: str, inputs: Mapping[str, Any]) -> str | None:
    """Return the name that was sent: the engine noted it before it called the provider."""
    if not token.startswith("kubernetes:"):
        return None
    metadata = inputs.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    return f"{namespace}/{name}" if name and namespace else name
