"""What the rules are, for who asks about none of a stack: a line of each, and all there is to say of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from policies.gates.book import Book
from policies.gates.files import Rollout
from policies.rules import Rule, Tier, reads
from terrarium.rules.sources import address

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
}


def rolled_out(rollout: Rollout | None, today: date) -> str:
    """Return in words what a rule does today.

    Args:
        rollout: How far security has rolled it out; None if nothing is said, which means that it denies.
        today: The day.
    """
    if rollout is None:
        return "denies"
    if rollout.from_ and today < rollout.from_:
        return f"denies from {rollout.from_}"
    return {"deny": "denies", "audit": "only reports", "off": "off"}[rollout.mode]


def row(rule: Rule, book: Book, today: date) -> dict[str, Any]:
    """Return what a list says of a rule.

    Args:
        rule: The rule.
        book: What security has decided.
        today: The day.
    """
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.value,
        "topic": rule.topic,
        "tiers": [tier.value for tier in Tier if tier in rule.tiers],
        "state": rolled_out(book.rollout.get(rule.id), today),
        "waived": sum(waiver.rule == rule.id and today <= waiver.until for waiver in book.waivers),
    }


def everything(rule: Rule, book: Book, today: date) -> dict[str, Any]:
    """Return all there is to say of a rule.

    Args:
        rule: The rule.
        book: What security has decided.
        today: The day.
    """
    rollout = book.rollout.get(rule.id)
    return row(rule, book, today) | {
        "reason": rule.reason,
        "remedy": rule.remedy,
        "sources": [{"id": source, "url": address(source)} for source in rule.sources],
        "reads": list(reads(rule)),
        "unknownCounts": rule.unknown,
        "rolloutReason": rollout.why if rollout else None,
        "waivers": [
            waiver.model_dump(mode="json") | {"ended": waiver.until < today}
            for waiver in book.waivers
            if waiver.rule == rule.id
        ],
        **_shown(rule),
    }


def in_lines(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what `everything` says, as labels and text.

    Args:
        told: What it says.
    """
    for key, label in _LABELS.items():
        value = told[key]
        text = "; ".join(value) if isinstance(value, list) else str(value)
        yield label, f"{text}: {told['rolloutReason']}" if key == "state" and told["rolloutReason"] else text
    yield "sources", "; ".join(" ".join(filter(None, source.values())) for source in told["sources"])
    for waiver in told["waivers"]:
        label = "waiver, ended" if waiver["ended"] else "waived"
        yield label, "{resource} of {stack} until {until} by {who}: {why}".format_map(waiver)


def _shown(rule: Rule) -> dict[str, Any]:
    """Return what the cases beside a rule show, by their titles, and which gates see them."""
    from policies.cases import Gate, Sort, cases  # noqa: PLC0415 - reads a dozen files, which a list does not need

    own = [case for case in cases() if case.rule == rule.id]
    seen = {gate for case in own for gate in case.gates}
    names = {Sort.GOOD: "passes", Sort.BAD: "fails", Sort.ABSENT: "whereNothingIsSaid"}
    titles = {names[sort]: [case.title for case in own if case.sort is sort] for sort in Sort}
    return {"gates": [gate.value for gate in Gate if gate in seen], **titles}
