"""Copies objects: up, down, and inside the store; each as a whole or not at all, and never twice for nothing."""

from __future__ import annotations

import hashlib
import os
import re
import select
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from terrarium.client.connection import GS
from terrarium.client.faults import StoreFailed, from_client_error
from terrarium.client.objects import CONCURRENCY, MEBIBYTE, Boto, part_size
from terrarium.client.whole import whole
from terrarium.errors import InvalidInput
from terrarium.store_places import Remote

if TYPE_CHECKING:
    from obstore import GetResult

    from terrarium.client.files import Files
    from terrarium.client.store import Store

# Bytes of a part when nobody knows how many there will be: 10,000 of them are 312 GiB.
_PIPE_PART = 32 * MEBIBYTE
# Seconds until a pipe that is silent, or that ended, is known to end by an interruption of all.
_PATIENCE = 0.2
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
        self._boto = Boto(store.connection)

    def stop(self) -> None:
        """Let running copies end at their next piece, leaving nothing behind."""
        self._stop.set()

    def upload(self, source: Path, target: Remote) -> None:
        """Upload a file. The store checks what it gets by the SHA-256 in each request's signature.

        Raises:
            StoreFailed: If the file changed meanwhile, or less arrived than it holds.
        """
        files = self._files(target)
        with files.at(target.path), source.open("rb") as file:
            before = os.fstat(file.fileno())
            size = part_size(before.st_size)
            pieces: Any = self._unchanged(file, before, f"{source} changed while it was uploaded to {target}")
            if before.st_size <= size:
                pieces = b"".join(pieces)
            files.objects.put(target.path, pieces, chunk_size=size, max_concurrency=CONCURRENCY)
            arrived = files.objects.head(target.path)["size"]
        if arrived != before.st_size:
            raise StoreFailed(f"{target} has {arrived} of {before.st_size} bytes: somebody else wrote it meanwhile")

    def upload_pipe(self, source: BinaryIO, target: Remote) -> None:
        """Upload what a pipe gives until it ends.

        Args:
            source: The pipe, of which nothing was read yet.
            target: The object.
        """
        files = self._files(target)
        with files.at(target.path):
            pieces = self._arriving(source)
            # No object comes of no piece.
            first = next(pieces, None)
            content: Any = b"" if first is None else chain([first], pieces)
            files.objects.put(target.path, content, chunk_size=_PIPE_PART, max_concurrency=CONCURRENCY)

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
        if self._store.connection.objects.protocol == GS:
            self._copy_by_google(source, target, size)
            return
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - 0.3 s, and only this needs it
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        self._check()
        (from_bucket, from_key), (to_bucket, to_key) = self._key(source), self._key(target)
        # Parts as an upload makes them: the copy gets the same ETag, and a second call sees that it is there.
        part = part_size(size)
        how = TransferConfig(multipart_threshold=part + 1, multipart_chunksize=part)
        try:
            self._boto.client().copy(
                {"Bucket": from_bucket, "Key": from_key}, to_bucket, to_key, Config=how, Callback=self._count
            )
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, self._store.connection, f"{source} or {target}") from None

    def _copy_by_google(self, source: Remote, target: Remote, size: int) -> None:
        """Copy: within a bucket of Google's by itself, to another one through here, as obstore knows one at a time."""
        self._check()
        files, target_files = self._files(source), self._files(target)
        with files.at(source.path), target_files.at(target.path):
            if source.kind == target.kind:
                files.objects.copy(source.path, target.path)
                self._count(size)
                return
            got = files.objects.get(source.path)
            part = part_size(got.meta["size"])
            # In a thread of its own: obstore asks for pieces from within its runtime, where it can't read (it panics).
            with ThreadPoolExecutor(1) as reader:
                # No object comes of no piece.
                content: Any = self._read_by(reader, got) if got.meta["size"] else b""
                target_files.objects.put(target.path, content, chunk_size=part, max_concurrency=CONCURRENCY)

    def _read_by(self, reader: ThreadPoolExecutor, got: GetResult) -> Iterator[bytes]:
        stream = got.stream(min_chunk_size=MEBIBYTE)
        while (piece := reader.submit(next, stream, None).result()) is not None:
            self._check()
            self._count(len(piece))
            yield bytes(piece)

    def _key(self, place: Remote) -> tuple[str, str]:
        bucket, prefix = self._store.location(place.kind)
        return bucket, f"{prefix}{place.path}"

    def _files(self, place: Remote) -> Files:
        return self._store.files(place.kind)

    # What is raised in these ends the upload in its middle: no part of it becomes an object, and an older one stays.
    def _unchanged(self, file: BinaryIO, before: os.stat_result, otherwise: str) -> Iterator[bytes]:
        while piece := file.read(MEBIBYTE):
            self._check()
            self._count(len(piece))
            yield piece
        self._check()
        after = os.fstat(file.fileno())
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise StoreFailed(f"{otherwise}; run the same command again")

    def _arriving(self, pipe: BinaryIO) -> Iterator[bytes]:
        # Never blocked in a read: a command that was ended waited for whoever held the pipe's other end.
        while True:
            while not select.select([pipe], [], [], _PATIENCE)[0]:
                self._check()
            self._check()
            piece = os.read(pipe.fileno(), MEBIBYTE)
            if not piece:
                break
            self._count(len(piece))
            yield piece
        # Ctrl-C ends the one who writes as well, and the pipe may end before this command is told. What had arrived
        # became the object, as if it were whole.
        if self._stop.wait(_PATIENCE):
            raise Stopped

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped


def tree(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the files below a folder by their relative paths with `/`, and what is left out.

    Links to folders are not followed: one may lead to a folder around it. Links to nothing and devices hold nothing.

    Raises:
        OSError: If a folder can't be read: what is in it would be missed in silence.
    """

    def unreadable(error: OSError) -> None:
        raise error

    files, left = {}, []
    for above, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        here = Path(above)
        left += [str(here / name) for name in folders if (here / name).is_symlink()]
        for name in sorted(names):
            path = here / name
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path
            else:
                left.append(str(path))
    return files, left


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
