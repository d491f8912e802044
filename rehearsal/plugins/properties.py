"""The engine's property values as Python values, and back.

The engine sends JSON-like structs in which some values are marked: unknown ones by a fixed string, secret ones by a
struct with a signature. The marks are the protocol's constants (`sdk/go/common/resource/sig`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

_MARK: Final = "4dabf18193072939515e22adb298388d"
_HIDDEN: Final = "1b47061264138c4ac30d75fd1eb44270"
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_MARKS: Final = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Properties = dict[str, Any]


class Unknown:
    """A value that is known only after an update; there is one, `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value the engine encrypts in state and hides in output."""

    value: Any

    def __repr__(self) -> str:
        return "Secret([hidden])"


def from_struct(struct: Struct) -> Properties:
    """Python values of a struct: whole numbers as int, `UNKNOWN`, and `Secret` around secret values."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWN_MARKS else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "struct_value":
            return _from_marked(value.struct_value)
        case _:
            return None


def _from_marked(struct: Struct) -> Any:
    signature = struct.fields[_MARK].string_value if _MARK in struct.fields else ""
    if signature == _HIDDEN:
        return Secret(_from_value(struct.fields["value"]))
    if signature == _OUTPUT:
        inner = _from_value(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
        return Secret(inner) if struct.fields["secret"].bool_value else inner
    return from_struct(struct)


def to_struct(properties: Properties) -> Struct:
    """A struct of Python values, with the marks the engine knows."""
    return Struct(fields={key: _to_value(value) for key, value in properties.items()})


def _to_value(value: Any) -> Value:
    match value:
        case Secret():
            marks = {_MARK: Value(string_value=_HIDDEN), "value": _to_value(value.value)}
            return Value(struct_value=Struct(fields=marks))
        case dict():
            return Value(struct_value=to_struct(value))
        case list() | tuple():
            return Value(list_value=ListValue(values=[_to_value(item) for item in value]))
        case _:
            return _to_scalar(value)


def _to_scalar(value: Any) -> Value:
    match value:
        case None:
            return Value(null_value=NullValue.NULL_VALUE)
        case Unknown():
            return Value(string_value=_UNKNOWN_STRING)
        case bool():
            return Value(bool_value=value)
        case str():
            return Value(string_value=value)
        case int() | float():
            return Value(number_value=value)
        case _:
            raise TypeError(f"a {type(value).__name__} is no property value")


def plain(value: Any, key: Callable[[str], str] = lambda name: name) -> Any:
    """The value without secret marks; unknowns stay.

    Args:
        value: a property value, of any depth.
        key: renames each key of each dict.
    """
    match value:
        case Secret():
            return plain(value.value, key)
        case dict():
            return {key(name): plain(item, key) for name, item in value.items()}
        case list():
            return [plain(item, key) for item in value]
        case _:
            return value


def without_none(value: Any) -> Any:
    """The value without the settings that are null, which a program may give for "not set"."""
    match value:
        case dict():
            return {name: without_none(item) for name, item in value.items() if item is not None}
        case list():
            return [without_none(item) for item in value]
        case _:
            return value


def union(one: Properties, other: Properties) -> Properties:
    """All names of two trees, whose values are trees, too."""
    return one | {name: union(one.get(name, {}), value) for name, value in other.items()}


def holds(value: Any, kind: type[Unknown] | type[Secret]) -> bool:
    """Whether an unknown, or a secret, is the value or inside it."""
    return any(isinstance(item, kind) for item in walk(value))


def walk(value: Any) -> Iterator[Any]:
    """The value and all values inside it, secret marks before what they hide."""
    yield value
    match value:
        case Secret():
            yield from walk(value.value)
        case dict():
            for item in value.values():
                yield from walk(item)
        case list():
            for item in value:
                yield from walk(item)
