"""The files of the rehearsed clouds, seen from outside: what stands in them, and forgetting it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from rehearsal.cloud.state import home
from rehearsal.errors import RehearsalError, explained


def identifiers() -> frozenset[str]:
    """Return the ids of all that stands in the rehearsed clouds.

    Raises:
        RehearsalError: A file is there and can't be read.
    """
    found: set[str] = set()
    for file in sorted(home().glob("*.sqlite")):
        try:
            # Only read: a plugin may be at work.
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as rows:
                found |= {str(row[0]) for row in rows.execute("SELECT id FROM resources")}
        except sqlite3.Error as error:
            raise RehearsalError(f"The rehearsed cloud's file {file} can't be read: {error}.") from None
    return frozenset(found)


def forget() -> bool:
    """Delete the files of the rehearsed clouds, and return whether there were any.

    Raises:
        RehearsalError: One can't be deleted.
    """
    with explained(f"The rehearsed clouds in {home()} can't be deleted"):
        files = sorted(home().glob("*.sqlite*"))
        for file in files:
            file.unlink(missing_ok=True)
    return bool(files)
