"""Simulated nodes of several kinds: what a cluster with pools of machines looks like to whoever places pods there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rehearsal.errors import RehearsalError

GENERAL = "general"
"""The pool of nodes of which nothing else is said."""
_FORM = "NAME:KEY=VALUE,..., as training:cpu=8,memory=32Gi,gpu=1,count=2"
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?")
_SIZES = ("cpu", "memory")
_COUNTS = ("gpu", "count")


@dataclass(frozen=True)
class Pool:
    """Simulated nodes of one kind. Those with GPUs are tainted as managed clusters taint them.

    Attributes:
        name: Its name; nodes bear it as the label `terrarium.dev/pool`.
        count: How many nodes.
        cpu: Cores that pods may ask for on each.
        memory: Memory, too.
        gpu: GPUs, too.
        labels: Further labels.
    """

    name: str
    count: int = 1
    cpu: str = "8"
    memory: str = "32Gi"
    gpu: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> Pool:
    """Return the pool that an argument of the command line names.

    Args:
        text: `NAME:KEY=VALUE,...`; keys that are none of `cpu`, `memory`, `gpu` and `count` are labels.

    Raises:
        RehearsalError: It is no such thing.
    """
    name, _, rest = text.partition(":")
    said = dict(pair.split("=", 1) for pair in rest.split(",") if "=" in pair)
    whole = len(said) == len(rest.split(",")) if rest else True
    if not _NAME.fullmatch(name) or not whole or any(not said[key].isdigit() for key in _COUNTS if key in said):
        raise RehearsalError(f"{text!r} names no pool of nodes: write {_FORM}.")
    return Pool(
        name,
        count=int(said.get("count", "1")),
        gpu=int(said.get("gpu", "0")),
        labels={key: value for key, value in said.items() if key not in (*_SIZES, *_COUNTS)},
        **{key: said[key] for key in _SIZES if key in said},
    )
