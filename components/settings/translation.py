"""Validation errors in the words of the files: the key as it was written, its line, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from components.settings.documents import Path_
from components.settings.problems import Place, Problem, suggestion


def dotted(path: Path_) -> str:
    """Return a path as people write it."""
    return ".".join(str(part) for part in path if part != "[key]")


def translated(
    error: ValidationError, model: type[BaseModel], place: Callable[[Path_], Place | None], top: str
) -> Iterator[Problem]:
    """Yield a validation error's parts in the words of the files."""
    for detail in error.errors(include_url=False, include_input=False):
        path = tuple(detail["loc"])
        key = ".".join(part for part in (top, dotted(path)) if part)
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = f"unknown key; {suggestion(str(path[-1]), _fields(model, path[:-1]))}"
        elif detail["type"] == "missing":
            message = "is missing: neither the stack file nor organisation.yaml gives it"
        yield Problem(key, message, place(path))


def _fields(model: type[BaseModel], path: Path_) -> list[str]:
    """Return the keys that a model allows at a path."""
    current: Any = model
    for part in path:
        below = (
            _inner_models(current.model_fields[part].annotation)
            if part in getattr(current, "model_fields", {})
            else [current]
        )
        current = below[0] if below else None
        if current is None:
            return []
    return list(getattr(current, "model_fields", {}))


def _inner_models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _inner_models(part)]
