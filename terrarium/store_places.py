"""What people name in `terrarium store cp`: `models:v1/x` in the store, a path of this machine, or `-`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from terrarium.client.connection import KINDS
from terrarium.errors import InvalidInput

_REMOTE = (*KINDS, "lake")


@dataclass(frozen=True)
class Remote:
    """A place in the store.

    Args:
        kind: The kind of objects.
        path: An object or a folder; empty for all of the kind.
        folder: Whether it can only be a folder, as it ends with `/` or is empty.
    """

    kind: str
    path: str
    folder: bool

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}{'/' if self.folder and self.path else ''}"

    def below(self, relative: str) -> Remote:
        """Return a place in this folder."""
        return Remote(self.kind, f"{self.path}/{relative}".strip("/"), folder=False)


@dataclass(frozen=True)
class Local:
    """A path of this machine.

    Args:
        path: The path.
        folder: Whether it can only be a folder, as it ends with `/` or is one.
    """

    path: Path
    folder: bool

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Pipe:
    """Standard input or output."""

    def __str__(self) -> str:
        return "-"


Place = Remote | Local | Pipe


def parse_place(text: str) -> Place:
    """Return the place that a person typed. A local path that begins like a kind is written `./models:x`."""
    if text == "-":
        return Pipe()
    kind, colon, path = text.partition(":")
    if colon and kind in _REMOTE:
        return Remote(kind, path.strip("/"), folder=not path.strip("/") or path.endswith("/"))
    local = Path(text)
    return Local(local, folder=text.endswith("/") or local.is_dir())


def parse_remote(text: str) -> Remote:
    """Return the place in the store that a person typed; the colon may be left out of a kind's bare name.

    Raises:
        InvalidInput: If it names no kind.
    """
    place = parse_place(text if ":" in text else f"{text}:")
    if not isinstance(place, Remote):
        raise InvalidInput(f"`{text}` is no place in the store: write KIND:PATH, KIND being {', '.join(_REMOTE)}")
    return place
