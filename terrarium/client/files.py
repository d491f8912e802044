"""Objects of one kind as an fsspec file system, on obstore.

obstore's own adapter is best effort: it downloads into memory, lists a missing folder like an empty one, raises its
own errors, and takes any failure for `does not exist`. What is here mends these; all else is obstore's and fsspec's.

Its asynchronous calls are not used: a process that ended right after one was aborted (SIGABRT, once in some 40), as
obstore's threads entered an interpreter on its way out. Plain calls, in threads of Python's, leave nothing behind.
"""

from __future__ import annotations

import asyncio
import errno
import os
from asyncio import to_thread
from collections.abc import Iterable
from contextlib import AbstractContextManager
from io import UnsupportedOperation
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec.asyn import AsyncFileSystem  # type: ignore[import-untyped]  # fsspec has no types
from obstore.exceptions import BaseError
from obstore.fsspec import BufferedFile, FsspecStore
from obstore.store import ObjectStore

from terrarium.client.connection import GS, KINDS, Connection
from terrarium.client.faults import nearest, told
from terrarium.client.objects import CONCURRENCY, MEBIBYTE, PART, part_size, same_process
from terrarium.client.reading import Reader, read
from terrarium.client.whole import whole

# Bytes of one request of a file that is read piece by piece. 1 MiB, obstore's default, took 2.6 times as long (64 MiB
# in pieces of 256 KiB).
_AHEAD = 8 * MEBIBYTE
_TRIES = 8


class Writer(BufferedFile):
    """An object that is being written. It appears as a whole when it is closed."""

    def __init__(self, fs: Files, path: str, **kwargs: Any) -> None:
        self._files = fs
        try:
            with fs.at(path):
                super().__init__(fs, path, "wb", **kwargs)
        except BaseException:
            # fsspec closes what is dropped open, also what never was.
            self.closed = True
            raise

    def write(self, data: Any) -> int:
        """Take bytes to be written."""
        with self._files.at(self.path):
            return super().write(bytes(data) if isinstance(data, memoryview) else data)

    def close(self) -> None:
        """Close; an object that was written exists from now on."""
        with self._files.at(self.path):
            super().close()


