"""From what a script, a package or a file declares to a lock: exact versions, each with its hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from terrarium.errors import InvalidInput
from terrarium.images import cache, requirements, uv
from terrarium.images.requirements import Pin
from terrarium.images.source import Source

_COMPILE = ("--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url", "--quiet")
_EXPORT = ("--locked", "--no-dev", "--no-header", "--no-annotate", "--quiet")
_KIND = "locks"


@dataclass(frozen=True)
class Lock:
    """Exact versions, each with its hashes.

    Args:
        text: The lock.
        form: `requirements.txt` or `pylock.toml`.
        origin: Where it is from, for people.
        made: Whether it was resolved here; then the next build takes the same, until it is told to resolve anew.
    """

    text: str
    form: str
    origin: str
    made: bool = False

    @property
    def pins(self) -> Sequence[Pin]:
        """What it pins."""
        if self.form == "pylock.toml":
            return requirements.pylock(self.text, self.origin)
        return requirements.pins(self.text)


def lock(source: Source, given: Path | None, target: Sequence[str], *, anew: bool = False) -> Lock:
    """Return the lock of a source.

    Args:
        source: A script or a package.
        given: A file that holds its requirements or its lock, instead of what the source declares.
        target: uv's options for the image's Python.
        anew: Resolve again what was resolved by an earlier build.

    Raises:
        InvalidInput: Something can't be read, locked or resolved; the message is the reason.
    """
    if given is not None:
        return _given(given, target, anew=anew)
    for beside in _beside(source):
        if beside.is_file():
            return (
                _exported(source, beside, target)
                if beside.name != "requirements.txt"
                else _given(beside, target, anew=anew)
            )
    if source.package:
        return _package(source, source.package, target, anew=anew)
    if source.declared is None or not source.declared.get("dependencies"):
        return Lock("", "requirements.txt", "no requirements are declared")
    text = "\n".join(map(str, source.declared["dependencies"]))
    requirements.check(text, f"{source.where} (dependencies)")
    # The script itself: its `[tool.uv]` says more.
    return _compiled(source.where, source.where.read_text(encoding="utf-8"), target, anew=anew)


def _beside(source: Source) -> Sequence[Path]:
    if source.package:
        return [source.package / name for name in ("uv.lock", "pylock.toml", "requirements.txt")]
    locked = source.where.with_name(f"{source.where.name}.lock")
    # A script that declares nothing may have it beside it, as is usual; one with a block of its own says it all there.
    usual = () if source.declared is not None else ("pylock.toml", "requirements.txt")
    return [locked, *map(source.where.with_name, usual)]


def _exported(source: Source, file: Path, target: Sequence[str]) -> Lock:
    if file.name == "pylock.toml":
        return _given(file, target, anew=False)
    # The package itself is built here, and is no requirement of its own.
    package = ("--project", str(source.package), "--no-emit-project")
    what = package if source.package else ("--script", str(source.where))
    try:
        text = uv.run("export", *what, "--format", "requirements.txt", *_EXPORT)
    except uv.UvRefused as error:
        raise InvalidInput(f"{file} can't be used: {error}") from None
    requirements.check(text, str(file))
    return Lock(text, "requirements.txt", str(file))


def _given(file: Path, target: Sequence[str], *, anew: bool) -> Lock:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is no text in UTF-8") from None
    if file.name.startswith("pylock.") and file.suffix == ".toml":
        requirements.pylock(text, str(file))
        return Lock(text, "pylock.toml", str(file))
    if file.suffix not in {".txt", ".in"}:
        raise InvalidInput(f"{file} is no requirements file (.txt, .in) and no pylock.toml")
    requirements.check(text, str(file))
    if requirements.locked(text):
        return Lock(text, "requirements.txt", str(file))
    return _compiled(file, text, target, anew=anew)


def _package(source: Source, folder: Path, target: Sequence[str], *, anew: bool) -> Lock:
    project: Mapping[str, object] = (source.declared or {}).get("project", {})
    listed = project.get("dependencies") or []
    if not isinstance(listed, list):
        raise InvalidInput(f"{folder / 'pyproject.toml'}: project.dependencies must be a list")
    requirements.check("\n".join(map(str, listed)), f"{folder / 'pyproject.toml'} (project.dependencies)")
    if not listed and "dependencies" not in (project.get("dynamic") or []):  # type: ignore[operator]  # any TOML value
        return Lock("", "requirements.txt", "no requirements are declared")
    file = folder / "pyproject.toml"
    return _compiled(file, file.read_text(encoding="utf-8"), target, anew=anew)


def _compiled(file: Path, text: str, target: Sequence[str], *, anew: bool) -> Lock:
    """Resolve what a file declares, or take what was resolved of the same text before."""
    key = cache.digest(text, target)
    known = None if anew else cache.note(_KIND, key)
    if known and isinstance(known.get("text"), str):
        return Lock(known["text"], "requirements.txt", str(file), made=True)
    try:
        locked = uv.run("pip", "compile", str(file), *target, *_COMPILE)
    except uv.UvRefused as error:
        raise InvalidInput(f"the requirements of {file} can't be resolved: {error}") from None
    requirements.check(locked, str(file))
    cache.keep(_KIND, key, {"text": locked, "from": str(file)})
    return Lock(locked, "requirements.txt", str(file), made=True)
