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
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.settings.organisation import OrganisationSettings
from components.settings.problems import InvalidSettings, Place, Problem, suggestion
from components.settings.translation import dotted, translated
from components.tiers import TIERS, Tier

ORGANISATION_FILE = "organisation.yaml"
FLEET_FOLDER = "environments"
NAMESPACE = "terrarium"

Kind = Literal["environment", "platform", "lake"]
MODELS: Mapping[Kind, type[EnvironmentSettings] | type[PlatformSettings] | type[LakeSettings]] = {
    "environment": EnvironmentSettings,
    "platform": PlatformSettings,
    "lake": LakeSettings,
}


@dataclass(frozen=True)
class Declaration:
    """What one stack declares, valid.

    Args:
        stack: The stack's name.
        settings: The settings, of an environment, a platform or a lake.
        adapter: The chosen cloud, holding its own settings.
        origins: For each leaf's path, what each layer says of it; the last one counts.
    """

    stack: str
    settings: AnySettings
    adapter: CloudAdapter
    origins: Mapping[Path_, Sequence[Origin]]

    @property
    def kind(self) -> Kind:
        """`environment`, `platform` or `lake`."""
        return next(kind for kind, model in MODELS.items() if isinstance(self.settings, model))

    @property
    def tiers(self) -> frozenset[Tier]:
        """The tiers that the stack serves."""
        settings = self.settings
        return frozenset({settings.tier} if isinstance(settings, EnvironmentSettings) else settings.tiers)


def all_stack_files(root: Path) -> list[tuple[str, Path]]:
    """Return every stack file of a project with its stack's name: beside Pulumi.yaml, and the fleet's."""
    files = [*root.glob("Pulumi.*.yaml"), *root.glob(f"{FLEET_FOLDER}/*/Pulumi.*.yaml")]
    return sorted((file.name.removeprefix("Pulumi.").removesuffix(".yaml"), file) for file in files)


def stack_files(root: Path) -> dict[str, Path]:
    """Return each stack's file by the stack's name; of two with one name, which `check` refuses, the first."""
    return dict(reversed(all_stack_files(root)))


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
    problems: list[Problem] = []
    shared, document = None, None
    try:
        shared = organisation_document(root)
    except InvalidSettings as error:
        problems.extend(error.problems)
    try:
        document = _stack_document(root, stack)
    except InvalidSettings as error:
        problems.extend(error.problems)
    if problems or document is None:
        raise InvalidSettings(f"stack {stack}", problems)
    return declared(stack, document, shared, config)


def declared(
    stack: str, document: Document, organisation: Document | None, config: Mapping[str, Any] | None = None
) -> Declaration:
    """Return what a stack declares, from files that are already read; see `declare`."""
    problems = organisation_problems(organisation)
    declaration = None
    try:
        declaration = _declared(stack, document, organisation, config or {})
    except InvalidSettings as error:
        # What is wrong in organisation.yaml is said once, by its key there.
        already = organisation.file if organisation and problems else None
        problems.extend(p for p in error.problems if not (p.place and p.place.file == already))
    if problems or declaration is None:
        raise InvalidSettings(f"stack {stack}", problems)
    return declaration


def _declared(stack: str, document: Document, organisation: Document | None, config: Mapping[str, Any]) -> Declaration:
    written = _given(document)
    secrets = list(_secrets(written, document, ()))
    # The engine gives secrets in the clear: where the file holds one, only the file is read on.
    given = written if secrets else written | dict(config)
    problems = [*_kind_problems(given, document), *secrets]
    kinds = [kind for kind in MODELS if kind in given]
    if len(kinds) != 1:
        raise InvalidSettings(f"stack {stack}", problems)
    [kind] = kinds
    block, top = given[kind], f"{NAMESPACE}:{kind}"
    if not isinstance(block, Mapping):
        problems.append(Problem(top, "must hold `key: value` lines", document.place(("config", top))))
        raise InvalidSettings(f"stack {stack}", problems)
    merged = merge(_layers(kind, block, document, organisation))
    settings, adapter, found = _validate(kind, merged, document)
    hidden = [problem.key for problem in secrets]
    problems.extend(p for p in found if not any(p.key == key or p.key.startswith(f"{key}.") for key in hidden))
    if problems or settings is None or adapter is None:
        raise InvalidSettings(f"stack {stack}", problems)
    return Declaration(stack, settings, adapter, merged.origins)


def organisation_document(root: Path) -> Document | None:
    """Return the project's `organisation.yaml`, not yet validated, or None if it has none.

    Raises:
        InvalidSettings: If the file can't be read or is not YAML.
    """
    path = root / ORGANISATION_FILE
    return documents.read(path, root) if path.exists() else None


def organisation_problems(document: Document | None) -> list[Problem]:
    """Return what is wrong in an `organisation.yaml`."""
    if document is None:
        return []
    try:
        OrganisationSettings.model_validate(document.data)
    except ValidationError as error:
        return list(translated(error, OrganisationSettings, document.place, ""))
    return []


def organisation(root: Path) -> OrganisationSettings | None:
    """Return the organisation's settings, or None if the project has no `organisation.yaml`.

    Raises:
        InvalidSettings: If the file is not valid.
    """
    document = organisation_document(root)
    problems = organisation_problems(document)
    if problems:
        raise InvalidSettings(ORGANISATION_FILE, problems)
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
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secrets(item, document, (*path, index))
        return
    if not isinstance(value, Mapping):
        return
    if path and "secure" in value:
        key = f"{NAMESPACE}:{dotted(path)}"
        message = "a secret can't stand among the settings; only the keys that ask for a secret take one"
        yield Problem(key, message, document.place(("config", f"{NAMESPACE}:{path[0]}", *path[1:])))
        return
    for key, below in value.items():
        yield from _secrets(below, document, (*path, key))


def _layers(kind: Kind, block: Mapping[str, Any], document: Document, organisation: Document | None) -> list[Layer]:
    own = Layer("stack file", block, document, ("config", f"{NAMESPACE}:{kind}"))
    shared = _organisation_layer(organisation, "organisation", "defaults", kind)
    if kind != "environment":
        return [shared, own]
    name = block.get("project")
    project = _organisation_layer(organisation, f"project {name}", "projects", name if isinstance(name, str) else "")
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


def _organisation_layer(organisation: Document | None, label: str, *at: str) -> Layer:
    data: Any = organisation.data if organisation else {}
    for key in at:
        data = data.get(key) if isinstance(data, Mapping) else None
    return Layer(label, data if isinstance(data, Mapping) else {}, organisation, at)


def _validate(
    kind: Kind, merged: Merged, document: Document
) -> tuple[AnySettings | None, CloudAdapter | None, list[Problem]]:
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
