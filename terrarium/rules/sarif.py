"""A report as SARIF 2.1.0 (OASIS), for tools that show findings beside the code, such as GitHub's code scanning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from policies.gates.verdicts import Standing, Verdict
from policies.rules import Severity
from terrarium.rules.report import Line, Report, State

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# What a finding's level may be (3.27.10), and the number by which GitHub says how bad it is: from 9.0 critical, from
# 7.0 high, from 4.0 medium (docs.github.com, "SARIF support for code scanning", reportingDescriptor).
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}


def sarif(report: Report) -> dict[str, Any]:
    """Return a report as SARIF: what is waived as a suppressed result, what is only reported as a note.

    Args:
        report: The report.
    """
    rules = [_rule(line) for line in report.lines]
    places = {rule["id"]: number for number, rule in enumerate(rules)}
    driver = {"name": "terrarium policies", "semanticVersion": version("terrarium"), "rules": rules}
    run = {
        "tool": {"driver": driver},
        # Runs of several stacks of one commit stand side by side.
        "automationDetails": {"id": f"terrarium/{report.stack}/"},
        "results": [_result(report, line, verdict, places) for line in report.lines for verdict in line.verdicts],
        "properties": {"stack": report.stack, "tier": report.tier, "commit": report.commit},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(line: Line) -> dict[str, Any]:
    rule = line.rule
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.reason},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": _LEVELS[rule.severity], "enabled": line.state is not State.OFF},
        "properties": {
            "security-severity": _SCORES[rule.severity],
            "severity": rule.severity.value,
            "sources": list(rule.sources),
            "tags": ["security", rule.topic],
        },
    }


def _result(report: Report, line: Line, verdict: Verdict, places: Mapping[str, int]) -> dict[str, Any]:
    violation = verdict.violation
    name = ".".join(part for part in (violation.name, violation.path) if part)
    # All results of a stack have one line: only this tells one from another, today and in the next run.
    same = hashlib.sha256("\n".join((report.stack, line.rule.id, violation.type, name)).encode()).hexdigest()
    location = {"logicalLocations": [{"name": violation.name, "fullyQualifiedName": name, "kind": "resource"}]}
    result: dict[str, Any] = {
        "ruleId": line.rule.id,
        "ruleIndex": places[line.rule.id],
        "level": "note" if verdict.standing is Standing.AUDITED else _LEVELS[line.rule.severity],
        "message": {"text": verdict.message},
        "locations": [{**_physical(report.file), **location}],
        "partialFingerprints": {"primaryLocationLineHash": same},
    }
    if verdict.standing is Standing.WAIVED:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": verdict.because}]
    return result


def _physical(file: str) -> dict[str, Any]:
    # A resource has no line: a program declares it. The stack's file is what a person opens, and GitHub takes no result
    # without one.
    place = {"artifactLocation": {"uri": file, "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 1}}
    return {"physicalLocation": place} if file else {}
