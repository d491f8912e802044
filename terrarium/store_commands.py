"""`terrarium store ls|cp|sql`: an environment's data store, for people, by the rights they have."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from terrarium.client.environment import Environment, locate
from terrarium.client.faults import StoreFailed, as_command
from terrarium.errors import Exit, InvalidInput, Refused
from terrarium.screen import Screen
from terrarium.store_places import Remote, parse_place, parse_remote

if TYPE_CHECKING:
    from terrarium.client.store import Store

# The identity that may do least comes first.
_READ = ("ro", "rw")
_WRITE = ("rw",)
# Rows that a table shows: nobody reads on, and it must fit in memory.
_ROWS = 1_000

app = typer.Typer(help="An environment's data store: list, copy, query.", no_args_is_help=True)

Name = Annotated[
    str | None,
    typer.Option("--env", "-e", help="A stack's name or an environment's id; in a pod by default the one it lives in."),
]
Bucket = Annotated[str | None, typer.Option("--bucket", "-b", help="One bucket of the environment, by its own rights.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="The project's checkout; by default the one around this folder.")
]
Context = Annotated[
    str | None, typer.Option("--context", help="Outside a checkout: the kubeconfig context of the cluster.")
]


@app.command()
def ls(
    place: Annotated[
        str | None, typer.Argument(help="KIND:PATH, such as models:v1/; by default the kinds.", show_default=False)
    ] = None,
    *,
    env: Name = None,
    bucket: Bucket = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="All objects below, not only the next level.")
    ] = False,
    as_json: AsJson = False,
    root: Root = None,
    context: Context = None,
) -> None:
    """List objects with their sizes."""
    screen = Screen(as_json=as_json)
    with _store(env, bucket, _READ, root, context) as store:
        if place is None:
            kinds = {kind: "s3://{}/{}".format(*store.location(kind)) for kind in _kinds(store)}
            screen.result({"kinds": kinds}, rows=[(f"{kind}:", where) for kind, where in kinds.items()])
            return
        entries = _entries(store, parse_remote(place), recursive=recursive)
    if as_json:
        screen.result({"objects": entries})
    else:
        # Plain lines: a table of 5,000 rows took rich 2 s to lay out.
        sys.stdout.writelines(f"{_size(e['size']):>10}  {_when(e['modified']):16}  {e['name']}\n" for e in entries)


@app.command()
def cp(
    source: Annotated[str, typer.Argument(help="KIND:PATH, a path of this machine, or - for stdin.")],
    target: Annotated[str, typer.Argument(help="The same, or - for stdout; ends with / if it is a folder.")],
    *,
    env: Name = None,
    bucket: Bucket = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="All below SOURCE to below TARGET, but for what is equal there.")
    ] = False,
    as_json: AsJson = False,
    root: Root = None,
    context: Context = None,
) -> None:
    """Copy objects: up, down, or inside the store without passing here."""
    from terrarium.store_copy import carry_out, plan  # noqa: PLC0415 - `--help` needs none of it

    screen = Screen(as_json=as_json)
    origin, place = parse_place(source), parse_place(target)
    if as_json and target == "-":
        raise InvalidInput("stdout can't take an object and a JSON document: leave --json out")
    with _store(env, bucket, _WRITE if isinstance(place, Remote) else _READ, root, context) as store:
        try:
            outcome = carry_out(store, plan(store, origin, place, recursive=recursive))
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read stdout has had enough (`| head`). Python must not flush into it on its way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.FAILED) from None
    if target == "-":
        return
    document = {"copied": outcome.copied, "skipped": outcome.skipped, "bytes": outcome.bytes}
    equal = f", {outcome.skipped} equal already" if outcome.skipped else ""
    screen.result(document, title=f"copied {outcome.copied} ({_size(outcome.bytes)}){equal}")


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="SQL, or - to read it from stdin.")],
    *,
    env: Name = None,
    bucket: Bucket = None,
    write: Annotated[bool, typer.Option("--write", help="Let the statement change something.")] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all rows as CSV, with a header.")] = False,
    root: Root = None,
    context: Context = None,
) -> None:
    """Query the database, in one transaction that reads only, unless told otherwise."""
    if as_csv and as_json:
        raise InvalidInput("--csv and --json exclude each other")
    text = sys.stdin.read() if statement == "-" else statement
    screen = Screen(as_json=as_json)
    with _store(env, bucket, _WRITE if write else _READ, root, context) as store, _rows(store, text, write) as cursor:
        columns = [column.name for column in cursor.description or ()]
        if as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            if columns:
                writer.writerow(columns)
                writer.writerows(cursor)
        elif as_json:
            rows = [list(row) for row in cursor] if columns else []
            screen.result({"columns": columns, "rows": rows, "status": cursor.statusmessage})
        elif columns:
            shown = [tuple("" if cell is None else str(cell) for cell in row) for row in cursor.fetchmany(_ROWS)]
            screen.table(shown, columns)
            if cursor.rowcount > len(shown):
                screen.say(f"{cursor.rowcount - len(shown)} further rows are not shown; --csv prints all")
        else:
            screen.say(cursor.statusmessage or "")


@contextmanager
def _store(
    name: str | None, bucket: str | None, identities: Sequence[str], root: Path | None, context: str | None
) -> Iterator[Store]:
    """Give the store, and turn what goes wrong there into the command's ending."""
    with as_command(), Environment(locate(name, context, root), identities, bucket) as environment:
        yield environment.store


@contextmanager
def _rows(store: Store, statement: str, write: bool) -> Iterator[Any]:
    """Give a cursor that ran a statement in one transaction, which is committed at the end.

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
            cursor: Any = connection.execute(statement)  # type: ignore[arg-type,unused-ignore]  # what a person typed
            while cursor.nextset():
                # Of several statements, people get the last one's rows, as psql -c gives them.
                pass
            yield cursor
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


def _hint(error: Any, statement: str) -> str:
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    position = error.diag.statement_position
    return f", at `{statement[int(position) - 1 :][:40].strip()}`{hint}" if position else hint


def _kinds(store: Store) -> list[str]:
    return [*store.connection.objects.buckets, *(["lake"] if store.connection.lake else [])]


def _entries(store: Store, place: Remote, *, recursive: bool) -> list[dict[str, Any]]:
    files = store.files(place.kind)
    found = list(files.find(place.path, detail=True).values()) if recursive else files.ls(place.path, detail=True)
    if recursive and not found and place.path:
        raise InvalidInput(f"{place} does not exist")
    return [
        {
            "name": item["name"] + ("/" if item["type"] == "directory" else ""),
            "size": None if item["type"] == "directory" else item["size"],
            "modified": item.get("last_modified"),
        }
        for item in sorted(found, key=lambda item: str(item["name"]))
    ]


def _size(number: int | None) -> str:
    """Return a size as people say it: `1.5 MiB`; nothing for a folder."""
    if number is None:
        return ""
    value, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{number} B" if unit == "B" else f"{value:.1f} {unit}"


def _when(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""
