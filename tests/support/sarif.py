"""The part of SARIF 2.1.0 that reports use, as a JSON Schema that knows nothing else.

After the schema of OASIS (2.1.0 with errata 01), with what GitHub demands besides: a physical location.
"""

from __future__ import annotations

from typing import Any


def _strict(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """Return a schema of an object that holds these keys and no other."""
    keys = {"required": [*required], "properties": required | optional}
    return {"type": "object", "additionalProperties": False, **keys}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_NAME = {"type": "string", "minLength": 1}
_TEXT = _strict({"text": _NAME})
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_BAG = {"type": "object"}

_RULE = _strict(
    {
        "id": _NAME,
        "shortDescription": _TEXT,
        "fullDescription": _TEXT,
        "help": _TEXT,
        "defaultConfiguration": _strict({"level": _LEVEL, "enabled": {"type": "boolean"}}),
        "properties": _BAG,
    }
)
_DRIVER = _strict(
    {
        "name": _NAME,
        "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
        "rules": {**_list(_RULE), "uniqueItems": True},
    }
)
_FILE = _strict({"uri": {"type": "string", "pattern": "^[^/]"}, "uriBaseId": _NAME})
_LOCATION = _strict(
    {
        "physicalLocation": _strict(
            {"artifactLocation": _FILE, "region": _strict({"startLine": {"type": "integer", "minimum": 1}})}
        ),
        "logicalLocations": _list(_strict({"name": _NAME, "fullyQualifiedName": _NAME, "kind": _NAME})),
    }
)
_SUPPRESSION = _strict(
    {
        "kind": {"enum": ["inSource", "external"]},
        "status": {"enum": ["accepted", "underReview", "rejected"]},
        "justification": _NAME,
    }
)
_RESULT = _strict(
    {
        "ruleId": _NAME,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": _LEVEL,
        "message": _TEXT,
        "locations": {**_list(_LOCATION), "minItems": 1},
        "partialFingerprints": _strict({"primaryLocationLineHash": _NAME}),
    },
    suppressions={**_list(_SUPPRESSION), "uniqueItems": True},
)
_RUN = _strict(
    {
        "tool": _strict({"driver": _DRIVER}),
        "automationDetails": _strict({"id": {"type": "string", "pattern": "/$"}}),
        "results": _list(_RESULT),
        "properties": _BAG,
    }
)
SCHEMA = _strict({"$schema": {"format": "uri"}, "version": {"const": "2.1.0"}, "runs": _list(_RUN)})
"""What a report as SARIF must be."""
