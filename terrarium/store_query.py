"""`terrarium store sql`: one statement in one transaction, and its rows as they arrive."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from terrarium.client.faults import StoreFailed
from terrarium.errors import InvalidInput, Refused

if TYPE_CHECKING:
    import psycopg

    from terrarium.client.store import Store

# Rows that the server sends at a time. One at a time took three times as long.
_CHUNK = 500


@dataclass(frozen=True)
class Answer:
    """What a statement gave.

    Args:
        columns: Names of its columns; none if it gives no rows.
        rows: Its rows, once.
        status: What the server calls it, such as `INSERT 0 1`; None while rows still arrive.
    """

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]
    status: str | None


@contextmanager
def answered(store: Store, statement: str, *, write: bool) -> Iterator[Answer]:
    """Give what a statement answers. Its transaction is committed at the end, and undone if the block fails.

    Args:
        store: The store.
        statement: What a person typed; of several statements, the last one's answer is given, as psql -c does.
        write: Whether it may change something.

    Raises:
        Refused: If the identity may not, or would have to write.
        InvalidInput: If the statement is wrong.
        StoreFailed: If the server failed.
    """
    import psycopg  # noqa: PLC0415 - `ls` and `cp` do without

    # For the whole session: a `commit` inside the statement ends the transaction, and not this.
    options = "" if write else "-c default_transaction_read_only=on"
    try:
        with store.database.connect(options=options) as connection:
            cursor = connection.cursor()
            size = _CHUNK if psycopg.capabilities.has_stream_chunked() else 1
            # Closed, as an open one keeps the connection's lock: nothing could end the transaction.
            with closing(cast("Generator[Any]", cursor.stream(cast("Any", statement), size=size))) as rows:
                first = None if write else _first(rows)
                if first is not None:
                    yield Answer([column.name for column in cursor.description or ()], chain([first], rows), None)
                    return
            connection.rollback()
            yield _at_once(connection, statement)
    except psycopg.errors.ReadOnlySqlTransaction:
        raise Refused("the statement would change something; add --write to let it") from None
    except psycopg.errors.InsufficientPrivilege as error:
        who = store.connection.who
        raise Refused(f"{who} may not do this: {error.diag.message_primary}") from None
    except psycopg.Error as error:
        said = error.diag.message_primary
        # Classes of PostgreSQL's error codes: 22 data, 23 constraints, 25 transactions, 42 syntax and names.
        if said and (error.sqlstate or "")[:2] in {"22", "23", "25", "42"}:
            raise InvalidInput(f"the database refused the statement: {said}{_hint(error, statement)}") from None
        raise StoreFailed(f"the database failed: {said or 'the connection broke'}; try again") from None


def _first(rows: Iterator[tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """Run a statement that only reads, and return its first row; the others come as they are asked for.

    So a large table need not fit in memory, and a query ends with those who have enough of it. A change is never run
    so: it would be undone when enough of its rows were seen.

    Returns:
        None if this is not one statement that gives rows. It has changed nothing, and can be run again.
    """
    import psycopg  # noqa: PLC0415 - see answered

    try:
        return next(rows, None)
    except psycopg.ProgrammingError:
        return None


def _at_once(connection: psycopg.Connection[Any], statement: str) -> Answer:
    cursor = connection.execute(statement)  # type: ignore[arg-type,unused-ignore]  # what a person typed
    while cursor.nextset():
        pass
    columns = [column.name for column in cursor.description or ()]
    return Answer(columns, iter(cursor.fetchall() if columns else ()), cursor.statusmessage)


def _hint(error: Any, statement: str) -> str:
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    position = error.diag.statement_position
    return f", at `{statement[int(position) - 1 :][:40].strip()}`{hint}" if position else hint
