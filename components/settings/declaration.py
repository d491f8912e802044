"""From files to a declaration: read, inherit, validate; every problem at once, each with its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from components import clouds
from components.contract import CloudAdapter
from components.settings import documents
from components.settings.documents import Document, Path_
from components.settings.layers import Layer, Merged, Origin, merge
from components.settings.models import EnvironmentSettings, PlatformSettings
from components.settings.organisation import OrganisationSettings
from components.settings.problems import InvalidSettings, Place, Problem, suggestion
from components.settings.translation import dotted, translated
from components.tiers import TIERS, Tier

ORGANISATION_FILE = "organisation.yaml"
FLEET_FOLDER = "environments"
NAMESPACE = "terrarium"

Kind = Literal["environment", "platform"]
MODELS: Mapping[str, type[EnvironmentSettings] | type[PlatformSettings]] = {
    "environment": EnvironmentSettings,
    "platform": PlatformSettings,
}


@dataclass(frozen=True)
class Declaration:
    """What one stack declares, valid.

    Args:
        stack: The stack's name.
        settings: The settings, of an environment or of a platform.
        adapter: The chosen cloud, holding its own settings.
        origins: For each leaf's path, what each layer says of it; the last one counts.
    """

    stack: str
    settings: EnvironmentSettings | PlatformSettings
    adapter: CloudAdapter
    origins: Mapping[Path_, Sequence[Origin]]

    @property
    def kind(self) -> Kind:
        """`environment` or `platform`."""
        return "environment" if isinstance(self.settings, EnvironmentSettings) else "platform"

    @property
    def tiers(self) -> frozenset[Tier]:
        """The tiers that the stack serves."""
        settings = self.settings
        return frozenset({settings.tier} if isinstance(settings, EnvironmentSettings) else settings.tiers)


def stack_files(root: Path) -> dict[str, Path]:
    """Return every stack file of a project by the stack's name: beside Pulumi.yaml, and the fleet's."""
    files = [*root.glob("Pulumi.*.yaml"), *root.glob(f"{FLEET_FOLDER}/*/Pulumi.*.yaml")]
    return {file.name.removeprefix("Pulumi.").removesuffix(".yaml"): file for file in sorted(files, reverse=True)}


def declare(root: Path, stack: str, config: Mapping[str, Any] | None = None) -> Declaration:
    """Return what a stack declares.

    Args:
        root: The folder of Pulumi.yaml.
        stack: The stack's name.
        config: The project's configuration as the engine gives it, without namespace; it wins over the
            file, which the engine reads too, but which `--config` overrides.

    Raises:
        InvalidSettings: With every problem that these files alone can show.
    """
    subject = f"stack {stack}"
    organisation = _organisation(root)
    document = _stack_document(root, stack)
    given = _given(document) | dict(config or {})
    problems = list(_kind_problems(given, document))
    if problems:
        raise InvalidSettings(subject, problems)
    [(kind, block)] = given.items()
    problems.extend(_secrets(block, document, (f"{NAMESPACE}:{kind}",)))
    if not isinstance(block, Mapping):
        key = f"{NAMESPACE}:{kind}"
        raise InvalidSettings(subject, [Problem(key, "must hold `key: value` lines", document.place(("config", key)))])
    merged = merge(_layers(kind, block, document, organisation))
    settings, adapter, found = _validate(kind, merged, document)
    problems.extend(found)
    if problems or settings is None or adapter is None:
        raise InvalidSettings(subject, problems)
    return Declaration(stack, settings, adapter, merged.origins)


def _organisation(root: Path) -> Document | None:
    path = root / ORGANISATION_FILE
    if not path.exists():
        return None
    document = documents.read(path, root)
    try:
        OrganisationSettings.model_validate(document.data)
    except ValidationError as error:
        found = list(translated(error, OrganisationSettings, document.place, ""))
        raise InvalidSettings(ORGANISATION_FILE, found) from None
    return document


def organisation(root: Path) -> OrganisationSettings | None:
    """Return the organisation's settings, or None if the project has no `organisation.yaml`.

    Raises:
        InvalidSettings: If the file is not valid.
    """
    document = _organisation(root)
    return None if document is None else OrganisationSettings.model_validate(document.data)


def _stack_document(root: Path, stack: str) -> Document:
    files = stack_files(root)
    if stack not in files:
        message = f"no file Pulumi.{stack}.yaml here or in {FLEET_FOLDER}/*/; {suggestion(stack, files)}"
        raise InvalidSettings(f"stack {stack}", [Problem("stack", message)])
    return documents.read(files[stack], root)


def _given(document: Document) -> dict[str, Any]:
    config = document.data.get("config")
    if not isinstance(config, Mapping):
        return {}
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def _kind_problems(given: Mapping[str, Any], document: Document) -> Iterator[Problem]:
    allowed = [f"{NAMESPACE}:{kind}" for kind in MODELS]
    for name in given:
        key = f"{NAMESPACE}:{name}"
        if name not in MODELS:
            yield Problem(key, f"unknown key; {suggestion(key, allowed)}", document.place(("config", key)))
    kinds = [name for name in given if name in MODELS]
    if len(kinds) != 1 and len(kinds) == len(given):
        found = " and ".join(f"{NAMESPACE}:{kind}" for kind in kinds) or "none"
        message = f"a stack is of one kind: under `config` give exactly one of {', '.join(allowed)}; found {found}"
        yield Problem("config", message, document.place(("config",)))


def _secrets(value: object, document: Document, path: Path_) -> Iterator[Problem]:
    """Refuse encrypted values among the settings: settings are printed, compared and logged; secrets never are."""
    if not isinstance(value, Mapping):
        return
    if set(value) == {"secure"}:
        key = dotted(path)
        message = "a secret can't stand among the settings; only the keys that ask for a secret take one"
        yield Problem(key, message, document.place(("config", *path)))
        return
    for key, below in value.items():
        yield from _secrets(below, document, (*path, key))


def _layers(kind: str, block: Mapping[str, Any], document: Document, organisation: Document | None) -> list[Layer]:
    own = Layer("stack file", block, document, ("config", f"{NAMESPACE}:{kind}"))
    shared = _organisation_layer(organisation, "organisation", "defaults", kind)
    if kind == "platform":
        return [shared, own]
    project = _organisation_layer(organisation, f"project {block.get('project')}", "projects", block.get("project"))
    tier = _tier([shared, project, own])
    of_tier = _organisation_layer(organisation, f"tier {tier.value} of the organisation", "tiers", tier.value)
    return [Layer(f"tier {tier.value}", TIERS[tier].defaults.as_settings()), shared, of_tier, project, own]


def _tier(layers: Sequence[Layer]) -> Tier:
    """Return the tier that the layers name, or the first one, so that a wrong tier is one problem and not twenty."""
    for layer in reversed(layers):
        tier = layer.data.get("tier")
        if tier is not None:
            return next((t for t in Tier if t.value == tier), Tier.EXPERIMENTATION)
    return Tier.EXPERIMENTATION


def _organisation_layer(organisation: Document | None, label: str, *at: object) -> Layer:
    data: Any = organisation.data if organisation else {}
    for key in at:
        data = data.get(key) if isinstance(data, Mapping) else None
    return Layer(label, data if isinstance(data, Mapping) else {}, organisation, tuple(str(key) for key in at))


def _validate(
    kind: str, merged: Merged, document: Document
) -> tuple[EnvironmentSettings | PlatformSettings | None, CloudAdapter | None, list[Problem]]:
    model = MODELS[kind]
    top = f"{NAMESPACE}:{kind}"

    def place(path: Path_) -> Place:
        found = _place(merged.origins, path)
        return found or document.place(("config", top, *path))

    problems: list[Problem] = []
    settings, adapter = None, None
    try:
        settings = model.model_validate(merged.data)
    except ValidationError as error:
        problems.extend(translated(error, model, place, top))
    block = merged.data.get("cloud")
    if isinstance(block, Mapping) and all(isinstance(value, Mapping) for value in block.values()):
        try:
            adapter = clouds.bind(block)
        except clouds.UnknownCloud as error:
            problems.append(Problem(f"{top}.cloud", str(error), place(("cloud",))))
        except ValidationError as error:
            [name] = block
            problems.extend(
                translated(
                    error, clouds.find(name).settings, lambda path: place(("cloud", name, *path)), f"{top}.cloud.{name}"
                )
            )
    if settings:
        found = [*settings.contradictions(), *(adapter.contradictions(settings) if adapter else ())]
        problems.extend(Problem(f"{top}.{key}", message, place(tuple(key.split(".")))) for key, message in found)
    return settings, adapter, problems


def _place(origins: Mapping[Path_, Sequence[Origin]], path: Path_) -> Place | None:
    """Return where the value of a path, or of something below it, was last written."""
    for end in range(len(path), 0, -1):
        for where, said in origins.items():
            if where[:end] == path[:end] and said[-1].place:
                return said[-1].place
    return None
