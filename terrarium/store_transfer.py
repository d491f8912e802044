"""Copies objects: up, down, and inside the store; each as a whole or not at all, and never twice for nothing."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from terrarium.client.faults import StoreFailed, from_client_error
from terrarium.client.objects import CONCURRENCY, MEBIBYTE, boto_client, part_size
from terrarium.client.whole import whole
from terrarium.errors import InvalidInput
from terrarium.store_places import Local, Remote

if TYPE_CHECKING:
    from terrarium.client.files import Files
    from terrarium.client.store import Store

# Bytes of a part when nobody knows how many there will be: 10,000 of them are 312 GiB.
_PIPE_PART = 32 * MEBIBYTE
_PLAIN_ETAG = re.compile(r'^"?([0-9a-f]{32})(?:-(\d+))?"?$')

Count = Callable[[int], None]
"""Takes a number of bytes that arrived."""


class Stopped(Exception):  # noqa: N818 - no error: somebody else's failure or an interruption ends this one
    """Another copy failed, or the command was interrupted."""


class Transfer:
    """Copies one object at a time; many may run in threads.

    Args:
        store: The store.
        count: Takes the bytes of every copy.
    """

    def __init__(self, store: Store, count: Count) -> None:
        self._store = store
        self._count = count
        self._stop = threading.Event()

    def stop(self) -> None:
        """Let running copies end at their next piece, leaving nothing behind."""
        self._stop.set()

    def upload(self, source: Path, target: Remote) -> None:
        """Upload a file. The store checks what it gets by the SHA-256 in each request's signature.

        Raises:
            StoreFailed: If the file changed meanwhile, or less arrived than it holds.
        """
        before = source.stat()
        size = part_size(before.st_size)
        files = self._files(target)
        with files.at(target.path), source.open("rb") as file:
            pieces: Any = self._pieces(file) if before.st_size > size else file.read()
            files.objects.put(target.path, pieces, chunk_size=size, max_concurrency=CONCURRENCY)
            arrived = files.objects.head(target.path)["size"]
        if before.st_size <= size:
            self._count(before.st_size)
        after = source.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise StoreFailed(f"{source} changed while it was uploaded to {target}; run the same command again")
        if arrived != before.st_size:
            raise StoreFailed(f"{target} has {arrived} of {before.st_size} bytes: somebody else wrote it meanwhile")

    def upload_pipe(self, source: BinaryIO, target: Remote) -> None:
        """Upload what a pipe gives until it ends."""
        files = self._files(target)
        with files.at(target.path):
            first = source.read(MEBIBYTE)
            pieces: Any = self._pieces(source, first) if first else b""
            files.objects.put(target.path, pieces, chunk_size=_PIPE_PART, max_concurrency=CONCURRENCY)

    def download(self, source: Remote, target: Path) -> None:
        """Download an object: the file has its name only when it is whole."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as file:
            self.download_pipe(source, file)

    def download_pipe(self, source: Remote, target: BinaryIO) -> None:
        """Write an object's content to an open file.

        Raises:
            StoreFailed: If less arrived than the object holds.
        """
        files = self._files(source)
        arrived = 0
        with files.at(source.path):
            got = files.objects.get(source.path)
            for piece in got.stream(min_chunk_size=MEBIBYTE):
                self._check()
                target.write(piece)
                arrived += len(piece)
                self._count(len(piece))
        if arrived != got.meta["size"]:
            raise StoreFailed(f"{arrived} of {got.meta['size']} bytes of {source} arrived; run the same command again")

    def copy(self, source: Remote, target: Remote, size: int) -> None:
        """Copy inside the store: the bytes never come here.

        Args:
            source: The object.
            target: Its copy.
            size: Its size in bytes.
        """
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - 0.3 s, and only this needs it
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        self._check()
        (from_bucket, from_key), (to_bucket, to_key) = self._key(source), self._key(target)
        # Parts as an upload makes them: the copy gets the same ETag, and a second call sees that it is there.
        part = part_size(size)
        how = TransferConfig(multipart_threshold=part + 1, multipart_chunksize=part)
        try:
            boto_client(self._store.connection).copy(
                {"Bucket": from_bucket, "Key": from_key}, to_bucket, to_key, Config=how, Callback=self._count
            )
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, self._store.connection, f"{source} or {target}") from None

    def _key(self, place: Remote) -> tuple[str, str]:
        bucket, prefix = self._store.location(place.kind)
        return bucket, f"{prefix}{place.path}"

    def _files(self, place: Remote) -> Files:
        return self._store.files(place.kind)

    def _pieces(self, file: BinaryIO, first: bytes = b"") -> Iterator[bytes]:
        if first:
            self._count(len(first))
            yield first
        while piece := file.read(MEBIBYTE):
            self._check()
            self._count(len(piece))
            yield piece

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped


def tree(place: Local) -> dict[str, Path]:
    """Return the files below a folder by their relative paths with `/`. Links to folders are not followed."""
    found = {}
    for path in sorted(place.path.rglob("*")):
        linked = any(parent.is_symlink() for parent in path.parents if place.path in parent.parents)
        if path.is_file() and not linked:
            found[path.relative_to(place.path).as_posix()] = path
    return found


def inside(folder: Path, relative: str) -> Path:
    """Return the local path of a downloaded object.

    Raises:
        InvalidInput: If it would be outside the folder.
    """
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts:
        raise InvalidInput(f"object `{relative}` would be written outside {folder}; copy it alone, under another name")
    return folder / path


def same(path: Path, size: int, etag: str | None) -> bool:
    """Tell whether a file is what an object holds. In doubt (an ETag that is no MD5) it is not.

    Args:
        path: The file.
        size: The object's size in bytes.
        etag: The object's ETag: the MD5 of the content, or that of its parts' MD5s with their number.
    """
    found = _PLAIN_ETAG.match(etag or "")
    if found is None or not path.is_file() or path.stat().st_size != size:
        return False
    part = part_size(size) if found.group(2) else max(size, 1)
    with path.open("rb") as file:
        digests = [_md5(file, part) for _ in range(max(1, -(-size // part)))]
    if found.group(2) is None:
        return digests[0].hex() == found.group(1)
    whole_digest = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return (whole_digest, len(digests)) == (found.group(1), int(found.group(2)))


def _md5(file: BinaryIO, length: int) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    while length and (piece := file.read(min(length, MEBIBYTE))):
        digest.update(piece)
        length -= len(piece)
    return digest.digest()
