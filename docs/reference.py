"""Write the tables of docs/settings.md and docs/tiers.md from the code that they describe, between their markers.

Run `python docs/reference.py` to write them, and with `--check` to be told which are out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from components import clouds, naming
from components.settings import fields
from components.settings.models import EnvironmentSettings, LakeSettings, PlatformSettings
from components.settings.organisation import OrganisationSettings
from components.tiers import TIERS, Right, Tier
from components.workspace.access import RULES

DOCS = Path(__file__).resolve().parent
COMMAND = "python docs/reference.py"
_SECTION = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_CHANGE = {"create", "update", "patch", "delete", "deletecollection"}

# The types that settings are written with, in words.
_WORDS: tuple[tuple[object, str], ...] = (
    (fields.Cidr, "range, as `10.64.0.0/20`"),
    (fields.Destination, "range, as `10.64.0.0/20`"),
    (fields.Quantity, "quantity, as `500m`, `4`, `64Gi`"),
    (fields.Label, "label value, up to 63 characters"),
    (fields.Line, "text, one line"),
    (fields.Group, "group"),
    (fields.Key, "key"),
    (fields.NamespaceName, "namespace"),
    (fields.Day, "day, as `2027-01-31`"),
    (fields.Port, "port, 1 to 65535"),
    (fields.Count, "whole number from 0"),
    (bool, "true or false"),
    (int, "whole number"),
    (str, "text"),
)


def settings_of_environment() -> str:
    """Return the table of what `terrarium:environment` takes, with the defaults of each tier."""
    defaults = {tier: dict(_flat(TIERS[tier].defaults.as_settings())) for tier in Tier}
    rows = []
    for key, kind, field in _fields(EnvironmentSettings):
        by_tier = [defaults[tier].get(key, PydanticUndefined) for tier in Tier]
        rows.append((f"`{key}`", kind, _default(field, by_tier), field.description or ""))
    return _table(("key", "type", f"default ({', '.join(tier.value for tier in Tier)})", "meaning"), rows)


def settings_of_platform() -> str:
    """Return the table of what `terrarium:platform` takes."""
    return _plain_table(PlatformSettings)


def settings_of_clouds() -> str:
    """Return one table for each cloud of ours: what stands under `cloud`."""
    own = [name for name in clouds.installed() if clouds.find(name).settings.__module__.startswith("components.")]
    return "\n".join(_plain_table(clouds.find(name).settings, f"cloud.{name}.") for name in own)


def settings_of_organisation() -> str:
    """Return the table of what `organisation.yaml` takes."""
    return _plain_table(OrganisationSettings)


def defaults_by_tier() -> str:
    """Return the defaults, one column per tier."""
    columns = [dict(_flat(TIERS[tier].defaults.as_settings())) for tier in Tier]
    rows = [(f"`{key}`", *(str(column[key]) for column in columns)) for key in columns[0]]
    rows.append(("priority of its pods", *(f"{TIERS[tier].priority:,}" for tier in Tier)))
    rows.append(("may push out pods of lower priority", *("yes" if TIERS[tier].preempts else "no" for tier in Tier)))
    return _table(("", *(tier.value for tier in Tier)), rows)


def hard_rules() -> str:
    """Return what each tier demands."""
    rules = {rule.key: rule for tier in Tier for rule in TIERS[tier].rules}
    rows = []
    for key, rule in rules.items():
        bound = [tier.value for tier in Tier if rule in TIERS[tier].rules]
        rows.append((f"`{key}`", ", ".join(bound), rule.demand, rule.why))
    return _table(("key", "tiers", "takes", "because"), rows)


def rights_of_groups() -> str:
    """Return which right each kind of group has in each tier."""
    groups = list(dict.fromkeys(group for tier in Tier for group in TIERS[tier].rights))
    rows = []
    for group in groups:
        found = [TIERS[tier].rights.get(group) for tier in Tier]
        rows.append((f"`people.{group}`", *(right.value if right else "none" for right in found)))
    return _table(("", *(tier.value for tier in Tier)), rows)


def keys_of_groups() -> str:
    """Return whose keys each kind of group may read in each tier."""
    groups = list(dict.fromkeys(group for tier in Tier for group in TIERS[tier].rights))
    rows = []
    for group in groups:
        found = [TIERS[tier].store.get(group) for tier in Tier]
        rows.append((f"`people.{group}`", *(f"`{right.value}`" if right else "none" for right in found)))
    return _table(("", *(tier.value for tier in Tier)), rows)


def settings_of_lake() -> str:
    """Return the table of what `terrarium:lake` takes."""
    return _plain_table(LakeSettings)


def rights_matrix() -> str:
    """Return what each right allows on each resource of the environment's namespace."""
    allowed: dict[str, dict[Right, set[str]]] = {}
    for right in Right:
        for rule in RULES[right]:
            # The models behind are Inputs; here they are plain lists, as components/workspace/access.py writes them.
            resources: Any = rule.resources
            verbs: Any = rule.verbs
            for resource in resources:
                allowed.setdefault(resource, {}).setdefault(right, set()).update(verbs)
    rows = [(f"{resource}", *(_verbs(by.get(right, set())) for right in Right)) for resource, by in allowed.items()]
    return _table(("", *(right.value for right in Right)), rows)


