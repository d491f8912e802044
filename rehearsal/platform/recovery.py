"""A private copy of a platform's database server as of a time: out of a base backup and the archived log."""

from __future__ import annotations

import contextlib
import datetime
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from rehearsal.errors import RehearsalError
from rehearsal.files import tail, write
from rehearsal.locks import locked_folder
from rehearsal.platform import archive, instance, postgresql
from rehearsal.platform.layout import Layout
from rehearsal.platform.processes import inherited, wait_for

# Only part of the socket's name: the copy listens on no port.
_PORT = 5432
# Seconds until the running server must have archived what it wrote so far; a file of its log takes 0.1 s.
_ARCHIVE_PATIENCE = 60.0
# Seconds for reading the log again: some 50 MB a second.
_REPLAY_PATIENCE = 1800.0
_STOP_PATIENCE = 30.0
_POLL = 0.03
_NOT_REACHED = "recovery ended before configured recovery target was reached"

# Holds the copy's life: whatever ends this process, SIGKILL too, closes its standard input, and then nothing stays.
# First it waits to be told to start. SIGQUIT: what is deleted next need not be left in order.
_KEEPER = """
folder=$1; shift
if read -r _; then
    "$@" >"$folder/log" 2>&1 </dev/null &
    echo $!
    cat >/dev/null
    kill -QUIT $! 2>/dev/null
    wait
fi
rm -rf "$folder"
"""


class _NotReachedError(RehearsalError):
    """The log ends before the time that was asked for."""


@dataclass(frozen=True)
class Copy:
    """A copy that takes connections.

    Attributes:
        uri: For libpq, with superuser rights; it works only for this user on this machine.
        server: The copy's process.
    """

    uri: str
    server: psutil.Process

    def alive(self) -> bool:
        """Return whether it still runs."""
        return _alive(self.server)


@contextlib.contextmanager
def copy_as_of(layout: Layout, at: datetime.datetime) -> Iterator[Copy]:
    """Serve a copy of a platform's database server as of a time, and delete it at the end.

    Args:
        layout: The platform's folder. Its server may run, and is not disturbed, or not.
        at: The time; every transaction that was committed until then is there, and no later one.

    Raises:
        RehearsalError: There is nothing to make it from, the time is out of range, or the server failed.
    """
    with contextlib.ExitStack() as stack:
        # Held until the copy stands on its own: a start may delete old base backups and their log.
        with locked_folder(layout.folder):
            base = _base(layout, at)
            live = "postgresql" in instance.find(layout)
            if live:
                _archive_up_to_now(layout)
            try:
                copy = stack.enter_context(_recovered(layout, base, at, live=live))
            except _NotReachedError:
                # The server is stopped, and the last it committed was before that time: all of it is wanted.
                if live:
                    raise
                copy = stack.enter_context(_recovered(layout, base, None, live=live))
        yield copy


def _base(layout: Layout, at: datetime.datetime) -> Path:
    if at > datetime.datetime.now(datetime.UTC):
        raise RehearsalError(f"{at.isoformat()} is in the future. Give a time up to now.")
    known = archive.base_backups(layout)
    if not known:
        raise RehearsalError(
            f"The platform '{layout.folder.name}' has no backup of its database: it was never started, or its first "
            "start did not finish. Start it (`make up`)."
        )
    fitting = [complete for complete in known if complete <= at]
    if not fitting:
        raise RehearsalError(
            f"{at.isoformat()} is before the oldest backup of platform '{layout.folder.name}'. Give a time from "
            f"{min(known).isoformat()} on."
        )
    return known[max(fitting)]


def _archive_up_to_now(layout: Layout) -> None:
    # Reading the log stops at the first transaction after the time; without one it would not know that it got there.
    commands = ["--command=SELECT pg_current_xact_id()", "--command=SELECT pg_walfile_name(pg_switch_wal())"]
    said = postgresql.run(
        ["psql", "--no-psqlrc", "--no-align", "--tuples-only", "--quiet", *commands],
        variables=postgresql.connecting(layout),
    )
    archived = layout.wal_archive / f"{said.split()[-1]}{archive.SUFFIX}"
    if not wait_for(archived.exists, _ARCHIVE_PATIENCE):
        raise RehearsalError(
            f"The database server did not archive its log within {_ARCHIVE_PATIENCE:.0f} s: {archived} is missing. "
            f"{layout.log('postgresql')} says why. Check free space; then run it again."
        )


