"""What changed between what a resource was and what a program wants, property by property."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.plugins.properties import UNKNOWN, Properties

Path = tuple[str | int, ...]
# Equal only to itself: what there is where there is nothing.
MISSING = object()


@dataclass
class Change:
    """One property that differs; `replace` when only a new resource can have it."""

    path: Path
    verb: Literal["add", "delete", "update"]
    replace: bool = False

    def __str__(self) -> str:
        """The path as Pulumi writes it: `spec.containers[0].image`, `metadata.labels["a/b"]`."""
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            elif re.fullmatch(r"[A-Za-z_$][\w$]*", part):
                text += f".{part}" if text else part
            else:
                text += '["' + part.replace('"', '\\"') + '"]'
        return text

    def within(self, path: str) -> bool:
        """Whether it is the property that `path` names, or a part of it."""
        return _leads(parsed(path), self.path)

    def touches(self, path: str) -> bool:
        """As `within`, or the property is a part of what changed."""
        return self.within(path) or _leads(self.path, parsed(path))


@cache
def parsed(text: str) -> Path:
    """The path that Pulumi, or a server, writes as `text`; a `*` in it stands for any index or name."""
    parts = re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\[([^\]"]+)\]|([^.\[\]]+)', text)
    return tuple(
        int(index) if index else (quoted.replace('\\"', '"') or key or name) for quoted, index, key, name in parts
    )


def _leads(start: Path, path: Path) -> bool:
    return len(start) <= len(path) and all(one in (other, "*") for one, other in zip(start, path, strict=False))


def _expanded(value: Any, path: Path) -> Iterator[Path]:
    """The paths in a value that a path with `*` stands for."""
    if "*" not in path:
        yield path
        return
    index = path.index("*")
    holder = at(value, path[:index])
    for part in range(len(holder)) if isinstance(holder, list) else holder if isinstance(holder, dict) else ():
        yield from _expanded(value, (*path[:index], part, *path[index + 1 :]))


def at(value: Any, path: Path) -> Any:
    """The value at a path: `UNKNOWN` inside an unknown one, `MISSING` where there is none."""
    for part in path:
        listed = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not listed and not (isinstance(value, dict) and part in value):
            return UNKNOWN if value is UNKNOWN else MISSING
        value = value[part]
    return value


def changes(
    old_inputs: Properties, old_live: Properties, new_inputs: Properties, ignore: Sequence[str] = ()
) -> list[Change]:
    """Properties in which new inputs differ from the stored resource.

    Args:
        old_inputs: of the last update or refresh.
        old_live: the resource as the server answered then.
        new_inputs: of the program now.
        ignore: paths of properties that may differ (`ignoreChanges`).
    """
    return [
        change
        for change in _compare((), pruned(old_live, old_inputs), new_inputs)
        # A server writes some inputs in another form ("1000m" as "1", no empty lists): what the program has not
        # changed, and no refresh found changed, is no change.
        if at(old_inputs, change.path) != at(new_inputs, change.path) or at(new_inputs, change.path) is UNKNOWN
        if not any(change.within(path) for path in ignore)
    ]


def effective(found: Sequence[Change], old_inputs: Properties, old_live: Properties, after: Properties) -> list[Change]:
    """The changes that change the resource, when a dry run says what comes `after` the others' defaults and forms."""
    return [
        change
        for change in found
        if change.verb == "delete"
        or at(after, change.path) != at(old_live, change.path)
        # Same value, but the program names the field for the first time: the update makes the field its own.
        or (at(after, change.path) is not MISSING and at(old_inputs, change.path) is MISSING)
    ]


def kept(inputs: Properties, live: Properties, ignore: Sequence[str]) -> Properties:
    """A copy of the inputs in which the paths of `ignoreChanges` have their live values."""
    found = copy.deepcopy(inputs)
    for path in [path for text in ignore for path in _expanded(inputs, parsed(text))]:
        holder, value = at(found, path[:-1]), at(live, path)
        # An item of a list must be there: what has no place is not invented.
        placed = isinstance(holder, dict) or at(found, path) is not MISSING
        if placed and isinstance(value, (str, int, float, bool, dict, list)):
            holder[path[-1]] = value
    return found


def pruned(live: Any, shape: Any) -> Any:
    """The part of a live resource that inputs once set: others' fields and defaults are no difference."""
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: pruned(live[key], item) for key, item in shape.items() if key in live}
    if isinstance(live, list) and isinstance(shape, list):
        tail = live[len(shape) :]
        return [pruned(one, other) for one, other in zip(live, shape, strict=False)] + tail
    return live


def _compare(path: Path, old: Any, new: Any) -> Iterator[Change]:
    if new is UNKNOWN:
        yield Change(path, "update" if old is not MISSING else "add")
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _compare((*path, key), old.get(key, MISSING), new.get(key, MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            one = old[index] if index < len(old) else MISSING
            other = new[index] if index < len(new) else MISSING
            yield from _compare((*path, index), one, other)
    elif old is MISSING:
        yield Change(path, "add")
    elif new is MISSING:
        yield Change(path, "delete")
    elif old != new:
        yield Change(path, "update")


def merged_inputs(old_inputs: Properties, old_live: Properties, live: Properties) -> Properties:
    """Inputs that would make the live resource: the old ones, except where it has changed since.

    Where the server writes an input in another form, the live value is the one it was, and the input stays as written;
    else each refresh would show a change nobody made.
    """
    merged = _merge(old_inputs, old_live, live)
    return merged if isinstance(merged, dict) else {}


def _merge(given: Any, before: Any, now: Any) -> Any:
    if now == before:
        return copy.deepcopy(given)
    if isinstance(given, dict) and isinstance(now, dict):
        was = before if isinstance(before, dict) else {}
        parts = {key: _merge(item, was.get(key, MISSING), now.get(key, MISSING)) for key, item in given.items()}
        return {key: item for key, item in parts.items() if item is not MISSING}
    if isinstance(given, list) and isinstance(now, list) and isinstance(before, list) and len(given) == len(now):
        if len(before) != len(now):
            return now
        return [_merge(*items) for items in zip(given, before, now, strict=True)]
    return now


def diff_response(found: Sequence[Change], *, delete_first: bool) -> pb.DiffResponse:
    """The answer to the engine.

    Args:
        found: the changes.
        delete_first: a replaced resource is deleted before the new one is made: both can't be there at once.
    """
    replaces = [str(change) for change in found if change.replace]
    kinds = {str(change): change.verb.upper() + "_REPLACE" * change.replace for change in found}
    return pb.DiffResponse(
        changes=pb.DiffResponse.DIFF_SOME if found else pb.DiffResponse.DIFF_NONE,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and delete_first,
        detailedDiff={path: pb.PropertyDiff(kind=pb.PropertyDiff.Kind.Value(kind)) for path, kind in kinds.items()},
        diffs=sorted({str(change.path[0]) for change in found}),
        hasDetailedDiff=True,
    )
