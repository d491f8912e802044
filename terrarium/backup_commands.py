"""`terrarium backup` and `terrarium restore`."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from terrarium.errors import Exit, Refused
from terrarium.screen import Screen
from terrarium.site import find_root
from terrarium.sizes import size

if TYPE_CHECKING:
    from terrarium.backups.environments import Environment
    from terrarium.backups.manifest import Manifest
    from terrarium.backups.objective import Verdict

_Stack = Annotated[str, typer.Argument(help="The environment's stack, as in Pulumi.<stack>.yaml.", show_default=False)]
_Root = Annotated[
    Path | None, typer.Option("--root", help="The project's checkout; by default the one around this folder.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress stays on stderr.")]


def backup(
    stack: _Stack,
    root: _Root = None,
    as_json: _AsJson = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the backups there are; take none.")] = False,
) -> None:
    """Back up an environment's data now, or show its backups and whether its recovery point objective is kept."""
    # Imported here, as in `restore`: S3, PostgreSQL and the engine cost a second that `--help` need not spend.
    from terrarium.backups import expiry, shelf, taking  # noqa: PLC0415

    screen = Screen(as_json=as_json)
    environment = _environment(stack, root, screen)
    if list_:
        _list(environment, shelf.manifests(environment, screen.say), screen)
        return
    manifest = taking.take(environment, screen.say)
    for what, why in manifest.not_covered.items():
        screen.say(f"{what}: {why}")
    removed = expiry.Removed()
    if not environment.administration.versions_expire:
        # By the server's clock, as the backup: with this machine's, a wrong year would remove everything.
        removed = expiry.expire(environment, manifest.moment, screen.say)
        if removed.words():
            screen.say(f"removed, because they had had their days: {removed.words()}")
    document = {"stack": stack, "removed": vars(removed), "backup": _summary(manifest)}
    screen.result(document, title=f"{environment.id}: backup of {manifest.time}", rows=_rows(manifest))


def restore(
    stack: _Stack,
    *,
    at: Annotated[str, typer.Option(help="The time, RFC 3339 with its zone (2026-11-21T14:30:00Z), or `latest`.")],
    new: Annotated[
        str, typer.Option("--as", help="The stack that takes the data; its file is written if it has none.")
    ],
    root: _Root = None,
    as_json: _AsJson = False,
    accept_older: Annotated[
        bool, typer.Option("--accept-older", help="Take a backup that is older than the recovery point objective.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Bring an environment's data, as of a time, into a new environment beside it; the old one is only read."""
    from terrarium.backups.restoring import Request, restore  # noqa: PLC0415 - see backup
    from terrarium.plan import Watch  # noqa: PLC0415 - see backup

    screen = Screen(as_json=as_json)

    def consent(question: str) -> None:
        if not yes:
            _ask(question)

    request = Request(stack, at, new, accept_older)
    result = restore(_root(root), request, consent, screen.say, Watch(on_done=screen.step))
    screen.result(result, title=f"{result['into']}: the data of {result['environment']}", rows=_restored(result))


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Refused(f"{question} To do it without being asked: --yes")
    if not typer.confirm(f"{question} Go on?", err=True):
        raise Refused("nothing was changed")


def _root(given: Path | None) -> Path:
    return find_root(Path.cwd() if given is None else given.absolute())


def _environment(stack: str, root: Path | None, screen: Screen) -> Environment:
    from terrarium.backups import environments  # noqa: PLC0415 - see backup

    found = environments.existing(environments.declared(_root(root), stack), screen.say)
    if found is None:
        raise Refused(f"stack {stack} is not up, so it has no data: terrarium up {stack}")
    return found


def _list(environment: Environment, found: list[Manifest], screen: Screen) -> None:
    from terrarium.backups import moments  # noqa: PLC0415 - see backup

    now = environment.now(screen.say)

    def age(manifest: Manifest) -> float:
        return (now - manifest.moment).total_seconds()

    minutes = environment.settings.store.recovery.rpo_minutes
    verdict = _verdict(environment, age(found[-1]) if found else None)
    shown = [{**_summary(manifest), "age_seconds": round(age(manifest))} for manifest in found]
    known = {"rpo_minutes": minutes, "rpo_kept": verdict.kept, "rpo_reason": verdict.reason}
    document = {"stack": environment.declared.stack, "backups": shown, **known}
    said = (
        f"kept {verdict.reason}"
        if verdict.kept
        else f"not kept: {verdict.reason}; run `terrarium backup`, now and by a timer"
    )
    screen.result(document, title=f"{environment.id}: at most {minutes} minutes may be lost; {said}")
    if not screen.as_json:
        header = ("time", "age", "database", "objects")
        rows = [(m.time, moments.duration(age(m)), size(m.database.size), _counted(m)) for m in found]
        screen.table(rows or [("no backup", "", "", "")], header)
    if not verdict.kept:
        raise typer.Exit(Exit.FAILED)


def _verdict(environment: Environment, age: float | None) -> Verdict:
    """Ask the store and the server what they do, not the stack file what they should."""
    from terrarium.backups import objective, restoring  # noqa: PLC0415 - see backup

    log = bool(environment.administration.point_in_time)
    return objective.judge(
        timedelta(minutes=environment.settings.store.recovery.rpo_minutes),
        log=log,
        archiving=environment.server.archiving() if log else None,
        unversioned=restoring.unversioned(environment),
        age=age,
    )


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "time": manifest.time,
        "database": {
            "bytes": manifest.database.size,
            "tables": len(manifest.database.held.tables),
            "rows": manifest.database.held.rows,
        },
        "objects": {
            kind: {"objects": kept.objects, "bytes": kept.size, "how": kept.how}
            for kind, kept in manifest.objects.items()
        },
        "not_covered": manifest.not_covered,
    }


def _rows(manifest: Manifest) -> list[tuple[str, str]]:
    held = manifest.database.held
    counted = f"{len(held.tables):,} tables, {held.rows:,} rows"
    return [
        ("database", f"{counted}, {size(manifest.database.size)}"),
        *((kind, f"{kept.objects:,} objects, {size(kept.size)}") for kind, kept in manifest.objects.items()),
        *manifest.not_covered.items(),
    ]


def _restored(result: dict[str, Any]) -> list[tuple[str, str]]:
    taken = result["database"]
    minutes = f"{result['rto_minutes']} minutes are promised"
    verdict = minutes if result["within_rto"] else f"longer than promised: {minutes}"
    return [
        ("database", f"{taken['tables']:,} tables, {taken['rows']:,} rows, as of {taken['as_of']}"),
        *(
            (kind, f"{found['objects']:,} objects, {size(found['bytes'])}, as of {found['as_of']}")
            for kind, found in result["objects"].items()
        ),
        ("took", f"{result['seconds']:.0f} s ({verdict})"),
    ]


def _counted(manifest: Manifest) -> str:
    kept = manifest.objects.values()
    return f"{sum(each.objects for each in kept):,} ({size(sum(each.size for each in kept))})"
