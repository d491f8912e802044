"""The clouds that are installed: found by entry point, so that a new cloud is a new package and the core stays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from components.contract import Cloud, CloudAdapter
from components.settings.problems import suggestion

ENTRY_POINTS = "terrarium.clouds"


class UnknownCloud(ValueError):  # noqa: N818 - reads as what it says
    """The `cloud` key names no single installed cloud; the message says which there are."""


@cache  # a look-up reads the metadata of every installed package: 5 ms each
def _entry_points() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def installed() -> tuple[str, ...]:
    """Return the names of the clouds that can be chosen, without importing any."""
    return tuple(sorted(_entry_points()))


def find(name: str) -> Cloud:
    """Return a cloud by name, importing its package and no other.

    Raises:
        UnknownCloud: If no package of that name is installed.
    """
    if name not in installed():
        raise UnknownCloud(f"unknown cloud `{name}`; {suggestion(name, installed())}")
    cloud: Cloud = _entry_points()[name].load()
    return cloud


def bind(block: Mapping[str, Mapping[str, Any]]) -> CloudAdapter:
    """Return the adapter of the one cloud that a `cloud` block names, holding its validated settings.

    Args:
        block: The value of `cloud`: one key, and that cloud's own settings.

    Raises:
        UnknownCloud: If it does not name exactly one installed cloud.
        ValidationError: If that cloud's settings are not valid; locations start inside its block.
    """
    if len(block) != 1:
        raise UnknownCloud(f"names {len(block)} clouds; name exactly one. Allowed: {', '.join(installed())}")
    [(name, values)] = block.items()
    cloud = find(name)
    return cloud.adapter(cloud.settings.model_validate(values))
