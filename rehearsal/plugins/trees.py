"""Values inside values: found, laid over each other, hidden and compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from rehearsal.plugins.properties import UNKNOWN, Secret


def values_at(value: Any, path: str) -> Iterator[Any]:
    """The values at a path with dots; lists on the way are gone through."""
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        first, _, rest = path.partition(".")
        yield from values_at(value[first], rest) if first in value else ()


def merged(one: Any, other: Any) -> Any:
    """`other` over `one`, dicts inside each other; lists of one length item by item."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{name: merged(one.get(name), item) for name, item in other.items()}}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [merged(*pair) for pair in zip(one, other, strict=True)]
    return other


def unknown_in(pattern: Any) -> Any:
    """A pattern's form with nothing known in it."""
    return {name: unknown_in(item) for name, item in pattern.items()} if isinstance(pattern, dict) else UNKNOWN


def digested(value: Any) -> Any:
    """The value with a digest in place of each secret."""
    match value:
        case Secret():
            text = json.dumps(value.value, default=str, sort_keys=True)
            return f"[secret {hashlib.sha256(text.encode()).hexdigest()[:16]}]"
        case dict():
            return {name: digested(item) for name, item in value.items()}
        case list():
            return [digested(item) for item in value]
        case _:
            return value


def restored(value: Any, known: Any) -> Any:
    """The value with secrets in place of their digests, as far as they are known."""
    if isinstance(known, Secret):
        return known if digested(known) == value else value
    if isinstance(value, dict) and isinstance(known, dict):
        return {name: restored(item, known.get(name)) for name, item in value.items()}
    if isinstance(value, list) and isinstance(known, list) and len(value) == len(known):
        return [restored(*pair) for pair in zip(value, known, strict=True)]
    return value


def meaning(value: Any) -> Any:
    """The value in one form for all that mean the same: lists in order, since none of a cloud's has one; JSON read."""
    if isinstance(value, dict):
        # Sorted: the engine sends keys in any order, by which the lists around would be put in another one.
        return {name: meaning(item) for name, item in sorted(value.items()) if item not in (None, [], {})}
    if isinstance(value, list):
        return sorted((meaning(item) for item in value), key=repr)
    if isinstance(value, str) and value[:1] == "{":
        try:
            return json.dumps(meaning(json.loads(value)), sort_keys=True)
        except ValueError:
            return value
    return value
