"""Known holes from files: advisories in the OSV format, as OSV and the PyPA publish them for every Python package.

A folder of them, or the zip that OSV offers. What a version is affected by follows the OSV schema, "Evaluation".
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from terrarium.errors import InvalidInput
from terrarium.images.requirements import normalised

_MODIFIED = re.compile(rb"\"?modified\"?\s*:\s*[\"']?(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class Hole:
    """A known vulnerability of a package.

    Args:
        package: The package.
        version: The version that has it.
        id: Its name in the database.
        aliases: Other names of it.
        fixed: Versions without it; empty if there is none yet.
    """

    package: str
    version: str
    id: str
    aliases: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def __str__(self) -> str:
        also = f" ({', '.join(self.aliases)})" if self.aliases else ""
        remedy = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no version fixes it yet"
        return f"{self.package} {self.version}: {self.id}{also}, {remedy}"


def holes(place: Path, packages: Mapping[str, str]) -> tuple[list[Hole], str]:
    """Return the known holes of packages, and the day of the newest advisory, as `2026-11-20`.

    Args:
        place: A folder, or a zip.
        packages: The version of each, by normalised name.

    Raises:
        InvalidInput: There is no such place, or there are no advisories in it.
    """
    found: list[Hole] = []
    newest = ""
    # Most advisories are of packages that nobody asked for: only what names one is parsed.
    wanted = re.compile("|".join(re.escape(name).replace(r"\-", "[-_.]+") for name in packages) or "$^", re.IGNORECASE)
    for name, data in _files(place):
        if told := _MODIFIED.search(data):
            newest = max(newest, told[1].decode())
        text = data.decode(errors="replace")
        if wanted.search(text):
            found.extend(_of(_parsed(name, text), packages))
    if not newest:
        raise InvalidInput(f"{place} holds no advisories in the OSV format")
    return _once(found), newest


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if place.is_dir():
            for path in sorted(place.rglob("*")):
                if path.suffix in {".json", ".yaml", ".yml"} and path.is_file():
                    yield path.name, path.read_bytes()
            return
        with zipfile.ZipFile(place) as archive:
            for name in archive.namelist():
                if name.endswith((".json", ".yaml", ".yml")):
                    yield name, archive.read(name)
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"the advisories {place} can't be read: {error}") from None


def _parsed(name: str, text: str) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - OSV's own zip needs none

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = json.loads(text) if name.endswith(".json") else yaml.load(text, loader)  # noqa: S506 - a safe loader
    except (ValueError, yaml.YAMLError):
        raise InvalidInput(f"the advisory {name} is neither JSON nor YAML") from None
    return found if isinstance(found, dict) else {}


def _of(advisory: Mapping[str, Any], packages: Mapping[str, str]) -> Iterator[Hole]:
    if advisory.get("withdrawn"):
        return
    for affected in advisory.get("affected") or []:
        package = affected.get("package") or {}
        name = normalised(str(package.get("name", "")))
        if package.get("ecosystem") != "PyPI" or name not in packages:
            continue
        version = packages[name]
        if _affects(affected, Version(version)):
            aliases = tuple(map(str, advisory.get("aliases") or []))
            yield Hole(name, version, str(advisory.get("id")), aliases, _fixes(affected, Version(version)))


def _affects(affected: Mapping[str, Any], version: Version) -> bool:
    if any(_version(one) == version for one in affected.get("versions") or []):
        return True
    return any(_inside(one.get("events") or [], version) for one in _ranges(affected))


def _inside(events: Sequence[Mapping[str, str]], version: Version) -> bool:
    inside = False
    # At one version, what ends a range comes before what begins the next.
    order = {"fixed": 0, "introduced": 1, "last_affected": 2}
    told = [(kind, at) for event in events for kind, at in event.items() if kind in order]
    for kind, at in sorted(told, key=lambda pair: (_bound(pair[1]), order[pair[0]])):
        bound = _bound(at)
        if kind == "introduced" and version >= bound:
            inside = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            inside = False
    return inside


def _fixes(affected: Mapping[str, Any], version: Version) -> tuple[str, ...]:
    events = [event for one in _ranges(affected) for event in one.get("events") or []]
    fixed = {event["fixed"] for event in events if "fixed" in event and _bound(event["fixed"]) > version}
    return tuple(sorted(fixed, key=_bound))


def _ranges(affected: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    # Ranges of commits say nothing of versions.
    return [one for one in affected.get("ranges") or [] if one.get("type") == "ECOSYSTEM"]


def _bound(text: str) -> Version:
    return _version(text) or Version("0.dev0")


def _version(text: object) -> Version | None:
    try:
        return Version(str(text))
    except InvalidVersion:
        return None


def _once(found: Sequence[Hole]) -> list[Hole]:
    """Return each hole once: databases give it a name each, and know the others' as aliases."""
    kept: list[Hole] = []
    for hole in sorted(found, key=lambda one: (one.package, not one.fixed, one.id)):
        names = {hole.id, *hole.aliases}
        if not any(one.package == hole.package and names & {one.id, *one.aliases} for one in kept):
            kept.append(hole)
    return kept