SECTIONS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "settings.md": {
        "environment": settings_of_environment,
        "platform": settings_of_platform,
        "lake": settings_of_lake,
        "clouds": settings_of_clouds,
        "organisation": settings_of_organisation,
    },
    "tiers.md": {
        "defaults": defaults_by_tier,
        "hard rules": hard_rules,
        "groups": rights_of_groups,
        "keys": keys_of_groups,
        "rights": rights_matrix,
    },
}


def render(text: str, sections: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with its generated sections filled in.

    Args:
        text: The page.
        sections: What makes each section, by the name in its marker.

    Raises:
        ValueError: If the page's markers are not exactly those of the sections.
    """
    found = [name for _, name, _ in _SECTION.findall(text)]
    if sorted(found) != sorted(sections):
        raise ValueError(f"markers {sorted(found)}, expected {sorted(sections)}")
    return _SECTION.sub(lambda match: f"{match[1]}{sections[match[2]]()}{match[3]}", text)


def _plain_table(model: type[BaseModel], prefix: str = "") -> str:
    rows = [
        (f"`{prefix}{key}`", kind, _default(field, []), field.description or "") for key, kind, field in _fields(model)
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield each key with its type in words, models below it after it."""
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        hint = _without_none(hints[name])
        key = f"{prefix}{name}"
        below = _model(hint)
        if below is None or below.__name__.endswith("Layer"):
            yield key, _kind(hint), field
            continue
        entry = get_origin(hint) is dict
        if entry or not field.is_required():
            yield key, "entries by a name of yours" if entry else "group of keys", field
        yield from _fields(below, f"{key}.NAME." if entry else f"{key}.")


def _model(hint: Any) -> type[BaseModel] | None:
    inner = get_args(hint)[1] if get_origin(hint) is dict else hint
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in {Union, UnionType}:
        return hint
    kept = [part for part in get_args(hint) if part is not NoneType]
    return kept[0] if len(kept) == 1 else hint


def _kind(hint: Any) -> str:  # noqa: PLR0911 - one line per kind of type reads best
    for known, words in _WORDS:
        if hint == known:
            return words
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        rules = [found for item in parts[1:] if (found := _rule(item))]
        return f"name, up to {rules[0].longest} characters" if rules else _kind(parts[0])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return f"list: {_kind(parts[0])}"
    if hint is Tier:
        return " or ".join(f"`{tier.value}`" for tier in Tier)
    below = _model(parts[1]) if origin is not None and len(parts) == 2 else None
    if below is not None or _model(hint) is not None:
        inner = below or _model(hint)
        assert inner is not None  # noqa: S101 - one of both is a model
        return f"keys of {'a platform' if inner.__name__.startswith('Platform') else 'an environment'}" + (
            ", by name" if below else ""
        )
    return "keys and values"


def _rule(item: object) -> naming.NameRule | None:
    owner = getattr(getattr(item, "func", None), "__self__", None)
    return owner if isinstance(owner, naming.NameRule) else None


def _default(field: FieldInfo, by_tier: list[Any]) -> str:
    given = [value for value in by_tier if value is not PydanticUndefined]
    if given:
        values = [str(value) for value in given]
        return values[0] if len(set(values)) == 1 else ", ".join(values)
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return "none" if not value or isinstance(value, BaseModel) else str(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, below in value.items():
        if isinstance(below, Mapping):
            yield from _flat(below, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", below


def _verbs(verbs: set[str]) -> str:
    words = ["see"] if {"get", "list", "watch"} <= verbs else []
    rest = verbs - {"get", "list", "watch"} if words else verbs
    if rest >= _CHANGE - {"deletecollection"}:
        words.append("change" if rest >= _CHANGE else "change, not all at once")
        rest = rest - _CHANGE
    return ", ".join([*words, *sorted(rest)])


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def main() -> None:
    """Write the pages, or with `--check` say which are out of date."""
    stale = []
    for name, sections in SECTIONS.items():
        page = DOCS / name
        text = page.read_text(encoding="utf-8")
        fresh = render(text, sections)
        if fresh == text:
            continue
        stale.append(f"docs/{name}")
        if "--check" not in sys.argv:
            page.write_text(fresh, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"out of date: {', '.join(stale)}. Run: {COMMAND}")
    sys.stdout.write(f"written: {', '.join(stale)}\n" if stale else "up to date\n")


if __name__ == "__main__":
    main()
