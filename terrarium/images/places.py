"""Where an image's name leads: as containers-registries.conf(5), which every other container tool here reads."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.rules import imageref
from terrarium.errors import InvalidInput

VARIABLE = "CONTAINERS_REGISTRIES_CONF"


@dataclass(frozen=True)
class Place:
    """Where a repository is served.

    Args:
        name: The repository as images name it, with its host.
        url: Scheme and host that serve it.
        path: The repository there.
    """

    name: str
    url: str
    path: str

    @property
    def host(self) -> str:
        """The host in its name, by which people sign in."""
        return self.name.partition("/")[0]


def place(repository: str, variables: Mapping[str, str]) -> Place:
    """Return where a repository is served: where a file says, or at the host in its name.

    Args:
        repository: Host and path, without tag and digest.
        variables: Of the environment: the file that CONTAINERS_REGISTRIES_CONF names, the person's own or the system's.

    Raises:
        InvalidInput: The file can't be read, or blocks the registry.
    """
    entry = max(
        (one for one in _entries(variables) if _covers(_prefix(one), repository)),
        key=lambda one: len(_prefix(one)),
        default={},
    )
    prefix = _prefix(entry)
    if entry.get("blocked"):
        raise InvalidInput(f"{repository} is under {prefix}, which the file that {VARIABLE} names blocks")
    served = repository
    if entry.get("location"):
        rest = repository.partition("/")[2] if prefix.startswith("*.") else repository[len(prefix) :].strip("/")
        served = f"{str(entry['location']).rstrip('/')}/{rest}"
    host, _, path = served.partition("/")
    # Docker Hub answers under another name than its images have.
    host = f"registry-1.{imageref.HUB}" if host == imageref.HUB else host
    return Place(repository, f"{'http' if entry.get('insecure') else 'https'}://{host}", path)


def _entries(variables: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    own = Path(variables.get("HOME", "~")).expanduser() / ".config" / "containers" / "registries.conf"
    named = variables.get(VARIABLE)
    files = [Path(named)] if named else [own, Path("/etc/containers/registries.conf")]
    file = next((one for one in files if named or one.is_file()), None)
    if file is None:
        return ()
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("registry", [])
    except OSError as error:
        raise InvalidInput(f"{file}, which {VARIABLE} names, can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{file} is no TOML (containers-registries.conf(5)): {error}") from None
    return [entry for entry in found if isinstance(entry, dict) and _prefix(entry)] if isinstance(found, list) else ()


def _prefix(entry: Mapping[str, Any]) -> str:
    return str(entry.get("prefix") or entry.get("location") or "").rstrip("/")


def _covers(prefix: str, repository: str) -> bool:
    if prefix.startswith("*."):
        return repository.partition("/")[0].endswith(prefix[1:])
    return repository == prefix or repository.startswith(f"{prefix}/")
