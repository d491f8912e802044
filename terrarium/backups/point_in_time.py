"""The database server as it was, by the command that a stack file names under `point_in_time`."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from terrarium.backups import moments
from terrarium.backups.database import Server
from terrarium.backups.programs import search_path
from terrarium.errors import CommandFailed, InvalidInput

# Seconds that the command gets to remove what it made.
_PATIENCE = 60.0


@contextmanager
def serving(command: Sequence[str], moment: datetime, database: str, root: Path, limit: float) -> Iterator[Server]:
    """Give a database as of a time, from a copy of its server that lives as long as this is open.

    Args:
        command: The command; it is given `--at` and the time, and prints one libpq URI when the copy takes connections.
        moment: The time.
        database: The database's name.
        root: The folder of Pulumi.yaml; its own programs are found first.
        limit: Seconds until the copy must be there.

    Raises:
        InvalidInput: If there is no such command.
        CommandFailed: If it fails or takes longer.
    """
    program = shutil.which(command[0], path=search_path(root))
    if program is None:
        raise InvalidInput(
            f"{command[0]}, which the stack file names under point_in_time, is not installed: put its folder on PATH"
        )
    arguments = [program, *command[1:], "--at", moments.written(moment)]
    environment = os.environ | {"PATH": search_path(root)}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            arguments, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            line = _first_line(process, limit)
            if line is None:
                raise CommandFailed(_explained(command[0], process, errors.fileno(), limit))
            yield Server({**_keywords(line, command[0]), "dbname": database})
        finally:
            _end(process)


def _first_line(process: subprocess.Popen[bytes], limit: float) -> str | None:
    """Return the first line that a process prints; None if it ends or the time is over without one."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    end, found = time.monotonic() + limit, b""
    while not found.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 4096) if ready else b""
        if not piece:
            return None
        found += piece
    return found.decode(errors="replace").splitlines()[0].strip()


def _explained(name: str, process: subprocess.Popen[bytes], errors: int, limit: float) -> str:
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        return f"{name} served no copy of the database within {moments.duration(limit)}; nothing was changed"
    said = os.pread(errors, 4000, max(0, os.fstat(errors).st_size - 4000)).decode(errors="replace").strip()
    return f"{name} can't serve the database as of that time:\n{said or '(it said nothing)'}"


def _keywords(line: str, name: str) -> dict[str, str]:
    try:
        found = conninfo_to_dict(line)
    except psycopg.Error:
        # Not quoted: there is a password in it, if it is nearly right.
        raise CommandFailed(f"{name} printed something else than the address of a database") from None
    return {key: str(value) for key, value in found.items() if value is not None}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the command's input, by which it knows that the copy is no longer needed, and wait for it."""
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    assert process.stdout is not None  # noqa: S101 - as above
    process.stdin.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
