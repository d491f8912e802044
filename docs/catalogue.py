"""Write the rules of docs/rules.md from the catalogue and its cases, between the page's markers.

Run `python docs/catalogue.py` to write them, and with `--check` to be told whether they are out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from policies.cases import Case, Gate, Sort, cases
from policies.rules import TOPICS, Rule, Severity, Tier, catalogue, reads

PAGE = Path(__file__).resolve().parent / "rules.md"
COMMAND = "python docs/catalogue.py"
_SECTION = re.compile(r"(<!-- generated: rules -->\n).*?(<!-- end -->)", re.DOTALL)
_SORTS = {Sort.GOOD: "Passes", Sort.BAD: "Fails", Sort.ABSENT: "Where nothing is said"}


def rules() -> str:
    """Return the overview of all topics, then each topic with its rules."""
    topics = "".join(_topic(topic) for topic in TOPICS)
    return f"{_overview()}\n{topics}"


def render(text: str) -> str:
    """Return the page with its generated part filled in.

    Args:
        text: The page.

    Raises:
        ValueError: If the page has not exactly one pair of markers.
    """
    made = rules()
    fresh, times = _SECTION.subn(lambda match: f"{match[1]}\n{made}{match[2]}", text)
    if times != 1:
        raise ValueError(f"docs/rules.md has {times} pairs of markers, expected 1")
    return fresh


def _overview() -> str:
    lines = ["| topic | rules | critical | bind in production alone |", "| --- | --- | --- | --- |"]
    for topic in TOPICS:
        own = _own(topic)
        critical = sum(rule.severity is Severity.CRITICAL for rule in own)
        alone = sum(rule.tiers == {Tier.PRODUCTION} for rule in own)
        name = _name(topic)
        lines.append(f"| [{name}](#{name}) | {len(own)} | {critical} | {alone} |")
    every = catalogue()
    critical = sum(rule.severity is Severity.CRITICAL for rule in every)
    alone = sum(rule.tiers == {Tier.PRODUCTION} for rule in every)
    return "\n".join([*lines, f"| all | {len(every)} | {critical} | {alone} |", ""])


def _topic(topic: ModuleType) -> str:
    [said, *_] = (topic.__doc__ or "").splitlines()
    return f"### {_name(topic)}\n\n{said}\n\n" + "".join(_rule(rule) for rule in _own(topic))


def _rule(rule: Rule) -> str:
    shown = [case for case in cases() if case.rule == rule.id]
    gates = {gate for case in shown for gate in case.gates}
    facts = [
        f"- **{rule.severity.value}**, in {_listed(tier.value for tier in Tier if tier in rule.tiers)}; "
        f"seen by {_listed(gate.value for gate in Gate if gate in gates)}",
        f"- Reads {_listed(_reads(rule))}.{_UNKNOWN if rule.unknown else ''}",
        f"- Sources: {', '.join(rule.sources)}.",
        *(f"- {_SORTS[sort]}: {_titles(shown, sort)}." for sort in Sort),
    ]
    listed = "\n".join(facts)
    return f"#### {rule.id}\n\n{rule.title} {rule.reason}\n\n{rule.remedy}\n\n{listed}\n\n"


_UNKNOWN = " In production a value that can't be seen yet counts as a violation."


def _reads(rule: Rule) -> Iterator[str]:
    return (what if " " in what else f"`{what}`" for what in reads(rule))


def _titles(shown: Sequence[Case], sort: Sort) -> str:
    return "; ".join(case.title for case in shown if case.sort is sort)


def _own(topic: ModuleType) -> list[Rule]:
    return [rule for rule in catalogue() if rule.topic == _name(topic)]


def _name(topic: ModuleType) -> str:
    return topic.__name__.rpartition(".")[2]


def _listed(words: Iterator[str]) -> str:
    return ", ".join(words)


def main() -> None:
    """Write the page, or with `--check` say that it is out of date."""
    text = PAGE.read_text(encoding="utf-8")
    fresh = render(text)
    if fresh == text:
        sys.stdout.write("up to date\n")
    elif "--check" in sys.argv:
        sys.exit(f"out of date: docs/rules.md. Run: {COMMAND}")
    else:
        PAGE.write_text(fresh, encoding="utf-8")
        sys.stdout.write("written: docs/rules.md\n")


if __name__ == "__main__":
    main()
