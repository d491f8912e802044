"""Folders of ours in the folder for temporary files, which everybody on the machine can write to."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_MEMORY = Path("/dev/shm")  # noqa: S108 - guarded as any folder that everybody may write to, see `base`
# Bytes: what a run's platforms take at most, and what they and their programs do.
_ROOM, _WHOLE = 8 << 30, 14 << 30


def fast() -> Path:
    """Return where platforms are made: in memory where there is plenty, else the folder for temporary files.

    etcd and PostgreSQL wait for the disk at every write: with ten platforms, two cores stood idle a third of the time.
    """
    with suppress(OSError):
        found = os.statvfs(_MEMORY)
        roomy = found.f_bavail * found.f_frsize >= _ROOM and psutil.virtual_memory().available >= _WHOLE
        # Containers run from there; Docker's own has this flag, and 64 MiB.
        if roomy and not found.f_flag & os.ST_NOEXEC:
            return _MEMORY
    return Path(tempfile.gettempdir())


def base(name: str, where: Path | None = None) -> Path:
    """Return a folder that every run of this person finds again, so that it can wipe what a killed one left.

    Its name can be guessed. Whoever made it first, as a folder of theirs or a link to anywhere, would see what is
    written there and choose what is deleted: then it is left alone, and the folder is a new one.

    Args:
        name: What it is for, such as `tests`.
        where: The folder that it is in; by default the one for temporary files.
    """
    where = where or Path(tempfile.gettempdir())
    folder = where / f"terrarium-{name}-{os.getuid()}"
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Another run removes it at its end, also between these lines.
        with suppress(FileNotFoundError):
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700:
                return folder
            return Path(tempfile.mkdtemp(prefix=f"terrarium-{name}-", dir=where))


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
