"""Inheritance: layers of settings laid over each other, remembering for every value where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.settings.documents import Document, Path_
from components.settings.problems import Place


@dataclass(frozen=True)
class Layer:
    """One source of settings.

    Args:
        label: What the source is, in words (`project churn`).
        data: What it says.
        document: The file it stands in; None for what the program itself sets.
        at: The path inside the file under which `data` stands.
    """

    label: str
    data: Mapping[str, Any]
    document: Document | None = None
    at: Path_ = ()

    def place(self, path: Path_) -> Place | None:
        """Return where the layer says something of a path."""
        return self.document.place((*self.at, *path)) if self.document else None


@dataclass(frozen=True)
class Origin:
    """What one layer says of one key.

    Args:
        layer: The layer's label.
        place: Where it stands; None for what the program itself sets.
        value: What it says; None takes an inherited value back.
    """

    layer: str
    place: Place | None
    value: Any


@dataclass(frozen=True)
class Merged:
    """The outcome of laying layers over each other.

    Args:
        data: The settings.
        origins: For each leaf's path, what each layer says of it; the last one counts.
    """

    data: dict[str, Any]
    origins: Mapping[Path_, Sequence[Origin]]


def merge(layers: Sequence[Layer]) -> Merged:
    """Lay later layers over earlier ones.

    Mappings are merged key by key, everything else is replaced whole. `null` takes an inherited value back. A `cloud`
    block that names another cloud replaces the inherited one: settings of two clouds never mix.
    """
    data: dict[str, Any] = {}
    origins: dict[Path_, list[Origin]] = {}
    for layer in layers:
        _lay(data, layer.data, (), layer, origins)
    return Merged(data, origins)


def _lay(
    target: dict[str, Any], source: Mapping[str, Any], path: Path_, layer: Layer, origins: dict[Path_, list[Origin]]
) -> None:
    if path == ("cloud",) and _names_another(source, target):
        _take_back(target, path, layer, origins)
        target.clear()
    for key, value in source.items():
        where = (*path, key)
        if isinstance(value, Mapping) and value:
            below = target.get(key)
            if not isinstance(below, dict):
                below = target[key] = {}
                _overrule(where, layer, origins)
            _lay(below, value, where, layer, origins)
            continue
        origins.setdefault(where, []).append(Origin(layer.label, layer.place(where), value))
        if isinstance(value, Mapping):  # empty: changes nothing that is inherited below
            if not isinstance(target.get(key), dict):
                target[key] = {}
            continue
        inherited = target.pop(key, None)
        if isinstance(inherited, dict):
            _take_back(inherited, where, layer, origins)
        if value is not None:
            target[key] = value


def _names_another(source: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    named = {key for key, value in source.items() if value is not None}
    return bool(named) and not named & set(target)


def _overrule(where: Path_, layer: Layer, origins: dict[Path_, list[Origin]]) -> None:
    """Note that a layer put something else in place of a leaf, so that the leaf's last word is not an old value."""
    if where in origins:
        origins[where].append(Origin(layer.label, layer.place(where), None))


def _take_back(inherited: Mapping[str, Any], path: Path_, layer: Layer, origins: dict[Path_, list[Origin]]) -> None:
    """Note that a layer takes back everything that was inherited below a path."""
    for key, value in inherited.items():
        where = (*path, key)
        _overrule(where, layer, origins)
        if isinstance(value, Mapping):
            _take_back(value, where, layer, origins)
