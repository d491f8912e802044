"""Pulumi's wire format (pulumi/pulumi, sdk/proto, "Special signatures") as the rules read it: plain, with two marks."""

from __future__ import annotations

from google.protobuf import struct_pb2

from policies.rules import UNKNOWN, Secret

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key that marks a mapping as something else."""
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of a secret, and none itself
"""The mark of a secret value."""
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
# What stands for a value that is known only after the operation, by its type: boolean, number, text, list, asset,
# archive, mapping (sdk/go/common/resource/plugin/rpc.go).
UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""Texts that stand for unknown values."""
# What the engine's events have in the place of a secret of the configuration, wherever it stands in a text
# (pkg/engine/events.go).
_HIDDEN = "[secret]"


def mapping(struct: struct_pb2.Struct) -> dict[str, object]:
    """Return a message's properties.

    Args:
        struct: The properties.
    """
    return {key: value(below) for key, below in struct.fields.items()}


def value(message: struct_pb2.Value) -> object:
    """Return one value.

    Args:
        message: The value.
    """
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if message.string_value in UNKNOWNS else message.string_value
    if kind == "number_value":
        return message.number_value
    if kind == "bool_value":
        return message.bool_value
    if kind == "list_value":
        return [value(entry) for entry in message.list_value.values]
    if kind == "struct_value":
        return _told(mapping(message.struct_value))
    return None


def _told(found: dict[str, object]) -> object:
    mark = found.get(SIGNATURE)
    if mark == SECRET:
        # The engine's events leave the value out: nobody knows what it is, which is not the same as nothing.
        return Secret(found.get("value", UNKNOWN))
    if mark == _OUTPUT:
        inner = found.get("value", UNKNOWN)
        return Secret(inner) if found.get("secret") else inner
    return found


def decoded(value: object) -> object:
    """Return a value of the wire format that has been read as JSON, as in the engine's events.

    Args:
        value: The value.
    """
    if isinstance(value, str):
        return UNKNOWN if value in UNKNOWNS else Secret(UNKNOWN) if _HIDDEN in value else value
    if isinstance(value, list):
        return [decoded(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return _told({key: decoded(below) for key, below in value.items()})
