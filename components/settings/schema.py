"""JSON Schemas for editors, generated from the models: keys, types, allowed values and descriptions while one types.

Schemas are looser than the settings: a stack file may leave out what `organisation.yaml` gives, and what needs more
than one value (ranges, quotas, rules of a tier) is for `terrarium check`.

Regenerate with `python -m components.settings.schema`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from components import clouds
from components.settings.declaration import MODELS, NAMESPACE
from components.settings.organisation import EnvironmentLayer, LakeLayer, OrganisationSettings, PlatformLayer, partial

FOLDER = "schemas"
STACK_FILE = "stack.schema.json"
ORGANISATION_FILE = "organisation.schema.json"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LAYERS: Mapping[str, type[BaseModel]] = {
    "environment": EnvironmentLayer,
    "platform": PlatformLayer,
    "lake": LakeLayer,
}


def stack_schema() -> dict[str, Any]:
    """Return the schema of a whole `Pulumi.STACK.yaml`; keys that are not ours are left to Pulumi."""
    refs, definitions = _definitions([*_LAYERS.values()])
    blocks = {f"{NAMESPACE}:{kind}": refs[_LAYERS[kind]] for kind in MODELS}
    disabled = {
        "description": "A resource that forgot its provider must fail, not use whatever the machine points at.",
        "type": "array",
        "contains": {"const": "*"},
    }
    config = {
        "type": "object",
        "properties": {**blocks, "pulumi:disable-default-providers": disabled},
        "patternProperties": {f"^{NAMESPACE}:(?!({'|'.join(MODELS)})$)": False},
        "oneOf": [{"required": [key]} for key in blocks],
        "required": ["pulumi:disable-default-providers"],
    }
    return {
        "$schema": _DIALECT,
        "title": "A Terrarium stack file",
        "description": "What one stack declares: an environment, a platform or a lake.",
        "type": "object",
        "properties": {"config": config},
        "required": ["config"],
        "$defs": definitions,
    }


def organisation_schema() -> dict[str, Any]:
    """Return the schema of `organisation.yaml`."""
    refs, definitions = _definitions([OrganisationSettings, *_LAYERS.values()])
    own = definitions.pop(refs[OrganisationSettings]["$ref"].rpartition("/")[2])
    return {"$schema": _DIALECT, "title": "A Terrarium organisation.yaml", **own, "$defs": definitions}


def write(folder: Path) -> list[Path]:
    """Write both schemas.

    Args:
        folder: Where; made if needed.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / STACK_FILE, folder / ORGANISATION_FILE]
    for file, schema in zip(files, (stack_schema(), organisation_schema()), strict=True):
        file.write_text(text(schema), encoding="utf-8")
    return files


def text(schema: Mapping[str, Any]) -> str:
    """Return a schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _definitions(models: list[type[BaseModel]]) -> tuple[dict[type[BaseModel], dict[str, Any]], dict[str, Any]]:
    """Return a reference to each model and the definitions behind them, each cloud's own block in its place."""
    own = {name: partial(clouds.find(name).settings) for name in clouds.installed()}
    inputs = [(model, "validation") for model in [*models, *own.values()]]
    found, together = models_json_schema(inputs)  # type: ignore[arg-type]  # the mode is a Literal, mypy infers str
    refs: dict[type[BaseModel], dict[str, Any]] = {
        model: found[model, "validation"] for model in [*models, *own.values()]
    }
    definitions: dict[str, Any] = _tidy(together["$defs"])
    choice = {
        "description": EnvironmentLayer.model_fields["cloud"].description,
        "type": "object",
        "properties": {name: refs[model] for name, model in own.items()},
        "additionalProperties": False,
        "maxProperties": 1,
    }
    for layer in _LAYERS.values():
        definitions[refs[layer]["$ref"].rpartition("/")[2]]["properties"]["cloud"] = choice
    return refs, definitions


def _tidy(value: Any) -> Any:
    """Return a schema without the titles that pydantic makes of Python names, and without defaults of null.

    A property of one of these names is a mapping, and stays.
    """
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not (k == "title" and isinstance(v, str))}
        if "patternProperties" in kept:  # pydantic says which keys match, and not that others are refused
            kept["additionalProperties"] = False
        return {k: _tidy(v) for k, v in kept.items() if not (k == "default" and v is None)}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return value


if __name__ == "__main__":
    write(Path(FOLDER))
