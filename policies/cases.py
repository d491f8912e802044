"""The cases beside the rules: examples that people read and that every gate is tried with.

A case is a compliant resource of `rules/bases.yaml` with something changed, and exactly what the whole catalogue finds
in it. `!unknown` stands for a value that can't be seen yet, `!secret` for one that must not be shown. Which gates can
see it, the case itself says, else its rule (`gates_of`), else the head of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policies.rules import (
    TOPICS,
    UNKNOWN,
    Deployment,
    Evidence,
    Facts,
    Options,
    Resource,
    Secret,
    Sovereignty,
    Tier,
    stack_of,
)

FOLDER = Path(__file__).parent / "rules"
_STEP = re.compile(r'\["([^"]+)"\]|\[(\d+)\]|\.?([^.\[\]]+)')
_KEYS = {"base", "type", "name", "set", "remove", "options", "facts", "stack", "finds", "also", "gates"}


class Sort(StrEnum):
    """What a case shows."""

    GOOD = "good"
    BAD = "bad"
    ABSENT = "absent"


class Gate(StrEnum):
    """Where a case can be seen: by the policy pack, by the program's transform, by the API server."""

    PREVIEW = "preview"
    PROGRAM = "program"
    CLUSTER = "cluster"


@dataclass(frozen=True)
class Case:
    """An example of a rule.

    Args:
        rule: The rule that it stands under.
        sort: What it shows.
        title: In words.
        resource: What is judged; the stack for a rule about one.
        facts: What else is known.
        finds: All that the catalogue finds in it: rule and place. A place is a path, `.` for the resource as a whole;
            `name/path` if a rule about the stack blames one of its resources.
        gates: The gates that can see it.
    """

    rule: str
    sort: Sort
    title: str
    resource: Resource
    facts: Facts
    finds: frozenset[tuple[str, str]]
    gates: frozenset[Gate]

    def __str__(self) -> str:
        return f"{self.rule}: {self.sort}: {self.title}"


class CaseError(ValueError):
    """A case file that can't be understood; the message says where."""


@cache
def cases() -> tuple[Case, ...]:
    """Return the cases of every topic.

    Raises:
        CaseError: If a file is missing or not in the form of the others.
    """
    found: list[Case] = []
    for topic in TOPICS:
        name = topic.__name__.rpartition(".")[2]
        path = FOLDER / f"{name}.cases.yaml"
        if not path.is_file():
            raise CaseError(f"{name}.py has no cases: {path.name} is missing")
        found.extend(_of_file(path))
    return tuple(found)


def production() -> Facts:
    """Return the facts of a production environment in which nothing is wrong."""
    return _facts({}, ())


def _of_file(path: Path) -> Iterator[Case]:
    content = _read(path)
    usual, of_rules = content.get("gates"), content.get("gates_of", {})
    for rule, listed in content.get("cases", {}).items():
        gates = of_rules.get(rule, usual)
        for written in listed:
            where = f"{path.name}, {rule}"
            sorts = [sort for sort in Sort if sort in written]
            unexpected = set(written) - _KEYS - set(Sort)
            if len(sorts) != 1 or unexpected:
                raise CaseError(f"{where}: a case is good, bad or absent, and has no key {sorted(unexpected)}")
            title = written[sorts[0]]
            try:
                yield _case(rule, sorts[0], title, written, written.get("gates", gates))
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise CaseError(f"{where}, {title!r}: {error!r}") from error


def _case(rule: str, sort: Sort, title: str, written: Mapping[str, Any], gates: Sequence[str]) -> Case:
    stack = tuple(_resource(one, f"it{number}") for number, one in enumerate(written.get("stack", ()), 1))
    about_stack = "base" not in written and "type" not in written
    resource = stack_of("stack") if about_stack else _resource(written, "it")
    places = tuple(written.get("finds", ()))
    also = written.get("also", ())
    others = also.items() if isinstance(also, Mapping) else [(other, places) for other in also]
    finds = {(rule, place) for place in places} | {(other, place) for other, listed in others for place in listed}
    facts = _facts(written.get("facts", {}), stack)
    return Case(rule, sort, title, resource, facts, frozenset(finds), frozenset(Gate(gate) for gate in gates))


def _resource(written: Mapping[str, Any], name: str) -> Resource:
    base = _copied(_bases()["resources"][written["base"]]) if "base" in written else {}
    properties = base.get("properties", {})
    for path in written.get("remove", ()):
        _put(properties, path, None, remove=True)
    for path, value in written.get("set", {}).items():
        _put(properties, path, value)
    options = Options(**(base.get("options", {}) | written.get("options", {})))
    return Resource(written.get("type", base.get("type")), written.get("name", name), properties, options)


def _put(value: Any, path: str, new: object, *, remove: bool = False) -> None:
    """Change what stands at a path in place; an index one past the end appends."""
    steps: list[Any] = [quoted or (int(index) if index else key) for quoted, index, key in _STEP.findall(path)]
    *way, last = steps
    for step, following in zip(way, steps[1:], strict=True):
        if isinstance(value, dict):
            value = value.setdefault(step, [] if isinstance(following, int) else {})
        else:
            value = value[step]
    if remove:
        del value[last]
    elif isinstance(value, list) and last == len(value):
        value.append(new)
    else:
        value[last] = new


def _copied(value: Any) -> Any:
    """Return a copy in which nothing is shared: YAML's aliases are one object, and a change in one was in all."""
    if isinstance(value, dict):
        return {key: _copied(below) for key, below in value.items()}
    return [_copied(entry) for entry in value] if isinstance(value, list) else value


def _facts(changed: Mapping[str, Any], stack: tuple[Resource, ...]) -> Facts:
    said: dict[str, Any] = _copied(_bases()["facts"])
    for key, value in changed.items():
        both = isinstance(value, Mapping) and isinstance(said.get(key), dict) and value
        said[key] = said[key] | value if both else value
    for key in ("registries", "base_images", "cost_keys", "branches", "protected_refs"):
        said[key] = tuple(said[key])
    for key in ("cluster_admins", "deploying", "expiring", "inputs", "networks"):
        said[key] = frozenset(said[key])
    for key in ("regions", "default_tags", "charts"):
        said[key] = {name: frozenset(listed) for name, listed in said[key].items()}
    said["evidence"] = {digest: Evidence(**known) for digest, known in said["evidence"].items()}
    said["deployment"] = Deployment(**said["deployment"])
    said["occupied"] = {
        kind: {place: frozenset(Tier(tier) for tier in tiers) for place, tiers in places.items()}
        for kind, places in said["occupied"].items()
    }
    demanded = said["sovereignty"]
    said["sovereignty"] = Sovereignty(
        demanded["name"],
        {kind: frozenset(listed) for kind, listed in demanded["allowed"].items()},
        {kind: tuple(listed) for kind, listed in demanded["used"].items()},
    )
    return Facts(**said | {"tier": Tier(said["tier"]), "resources": stack})


@cache
def _bases() -> dict[str, Any]:
    return _read(FOLDER / "bases.yaml")


class _Loader(yaml.SafeLoader):
    """YAML with the two marked kinds of values."""


_Loader.add_constructor("!unknown", lambda _loader, _node: UNKNOWN)
_Loader.add_constructor("!secret", lambda _loader, node: Secret(node.value))


def _read(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        content = yaml.load(file, _Loader)  # noqa: S506 - a SafeLoader with two constructors more
    if not isinstance(content, dict):
        raise CaseError(f"{path.name} holds no keys and values")
    return content
