"""What the tests of the rules have in common: a case's outcome in the words of the case files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.cases import Case
from policies.rules import Rule, Violation, check


def found(case: Case, rules: Sequence[Rule] | None = None) -> frozenset[tuple[str, str]]:
    """Return rule and place of all that is found in a case."""
    return frozenset((one.rule, _place(case, one)) for one in check(case.resource, case.facts, rules))


def paths(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of everything in a value, in the case files' spelling."""
    if isinstance(value, dict):
        below = [
            (f'["{key}"]' if "." in key or "/" in key else f".{key}" if path else key, v) for key, v in value.items()
        ]
    elif isinstance(value, list):
        below = [(f"[{index}]", entry) for index, entry in enumerate(value)]
    else:
        return
    for step, inner in below:
        yield path + step
        yield from paths(inner, path + step)


def _place(case: Case, violation: Violation) -> str:
    if violation.name == case.resource.name:
        return violation.path or "."
    return "/".join(part for part in (violation.name, violation.path) if part)
