"""Folders of ours in the folder for temporary files, which everybody on the machine can write to."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def base(name: str) -> Path:
    """Return a folder that every run of this person finds again, so that it can wipe what a killed one left.

    Its name can be guessed. Whoever made it first, as a folder of theirs or a link to anywhere, would see what is
    written there and choose what is deleted: then it is left alone, and the folder is a new one.

    Args:
        name: What it is for, such as `tests`.
    """
    folder = Path(tempfile.gettempdir()) / f"terrarium-{name}-{os.getuid()}"
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Another run removes it at its end, also between these lines.
        with suppress(FileNotFoundError):
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700:
                return folder
            return Path(tempfile.mkdtemp(prefix=f"terrarium-{name}-"))


def inside(folder: Path) -> Iterator[Path]:
    """Yield the folders in a folder, without links to folders elsewhere."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield path


def opened(folder: Path) -> int | None:
    """Return a descriptor of a folder, to lock it; None if it is gone by now, or is a link or no folder."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
