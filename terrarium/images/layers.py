"""Layers: the same files make the same bytes, whenever and wherever they are packed."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from terrarium.images import cache

MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
# Of 9. Wheels hold compiled code: 6 takes three times as long and saves 3 %.
_LEVEL = 3
_KIND = "layers"


@dataclass(frozen=True)
class Entry:
    """A file or an empty folder of a layer.

    Args:
        content: The file, or its content; None for a folder.
        executable: Whether it may be run.
        owner: User and group; root by default, so that no container changes its own code.
    """

    content: Path | bytes | None
    executable: bool = False
    owner: int = 0


class Package(NamedTuple):
    """A Python package that is in a layer.

    Args:
        name: Its name, normalised.
        version: The version.
        licence: As it says itself; empty if it says none in a few words.
    """

    name: str
    version: str
    licence: str = ""


@dataclass(frozen=True)
class Layer:
    """A layer in the cache.

    Args:
        digest: Of the compressed bytes, as `sha256:…`.
        size: Of the compressed bytes.
        plain: Digest of the bytes before they were compressed.
        what: What it holds, for an image's history.
        packages: The Python packages in it.
    """

    digest: str
    size: int
    plain: str
    what: str
    packages: tuple[Package, ...] = ()

    @property
    def path(self) -> Path:
        """Where it is."""
        return cache.blob(self.digest.removeprefix("sha256:"))

    @property
    def descriptor(self) -> dict[str, Any]:
        """How manifests name it."""
        return {"mediaType": MEDIA_TYPE, "digest": self.digest, "size": self.size}


def known(key: str) -> Layer | None:
    """Return the layer that was made of the same, if it is still there.

    Args:
        key: The hash of all that goes into it.
    """
    note = cache.note(_KIND, key)
    if note is None:
        return None
    try:
        layer = Layer(**{**note, "packages": tuple(Package(*one) for one in note["packages"])})
        if layer.path.stat().st_size != layer.size:
            return None
        layer.path.touch()
    except (OSError, TypeError, KeyError):
        return None
    return layer


def pack(entries: Mapping[str, Entry], *, what: str, key: str, packages: Sequence[Package] = ()) -> Layer:
    """Make a layer and keep it.

    Args:
        entries: By path in the image, without a leading slash. Folders above are added.
        what: What it holds, for an image's history.
        key: The hash of all that went into it.
        packages: The Python packages in it.
    """
    with cache.workbench() as folder:
        partial = folder / "layer"
        plain = hashlib.sha256()
        with (
            partial.open("wb") as raw,
            # No name and no time in its head.
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=_LEVEL, mtime=0) as packed,
        ):
            write_tar(cast("IO[bytes]", _Both(plain, packed)), entries)
        with partial.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        layer = Layer(f"sha256:{digest}", partial.stat().st_size, f"sha256:{plain.hexdigest()}", what, (*packages,))
        layer.path.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(layer.path)
    cache.keep(_KIND, key, vars(layer))
    return layer


def write_tar(stream: IO[bytes], entries: Mapping[str, Entry]) -> None:
    """Write files as a tar: sorted, as old as the epoch, in modes that depend on nothing but `executable`.

    Args:
        stream: Where to.
        entries: By path, without a leading slash.
    """
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, entry in sorted({**_above(entries), **entries}.items()):
            info = tarfile.TarInfo(name)
            info.uid = info.gid = entry.owner
            if entry.content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            info.mode = 0o755 if entry.executable else 0o644
            if isinstance(entry.content, bytes):
                info.size = len(entry.content)
                tar.addfile(info, io.BytesIO(entry.content))
                continue
            with entry.content.open("rb") as content:
                info.size = entry.content.stat().st_size
                tar.addfile(info, content)


def tree(folder: Path, below: str) -> Iterator[tuple[str, Entry]]:
    """Yield each file of a folder as an entry.

    Args:
        folder: The folder; links in it are followed.
        below: Where it is in the image, without a leading slash.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            executable = bool(path.stat().st_mode & 0o100)
            yield f"{below}/{path.relative_to(folder).as_posix()}", Entry(path, executable)


def _above(paths: Iterable[str]) -> dict[str, Entry]:
    return {str(above): Entry(None) for path in paths for above in PurePosixPath(path).parents if str(above) != "."}


class _Both(io.RawIOBase):
    """Writes to a stream, and into a hash."""

    def __init__(self, digest: Any, stream: Any) -> None:
        super().__init__()
        self._digest = digest
        self._stream = stream

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all of it."""
        self._digest.update(data)
        self._stream.write(data)
        return len(data)
