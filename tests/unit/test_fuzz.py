# ruff: noqa: PT017 - either outcome is right, so no exception is expected
"""10,000 random stack files: each is a declaration or a clear error, never a trace, and no message shows a secret."""

from __future__ import annotations

import copy
from collections import Counter
from random import Random
from textwrap import dedent
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.settings import documents
from components.settings.declaration import Declaration, declared
from components.settings.documents import Document
from components.settings.problems import InvalidSettings

EXAMPLES = 10_000
BATCH = 50
outcomes: Counter[str] = Counter()
SECRET = "hunter2/Geheim"  # noqa: S105 - planted
ORGANISATION = documents.parse(
    dedent(
        """\
        organisation: Example
        defaults: {environment: {owner: o, cost_centre: c}, platform: {owner: o, cost_centre: c}}
        projects: {churn: {quota: {cpu: 8}}}
        """
    ),
    "organisation.yaml",
)
VALID: dict[str, Any] = yaml.safe_load(
    """\
    config:
      pulumi:disable-default-providers: ["*"]
      terrarium:environment:
        project: churn
        name: dev
        tier: testing
        cloud: {kubernetes: {context: test, platform: shared}}
        network:
          egress_to: {registry: {cidr: 10.0.12.0/24, ports: [443], why: Images}}
          ingress_from: {gateway: {namespace: ingress, ports: [80], why: Users}}
        quota: {cpu: 16, memory: 64Gi, gpu: 1, pods: 10, storage: 1Ti, volumes: 3}
        container: {default: {cpu: 1, memory: 1Gi}, maximum: {cpu: 2, memory: 2Gi}}
        people: {members: [team], readers: [security], automation: [ci], promoters: []}
        pod_security: restricted
    """
)


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(found for key, below in items for found in _paths(below, (*path, key)))] if path else [
        found for key, below in items for found in _paths(below, (key,))
    ]  # fmt: skip


PATHS = _paths(VALID)
WORDS = [
    "config",
    "secure",
    "cloud",
    "kubernetes",
    "tier",
    "cidr",
    "",
    "a.b",
    "terrarium:platform",
    "terrarium:x",
    "é",
    "\n",
    "x" * 300,
]
SCALARS: list[Any] = [
    *(None, True, False, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "10.0.0.0/8", "::/0", "0.0.0.0/1", "1e9"),
    *("production", "open", "baseline", "64Gi", "x" * 5_000, "\x00", "\u202e", "٣", "é", "platform", b"x", "a", "-"),
]
SECRETS: list[Any] = [
    {"secure": SECRET},
    [{"secure": SECRET}],
    {"secure": {"secure": SECRET}},
    {"a": {"secure": SECRET}},
]


def _value(random: Random, depth: int = 0) -> Any:
    kind = random.choice(["scalar", "scalar", "secret", "text", "list", "block", "deep"])
    if kind == "secret":
        return copy.deepcopy(random.choice(SECRETS))
    if kind == "text":
        return "".join(chr(random.randrange(0xD800)) for _ in range(random.randrange(6)))
    if kind == "list" and depth < 3:
        return [_value(random, depth + 1) for _ in range(random.randrange(3))]
    if kind == "block" and depth < 3:
        return {random.choice(WORDS): _value(random, depth + 1) for _ in range(random.randrange(3))}
    if kind == "deep" and depth == 0:
        nested: Any = {}
        for _ in range(random.randrange(150)):
            nested = [nested] if random.random() < 0.5 else {"a": nested}
        return nested
    return random.choice(SCALARS)


def _change(data: Any, path: tuple[Any, ...], how: str, word: str, value: Any) -> None:
    """Change what stands at a path, if an earlier change left it there."""
    target = data
    for key in path[:-1]:
        try:
            target = target[key]
        except (KeyError, IndexError, TypeError):
            return
    if not isinstance(target, dict):
        return
    if how == "add":
        target[word] = value
    elif how == "drop":
        target.pop(path[-1], None)
    else:
        target[path[-1]] = value


def _outcome(document: Document) -> str:
    try:
        found = declared("dev", document, ORGANISATION)
    except InvalidSettings as error:
        assert error.problems
        assert "hunter2" not in str(error)
        str(error).encode()
        return "refused"
    assert isinstance(found, Declaration)
    return "declared"


def test_the_file_that_is_changed_is_valid() -> None:
    assert _outcome(Document("Pulumi.dev.yaml", VALID)) == "declared"


@settings(max_examples=EXAMPLES // BATCH, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64))
def test_random_changes_are_declared_or_refused(seed: int) -> None:
    # A batch by one seed: hypothesis itself costs ten times as much as reading a stack file.
    random = Random(seed)  # noqa: S311 - nothing secret is made of it
    for _ in range(BATCH):
        data = copy.deepcopy(VALID)
        for _ in range(random.randrange(1, 4)):
            how = random.choice(["set", "set", "add", "drop"])
            _change(data, random.choice(PATHS), how, random.choice(WORDS), _value(random))
        outcomes[_outcome(Document("Pulumi.dev.yaml", data))] += 1


def test_the_random_changes_reached_both_outcomes() -> None:
    assert not outcomes or min(outcomes["declared"], outcomes["refused"]) > 100, outcomes


TEXT = yaml.safe_dump(VALID, sort_keys=False).replace("context: test", f"context: test\n        password: {SECRET}")
NOISE = [
    "\n",
    "  ",
    ":",
    "- ",
    "[",
    "}",
    "&a ",
    "*a",
    "!!int ",
    "'",
    "\t",
    "null",
    "<<: ",
    "? ",
    "\ud800",
    "\x00",
    "#",
    "|\n",
]


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(edits=st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(0, 8), st.sampled_from(NOISE)), max_size=3))
def test_random_text_is_declared_or_refused(edits: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for at, removed, noise in edits:
        text = text[:at] + noise + text[at + removed :]
    try:
        document = documents.parse(text, "Pulumi.dev.yaml")
    except InvalidSettings as error:
        assert error.problems
        assert SECRET not in str(error)
        return
    try:
        declared("dev", document, ORGANISATION)
    except InvalidSettings as error:
        assert SECRET not in str(error)
