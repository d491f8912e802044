"""What an `organisation.yaml` can say: defaults that stack files inherit, and the address plan's outer range."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model

from components.settings.fields import Cidr, Key, Line, Settings
from components.settings.models import EnvironmentSettings, LakeSettings, PlatformSettings
from components.tiers import Tier


@cache
def partial(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model with every field optional, nested models too: a layer says only what it changes."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        annotation = _partial_annotation(field.annotation)
        if field.metadata:
            annotation = Annotated[annotation, *field.metadata]
        fields[name] = (annotation | None, Field(default=None, description=field.description))
    config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True)
    return create_model(f"{model.__name__}Layer", __config__=config, __doc__=model.__doc__, **fields)


def _partial_annotation(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return partial(annotation)
    if get_origin(annotation) is dict:  # entries are merged key by key, and `null` takes one back
        key, value = get_args(annotation)
        return dict.__class_getitem__((key, _partial_annotation(value) | None))
    return annotation


EnvironmentLayer = partial(EnvironmentSettings)
PlatformLayer = partial(PlatformSettings)
LakeLayer = partial(LakeSettings)


class AddressSettings(Settings):
    """The organisation's address plan."""

    supernet: Cidr
    """Every environment's network.cidr lies in this range."""


class Defaults(Settings):
    """What every stack file inherits."""

    environment: EnvironmentLayer | None = None  # type: ignore[valid-type]  # a model made at run time
    """Defaults of every environment."""
    platform: PlatformLayer | None = None  # type: ignore[valid-type]  # a model made at run time
    """Defaults of every platform."""
    lake: LakeLayer | None = None  # type: ignore[valid-type]  # a model made at run time
    """Defaults of every lake."""


class OrganisationSettings(Settings):
    """The whole of `organisation.yaml`. A later layer wins: defaults, tiers, projects, then the stack file."""

    organisation: Line
    """The organisation's name."""
    addresses: AddressSettings | None = None
    """The address plan; without it ranges are only checked against each other."""
    defaults: Defaults = Defaults()
    """What every stack file inherits."""
    tiers: Mapping[Tier, EnvironmentLayer] = Field(default_factory=dict)  # type: ignore[valid-type]  # a model made at run time
    """What every environment of a tier inherits."""
    projects: Mapping[Key, EnvironmentLayer] = Field(default_factory=dict)  # type: ignore[valid-type]  # a model made at run time
    """What every environment of a project inherits."""
