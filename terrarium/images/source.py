"""What an image is made of: a script with the modules beside it, or a package; from disk, or from a git commit."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from terrarium.errors import InvalidInput
from terrarium.images import git, walk
from terrarium.images.imports import beside
from terrarium.images.requirements import inline, normalised

APP = "/app"
"""Where the code is in every image."""


@dataclass(frozen=True)
class Source:
    """Code to make an image of.

    Args:
        name: What the image is called unless a person says otherwise.
        command: What the container runs.
        digest: Hash, in hexadecimal, of all the code.
        origin: Where it is from, as provenance names it: `uri`, and `digest` by algorithm.
        files: A script and the modules beside it, by path below APP. Empty for a package, which must be built.
        package: A package's folder.
        declared: Where it says its requirements: a script's metadata (PEP 723) or `pyproject.toml`, parsed.
        where: The script, or the package's folder.
    """

    name: str
    command: tuple[str, ...]
    digest: str
    where: Path
    origin: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)
    package: Path | None = None
    declared: Mapping[str, Any] | None = None

    @property
    def requires_python(self) -> str:
        """The versions of Python that it takes, or nothing."""
        told = self.declared or {}
        return str((told.get("project", {}) if self.package else told).get("requires-python", ""))

    def takes(self, python: str) -> bool:
        """Tell whether it runs on a Python.

        Args:
            python: The version, as `3.11`.

        Raises:
            InvalidInput: What it says of that is no range of versions.
        """
        try:
            takes = SpecifierSet(self.requires_python)
        except InvalidSpecifier:
            raise InvalidInput(f"{self.where} says requires-python = {self.requires_python!r}, which is none") from None
        # Of a version such as 3.11 some release will do.
        return any(takes.contains(f"{python}.{patch}", prereleases=True) for patch in range(40))


@contextmanager
def opened(text: str, python: str | None) -> Iterator[Source]:
    """Give what a person's text names; a commit's files are there as long as the context is.

    Args:
        text: A script, a package's folder, `REV:PATH` of the repository around the present folder, or
            `git+URL@REV#PATH`.
        python: The image's Python, as `3.11`; None if that is not known, and no code is judged.

    Raises:
        InvalidInput: There is no such thing, or it can't become an image.
    """
    commit = None if Path(text).exists() else git.parse(text)
    if commit is None:
        yield _read(Path(text), python, {})
        return
    with git.checked_out(commit) as (folder, origin):
        yield _read(folder / commit.path, python, origin)


def _read(path: Path, python: str | None, origin: Mapping[str, Any]) -> Source:
    if path.is_dir():
        return _package(path, origin)
    if not path.exists():
        near = sorted(other.name for other in path.parent.glob("*.py"))[:5] if path.parent.is_dir() else []
        hint = f"; beside it there are {', '.join(near)}" if near else ""
        raise InvalidInput(f"{path} does not exist: name a script, or a package's folder with pyproject.toml{hint}")
    if path.suffix != ".py" or not path.is_file():
        raise InvalidInput(f"{path} is neither a Python script (.py) nor a package's folder with pyproject.toml")
    return _script(path, python, origin)


def _script(path: Path, python: str | None, origin: Mapping[str, Any]) -> Source:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is no text in UTF-8, as Python scripts are") from None
    files = {path.name: path, **beside(path, text, python)}
    digest = _digest(files)
    return Source(
        name=image_name(path.stem),
        command=("python3", f"{APP}/{path.name}"),
        digest=digest,
        where=path,
        origin=origin or git.origin(path, digest),
        files=files,
        declared=inline(text, str(path)),
    )


def _package(folder: Path, origin: Mapping[str, Any]) -> Source:
    file = folder / "pyproject.toml"
    if not file.is_file():
        raise InvalidInput(
            f"{folder} has no pyproject.toml, so that nobody can say what its package is: name a script in it, "
            "or write one (`uv init --package`)"
        )
    try:
        declared = tomllib.loads(file.read_text(encoding="utf-8"))
        name = str(declared["project"]["name"])
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{file} is no TOML: {error}") from None
    except (KeyError, TypeError):
        raise InvalidInput(f"{file} names no package: it needs [project] with a name") from None
    files = {str(path.relative_to(folder)): path for path in walk.code(folder, hidden=True)}
    digest = _digest(files)
    return Source(
        name=image_name(name),
        command=("python3", "-m", normalised(name).replace("-", "_")),
        digest=digest,
        where=folder,
        origin=origin or git.origin(folder, digest),
        package=folder,
        declared=declared,
    )


def _digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


def image_name(text: str) -> str:
    """Return a name that registries take for one component of a path."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "image"
