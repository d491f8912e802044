"""A fresh checkout to follow the pages in, as a reader would, and nothing left of it afterwards."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil

from tests.support import scratch

_STOP_PATIENCE = 10.0  # seconds
_RESET_PATIENCE = 120.0
# A shell that was prepared for one checkout must not lead the commands of another to its state.
_AMBIENT = ("PULUMI_", "KUBECONFIG", "VIRTUAL_ENV", "MAKE", "MFLAGS", "PYTHON", "PYTEST_", "TERRARIUM_PARTS", "STACK")


@contextmanager
def clone(root: Path) -> Iterator[Path]:
    """Give a copy of what the checkout tracks or would add, uncommitted edits too, with a git history of its own.

    At the end its platforms are reset, what still runs from it is ended, and it is deleted. A run that was killed
    can't do that: the next one finds its folder without a lock and does it.
    """
    base = scratch.base("docs")
    for left in scratch.inside(base):
        _wipe_abandoned(left)
    home = Path(tempfile.mkdtemp(dir=base))
    held = os.open(home, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        checkout = home / "terrarium"
        _copy(root, checkout)
        yield checkout
    finally:
        _wipe(home)
        os.close(held)
        with suppress(OSError):
            base.rmdir()


def environment() -> dict[str, str]:
    """Return the variables of a reader who has just opened a terminal."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(_AMBIENT)}
    own["PATH"] = os.pathsep.join(
        entry for entry in own["PATH"].split(os.pathsep) if not entry.endswith(("/.venv/bin", "/.terrarium/bin"))
    )
    # The Python behind this virtual environment: `make PYTHON=python3.12 test` must not need a python3 of that age.
    return own | {"PYTHON": str(Path(sys.executable).resolve()), "COLUMNS": "200", "TERM": "dumb"}


def processes(folder: Path) -> list[psutil.Process]:
    """Return what runs from a folder or was told of it on its command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), process.cwd()]
            if process.pid != os.getpid() and any(str(folder) in word for word in words):
                found.append(process)
    return found


def _copy(root: Path, target: Path) -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        # What git still lists may be deleted by now.
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    _copy_databases(root / ".mypy_cache", target / ".mypy_cache")
    identity = ["-c", "user.name=reader", "-c", "user.email=reader@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "--all"], [*identity, "commit", "-q", "-m", "as it is"]):
        subprocess.run(["git", *arguments], cwd=target, check=True, capture_output=True)


def _copy_databases(source: Path, target: Path) -> None:
    """Copy what mypy found in the packages, and knows again by their content: `make check` proves no more without it.

    As SQLite copies: a mypy that runs meanwhile takes files away and leaves others half written.
    """
    for file in source.rglob("*.db"):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)


def _wipe_abandoned(home: Path) -> None:
    descriptor = scratch.opened(home)
    if descriptor is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another run works there
    else:
        _wipe(home)
    finally:
        os.close(descriptor)


def _wipe(home: Path) -> None:
    checkout = home / "terrarium"
    if (checkout / ".venv" / "runtime.stamp").exists():
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["make", "reset"],
                cwd=checkout,
                env=environment(),
                capture_output=True,
                timeout=_RESET_PATIENCE,
                check=False,
            )
    running = processes(home)
    for process in running:
        with suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(running, timeout=_STOP_PATIENCE)[1]:
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(home, ignore_errors=True)
