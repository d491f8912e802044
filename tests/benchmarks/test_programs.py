"""The flat program is a fair yardstick only as long as it registers what ours does: asked of the real engine."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from benchmarks import programs
from rehearsal.progress import Silent

DEV = 82
WIDE = DEV + 40
KINDS = ("results", "datasets", "models", "scratch", "backups")


@pytest.fixture(scope="module")
def both() -> Iterator[programs.Programs]:
    with programs.programs(Silent()) as started:
        yield started


@pytest.mark.parametrize(("stack", "count"), [("dev", DEV), ("wide", WIDE)])
def test_flat_program_registers_the_same(both: programs.Programs, stack: str, count: int) -> None:
    assert programs.same(both, stack) == []

    resources = both.registered(stack)
    # The stack itself is in the state too. Two empty sets would be equal as well.
    assert len(resources) == count + 1
    protected = {urn.rsplit("::", 1)[-1] for urn, resource in resources.items() if resource.get("protect")}
    own = ("identity", "namespace", "store-database", *(f"store-{kind}" for kind in KINDS))
    assert protected == {f"churn-{stack}-{name}" for name in own}
    for program in (programs.OURS, programs.FLAT):
        taken = both.preview(program, stack)
        assert taken.cpu > 0
        assert taken.wall > 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "kubernetes:core/v1:Secret"),
        ("parent", "urn:other"),
        ("provider", "urn:other::id"),
        ("inputs", {"metadata": {}}),
        ("protect", False),
        ("dependencies", []),
    ],
)
def test_every_difference_is_told(key: str, value: object) -> None:
    ours = {
        "urn:a": {
            "type": "kubernetes:core/v1:Namespace",
            "parent": "urn:p",
            "provider": "urn:k::id",
            "inputs": {"metadata": {"name": "a"}},
            "protect": True,
            "dependencies": ["urn:d"],
        }
    }
    flat = copy.deepcopy(ours)
    assert programs.differences(ours, flat) == []

    flat["urn:a"][key] = value
    [told] = programs.differences(ours, flat)
    assert told.startswith(f"urn:a: {key} is ")

    del flat["urn:a"]
    flat["urn:b"] = {}
    assert programs.differences(ours, flat) == ["only ours registers urn:a", "only the flat program registers urn:b"]
