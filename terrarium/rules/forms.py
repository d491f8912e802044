"""A report as text, as JSON, and as a page: HTML or Markdown."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from policies.gates.verdicts import Standing, Verdict
from terrarium.rules.report import Exempted, Line, Report, State
from terrarium.rules.sarif import sarif
from terrarium.rules.sources import address

_FOLDER = Path(__file__).with_name("templates")
# What Markdown would take for more than text.
_MARKED = re.compile(r"([\\`*_\[\]|~#])")


def document(report: Report) -> dict[str, Any]:
    """Return a report as JSON's types."""
    return {
        "stack": report.stack,
        "tier": report.tier,
        "date": report.today.isoformat(),
        "commit": report.commit,
        "file": report.file,
        "resources": report.resources,
        "refused": bool(report.failed),
        "counts": {state.value: count for state, count in report.counts.items()},
        "rules": [_of_line(line) for line in report.lines],
        "waivers": [_of_waiver(one) for one in report.waivers],
        "coverage": [dataclasses.asdict(seen) for seen in report.coverage],
        "approved": {name: list(listed) for name, listed in report.approved.items()},
    }


def _of_line(line: Line) -> dict[str, Any]:
    return {
        "id": line.rule.id,
        "title": line.rule.title,
        "severity": line.rule.severity.value,
        "state": line.state.value,
        "today": line.today,
        "read": line.read,
        "why": line.why,
        "remedy": line.rule.remedy,
        "sources": list(line.rule.sources),
        "findings": [_of_verdict(verdict) for verdict in line.verdicts],
        "unseen": [{"resource": one.name, "type": one.type, "path": one.path} for one in line.unseen],
    }


def _of_verdict(verdict: Verdict) -> dict[str, Any]:
    violation, waiver = verdict.violation, verdict.waiver
    return {
        "resource": violation.name,
        "type": violation.type,
        "path": violation.path,
        "standing": verdict.standing.value,
        "message": verdict.message,
        "waiver": waiver.model_dump(mode="json") if waiver else None,
    }


def _of_waiver(one: Exempted) -> dict[str, Any]:
    return {**one.waiver.model_dump(mode="json"), "daysLeft": one.days, "ended": one.ended, "met": one.met}


def lines(report: Report) -> Iterator[str]:
    """Yield what a person at a terminal should know of a report, one thing a line, what refuses first."""
    counts = ", ".join(f"{count} {state.value}" for state, count in report.counts.items() if count)
    yield f"{report.stack}: {report.resources} resources judged; rules: {counts}"
    verdicts = [verdict for line in report.lines for verdict in line.verdicts]
    for standing in (Standing.DENIED, Standing.AUDITED, Standing.WAIVED):
        yield from (f"  {standing.value}: {one.message}" for one in verdicts if one.standing is standing)
    for hidden in (one for line in report.lines for one in line.unseen):
        yield f"  not seen yet, so let pass: {hidden.rule}: {hidden.name} ({hidden.type}): {hidden.path}".rstrip(": ")
    for one in report.stale:
        waiver = one.waiver
        yield f"  waiver for nothing: {waiver.rule} of {waiver.resource}, {one.left}, by {waiver.who}: take it away"
    if report.unread:
        yield f"  no rule is about: {', '.join(f'{seen.type} ({seen.resources})' for seen in report.unread)}"


def html(report: Report) -> str:
    """Return a report as one HTML file that needs nothing else."""
    return _page(report, "report.html.j2")


def markdown(report: Report) -> str:
    """Return a report as Markdown, for a pull request."""
    return _page(report, "report.md.j2")


def _page(report: Report, template: str) -> str:
    return _pages().get_template(template).render(report=report, State=State)


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(_FOLDER),
        # Markdown has no escaping of its own: there each value passes the filter `cell`.
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {"cell": _cell, "met": _met, "address": address, "nothing": lambda _: "---"}
    return pages


def _met(one: Exempted) -> str:
    """Return in words what a waiver is for."""
    if one.met is None:
        return "the guard of up"
    return f"{one.met} violation{'s' if one.met > 1 else ''}" if one.met else "nothing: take it away"


def _cell(text: object) -> str:
    """Return text that stands in a table of Markdown as it is: it neither ends the cell nor marks anything up."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKED.sub(r"\\\1", plain)


FORMS: Mapping[str, Callable[[Report], str]] = {
    "html": html,
    "md": markdown,
    "sarif": lambda report: json.dumps(sarif(report), indent=2) + "\n",
    "json": lambda report: json.dumps(document(report), indent=2) + "\n",
}
"""Each form by its name on the command line."""
