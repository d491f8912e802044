"""What a job declares to read: objects of the store that are files in its working folder when it begins. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from components.stores import layout
from terrarium.errors import InvalidInput

LAKE = "lake"
_KINDS = (*layout.KINDS, LAKE)
_FORM = "KIND:KEY[:PATH], as datasets:2026/sales.csv or datasets:2026/sales.csv:data/sales.csv"


@dataclass(frozen=True)
class Declared:
    """One declared input.

    Args:
        owner: Id of the environment whose object it is; None for the job's own.
        kind: The kind of objects, or `lake`.
        key: The object, or a folder, without the `/` at its end.
        folder: Whether it is a folder: all objects below it.
        path: Where it is in the working folder.
    """

    owner: str | None
    kind: str
    key: str
    folder: bool
    path: str

    def __str__(self) -> str:
        owner = f"{self.owner}/" if self.owner else ""
        return f"{owner}{self.kind}:{self.key}{'/' if self.folder else ''}"

    def reference(self, environment: str, bucket: str | None, lake: str | None) -> str:
        """Return the input as the annotation of a job names it: `<environment or lake:NAME>/<kind>/<key>`.

        Args:
            environment: The job's environment.
            bucket: The bucket whose part of the store the job sees; None for all of it.
            lake: The lake that the environment reads; None if it reads none.
        """
        key = f"{self.key}/" if self.folder else self.key
        if self.kind == LAKE:
            return f"lake:{lake}/{layout.DATASETS}/{key}"
        prefix = "" if self.owner else layout.prefix(bucket)
        return f"{self.owner or environment}/{self.kind}/{prefix}{key}"


def parse(texts: Iterable[str]) -> list[Declared]:
    """Return declared inputs.

    Args:
        texts: Each `[ENVIRONMENT/]KIND:KEY[:PATH]`; a KEY that ends with `/` is a folder. Without PATH it bears its
            own name, as after `terrarium store cp`.

    Raises:
        InvalidInput: With everything that is wrong.
    """
    problems, found = [], []
    for text in texts:
        try:
            found.append(_one(text))
        except ValueError as error:
            problems.append(f"input `{text}`: {error}")
    problems += _clashes(found)
    if problems:
        raise InvalidInput("\n".join(problems), problems=problems)
    return found


def outputs(texts: Iterable[str]) -> list[str]:
    """Return declared outputs: paths in the working folder, or below /tmp.

    Raises:
        InvalidInput: With everything that is wrong.
    """
    problems, found = [], []
    for text in texts:
        try:
            found.append(_output(text))
        except ValueError as error:
            problems.append(f"output `{text}`: {error}")
    if problems:
        raise InvalidInput("\n".join(problems), problems=problems)
    return list(dict.fromkeys(found))


def _one(text: str) -> Declared:
    place, colon, rest = text.partition(":")
    owner, slash, kind = place.rpartition("/")
    if not colon or not rest:
        raise ValueError(f"is not {_FORM}")
    if kind not in _KINDS:
        raise ValueError(f"there is no kind `{kind}`; there are {', '.join(_KINDS)}")
    if slash and (kind == LAKE or "/" in owner or not owner):
        raise ValueError("only an environment's id stands before a kind, as churn-dev/datasets:KEY")
    key, colon, path = rest.rpartition(":")
    if not colon:
        key, path = rest, ""
    folder = key.endswith("/")
    key = key.strip("/")
    if not key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError("KEY is no object and no folder of the store")
    if "," in key or not key.isprintable():
        raise ValueError("a KEY with a comma or a control character can't be declared; copy the object to another key")
    return Declared(owner or None, kind, key, folder, _within(path or PurePosixPath(key).name))


def _within(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or not path.isprintable():
        raise ValueError(f"PATH `{path}` must be below the working folder: relative, without `..`")
    return str(pure)


def _output(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or ".." in pure.parts or not path.isprintable():
        raise ValueError("must be a path without `..`")
    if pure.is_absolute() and (pure.parts[:2] != ("/", "tmp") or len(pure.parts) < 3):
        raise ValueError("a job writes in its working folder and below /tmp, nowhere else")
    if not pure.parts:
        raise ValueError("names nothing")
    return str(pure)


def _clashes(found: Sequence[Declared]) -> Iterator[str]:
    for number, one in enumerate(found):
        for other in found[:number]:
            mine, theirs = PurePosixPath(one.path), PurePosixPath(other.path)
            if (
                mine == theirs
                or (not other.folder and theirs in mine.parents)
                or (not one.folder and mine in theirs.parents)
            ):
                yield f"inputs {other} and {one} would both be at {one.path}; give one of them a PATH of its own"