@contextlib.contextmanager
def _recovered(layout: Layout, base: Path, at: datetime.datetime | None, *, live: bool) -> Iterator[Copy]:
    folder = Path(tempfile.mkdtemp(prefix="terrarium-at-", dir=_short()))
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "keeper", str(folder), *_command(folder, at, live=live)],
        env=inherited(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C ends this process, which ends the copy.
        start_new_session=True,
    )
    try:
        _unpack(layout, base, folder)
        yield _start(keeper, folder, layout.superuser)
    finally:
        if keeper.stdin:
            keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            keeper.wait(_STOP_PATIENCE)
        if keeper.stdout:
            keeper.stdout.close()


def _short() -> str:
    # A Unix socket's path has at most 107 characters.
    folder = tempfile.gettempdir()
    return folder if len(folder) <= 60 else "/tmp"  # noqa: S108 - mkdtemp makes a folder there that only we enter


def _command(folder: Path, at: datetime.datetime | None, *, live: bool) -> list[str]:
    fetch = f"gzip -dc <../wal/%f{archive.SUFFIX} >%p"
    # A server that does not run, or was killed, has the end of its log still to itself.
    fetch = fetch if live else f"{fetch} || cp ../live/%f %p"
    target = [f"--recovery_target_time={at.astimezone(datetime.UTC).isoformat(sep=' ')}"] if at else []
    return [
        *postgresql.through(),
        str(postgresql.programs() / "postgres"),
        f"-D{folder / 'data'}",
        "--listen_addresses=",
        f"--unix_socket_directories={folder}",
        f"--port={_PORT}",
        *postgresql.SMALL,
        f"--hba_file={folder / 'pg_hba.conf'}",
        # It must add nothing to the archive that it reads.
        "--archive_mode=off",
        # Nobody needs it after a power failure.
        "--fsync=off",
        # No connection before it has got to the time.
        "--hot_standby=off",
        f"--restore_command={fetch}",
        "--recovery_target_action=promote",
        *target,
    ]


def _unpack(layout: Layout, base: Path, folder: Path) -> None:
    data = folder / "data"
    data.mkdir(mode=0o700)
    with tarfile.open(base / archive.BASE) as packed:
        packed.extractall(data, filter="tar")
    data.chmod(0o700)
    (data / "recovery.signal").touch()
    # Links, so that no path of the platform stands in a command that a shell reads.
    (folder / "wal").symlink_to(layout.wal_archive)
    (folder / "live").symlink_to(layout.database / "pg_wal")
    # Who gets into the folder is its owner, or root.
    write(folder / "pg_hba.conf", "local all all trust\n")
    owner = postgresql.owner()
    for path in (folder, *folder.rglob("*")) if owner != os.getuid() else ():
        os.chown(path, owner, owner, follow_symlinks=False)


def _start(keeper: subprocess.Popen[str], folder: Path, superuser: str) -> Copy:
    if keeper.stdin is None or keeper.stdout is None:
        raise RuntimeError("the keeper was started without pipes")
    keeper.stdin.write("start\n")
    keeper.stdin.flush()
    server = psutil.Process(int(keeper.stdout.readline()))
    deadline = time.monotonic() + _REPLAY_PATIENCE
    while not postgresql.accepts(_PORT, str(folder)):
        if not _alive(server):
            _fail(folder)
        if time.monotonic() > deadline:
            raise RehearsalError(f"Reading the database's log again did not end within {_REPLAY_PATIENCE:.0f} s.")
        time.sleep(_POLL)
    return Copy(f"postgresql://{superuser}@/postgres?host={quote(str(folder), safe='')}&port={_PORT}", server)


def _fail(folder: Path) -> None:
    lines = tail(folder / "log", 10)
    if any(_NOT_REACHED in line for line in lines):
        raise _NotReachedError("The database's log ends before that time.")
    said = "\n".join(line[:300] for line in lines) or "(nothing)"
    raise RehearsalError(f"The copy of the database could not be made. Its last log lines:\n{said}")


def _alive(server: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return server.is_running() and server.status() != psutil.STATUS_ZOMBIE
    return False
