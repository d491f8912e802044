"""Base backups of a platform's database server, and the archived log that leads from each to any later time."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.errors import RehearsalError
from rehearsal.platform import postgresql
from rehearsal.platform.layout import Layout
from rehearsal.platform.processes import inherited

BASE = "base.tar.gz"
"""The data folder, in the folder of each base backup."""
SUFFIX = ".gz"
"""Of every file in the archived log."""

KEPT = 2
_MAX_AGE = datetime.timedelta(days=1)
_FRESH = ".new-"
# A folder name that sorts by time and that every file system takes.
_TIME = "%Y%m%dT%H%M%S.%fZ"
# Seconds for what takes half of one on an idle machine.
_PATIENCE = 120.0
# PostgreSQL's default size of one file of its log; in its name stand the upper and lower half of a position.
_SEGMENT = 16 << 20


def base_backups(layout: Layout) -> dict[datetime.datetime, Path]:
    """Return the folder of each base backup by the time from which on it can be read, oldest first."""
    found = {}
    for folder in sorted(layout.base_backups.glob("*")):
        try:
            complete = datetime.datetime.strptime(folder.name, _TIME).replace(tzinfo=datetime.UTC)
        except ValueError:
            continue
        found[complete] = folder
    return found


@contextmanager
def kept_up(layout: Layout) -> Iterator[None]:
    """Make a base backup beside other work if there is none, or the newest is older than a day.

    Args:
        layout: The folder of a platform whose database server takes connections.

    Raises:
        RehearsalError: It failed; the text has the program's last words.
    """
    known = base_backups(layout)
    now = datetime.datetime.now(datetime.UTC)
    # One from the future, of a clock that was wrong, would stay the newest for as long.
    if known and now - _MAX_AGE < max(known) <= now:
        yield
        return
    for stale in layout.base_backups.glob(f"{_FRESH}*"):
        shutil.rmtree(stale, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=_FRESH, dir=layout.base_backups))
    os.chown(fresh, postgresql.owner(), postgresql.owner())
    process = _begin(layout, fresh)
    try:
        yield
        _finish(process)
        fresh.rename(layout.base_backups / datetime.datetime.now(datetime.UTC).strftime(_TIME))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
        shutil.rmtree(fresh, ignore_errors=True)
    _prune(layout)


def _begin(layout: Layout, folder: Path) -> subprocess.Popen[str]:
    program = str(postgresql.programs() / "pg_basebackup")
    # One compressed file with the log it needs: 4 MB in place of 40, made in 0.3 s.
    form = ["--format=tar", "--compress=gzip:1", "--wal-method=fetch", "--checkpoint=fast"]
    return subprocess.Popen(
        [*postgresql.through(), program, f"--pgdata={folder}", *form, "--no-password"],
        env=inherited() | postgresql.connecting(layout),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> None:
    try:
        _, said = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise RehearsalError(f"The database's base backup did not end within {_PATIENCE:.0f} s.") from error
    if process.returncode:
        text = "\n".join(said.strip().splitlines()[-5:]) or "(nothing)"
        raise RehearsalError(
            f"The database's base backup failed. pg_basebackup's last words:\n{text}\nCheck free space; then run it "
            "again."
        )


def _prune(layout: Layout) -> None:
    folders = list(base_backups(layout).values())
    for folder in folders[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
    oldest = _first_segment(folders[-KEPT:][0])
    postgresql.run(["pg_archivecleanup", "-x", SUFFIX, layout.wal_archive, oldest])


def _first_segment(folder: Path) -> str:
    """Return the name of the first file of the log that a base backup needs."""
    needed = json.loads((folder / "backup_manifest").read_text(encoding="utf-8"))["WAL-Ranges"][0]
    upper, lower = (int(half, 16) for half in needed["Start-LSN"].split("/"))
    return f"{needed['Timeline']:08X}{upper:08X}{lower // _SEGMENT:08X}"
