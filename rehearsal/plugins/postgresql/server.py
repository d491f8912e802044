"""A PostgreSQL server: a connection for each task, in turns, again when the failure may pass."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Identifier

from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.tabular import persistently

Cursor = psycopg.Cursor[dict[str, Any]]
Result = TypeVar("Result")
# Any fixed number: the server answers "tuple concurrently updated" when two sessions grant at once.
LOCK: Final = 0x7E44A
# What passes: a server that starts, is full or unreachable (libpq gives no code for these), deadlocks, crossed updates.
_PASSING = re.compile("refused|reset by peer|starting up|shutting down|too many|closed the connection|concurrently upd")
_PASSING_CODES = frozenset({"40001", "40P01", "57P03", "53300"})


class Server:
    """The server; `settings` are the provider's, `stopping` is set when the engine cancels."""

    def __init__(self, settings: Mapping[str, str], stopping: threading.Event) -> None:
        self.stopping = stopping
        self.superuser = settings.get("superuser", "true").lower() == "true"
        self.database = settings.get("database") or "postgres"
        self.parameters: dict[str, Any] = {
            "host": settings.get("host"),
            "port": settings.get("port") or 5432,
            "user": settings.get("username") or "postgres",
            "password": settings.get("password"),
            "sslmode": settings.get("sslmode") or "require",
            "sslrootcert": settings.get("sslrootcert"),
            "connect_timeout": settings.get("connectTimeout") or 180,
        }
        # The official provider's default; its 0 sets no limit.
        self.free = threading.Semaphore(int(settings.get("maxConnections") or 20) or 1000)
        self.turns: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def do(self, doing: str, work: Callable[[Cursor], Result], database: str = "", *, alone: bool = False) -> Result:
        """Change something in a transaction, `alone` outside of one, while no other session of a provider does.

        Raises:
            ProviderError: the server refused, or could not be reached.
        """

        def turn(cursor: Cursor) -> Result:
            with self.turns[database]:
                while not cursor.execute("SELECT pg_try_advisory_lock(%s) AS mine", [LOCK]).fetchall()[0]["mine"]:
                    if self.stopping.wait(0.1):
                        raise ProviderError(f"{doing}: cancelled while another session made changes")
                if alone:
                    return work(cursor)
                with cursor.connection.transaction():
                    return work(cursor)

        return self.ask(doing, turn, database)

    def ask(self, doing: str, work: Callable[[Cursor], Result], database: str = "") -> Result:
        """Work on a connection of its own: one that stayed open would keep a database from being dropped."""

        def attempt() -> Result:
            name, parameters = database or self.database, {key: item for key, item in self.parameters.items() if item}
            with (
                self.free,
                closing(psycopg.connect(dbname=name, autocommit=True, row_factory=dict_row, **parameters)) as session,
            ):
                return work(session.cursor())

        try:
            return persistently(attempt, _worth, self.stopping)
        except psycopg.Error as error:
            # Not its whole text: that quotes the statement.
            said = [error.diag.message_primary or str(error), error.diag.message_detail, error.diag.message_hint]
            raise ProviderError(f"{doing}: {'; '.join(part for part in said if part)}") from error

    def rows(self, doing: str, query: str, values: Properties, database: str = "") -> list[dict[str, Any]]:
        """The answer to a query."""
        return self.ask(doing, lambda cursor: rows(cursor, query, values), database)

    def has_database(self, name: str) -> bool:
        """Whether there is such a database; nothing can be asked of one that is not there."""
        query = "SELECT FROM pg_database WHERE datname = %(name)s"
        return bool(self.rows(f"looking for database {name}", query, {"name": name}))


def rows(cursor: Cursor, query: str, values: Properties) -> list[dict[str, Any]]:
    """The answer to a query that is put together from constants."""
    return cursor.execute(SQL(query), values).fetchall()


def _worth(error: Exception) -> int:
    passing = isinstance(error, psycopg.Error) and (error.sqlstate in _PASSING_CODES or _PASSING.search(str(error)))
    return 9 if passing else 0


def identifiers(names: Iterable[str]) -> Composable:
    """Names, quoted and with commas between them."""
    return SQL(", ").join([Identifier(name) for name in names])
