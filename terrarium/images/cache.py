"""What builds keep, shared by all checkouts: layers by content, and what was made from what.

Everything in it can be made again, and nothing is believed of it that its name does not prove: a blob is named by its
content's hash, a note by the hash of all that went into what it tells of.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Days without use after which a file goes.
_KEPT_DAYS = 30


def folder() -> Path:
    """Return `images` in `$TERRARIUM_CACHE`, else in `$XDG_CACHE_HOME/terrarium`, else in `~/.cache/terrarium`."""
    if chosen := os.environ.get("TERRARIUM_CACHE"):
        return Path(chosen).expanduser().absolute() / "images"
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification says a relative path in its variables is to be ignored.
    home = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return home / "terrarium" / "images"


def digest(*parts: object) -> str:
    """Return one hash, in hexadecimal, of things that JSON can hold, each apart from the next."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def blob(sha256: str) -> Path:
    """Return where a blob is or would be.

    Args:
        sha256: Its content's hash in hexadecimal.
    """
    return folder() / "blobs" / sha256


def note(kind: str, key: str) -> dict[str, Any] | None:
    """Return what was noted, or None.

    Args:
        kind: What it tells of, as `layers`.
        key: The hash of all that went into it.
    """
    path = folder() / kind / f"{key}.json"
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        path.touch()
    return found if isinstance(found, dict) else None


def keep(kind: str, key: str, told: dict[str, Any]) -> None:
    """Note something for the next build."""
    write(folder() / kind / f"{key}.json", json.dumps(told, indent=1, sort_keys=True).encode())


def write(path: Path, content: bytes) -> None:
    """Replace a file at once: whoever reads it sees the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


@contextmanager
def workbench() -> Iterator[Path]:
    """Give an empty folder in the cache, so that what is made there can be renamed into it; it is deleted after."""
    base = folder() / "work"
    base.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=base))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def prune() -> None:
    """Delete what nobody used for a month, and what killed builds left."""
    oldest = time.time() - _KEPT_DAYS * 86_400
    for path in folder().glob("*/*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
