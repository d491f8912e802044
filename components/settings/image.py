"""What an environment's images are built on: the project fixes languages and bases once."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

from components.settings.fields import Settings, one_line
from policies.rules import imageref


def _base(value: str) -> str:
    try:
        reference = imageref.parse(value)
    except imageref.BadReferenceError as error:
        raise ValueError(f"is no image: {error}") from None
    if not value.lower().startswith(f"{reference.host}/"):
        raise ValueError("must begin with its registry's host, as registry.example/base/python@sha256:…")
    if not (reference.tag or reference.digest):
        raise ValueError("must name a digest (or a tag): registry.example/base/python@sha256:…")
    return value


def _text(value: object) -> object:
    # 3.10 without quotes is the number 3.1.
    if isinstance(value, int | float):
        raise ValueError('must be written in quotes, as "3.11"')  # noqa: TRY004 - pydantic takes ValueError
    return value


def _repository(value: str) -> str:
    try:
        return imageref.prefix(value)
    except imageref.BadReferenceError as error:
        raise ValueError(str(error)) from None


Base = Annotated[
    str,
    StringConstraints(min_length=1, max_length=400),
    AfterValidator(one_line),
    AfterValidator(_base),
    WithJsonSchema({"type": "string", "maxLength": 400, "examples": ["registry.example/base/python@sha256:…"]}),
]
Python = Annotated[
    str,
    BeforeValidator(_text),
    StringConstraints(pattern=r"^3\.[1-9][0-9]?$"),
    AfterValidator(one_line),
    WithJsonSchema({"type": "string", "pattern": r"^3\.[1-9][0-9]?$", "examples": ["3.11"]}),
]
Repository = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(one_line),
    AfterValidator(_repository),
    WithJsonSchema({"type": "string", "maxLength": 200, "examples": ["registry.example/team"]}),
]


class ImageSettings(Settings):
    """What images are built on. Best said once, in organisation.yaml, for a project or for all."""

    base: Base
    """The base image, by digest; of a tag, each build takes what it names then. Security approves it."""
    python: Python
    """The version of Python that the base image has, as "3.11"."""
