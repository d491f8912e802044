"""What an engine that was killed leaves behind: a lock, and creations of which nobody knows whether they happened."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

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


def adopted(state: Mapping[str, Any], pending: Iterable[PendingCreate]) -> dict[str, Any]:
    """Return an exported state in which unconfirmed creations are resources, as if they had been confirmed.

    A refresh of these then reads what exists and drops what does not. The engine's own
    `refresh --import-pending-creates` promises this, and in v3.250.0 forgets them: the next `up` fails because the
    objects exist already.

    Args:
        state: The exported state.
        pending: The unconfirmed creations that can be found by name; all others are dropped, to be made again.
    """
    names = {item.urn: item.name for item in pending if item.name is not None}
    confirmed = [
        {**resource, "id": names[resource["urn"]], "outputs": resource.get("inputs") or {}}
        for resource in (operation["resource"] for operation in state.get("pending_operations") or ())
        if resource["urn"] in names
    ]
    return {**state, "resources": [*state["resources"], *confirmed], "pending_operations": []}


def mend_file_backend(url: str) -> None:
    """Remove what an engine that was killed while it wrote leaves in a folder of states.

    The engine replaces a state in one step, but writes a `.attrs` file beside it in two; an empty one makes every later
    command end with `error: EOF`. It holds nothing but a checksum.

    Args:
        url: The backend; only `file://` ones can have been left so.
    """
    if not url.startswith("file://"):
        return
    folder = Path(unquote(urlsplit(url).path)).expanduser() / ".pulumi"
    for path in folder.rglob("*.attrs"):
        with suppress(FileNotFoundError):  # a running engine replaces these
            if path.stat().st_size == 0:
                path.unlink()
