"""PostgreSQL's own programs: found, told by variables where the server is, and ended with us."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg.pq import Conninfo

from components.settings.tierfiles import FOLDER
from terrarium.errors import CommandFailed

_PIECE = 1 << 20
# Seconds that a program gets to end after it was asked to.
_PATIENCE = 30.0


def search_path(root: Path) -> str:
    """Return where programs are looked for: the checkout's own first, which fit its embedded servers."""
    return os.pathsep.join((str(root / FOLDER / "bin"), os.environ.get("PATH", os.defpath)))


def find(name: str, root: Path, server: int) -> Path:
    """Return a program of PostgreSQL that can talk to a server: the one of its own version, else a newer one.

    Args:
        name: `pg_dump` or `pg_restore`.
        root: The folder of Pulumi.yaml.
        server: The server's major version.

    Raises:
        CommandFailed: If there is none.
    """
    found: dict[int, Path] = {}
    for folder in search_path(root).split(os.pathsep):
        program = shutil.which(name, path=folder)
        if program:
            found.setdefault(_major(program), Path(program))
    fitting = sorted(major for major in found if major >= server)
    if fitting:
        return found[fitting[0]]
    there = f"only of version {max(found)}" if found else "not installed"
    raise CommandFailed(
        f"{name} is {there}, and the server is PostgreSQL {server}: install PostgreSQL's client programs of that "
        f"version, and put their folder on PATH; `make up` puts those of the embedded server into {FOLDER}/bin"
    )


def _major(program: str) -> int:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=_PATIENCE)
    number = re.search(r"(\d+)", done.stdout)
    return int(number[0]) if number and not done.returncode else 0


def variables(keywords: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a program connects: a command line is everybody's to read, passwords too.

    Args:
        keywords: libpq's; those without a variable are tuning, and left out.
    """
    names = {
        option.keyword.decode(): option.envvar.decode()
        for option in Conninfo.get_defaults()
        if option.envvar is not None
    }
    own = {names[keyword]: value for keyword, value in keywords.items() if keyword in names}
    # A person's own PGHOST or PGSERVICE must not lead anywhere.
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | own


def output(command: Sequence[str | Path], keywords: Mapping[str, str]) -> Iterator[bytes]:
    """Yield what a program prints.

    Raises:
        CommandFailed: If it fails, after what it printed.
    """
    with _running(command, keywords, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        while piece := process.stdout.read(_PIECE):
            yield piece


def feed(command: Sequence[str | Path], keywords: Mapping[str, str], pieces: Iterable[bytes]) -> None:
    """Give a program its input, the last piece only when all pieces are there: if one fails, it never has the whole.

    Pieces that it does not wait for are taken all the same: what yields them compares a checksum in the end.

    Args:
        command: The program and its arguments.
        keywords: libpq's, of the server.
        pieces: The input.

    Raises:
        CommandFailed: If it fails.
    """
    with _running(command, keywords, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        held = b""
        try:
            for piece in pieces:
                process.stdin.write(held)
                held = piece
            process.stdin.write(held)
            process.stdin.close()
        except BrokenPipeError:
            # It has ended: if with a failure, it says why.
            if not process.wait():
                for _ in pieces:
                    pass


def counted(pieces: Iterable[bytes], done: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the pieces, and tell how many MiB they are so far."""
    size = 0
    for piece in pieces:
        yield piece
        size += len(piece)
        done(size >> 20)


@contextmanager
def _running(
    command: Sequence[str | Path], keywords: Mapping[str, str], *, stdin: int, stdout: int
) -> Iterator[subprocess.Popen[bytes]]:
    name = Path(command[0]).name
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=variables(keywords), stdin=stdin, stdout=stdout, stderr=errors)
        try:
            yield process
            process.wait()
        finally:
            # Killed, its transaction is undone; ended by a closed pipe it might still commit.
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
        if process.returncode:
            errors.seek(0)
            said = errors.read()[-4_000:].decode(errors="replace").strip().splitlines()
            raise CommandFailed(f"{name} failed:\n" + "\n".join(said[-6:] or ["(it said nothing)"]))
