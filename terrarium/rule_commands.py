"""`terrarium policies list|explain|check|report`: what the rules are, and what they say of a stack."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.settings.check import check_project
from components.settings.declaration import stack_files
from components.settings.problems import InvalidSettings, suggestion
from policies.gates import book
from policies.gates.book import Book
from policies.rules import Severity, Tier, catalogue
from terrarium.errors import Exit, InvalidInput
from terrarium.rules import listing
from terrarium.screen import Screen
from terrarium.site import find_root, site

if TYPE_CHECKING:
    from terrarium.rules.report import Report

app = typer.Typer(help="Rules: what they are, and what they say of a stack.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress stays on stderr.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="The project's checkout; by default the one around this folder.")
]
StackName = Annotated[str, typer.Argument(help="The stack, as in Pulumi.<stack>.yaml.", show_default=False)]


class Form(StrEnum):
    """What a report can be."""

    HTML = "html"
    MARKDOWN = "md"
    SARIF = "sarif"
    JSON = "json"


@app.command("list")
def list_rules(
    tier: Annotated[Tier | None, typer.Option(help="Only rules that bind in this tier.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only rules of this severity.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only rules of this topic, such as images.")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """List the rules: what each demands, where it binds, and whether it denies today."""
    screen, decided = Screen(as_json=as_json), _book(_root(root))
    topics = sorted({rule.topic for rule in catalogue()})
    if topic is not None and topic not in topics:
        raise InvalidInput(f"no topic is called `{topic}`; {suggestion(topic, topics)}")
    rows = [
        listing.row(rule, decided, _today())
        for rule in catalogue()
        if (tier is None or tier in rule.tiers)
        and (severity is None or rule.severity is severity)
        and (topic is None or rule.topic == topic)
    ]
    screen.result({"rules": rows})
    if not as_json:
        header = ("rule", "severity", "tiers", "today", "what it demands")
        screen.table([(r["id"], r["severity"], ", ".join(r["tiers"]), _state(r), r["title"]) for r in rows], header)


@app.command()
def explain(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="A rule's id.", show_default=False)],
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Say why a rule is there, what it reads, what passes and fails, what to do, and what is waived."""
    known = {rule.id: rule for rule in catalogue()}
    if rule_id not in known:
        raise InvalidInput(f"no rule is called `{rule_id}`; {suggestion(rule_id, known)}")
    told = listing.everything(known[rule_id], _book(_root(root)), _today())
    Screen(as_json=as_json).result(told, title=f"{rule_id}: {told['title']}", rows=listing.in_lines(told))


@app.command()
def check(stack: StackName, root: Root = None, as_json: AsJson = False) -> None:
    """Judge what a stack would be, by the engine's plan; exit code 3 if a rule refuses it."""
    screen = Screen(as_json=as_json)
    found = _report(stack, _root(root), screen)
    from terrarium.rules import forms  # noqa: PLC0415 - see _report

    if as_json:
        screen.result(forms.document(found))
    else:
        # One a line: a column folds what people copy.
        for line in forms.lines(found):
            screen.result({}, title=line)
    if found.failed:
        raise typer.Exit(Exit.REFUSED)


@app.command()
def report(
    stack: StackName,
    form: Annotated[Form | None, typer.Option("--format", help="What to write: html unless said.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; by default stdout.")] = None,
    root: Root = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write what the rules say of a stack: what binds, passes, fails, is waived, and what no rule reads."""
    if as_json and form not in {None, Form.JSON}:
        raise InvalidInput(f"--json and --format {form} exclude each other")
    if output is not None and not output.parent.is_dir():
        raise InvalidInput(f"{output} can't be written: {output.parent} is no folder")
    screen = Screen(as_json=False)
    found = _report(stack, _root(root), screen)
    from terrarium.rules.forms import FORMS  # noqa: PLC0415 - see _report

    text = FORMS[Form.JSON if as_json else form or Form.HTML](found)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{output} can't be written: {error.strerror}") from None
    screen.say(f"wrote {output}")


def _report(stack: str, root: Path, screen: Screen) -> Report:
    # Imported here: the Automation API costs 0.5 s, and `list`, `explain` and `--help` need none of it.
    from policies.gates.court import judge  # noqa: PLC0415
    from terrarium.deployment import Deployment  # noqa: PLC0415
    from terrarium.rules import report as reports  # noqa: PLC0415
    from terrarium.rules.planned import Planned  # noqa: PLC0415

    checked = check_project(root, [stack])
    if not checked.ok:
        raise InvalidSettings(f"stack {stack}", checked.problems)
    declaration = checked.declarations[stack]
    place = site(root, declaration.tiers)
    appointed = judge(root, declaration, {**os.environ, **place.variables})
    planned = Planned()
    Deployment(declaration, place, screen.say).foresee(planned)
    file = stack_files(root)[stack].relative_to(root).as_posix()
    return reports.made(appointed, planned.resources, _commit(root), file)


def _state(row: dict[str, object]) -> str:
    return f"{row['state']}, {row['waived']} waived" if row["waived"] else str(row["state"])


def _today() -> date:
    return datetime.now(UTC).date()


def _book(root: Path) -> Book:
    return book.read(root, _today())


def _root(given: Path | None) -> Path:
    return find_root(Path.cwd() if given is None else given.absolute())


def _commit(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
