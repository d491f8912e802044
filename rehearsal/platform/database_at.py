"""`terrarium-database-at NAME --at TIME`: serve a platform's database as of a time, until standard input ends.

It prints one line, a libpq URI with superuser rights on a private copy. The copy is gone when the command has ended,
however it ended.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import select
import signal
import sys
from pathlib import Path

from rehearsal.errors import RehearsalError
from rehearsal.platform.control import Platform
from rehearsal.platform.layout import Layout
from rehearsal.platform.recovery import Copy, copy_as_of

# RFC 3339, section 5.6; what else ISO 8601 allows is easily misread.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
# Seconds between two looks at whether the copy still runs.
_INTERVAL = 1.0
_STDIN = 0


def moment(text: str) -> datetime.datetime:
    """Return the time that a text says.

    Args:
        text: By RFC 3339 with a zone, such as `2026-11-21T17:44:08Z`.

    Raises:
        RehearsalError: It says none.
    """
    if _TIME.fullmatch(text):
        # Python reads at most six digits of a second's fraction, and PostgreSQL keeps no more.
        short = re.sub(r"(\.\d{6})\d+", r"\1", text.upper())
        try:
            return datetime.datetime.fromisoformat(short).astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            pass
    raise RehearsalError(
        f"{text!r} is not a time by RFC 3339 with a zone. Write it as 2026-11-21T17:44:08Z or "
        "2026-11-21T18:44:08+01:00."
    )


def serve(layout: Layout, at: datetime.datetime) -> None:
    """Print the copy's URI, and keep the copy until standard input ends.

    Args:
        layout: The platform's folder.
        at: As of when.

    Raises:
        RehearsalError: There can be no such copy, or it ended by itself.
    """
    with copy_as_of(layout, at) as copy:
        sys.stdout.write(f"{copy.uri}\n")
        sys.stdout.flush()
        _wait(copy)


def _wait(copy: Copy) -> None:
    while True:
        if not copy.alive():
            raise RehearsalError("The copy of the database ended by itself, or somebody ended it. Run it again.")
        readable, _, _ = select.select([_STDIN], [], [], _INTERVAL)
        if readable and not os.read(_STDIN, 65536):
            return


def _layout(name: str, home: Path | None) -> Layout:
    folder = Platform(name, home).folder
    if not folder.is_dir():
        raise RehearsalError(f"There is no platform '{name}' here: it was never started. `make up` starts it.")
    return Layout(folder)


def _end_in_order(number: int, _: object) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Run the command; every ending is a message and an exit code."""
    parser = argparse.ArgumentParser(prog="terrarium-database-at", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("name", help="the embedded platform, such as `shared`")
    parser.add_argument("--at", required=True, metavar="TIME", help="by RFC 3339, such as 2026-11-21T17:44:08Z")
    parser.add_argument("--home", type=Path, help="folder of the platforms, if it is not this checkout's")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end_in_order)
    try:
        serve(_layout(given.name, given.home), moment(given.at))
    except RehearsalError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(f"error: {error}. Check free space, and that the platform is yours; then run it again.\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
