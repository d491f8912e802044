"""`terrarium store ls|cp|sql`: an environment's data store, for people, by the rights they have."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from terrarium.client.environment import Environment, locate
from terrarium.client.faults import as_command
from terrarium.errors import Exit, InvalidInput
from terrarium.screen import Screen
from terrarium.sizes import size
from terrarium.store_places import Remote, parse_place, parse_remote
from terrarium.store_query import answered

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
            scheme = store.connection.objects.protocol
            kinds = {kind: "{}://{}/{}".format(scheme, *store.location(kind)) for kind in _kinds(store)}
            screen.result({"kinds": kinds}, rows=[(f"{kind}:", where) for kind, where in kinds.items()])
            return
        entries = _entries(store, parse_remote(place), recursive=recursive)
    if as_json:
        screen.result({"objects": entries})
    else:
        # Plain lines: a table of 5,000 rows took rich 2 s to lay out.
        sys.stdout.writelines(f"{_shown(e['size']):>10}  {_when(e['modified']):16}  {e['name']}\n" for e in entries)


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
    with _store(env, bucket, _WRITE if isinstance(place, Remote) else _READ, root, context) as store, _readers_end():
        outcome = carry_out(store, plan(store, origin, place, recursive=recursive))
    if target == "-":
        return
    for path in outcome.left_out:
        screen.say(f"{path} was left out: it is a link to a folder, or neither file nor folder")
    done = {"copied": outcome.copied, "skipped": outcome.skipped, "bytes": outcome.bytes}
    equal = f", {outcome.skipped} equal already" if outcome.skipped else ""
    screen.result(
        {**done, "left_out": outcome.left_out}, title=f"copied {outcome.copied} ({size(outcome.bytes)}){equal}"
    )


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
    with (
        _store(env, bucket, _WRITE if write else _READ, root, context) as store,
        _readers_end(),
        answered(store, text, write=write) as answer,
    ):
        if as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            if answer.columns:
                writer.writerow(answer.columns)
                writer.writerows(answer.rows)
        elif as_json:
            rows = [list(row) for row in answer.rows]
            screen.result({"columns": answer.columns, "rows": rows, "status": answer.status})
        elif answer.columns:
            shown = [tuple("" if cell is None else str(cell) for cell in row) for row in islice(answer.rows, _ROWS)]
            screen.table(shown, answer.columns)
            if next(answer.rows, None) is not None:
                screen.say(f"only the first {_ROWS:,} rows are shown; --csv prints all")
        else:
            screen.say(answer.status or "")


@contextmanager
def _readers_end() -> Iterator[None]:
    """End the command quietly when whoever reads stdout has had enough (`| head`)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python must not flush into it on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.FAILED) from None


@contextmanager
def _store(
    name: str | None, bucket: str | None, identities: Sequence[str], root: Path | None, context: str | None
) -> Iterator[Store]:
    """Give the store, and turn what goes wrong there into the command's ending."""
    with as_command(), Environment(locate(name, context, root), identities, bucket) as environment:
        yield environment.store


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


def _shown(count: int | None) -> str:
    return "" if count is None else size(count)


def _when(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""
