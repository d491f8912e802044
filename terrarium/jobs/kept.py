"""What jobs left in the store: of each index the one attempt that its marker names, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrarium.client.faults import StoreFailed
from terrarium.inside.layout import DONE, ENDED, FOLDER, Place
from terrarium.inside.shelf import Shelf


@dataclass(frozen=True)
class File:
    """An output.

    Args:
        path: As the script called it, in its working folder.
        key: Where it is among the results.
        size: Bytes.
        sha256: Its hash, in hexadecimal.
    """

    path: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """What one attempt at an index left.

    Args:
        index: The index; 0 of a job that has none.
        attempt: Id of the attempt.
        code: The command's exit code.
        started: When, as ISO 8601.
        ended: When.
        log: Key of its log.
        files: Its outputs.
        metrics: What stood in `metrics.json`, if it was a JSON object.
    """

    index: int
    attempt: str
    code: int
    started: str
    ended: str
    log: str
    files: tuple[File, ...]
    metrics: Mapping[str, Any] | None


class Kept:
    """What one job left.

    Args:
        shelf: The results of its environment, or its bucket.
        job: The job's name.
    """

    def __init__(self, shelf: Shelf, job: str) -> None:
        self._shelf = shelf
        self._job = job

    def results(self) -> list[Record]:
        """Return the results of each index that was done, in order.

        Raises:
            OSError: If the store can't be read.
        """
        return [self._read(key) for _, key in sorted(self._keys(DONE, parts=2))]

    def result(self, index: int) -> Record | None:
        """Return the results of an index, or None if it was not done."""
        return self._found(Place(self._job, index).done)

    def attempt(self, index: int, attempt: str) -> Record | None:
        """Return what an attempt at an index left, or None if it has not ended, or left nothing.

        Raises:
            StoreFailed: What is there is no record.
        """
        return self._found(f"{Place(self._job, index).attempt(attempt)}/{ENDED}")

    def last(self, index: int) -> Record | None:
        """Return the attempt at an index that counts, else the last one that ended; None if none did."""
        done = self.result(index)
        if done is not None:
            return done
        place = Place(self._job, index)
        ended = [self._read(key) for key in self._shelf.names(place.attempts) if key.endswith(f"/{ENDED}")]
        return max(ended, key=lambda record: record.ended, default=None)

    def indexes(self) -> list[int]:
        """Return the indexes of which an attempt has ended, in order."""
        return sorted({index for index, _ in self._keys(ENDED, parts=4)})

    def log(self, record: Record) -> bytes:
        """Return the log of an attempt."""
        return self._shelf.get(record.log) or b""

    def fetch(self, record: Record, folder: Path) -> int:
        """Write the outputs of an index to files, and return how many they are.

        Args:
            record: The results.
            folder: Where; each file by its path below it.
        """
        for file in record.files:
            target = (folder / file.path).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise StoreFailed(f"output {file.path} would leave {folder}; it was not written")
            self._shelf.fetch(file.key, target)
        return len(record.files)

    def _keys(self, name: str, parts: int) -> Iterator[tuple[int, str]]:
        home = f"{FOLDER}/{self._job}"
        for key in self._shelf.names(home):
            words = key.removeprefix(f"{home}/").split("/")
            if len(words) == parts and words[-1] == name and words[0].isdigit():
                yield int(words[0]), key

    def _found(self, key: str) -> Record | None:
        content = self._shelf.get(key)
        return None if content is None else self._parsed(key, content)

    def _read(self, key: str) -> Record:
        return self._parsed(key, self._shelf.get(key) or b"")

    def _parsed(self, key: str, content: bytes) -> Record:
        try:
            said = json.loads(content)
            files = tuple(
                File(str(one["path"]), str(one["key"]), int(one["size"]), str(one["sha256"])) for one in said["files"]
            )
            return Record(
                index=int(said["index"]),
                attempt=str(said["attempt"]),
                code=int(said["exit"]),
                started=str(said["started"]),
                ended=str(said["ended"]),
                log=str(said["log"]),
                files=files,
                metrics=said.get("metrics"),
            )
        except (KeyError, TypeError, ValueError):
            raise StoreFailed(f"results:{key} is no record of a job; somebody changed it") from None
