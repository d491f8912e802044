"""Validation errors in the words of the files: the key as it was written, its line, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from components.settings.documents import Path_
from components.settings.problems import Place, Problem, suggestion

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LIST = "must be a list, such as [first, second]"
_BLOCK = "must hold `key: value` lines"
_TEXT = "must be text"
_WHOLE = "must be a whole number"

# pydantic's own words name Python's types; these name what stands in a file.
_WORDS: Mapping[str, str] = {
    "string_type": _TEXT,
    "string_unicode": "holds a character that is not valid text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _BLOCK,
    "mapping_type": _BLOCK,
    "model_type": _BLOCK,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "finite_number": _WHOLE,
    "int_parsing_size": "is too large",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "too_short": "must have at least {min_length} entry",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}


def dotted(path: Path_) -> str:
    """Return a path as people write it."""
    return ".".join(str(part) for part in path if part != "[key]")


def translated(
    error: ValidationError, model: type[BaseModel], place: Callable[[Path_], Place | None], top: str
) -> Iterator[Problem]:
    """Yield a validation error's parts in the words of the files.

    Args:
        error: What pydantic found.
        model: The model that was validated.
        place: Where a path of the model stands.
        top: The key under which the model stands in its file; empty for the whole file.
    """
    details = error.errors(include_url=False, include_input=False)
    paths = {tuple(detail["loc"]) for detail in details}
    for detail in details:
        path = tuple(detail["loc"])
        # A list of one wrong entry counts as empty as well; the entry's own error says it all.
        if detail["type"] == "too_short" and any(other[: len(path)] == path for other in paths - {path}):
            continue
        key = ".".join(part for part in (top, dotted(path)) if part)
        yield Problem(key, _message(detail, model, inherits=bool(top)), place(path))


def _message(detail: ErrorDetails, model: type[BaseModel], *, inherits: bool) -> str:
    kind, path = detail["type"], tuple(detail["loc"])
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(str(path[-1]), _fields(model, path[:-1]))}"
    if kind == "missing":
        return "is missing: neither the stack file nor organisation.yaml gives it" if inherits else "is missing"
    if kind in _WORDS:
        return _WORDS[kind].format(**detail.get("ctx", {}))
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


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
