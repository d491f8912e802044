"""A report as JSON, as SARIF for tools that show code's findings, and as a page: HTML or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from policies.gates.verdicts import Standing, Verdict
from policies.rules import Severity
from terrarium.rules.report import Line, Report, State

_FOLDER = Path(__file__).with_name("templates")
# SARIF 2.1.0, 3.27.10: what a finding's level may be.
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def document(report: Report) -> dict[str, Any]:
    """Return a report as JSON's types."""
    return {
        "stack": report.stack,
        "tier": report.tier,
        "date": report.today.isoformat(),
        "commit": report.commit,
        "resources": report.resources,
        "counts": {state.value: count for state, count in report.counts.items()},
        "rules": [_of_line(line) for line in report.lines],
        "coverage": [
            {"type": seen.type, "resources": seen.resources, "rules": list(seen.rules)} for seen in report.coverage
        ],
        "staleWaivers": [waiver.model_dump(mode="json") for waiver in report.stale],
        "approved": dict(report.approved),
    }


def _of_line(line: Line) -> dict[str, Any]:
    return {
        "id": line.rule.id,
        "title": line.rule.title,
        "severity": line.rule.severity.value,
        "state": line.state.value,
        "read": line.read,
        "why": line.why,
        "remedy": line.rule.remedy,
        "sources": list(line.rule.sources),
        "findings": [_of_verdict(verdict) for verdict in line.verdicts],
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


def sarif(report: Report) -> dict[str, Any]:
    """Return a report as SARIF 2.1.0; what is waived is a suppressed result, what is only reported a note."""
    rules = [
        {
            "id": line.rule.id,
            "shortDescription": {"text": line.rule.title},
            "fullDescription": {"text": line.rule.reason},
            "help": {"text": line.rule.remedy},
            "defaultConfiguration": {"level": _LEVELS[line.rule.severity], "enabled": line.state is not State.OFF},
            "properties": {"severity": line.rule.severity.value, "sources": list(line.rule.sources)},
        }
        for line in report.lines
    ]
    places = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [_result(line, verdict, places) for line in report.lines for verdict in line.verdicts]
    driver = {"name": "terrarium policies", "rules": rules}
    return {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "properties": {"stack": report.stack}}],
    }


def _result(line: Line, verdict: Verdict, places: Mapping[Any, int]) -> dict[str, Any]:
    violation = verdict.violation
    name = ".".join(part for part in (violation.name, violation.path) if part)
    result: dict[str, Any] = {
        "ruleId": line.rule.id,
        "ruleIndex": places[line.rule.id],
        "level": "note" if verdict.standing is Standing.AUDITED else _LEVELS[line.rule.severity],
        "message": {"text": verdict.message},
        "locations": [
            {
                # Of a resource there is no line: what declares it is a program. The stack file is what a person opens.
                "logicalLocations": [{"name": violation.name, "fullyQualifiedName": name, "kind": "resource"}],
            }
        ],
    }
    if verdict.standing is Standing.WAIVED:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": verdict.because}]
    return result


def html(report: Report) -> str:
    """Return a report as one HTML file that needs nothing else."""
    return _page(report, "report.html.j2")


def markdown(report: Report) -> str:
    """Return a report as Markdown, for a pull request."""
    return _page(report, "report.md.j2")


def _page(report: Report, template: str) -> str:
    pages = Environment(
        loader=FileSystemLoader(_FOLDER),
        # Markdown has no escaping of its own: there each value passes the filter `cell`.
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # In a table of Markdown a bar ends the cell, and raw HTML would be shown as such.
    pages.filters["cell"] = lambda text: (
        str(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
    )
    return pages.get_template(template).render(report=report, State=State)


FORMS: Mapping[str, Callable[[Report], str]] = {
    "html": html,
    "md": markdown,
    "sarif": lambda report: json.dumps(sarif(report), indent=2) + "\n",
    "json": lambda report: json.dumps(document(report), indent=2) + "\n",
}
"""Each form by its name on the command line."""
