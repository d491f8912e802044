"""A rehearsed cloud's state: a SQLite file that anyone may read and edit, and any number of plugins at once."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rehearsal.cloud.table import Thing
from rehearsal.paths import local
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError

HOME = "TERRARIUM_REHEARSAL_HOME"
# Seconds that a writer waits for another. Each holds the file for milliseconds: real parts are made outside of it.
_PATIENCE = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS resources (id TEXT, type TEXT, account TEXT, region TEXT, name TEXT, inputs JSON,
    outputs JSON, made TEXT, changed TEXT, PRIMARY KEY (account, region, type, id));
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS calls (time TEXT, operation TEXT, type TEXT, id TEXT, result TEXT);
CREATE INDEX IF NOT EXISTS calls_of ON calls (type, id, operation);
"""


def home() -> Path:
    """The folder of the rehearsed clouds: $TERRARIUM_REHEARSAL_HOME, or one of this checkout."""
    return Path(os.environ.get(HOME) or local() / "cloud").absolute()


class State:
    """One cloud's file.

    Args:
        cloud: its name, `aws`.
        settings: what `settings` holds where it says nothing yet; JSON values.
        folder: `home()` by default.
    """

    def __init__(self, cloud: str, settings: Mapping[str, Any], folder: Path | None = None) -> None:
        folder = folder or home()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = folder / f"{cloud}.sqlite"
        with closing(self._connected()) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_TABLES)
            rows = [(key, json.dumps(value)) for key, value in settings.items()]
            with database:
                database.executemany("INSERT OR IGNORE INTO settings VALUES (?, ?)", rows)
        self.file.chmod(0o600)

    def settings(self) -> Properties:
        """All settings."""
        with closing(self._connected()) as rows:
            return settings(rows)

    def set(self, **settings: Any) -> None:
        """Change settings."""
        with self.rows() as rows:
            pairs = [(key, json.dumps(value)) for key, value in settings.items()]
            rows.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", pairs)

    @contextmanager
    def rows(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which no other writer comes into."""
        with closing(self._connected()) as database:
            database.execute("BEGIN IMMEDIATE")
            with database:
                yield database

    def things(self) -> list[Thing]:
        """All things, of all accounts."""
        with closing(self._connected()) as rows:
            return things(rows)

    def put(self, thing: Thing) -> None:
        """Note a thing, new or changed."""
        with self.rows() as rows:
            put(rows, thing)

    def remove(self, thing: Thing) -> None:
        """Forget a thing."""
        with self.rows() as rows:
            rows.execute("DELETE FROM resources WHERE account = ? AND region = ? AND type = ? AND id = ?", _key(thing))

    def count(self, operation: str, token: str, identifier: str) -> int:
        """How many calls of an operation there were."""
        with closing(self._connected()) as rows:
            where = "SELECT count(*) FROM calls WHERE operation = ? AND type = ? AND id = ?"
            return int(rows.execute(where, (operation, token, identifier)).fetchone()[0])

    def note(self, operation: str, token: str, identifier: str, result: str) -> None:
        """Note a call and how it ended."""
        with self.rows() as rows:
            rows.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", (_now(), operation, token, identifier, result))

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.file, timeout=_PATIENCE, isolation_level=None)
        # Not waiting for the disk at each call: a machine that loses power loses a rehearsal, no data.
        database.execute("PRAGMA synchronous = NORMAL")
        return database


def settings(rows: sqlite3.Connection) -> Properties:
    """All settings, in a transaction."""
    return {key: json.loads(value) for key, value in rows.execute("SELECT key, value FROM settings")}


def things(rows: sqlite3.Connection) -> list[Thing]:
    """All things, in a transaction."""
    # A hand-edited row may have blanks where texts are expected.
    columns = "type, id, account, ifnull(region, ''), ifnull(name, ''), ifnull(inputs, '{}'), ifnull(outputs, '{}')"
    found = rows.execute(f"SELECT {columns} FROM resources ORDER BY rowid")  # noqa: S608 - a constant
    return [Thing(row[0], row[1], row[2], row[3], row[4], *_read(row)) for row in found]


def _read(row: Sequence[str]) -> tuple[Properties, Properties]:
    try:
        inputs, outputs = (json.loads(text) for text in row[5:])
    except ValueError as error:
        raise ProviderError(f"the row of {row[0]} {row[1]} in the rehearsed cloud's file is no JSON: {error}") from None
    return inputs, outputs


def put(rows: sqlite3.Connection, thing: Thing) -> None:
    """Note a thing, new or changed, in a transaction."""
    values = (thing.name, json.dumps(thing.inputs), json.dumps(thing.outputs))
    rows.execute(
        "INSERT INTO resources (account, region, type, id, name, inputs, outputs, made, changed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, "
        "inputs = excluded.inputs, outputs = excluded.outputs, changed = excluded.changed",
        (*_key(thing), *values, _now(), _now()),
    )


def _key(thing: Thing) -> tuple[str, str, str, str]:
    return thing.account, thing.region, thing.type, thing.id


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
