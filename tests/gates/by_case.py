"""A judge who tells each resource apart by its name, and judges it by the facts of the case that it belongs to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from policies.cases import Case, cases, production
from policies.gates.book import Book
from policies.gates.files import Rollout
from policies.gates.verdicts import Judge, Verdict
from policies.rules import STACK, Resource, Violation

CASES = cases()
Finding = tuple[int, str, str]
"""Number of a case, rule and place; a place is written as the case files do."""
_NAME = re.compile(r"c(\d{4})-(.+)")
_FOUND = re.compile(r"c(\d{4}) (\S+) @ (.+?) \| ")


def called(number: int, name: str) -> str:
    """Return what a resource of a case is called in a program that holds all cases."""
    return f"c{number:04}-{name}"


def findings(text: str) -> set[Finding]:
    """Return what messages of this judge say."""
    return {(int(number), rule, place) for number, rule, place in _FOUND.findall(text)}


def expected(numbers: Iterable[int]) -> set[Finding]:
    """Return what these cases say is found in them."""
    return {(number, rule, place) for number in numbers for rule, place in CASES[number].finds}


def about_stack(case: Case) -> bool:
    """Whether a case shows a rule about the stack as a whole."""
    return case.resource.type == STACK


class ByCase(Judge):
    """Judges as many stacks as there are cases, at once.

    Args:
        numbers: The cases.
        without_its_rule: Whether each case is judged without the rule that it stands under.
    """

    def __init__(self, numbers: Iterable[int], *, without_its_rule: bool = False) -> None:
        super().__init__("cases", production(), Book())
        self._stacks = [number for number in numbers if about_stack(CASES[number])]
        self._without = without_its_rule
        self._judges: dict[int, Judge] = {}

    def resource(self, resource: Resource) -> tuple[Verdict, ...]:
        number, resource = _own(resource)
        if number is None or about_stack(CASES[number]):
            return ()
        # Also what a case only needs is judged, as its judge learns of providers by it.
        found = self._judge(number).resource(resource)
        return _labelled(number, found) if resource.name == CASES[number].resource.name else ()

    def whole(self, resources: Iterable[Resource]) -> tuple[Verdict, ...]:
        stacks: dict[int, list[Resource]] = defaultdict(list)
        for number, resource in map(_own, resources):
            if number is not None:
                stacks[number].append(resource)
        return tuple(
            verdict
            for number in self._stacks
            for verdict in _labelled(number, self._judge(number).whole(stacks[number]))
        )

    def _judge(self, number: int) -> Judge:
        if number not in self._judges:
            case = CASES[number]
            off = Rollout(mode="off", why="this is what is tried")
            book = Book(rollout={case.rule: off} if self._without else {})
            self._judges[number] = Judge("stack", case.facts, book)
        return self._judges[number]


def _own(resource: Resource) -> tuple[int | None, Resource]:
    """Return the case that a resource belongs to, and the resource by the names that the case gives."""
    found = _NAME.fullmatch(resource.name)
    if not found:
        return None, resource
    provider = _NAME.fullmatch(resource.options.provider)
    options = replace(resource.options, provider=provider[2] if provider else "")
    return int(found[1]), replace(resource, name=found[2], options=options)


def _labelled(number: int, verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(replace(verdict, violation=_label(number, verdict)) for verdict in verdicts)


def _label(number: int, verdict: Verdict) -> Violation:
    one, case = verdict.violation, CASES[number]
    own = one.name == case.resource.name
    place = (one.path or ".") if own else "/".join(part for part in (one.name, one.path) if part)
    return replace(one, message=f"c{number:04} {one.rule} @ {place} | {one.message}")
