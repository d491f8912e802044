"""An environment's PostgreSQL database, through psycopg and nothing around it."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from terrarium.client.connection import Connection
from terrarium.client.faults import StoreFailed, right
from terrarium.errors import InvalidInput

if TYPE_CHECKING:
    import psycopg

# Seconds to reach the server.
_PATIENCE = 10
# A connection idle for longer is asked before it is used: firewalls forget it, and a first statement would be lost.
_IDLE = 30.0


class Database:
    """The environment's database, or a bucket's schema in it.

    Args:
        connection: Where it is and who asks.
    """

    def __init__(self, connection: Connection) -> None:
        self._where = connection
        self._lock = threading.Lock()
        self._open: psycopg.Connection[Any] | None = None
        self._owner = 0
        self._used = 0.0

    def __del__(self) -> None:
        # A notebook never closes it; psycopg warns of a connection that is dropped open.
        if self._open is not None and self._owner == os.getpid():
            self._open.close()

    def connect(self, **kwargs: Any) -> psycopg.Connection[Any]:
        """Return a new connection; the caller closes it. `pandas.read_sql` takes it.

        Args:
            kwargs: What `psycopg.connect` takes, over what the environment says.

        Raises:
            InvalidInput: If there is no database, as in a lake.
            StoreFailed: If the server can't be reached or refuses.
        """
        import psycopg  # noqa: PLC0415 - 0.1 s, and some only want objects

        if not self._where.database:
            raise InvalidInput(f"{self._where.environment} has no database, only objects")
        options = str(kwargs.pop("options", ""))
        if self._where.schema != "public":
            options = f"-c search_path={self._where.schema},public {options}".strip()
        # Empty options are said too: else libpq would take the shell's PGOPTIONS.
        given = {"connect_timeout": _PATIENCE, "application_name": "terrarium", "options": options}
        try:
            return psycopg.connect(**{**given, **self._where.database, **self._trusted(), **kwargs})
        except psycopg.OperationalError as error:
            raise StoreFailed(self._refusal(str(error))) from None

    def sql(self, statement: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement in a transaction of its own and return its rows as tuples.

        One connection is kept for all calls, of all threads in turn. For frames, give `connect()` to `pandas.read_sql`.

        Args:
            statement: SQL; values as `%s` or `%(name)s`.
            params: The values.

        Raises:
            StoreFailed: If the server can't be reached.
            psycopg.Error: If it refuses the statement.
        """
        with self._lock:
            cursor = self._alive().execute(statement, params)
            self._used = time.monotonic()
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the connection that `sql` keeps; it opens another one if it is called again."""
        with self._lock:
            if self._open is not None and self._owner == os.getpid():
                self._open.close()
            self._open = None

    def _alive(self) -> psycopg.Connection[Any]:
        from psycopg import OperationalError  # noqa: PLC0415 - see connect

        # A forked process would speak on its parent's connection.
        kept = self._open if self._owner == os.getpid() else None
        if kept is not None and not kept.closed and time.monotonic() - self._used > _IDLE:
            try:
                kept.execute("select 1")
            except OperationalError:
                kept.close()
        if kept is None or kept.closed:
            kept = self._open = self.connect(autocommit=True)
            self._owner = os.getpid()
        return kept

    def _trusted(self) -> dict[str, str]:
        # The service file names where pods have it; it may be elsewhere, or come from a Secret.
        named, authorities = self._where.database.get("sslrootcert"), self._where.authorities
        return {"sslrootcert": authorities.path} if named and authorities else {}

    def _refusal(self, text: str) -> str:
        where = self._where
        server = f"{where.database.get('host')}:{where.database.get('port')}"
        named = {**where.database, **self._trusted()}.get("sslrootcert", "system")
        # The first that fits. Certificates come before what is gone: of theirs, too, libpq says "does not exist".
        causes = {
            "authentication failed": f"the database refused the password of {where.who}: it was renewed or taken back; "
            "connect again",
            "permission denied": f"{where.who} may not connect to the database; {right(where.identity)}",
            # libpq looks for it whatever else it is given.
            "definition of service": "PGSERVICE names a service that your service file lacks: unset it",
            "certificate|does not support SSL|SSL off": f"the database at {server} is not trusted: it must offer TLS, "
            f"by a certificate that {'this machine' if named == 'system' else named} vouches for",
            'database ".*" does not exist': f"the database of environment {where.environment} is gone: "
            "was it destroyed?",
            "too many|remaining connection slots": f"the database at {server} has no free connection: close some, or "
            "try again",
        }
        silent = f"the database at {server} does not answer: is it running, and does a way lead there?"
        return next((said for pattern, said in causes.items() if re.search(pattern, text)), silent)
