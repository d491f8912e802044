"""Field types of the settings: names, quantities, ranges, groups, each with its check and its JSON Schema."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from components import addressing, naming
from components.settings import quantities

# Together they are the environment's id, which will name buckets, databases and roles as well as namespaces. 32, 1 and
# 20 leave ten characters for suffixes in the tightest of these (63: RFC 1123 labels, S3, PostgreSQL).
_PROJECT = naming.NameRule(
    service="a project",
    longest=32,
    pattern=r"[a-z]([-a-z0-9]*[a-z0-9])?",
    alphabet="lower-case letters, digits and `-`, starting with a letter and not ending with `-`",
    source="it begins the names of everything the project owns",
)
_NAME = naming.NameRule(
    service="an environment or platform",
    longest=20,
    pattern=r"[a-z][a-z0-9]*",
    alphabet="lower-case letters and digits, starting with a letter, no `-`",
    source="so that `<project>-<name>` can be read in one way only",
)
_KEY = naming.NameRule(
    service="a key",
    longest=30,
    pattern=r"[a-z]([-a-z0-9]*[a-z0-9])?",
    alphabet="lower-case letters, digits and `-`, starting with a letter and not ending with `-`",
    source="it becomes part of a Kubernetes object's name",
)


class Settings(BaseModel):
    """A frozen model that refuses unknown keys and never echoes a value in an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        coerce_numbers_to_str=True,
        regex_engine="python-re",
    )


def _cidr(value: str) -> str:
    addressing.parse(value)
    return value


def _destination(value: str) -> str:
    addressing.destination(value)
    return value


def _quantity(value: str) -> str:
    quantities.parse(value)
    return value


def _label(value: str) -> str:
    return naming.LABEL_VALUE.check(value)


def _label_value(value: str) -> str:
    return naming.LABEL_VALUE.check(value) if value else value


def one_line(value: str) -> str:
    """Return a text that stands in one line.

    Raises:
        ValueError: If it holds a line break, which a pattern that ends with `$` lets through at the end, or the like.
    """
    if not value.isprintable():
        raise ValueError("holds a line break or another character that can't be shown")
    return value


def _group(value: str) -> str:
    if value != value.strip():
        raise ValueError("begins or ends with a blank: the cluster would look for a group of just that name")
    if value.startswith("system:"):
        raise ValueError(
            "begins with `system:`, which is Kubernetes' own: such a group holds everybody (system:authenticated) or "
            "every workload of other environments (system:serviceaccounts); name a group of the sign-in"
        )
    return value


def _user(value: str) -> str:
    if value != value.strip():
        raise ValueError("begins or ends with a blank: the cluster would look for a user of just that name")
    if value.startswith("system:"):
        raise ValueError("begins with `system:`, which is Kubernetes' own; name a user of the sign-in")
    return value


def whole_number_only(value: object) -> object:
    """Return a value that is not a truth value, which Python counts among the numbers.

    Raises:
        ValueError: If it is one.
    """
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic takes ValueError
    return value


def _day(value: object) -> object:
    # The engine reads a bare date as midnight of that day.
    text = value.isoformat() if isinstance(value, date) else value
    if isinstance(text, str) and _DAY.fullmatch(text):
        return text[:10]
    raise ValueError("must be a day, as 2027-01-31")


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T00:00:00(?:Z|\+00:00)?)?", re.ASCII)
_QUANTITY_SCHEMA = {
    "type": ["string", "number"],
    "pattern": f"^(?:{quantities.PATTERN})$",
    "minimum": 0,
    "examples": ["500m", "4", "64Gi"],
}
_CIDR_SCHEMA = {"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$", "examples": ["10.64.0.0/20"]}
Cidr = Annotated[str, AfterValidator(_cidr), WithJsonSchema(_CIDR_SCHEMA)]
Destination = Annotated[str, AfterValidator(_destination), WithJsonSchema(_CIDR_SCHEMA)]
Quantity = Annotated[
    str, BeforeValidator(whole_number_only), AfterValidator(_quantity), WithJsonSchema(_QUANTITY_SCHEMA)
]
# YAML reads a bare 4711 as a number; settings take it as text.
Label = Annotated[
    str,
    AfterValidator(_label),
    WithJsonSchema({**naming.LABEL_VALUE.json_schema(), "type": ["string", "number"]}),
]
# Unlike a Label it may be empty, as labels that only have to be there are.
LabelValue = Annotated[
    str, AfterValidator(_label_value), WithJsonSchema({"type": ["string", "number"], "maxLength": 63})
]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(one_line)]
Group = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253),
    AfterValidator(one_line),
    AfterValidator(_group),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^(?!system:|\s).*\S$"}),
]
Key = Annotated[str, AfterValidator(_KEY.check), WithJsonSchema(_KEY.json_schema())]
ShortName = Annotated[str, AfterValidator(_NAME.check), WithJsonSchema(_NAME.json_schema())]
NamespaceName = Annotated[str, AfterValidator(naming.NAMESPACE.check), WithJsonSchema(naming.NAMESPACE.json_schema())]
# The bounds stand before the validator: behind it pydantic keeps them out of the JSON Schema.
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(whole_number_only)]
Count = Annotated[int, Field(ge=0, le=1_000_000), BeforeValidator(whole_number_only)]
Percent = Annotated[int, Field(ge=0, le=1000), BeforeValidator(whole_number_only)]
Project = Annotated[str, AfterValidator(_PROJECT.check), WithJsonSchema(_PROJECT.json_schema())]
BucketName = Annotated[str, AfterValidator(naming.BUCKET.check), WithJsonSchema(naming.BUCKET.json_schema())]
User = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253),
    AfterValidator(one_line),
    AfterValidator(_user),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^(?!system:|\s).*\S$"}),
]
Day = Annotated[date, BeforeValidator(_day)]
Days = Annotated[int, Field(ge=1, le=3650), BeforeValidator(whole_number_only)]
Minutes = Annotated[int, Field(ge=1, le=525_600), BeforeValidator(whole_number_only)]
Generation = Annotated[int, Field(ge=1, le=99_999), BeforeValidator(whole_number_only)]
