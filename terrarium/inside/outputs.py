"""Which files are a job's outputs.

What was declared, if anything was. Else every file of the working folder that the command made or changed: a script
that writes `model.pkl` beside itself means to keep it. Not those whose name, or that of a folder above them, begins
with `.`, nor `__pycache__`: caches, and what programs leave for themselves. Links are left out: what they lead to is
kept by its own name, or is none of the job's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Snapshot = Mapping[str, tuple[int, int, int]]
"""Of each file, by its path in the folder: when it was changed, its size, which file it is."""


@dataclass(frozen=True)
class Output:
    """A file that is kept.

    Args:
        path: What it is called among the outputs.
        file: Where it is.
    """

    path: str
    file: Path


def snapshot(folder: Path) -> Snapshot:
    """Return what is in a folder now.

    Args:
        folder: The working folder.
    """
    found = {}
    for file in _walk(folder):
        state = file.stat(follow_symlinks=False)
        found[file.relative_to(folder).as_posix()] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found


def new(folder: Path, before: Snapshot) -> list[Output]:
    """Return what was made or changed since.

    Args:
        folder: The working folder.
        before: What was in it.
    """
    after = snapshot(folder)
    return [Output(path, folder / path) for path in sorted(after) if after[path] != before.get(path)]


def declared(folder: Path, paths: Sequence[str]) -> tuple[list[Output], list[str]]:
    """Return the files of declared outputs, and which of these do not exist.

    Args:
        folder: The working folder.
        paths: Files or folders, relative to it, or absolute.
    """
    found: dict[str, Output] = {}
    missing = []
    for path in paths:
        place = folder / path
        name = path.lstrip("/")
        if place.is_dir():
            inside = [Output(f"{name}/{file.relative_to(place).as_posix()}", file) for file in _walk(place)]
        else:
            inside = [Output(name, place)] if place.is_file() else []
        if not inside:
            missing.append(path)
        found |= {one.path: one for one in inside}
    return list(found.values()), missing


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _counts(name))
        for name in sorted(filter(_counts, files)):
            file = Path(here, name)
            if file.is_file() and not file.is_symlink():
                yield file


def _counts(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"
