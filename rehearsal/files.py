"""Files that a crash leaves either old or new, never half."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


def write(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace a file at once: whoever reads it sees the old content or the new one.

    Args:
        path: The file; its folder is made, with mode 0700, if missing.
        content: Text (written as UTF-8) or bytes.
        mode: Permissions, set before the content is there, so that a key is never readable by others.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file at once."""
    write(path, json.dumps(content, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or None where it is missing, cut short or something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


@cache
def as_file(text: str) -> str:
    """Return the path of a file with a certificate's text, gone with this process; what is no such text stays."""
    if not text.startswith("-----BEGIN"):
        return text
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        # The copy stays open as long as the process is there.
        return f"/dev/fd/{os.dup(file.fileno())}"


def size(path: Path) -> int:
    """Return how long a file is in bytes, 0 if it is missing."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def tail(path: Path, lines: int, *, since: int = 0) -> list[str]:
    """Return the last lines of a text file, reading no more than its last 64 KiB.

    Args:
        path: The file; a missing one has no lines.
        lines: How many at most.
        since: Where to begin, in bytes. A file shorter than that was begun anew, and is read from its start.
    """
    length = size(path)
    begin = since if since <= length else 0
    try:
        with path.open("rb") as stream:
            stream.seek(max(begin, length - 65536))
            return stream.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []
