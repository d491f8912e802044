"""Requirements and locks as text: what is pinned, by which hash, and what can't be locked at all."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrarium.errors import InvalidInput

_HASH = re.compile(r"\s--hash=(?P<hash>sha(?:256|384|512):[0-9a-f]+)")
# Options that say how to resolve are uv's configuration, and leave a file's meaning as it is.
_OPTION = re.compile(r"^(?P<option>--?[a-z][a-z-]*)")
_FOREIGN = re.compile(r"(?:^|@\s*)(?:(?:git|hg|svn|bzr)\+|https?://|file:|\.{0,2}/)")
_PEP723 = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


@dataclass(frozen=True)
class Pin:
    """One locked package.

    Args:
        name: Its name, normalised.
        version: The version.
        hashes: Of the files that may be taken for it, as `sha256:…`.
    """

    name: str
    version: str
    hashes: tuple[str, ...] = ()


def normalised(name: str) -> str:
    """Return a package's name as indexes write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each requirement or option of a requirements file with its line number: joined, without comments."""
    begun, held = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s+)#.*$", "", line).strip()
        begun = begun if held else number
        if bare.endswith("\\"):
            held += bare.removesuffix("\\") + " "
            continue
        if joined := (held + bare).strip():
            yield begun, joined
        held = ""
    if held.strip():
        yield begun, held.strip()


def pins(text: str) -> list[Pin]:
    """Return what a lock in the form of a requirements file pins.

    Raises:
        ValueError: A line is no pinned requirement; the text says which.
    """
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - a second build needs none

    found = []
    for number, line in lines(text):
        if line.startswith("-"):
            continue
        try:
            requirement = Requirement(_HASH.sub("", line))
        except InvalidRequirement as error:
            raise ValueError(f"line {number} is no requirement: {str(error).splitlines()[0]}") from None
        exact = [one for one in requirement.specifier if one.operator == "==" and not one.version.endswith(".*")]
        if len(exact) != 1:
            raise ValueError(f"line {number}, {requirement.name}, names no exact version")
        hashes = tuple(match["hash"] for match in _HASH.finditer(line))
        found.append(Pin(normalised(requirement.name), exact[0].version, hashes))
    return found


def locked(text: str) -> bool:
    """Tell whether every requirement of a file has one version and a hash; a file without requirements has."""
    try:
        return all(pin.hashes for pin in pins(text))
    except ValueError:
        return False


def check(text: str, called: str) -> None:
    """Refuse what no lock can hold.

    Args:
        text: A requirements file.
        called: What to call it.

    Raises:
        InvalidInput: With every such line.
    """
    problems = [f"line {number}: {why}" for number, line in lines(text) if (why := _foreign(line))]
    if problems:
        raise InvalidInput("\n".join(f"{called}, {problem}" for problem in problems))


def _foreign(line: str) -> str:
    option = _OPTION.match(line)
    if option:
        name = option["option"]
        if name in {"-e", "--editable"}:
            return "an editable install is a folder of this machine; build that package itself, or publish it"
        if name in {"-r", "--requirement", "-c", "--constraint"}:
            return f"`{name}` names another file; write its lines here, or lock them with `uv pip compile`"
        return f"`{name}` is for the installer; set indexes in uv's configuration, for all requirements"
    if _FOREIGN.search(line):
        return "an address or a path can't be pinned by hash; publish the package, and name its version"
    return ""


def pylock(text: str, called: str) -> list[Pin]:
    """Return what a `pylock.toml` (PEP 751) pins.

    Raises:
        InvalidInput: It is no such file, or pins something without an index.
    """
    try:
        packages: Sequence[Mapping[str, Any]] = tomllib.loads(text)["packages"]
        found = []
        for package in packages:
            if not {"wheels", "version"} <= package.keys():
                raise InvalidInput(
                    f"{called} locks {package.get('name')} without a wheel and a version: source archives, folders and "
                    "repositories are not built here; publish a wheel, or leave it out"
                )
            hashes = tuple(f"sha256:{wheel['hashes']['sha256']}" for wheel in package["wheels"])
            found.append(Pin(normalised(package["name"]), str(package["version"]), hashes))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{called} is no lock by PEP 751: {error}") from None
    return found


def inline(script: str, called: str) -> Mapping[str, Any] | None:
    """Return a script's own metadata (PEP 723), or None if it has none.

    Args:
        script: Its text.
        called: What to call it.

    Raises:
        InvalidInput: There are two blocks, or it is not TOML.
    """
    blocks = [match for match in _PEP723.finditer(script) if match["type"] == "script"]
    if not blocks:
        return None
    if len(blocks) > 1:
        raise InvalidInput(f"{called} has {len(blocks)} blocks `# /// script`; keep one")
    content = "".join(
        line.removeprefix("#").removeprefix(" ") for line in blocks[0]["content"].splitlines(keepends=True)
    )
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{called}: what stands in its block `# /// script` is no TOML: {error}") from None
