"""A rehearsed cloud's state: a SQLite file that anyone may read and edit, and any number of plugins at once."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rehearsal.cloud.table import Thing
from rehearsal.paths import local
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError

HOME = "TERRARIUM_REHEARSAL_HOME"
# Seconds that one waits for another. Each holds the file for milliseconds: real parts are made outside of it.
_PATIENCE = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS resources (id TEXT, type TEXT, account TEXT, region TEXT, name TEXT, inputs JSON,
    outputs JSON, made TEXT, changed TEXT, PRIMARY KEY (account, region, type, id));
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS calls (time TEXT, operation TEXT, type TEXT, id TEXT, result TEXT);
CREATE INDEX IF NOT EXISTS calls_of ON calls (type, id, operation);
"""
# A hand-edited row may have blanks where texts are expected.
_THINGS = """
SELECT type, id, account, ifnull(region, ''), ifnull(name, ''), ifnull(inputs, '{}'), ifnull(outputs, '{}')
FROM resources ORDER BY rowid
"""
_PUT = """
INSERT INTO resources (account, region, type, id, name, inputs, outputs, made, changed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    name = excluded.name, inputs = excluded.inputs, outputs = excluded.outputs, changed = excluded.changed
"""


def home() -> Path:
    """The folder of the rehearsed clouds: $TERRARIUM_REHEARSAL_HOME, or one of this checkout."""
    return Path(os.environ.get(HOME) or local() / "cloud").absolute()


class State:
    """One cloud's file, `<folder>/<cloud>.sqlite`; what is done with `rows` is part of that transaction.

    `settings` are JSON values for what the file says nothing of yet; `folder` is `home()` by default.
    """

    def __init__(self, cloud: str, settings: Mapping[str, Any], folder: Path | None = None) -> None:
        folder = folder or home()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = folder / f"{cloud}.sqlite"
        with closing(self._connected()) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_TABLES)
        self.file.chmod(0o600)
        with self.rows() as rows:
            pairs = [(key, json.dumps(value)) for key, value in settings.items()]
            rows.executemany("INSERT OR IGNORE INTO settings VALUES (?, ?)", pairs)

    @contextmanager
    def rows(self, rows: sqlite3.Connection | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction, which no other comes into; the given one, if there is one."""
        if rows:
            yield rows
            return
        with closing(self._connected()) as database:
            database.execute("BEGIN IMMEDIATE")
            with database:
                yield database

    def settings(self, rows: sqlite3.Connection | None = None) -> Properties:
        """All settings."""
        with self.rows(rows) as found:
            return {key: json.loads(value) for key, value in found.execute("SELECT key, value FROM settings")}

    def set(self, **settings: Any) -> None:
        """Change settings."""
        with self.rows() as rows:
            pairs = [(key, json.dumps(value)) for key, value in settings.items()]
            rows.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", pairs)

    def things(self, rows: sqlite3.Connection | None = None) -> list[Thing]:
        """All things, of all accounts; ProviderError for a row that someone broke."""
        with self.rows(rows) as found:
            return [_thing(*row) for row in found.execute(_THINGS)]

    def put(self, thing: Thing, rows: sqlite3.Connection | None = None) -> None:
        """Note a thing, new or changed."""
        values = (thing.name, json.dumps(thing.inputs), json.dumps(thing.outputs), _now(), _now())
        with self.rows(rows) as found:
            found.execute(_PUT, (thing.account, thing.region, thing.type, thing.id, *values))

    def remove(self, thing: Thing) -> None:
        """Forget a thing."""
        key = (thing.account, thing.region, thing.type, thing.id)
        with self.rows() as rows:
            rows.execute("DELETE FROM resources WHERE account = ? AND region = ? AND type = ? AND id = ?", key)

    def count(self, operation: str, token: str, identifier: str) -> int:
        """How many calls of an operation there were."""
        where = "SELECT count(*) FROM calls WHERE operation = ? AND type = ? AND id = ?"
        with self.rows() as rows:
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


def _thing(token: str, identifier: str, account: str, region: str, name: str, *texts: str) -> Thing:
    try:
        inputs, outputs = map(json.loads, texts)
    except ValueError as error:
        raise ProviderError(
            f"the row of {token} {identifier} in the rehearsed cloud's file is no JSON: {error}"
        ) from None
    return Thing(token, identifier, account, region, name, inputs, outputs)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