class Files(FsspecStore):
    """Objects of one kind as files. Paths are relative to the environment's, or its bucket's, part of the store.

    Whatever takes an fsspec file system takes this: `pandas.read_parquet(path, filesystem=...)`, pyarrow, dask, and
    `duckdb.register_filesystem(...)`, after which `results://run1/metrics.parquet` is a path in DuckDB.

    Args:
        connection: Whose keys, for messages.
        kind: The kind of objects, for messages and as protocol.
        store: obstore's store, which holds the prefix.
    """

    # fsspec would keep instances, with their keys, by the text of their arguments.
    cachable = False

    def __init__(self, connection: Connection, kind: str, store: ObjectStore) -> None:
        # fsspec writes it down to make a copy in another process (dask, pyarrow's workers).
        self.connection = connection
        self.kind = kind
        self._store = store
        super().__init__("gs" if connection.objects.protocol == GS else "s3")
        self.protocol = kind
        self.storage_args = (connection, kind, store)

    @property
    def loop(self) -> Any:
        """fsspec's event loop."""
        same_process()
        return super().loop

    @property
    def objects(self) -> ObjectStore:
        """The same objects by obstore, for bulk work."""
        return self._construct_store("")

    def place(self, path: str) -> str:
        """Return a path as people name it: `models:v1/weights.pt`."""
        return f"{self.kind}:{self._strip_protocol(path)}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = os.fspath(path)
        scheme, found, rest = text.partition("://")
        return (rest if found and scheme in {*KINDS, "lake"} else text).strip("/")

    def _split_path(self, path: str) -> tuple[str, str]:
        return "", self._strip_protocol(path)

    def _construct_store(self, bucket: str) -> ObjectStore:
        del bucket
        same_process()
        return self._store

    def at(self, path: str) -> AbstractContextManager[None]:
        """Raise what `told` says, of a path."""
        return told(self.connection, self.place(path))

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        with self.at(path):
            if path:
                try:
                    return _entry(await to_thread(self.objects.head, path))
                except FileNotFoundError:
                    await self._ls(path)
            return {"name": path, "size": 0, "type": "directory"}

    async def _ls(self, path: str, detail: bool = False, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        with self.at(path):
            found = await to_thread(self.objects.list_with_delimiter, path)
            # What has the folder's own name marks it: some tools put an empty object `folder/`.
            entries = [_entry(item) for item in found["objects"] if item["path"] != path]
            entries += [{"name": name, "size": 0, "type": "directory"} for name in found["common_prefixes"]]
            if not entries and not found["objects"] and path:
                # A file lists as itself; what has no content does not exist, but for the root.
                entries = [_entry(await to_thread(self.objects.head, path))]
        return entries if detail else sorted(entry["name"] for entry in entries)

    async def _find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, **kwargs: Any) -> Any:
        if maxdepth or withdirs:
            return await super()._find(path, maxdepth=maxdepth, withdirs=withdirs, **kwargs)
        # One listing of all keys: the base class asks once for every folder.
        path = self._strip_protocol(path)
        with self.at(path):
            listed = await to_thread(self.objects.list(path).collect)
            # An empty object with others below it marks a folder, see `_ls`; a copy of it "did not exist".
            folders = {path, *_folders(item["path"] for item in listed)}
            found = {item["path"]: _entry(item) for item in listed if item["size"] or item["path"] not in folders}
            if not found and path and await self._exists(path):
                info = await self._info(path)
                found = {path: info} if info["type"] == "file" else {}
        return found if kwargs.get("detail") else sorted(found)

    async def _exists(self, path: str, **_: Any) -> bool:
        # The base class says no to any failure: a store that does not answer would be taken for an empty one.
        try:
            await self._info(path)
        except FileNotFoundError:
            return False
        return True

    async def _cat(
        self, path: Any, recursive: bool = False, on_error: str = "raise", batch_size: int | None = None, **_: Any
    ) -> Any:
        found: Any = await super()._cat(path, recursive, on_error, batch_size)
        # obstore's gives a mapping also of one path, and fsspec's its bytes.
        one = isinstance(path, str) and list(found) == [self._strip_protocol(path)]
        return found[self._strip_protocol(path)] if one else found

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        store, key = self.objects, self._strip_protocol(path)
        with self.at(path):
            if start is None and end is None:
                return await to_thread(read, store, key)
            # As a slice: from the end where a bound is negative, to the end where there is none.
            first, last = start or 0, end
            tag = None
            if last is None or last < 0 or first < 0:
                found = await to_thread(store.head, key)
                first, last, _step = slice(start, end).indices(found["size"])
                tag = found["e_tag"]
            return await to_thread(read, store, key, first, last, tag) if last > first else b""

    async def _pipe_file(self, path: str, value: Any, mode: str = "overwrite", **_: Any) -> None:
        how: Any = {"mode": "create"} if mode == "create" else {"chunk_size": PART, "max_concurrency": CONCURRENCY}
        with self.at(path):
            await to_thread(self.objects.put, self._strip_protocol(path), value, **how)

    async def _put_file(self, lpath: str, rpath: str, mode: str = "overwrite", **_: Any) -> None:
        source = Path(lpath)
        how: Any = {"mode": "create"} if mode == "create" else {"chunk_size": part_size(source.stat().st_size)}
        with self.at(rpath):
            await to_thread(self.objects.put, self._strip_protocol(rpath), source, max_concurrency=CONCURRENCY, **how)

    async def _get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        target = Path(lpath)
        if target.is_dir():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.at(rpath):
            await to_thread(self._download, self._strip_protocol(rpath), target)

    def _download(self, key: str, target: Path) -> None:
        with whole(target) as file:
            for piece in self.objects.get(key).stream(min_chunk_size=MEBIBYTE):
                file.write(piece)

    async def _rm_file(self, path: str, **_: Any) -> None:
        with self.at(path):
            await to_thread(self.objects.delete, self._strip_protocol(path))

    async def _rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None, **_: Any) -> None:
        keys: list[str] = []
        for one in await self._expand_path(path, maxdepth=maxdepth):
            if (await self._info(one))["type"] == "file":
                keys.append(one)
            elif recursive:
                keys += await self._find(one, maxdepth=maxdepth)
            else:
                raise IsADirectoryError(
                    errno.EISDIR, f"{self.place(one)} is a folder; say recursive=True to delete what is in it"
                )
        with self.at(keys[0] if keys else ""):
            # By the thousand in one request. Only objects: versitygw fails for the name of a folder.
            for attempt in range(_TRIES):
                try:
                    await to_thread(self.objects.delete, keys)
                    break
                except BaseError as error:
                    # obstore repeats no POST on a lost connection; to delete twice is to delete.
                    if "error sending request" not in str(error) or attempt == _TRIES - 1:
                        raise
                    await asyncio.sleep(min(0.1 * 2**attempt, 2))

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        with self.at(path1):
            await to_thread(self.objects.copy, self._strip_protocol(path1), self._strip_protocol(path2))

    async def _cat_ranges(self, paths: Any, starts: Any, ends: Any, *args: Any, **kwargs: Any) -> list[bytes]:
        # fsspec's own, by `_cat_file`.
        return list(await AsyncFileSystem._cat_ranges(self, paths, starts, ends, *args, **kwargs))

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: Any = None,
        autocommit: Any = True,
        cache_options: Any = None,
        **kwargs: Any,
    ) -> Any:
        del autocommit, cache_options
        if mode not in {"rb", "wb"}:
            raise UnsupportedOperation(
                f"{self.place(path)} can't be opened with mode {mode}: objects are read, or written as a whole; "
                "to add to one, write a further one beside it"
            )
        size = block_size or _AHEAD
        if mode == "wb":
            return Writer(
                self, path, buffer_size=size, **{k: v for k, v in kwargs.items() if k in {"attributes", "tags"}}
            )
        try:
            details = self.info(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, f"{error.strerror}{self._like(path)}") from None
        if details["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, f"{self.place(path)} is a folder")

        def fetch(start: int, end: int) -> bytes:
            with self.at(path):
                return read(self.objects, details["name"], start, end, details["e_tag"])

        return Reader(self, details, fetch, size)

    def _like(self, path: str) -> str:
        wanted = PurePosixPath(self._strip_protocol(path))
        folder = "" if wanted.parent == PurePosixPath() else str(wanted.parent)
        return nearest(str(wanted), lambda: [str(name) for name in self.ls(folder, detail=False)])


def _folders(paths: Iterable[str]) -> set[str]:
    """Return all folders that hold one of the paths."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _entry(item: Any) -> dict[str, Any]:
    return {
        "name": item["path"],
        "size": item["size"],
        "type": "file",
        "e_tag": item["e_tag"],
        "last_modified": item["last_modified"],
    }
