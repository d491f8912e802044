"""`terrarium policies list|explain|check|report`: what the rules are, and what they say of a stack."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.settings.check import check_project
from components.settings.problems import InvalidSettings, suggestion
from policies.gates import book
from policies.gates.book import Book
from policies.rules import Rule, Severity, Tier, catalogue
from terrarium.errors import Exit, InvalidInput
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
        _row(rule, decided)
        for rule in catalogue()
        if (tier is None or tier in rule.tiers)
        and (severity is None or rule.severity is severity)
        and (topic is None or rule.topic == topic)
    ]
    screen.result({"rules": rows})
    if not as_json:
        header = ("rule", "severity", "tiers", "state", "what it demands")
        cells = [(r["id"], r["severity"], ", ".join(r["tiers"]), r["state"], r["title"]) for r in rows]
        screen.table(cells, header)


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
    rule, decided = known[rule_id], _book(_root(root))
    waivers = [waiver.model_dump(mode="json") for waiver in decided.waivers if waiver.rule == rule.id]
    row = _row(rule, decided) | {
        "reason": rule.reason,
        "remedy": rule.remedy,
        "sources": list(rule.sources),
        "reads": [*(rule.kinds or rule.types)],
        "unknownCounts": rule.unknown,
        "waivers": waivers,
        **_shown(rule),
    }
    screen = Screen(as_json=as_json)
    screen.result(row, title=f"{rule.id}: {rule.title}", rows=_explained(row))


@app.command()
def check(stack: StackName, root: Root = None, as_json: AsJson = False) -> None:
    """Judge what a stack would be, by the engine's plan; exit code 3 if a rule refuses it."""
    screen = Screen(as_json=as_json)
    report = _report(stack, _root(root), screen)
    from terrarium.rules.forms import document  # noqa: PLC0415 - see _report

    counts = ", ".join(f"{count} {state.value}" for state, count in report.counts.items() if count)
    screen.result(document(report), title=f"{stack}: {report.resources} resources judged; rules: {counts}")
    if not as_json:
        # One a line: a column folds what people copy.
        for line in report.lines:
            for verdict in line.verdicts:
                screen.result({}, title=f"  {verdict.standing.value}: {verdict.message}")
    if report.failed:
        raise typer.Exit(Exit.REFUSED)


@app.command()
def report(
    stack: StackName,
    form: Annotated[Form, typer.Option("--format", help="What to write.")] = Form.HTML,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; by default stdout.")] = None,
    root: Root = None,
) -> None:
    """Write what the rules say of a stack: what binds, passes, fails, is waived, and what no rule reads."""
    screen = Screen(as_json=False)
    found = _report(stack, _root(root), screen)
    from terrarium.rules.forms import FORMS  # noqa: PLC0415 - see _report

    text = FORMS[form.value](found)
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
    return reports.made(appointed, planned.resources, _commit(root))


def _row(rule: Rule, decided: Book) -> dict[str, Any]:
    waived = sum(waiver.rule == rule.id for waiver in decided.waivers)
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.value,
        "topic": rule.topic,
        "tiers": [tier.value for tier in Tier if tier in rule.tiers],
        "state": _state(rule, decided) + (f", {waived} waived" if waived else ""),
    }


def _state(rule: Rule, decided: Book) -> str:
    rollout = decided.rollout.get(rule.id)
    if rollout is None:
        return "denies"
    if rollout.from_ and datetime.now(UTC).date() < rollout.from_:
        return f"denies from {rollout.from_}"
    return {"deny": "denies", "audit": "only reports", "off": "off"}[rollout.mode]


def _shown(rule: Rule) -> dict[str, Any]:
    """Return what the cases beside a rule show, by their titles, and which gates see them."""
    from policies.cases import Gate, Sort, cases  # noqa: PLC0415 - reads a dozen files, which `list` does not need

    own = [case for case in cases() if case.rule == rule.id]
    seen = {gate for case in own for gate in case.gates}
    names = {Sort.GOOD: "passes", Sort.BAD: "fails", Sort.ABSENT: "whereNothingIsSaid"}
    titles = {names[sort]: [case.title for case in own if case.sort is sort] for sort in Sort}
    return {"gates": [gate.value for gate in Gate if gate in seen], **titles}


_LABELS: Mapping[str, str] = {
    "reason": "why",
    "remedy": "what to do",
    "severity": "severity",
    "tiers": "binds in",
    "state": "today",
    "gates": "seen by",
    "reads": "reads",
    "passes": "passes",
    "fails": "fails",
    "whereNothingIsSaid": "where nothing is said",
    "sources": "sources",
}


def _explained(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, label in _LABELS.items():
        value = row[key]
        yield label, "; ".join(value) if isinstance(value, list) else str(value)
    for waiver in row["waivers"]:
        yield "waived", "{resource} of {stack} until {until} by {who}: {why}".format_map(waiver)


def _book(root: Path) -> Book:
    return book.read(root, datetime.now(UTC).date())


def _root(given: Path | None) -> Path:
    return find_root(Path.cwd() if given is None else given.absolute())


def _commit(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
