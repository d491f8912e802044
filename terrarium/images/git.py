"""Code from git: a commit's files, and which commit a file on disk is of."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from terrarium.errors import InvalidInput
from terrarium.images import cache

_REMOTE = re.compile(r"git\+(?P<url>[a-z][a-z+.-]*://[^#]+?)@(?P<rev>[^@#/][^@#]*)(?:#(?P<path>.*))?", re.IGNORECASE)
_LOCAL = re.compile(r"(?P<rev>[^-:/\s][^:\s]*):(?P<path>.*)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# Seconds for one question; a clone of a large repository may take as long.
_PATIENCE = 300


@dataclass(frozen=True)
class Commit:
    """A commit as a person names it.

    Args:
        url: The repository; None for the one around the present folder.
        rev: A commit, tag or branch.
        path: The script or package in it; empty for its root.
    """

    url: str | None
    rev: str
    path: str


def parse(text: str) -> Commit | None:
    """Return the commit that a text names, or None.

    Args:
        text: `git+URL@REV#PATH` or `REV:PATH`.

    Raises:
        InvalidInput: It begins with `git+` and goes wrong after.
    """
    if text.startswith("git+"):
        found = _REMOTE.fullmatch(text)
        if not found:
            raise InvalidInput(
                f"{text} is not git+URL@REV or git+URL@REV#PATH, as git+https://git.example/team/code@v1#train.py"
            )
        return Commit(found["url"], found["rev"], _inside(found["path"] or ""))
    found = _LOCAL.fullmatch(text)
    return Commit(None, found["rev"], _inside(found["path"])) if found else None


@contextmanager
def checked_out(commit: Commit) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Give a folder with a commit's files, and where they are from.

    Raises:
        InvalidInput: There is no such repository, commit or path.
    """
    repository = _around() if commit.url is None else _mirror(commit)
    uri = _remote(repository) if commit.url is None else _public(commit.url)
    name = _resolved(repository, commit)
    # The folder around a script too: modules that it imports stand there.
    around = str(Path(commit.path).parent) if commit.path.endswith(".py") else commit.path
    paths = [] if around in {"", "."} else [around]
    with cache.workbench() as folder:
        packed = _git(repository, "archive", "--format=tar", name, "--", *paths)
        if packed is None:
            raise InvalidInput(f"commit {commit.rev} has no {commit.path}")
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(folder, filter="data")
        yield folder, {"uri": uri or "git+file:", "digest": {"gitCommit": name}}


def origin(path: Path, digest: str) -> Mapping[str, Any]:
    """Return where code on disk is from: its commit if it is as committed, else its own hash alone.

    Args:
        path: The script or package.
        digest: Hash of its files.
    """
    folder = path if path.is_dir() else path.parent
    told: dict[str, Any] = {"uri": path.absolute().name, "digest": {"sha256": digest}}
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if head is None:
        return told
    changed = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", str(path.absolute()))
    if changed is None or changed.strip():
        return told
    inside = (_git(folder, "rev-parse", "--show-prefix") or b"").decode().strip()
    named = f"{inside}{path.name if path.is_file() else ''}".strip("/")
    uri = _remote(folder) or "git+file:"
    return {"uri": f"{uri}#{named}" if named else uri, "digest": {"gitCommit": head.decode().strip(), "sha256": digest}}


def _around() -> Path:
    """Return the root of the repository around the present folder, as paths in commits begin there."""
    found = _git(Path(), "rev-parse", "--show-toplevel")
    return Path(found.decode().strip()) if found else Path()


def _inside(path: str) -> str:
    parts = Path(path).parts
    if ".." in parts or Path(path).is_absolute():
        raise InvalidInput(f"{path} leads out of the repository; name a path inside it")
    return str(Path(path)) if path else ""


def _mirror(commit: Commit) -> Path:
    """Return a repository of ours that has the commit."""
    url = str(commit.url)
    place = cache.folder() / "git" / cache.digest(url)[:20]
    if not (place / "HEAD").exists():
        place.mkdir(parents=True, exist_ok=True)
        _git(place, "init", "--bare", "--quiet")
    if _COMMIT.fullmatch(commit.rev) and _git(place, "cat-file", "-e", f"{commit.rev}^{{commit}}") is not None:
        return place
    fetched = _git(place, "fetch", "--quiet", "--depth=1", "--no-tags", url, f"+{commit.rev}:refs/terrarium/wanted")
    if fetched is None:
        # Not every server gives a commit that is no branch's or tag's end.
        everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        if _git(place, "fetch", "--quiet", url, *everything) is None:
            raise InvalidInput(f"{_public(url)} can't be read: {_said(place, 'ls-remote', url)}")
        _git(place, "update-ref", "-d", "refs/terrarium/wanted")
    return place


def _resolved(repository: Path, commit: Commit) -> str:
    wanted = ["refs/terrarium/wanted", commit.rev] if commit.url else [commit.rev]
    for name in wanted:
        found = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found:
            return found.decode().strip()
    where = _public(commit.url) if commit.url else "the repository around this folder"
    if commit.url is None and _git(repository, "rev-parse", "--git-dir") is None:
        raise InvalidInput(f"{commit.rev}:{commit.path} does not exist, and no git repository is around this folder")
    raise InvalidInput(f"{where} has no commit, tag or branch `{commit.rev}`")


def _remote(folder: Path) -> str:
    found = _git(folder, "config", "--get", "remote.origin.url")
    return _public(found.decode().strip()) if found else ""


def _public(url: str) -> str:
    """Return a repository's address without what lets somebody in."""
    parts = urlsplit(url)
    if parts.scheme and parts.netloc:
        url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return f"git+{url}"


def _git(folder: Path, *arguments: str) -> bytes | None:
    ended = _run(folder, *arguments)
    return ended.stdout if ended.returncode == 0 else None


def _said(folder: Path, *arguments: str) -> str:
    words = _run(folder, *arguments).stderr.decode(errors="replace").strip().splitlines()
    return words[-1].removeprefix("fatal: ") if words else "git gave no reason"


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    # `ext::` would run a command that somebody wrote into an address.
    safe = ("-c", "protocol.ext.allow=never")
    try:
        return subprocess.run(
            ["git", *safe, "-C", str(folder.absolute()), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **quiet},
            timeout=_PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise InvalidInput("git is missing: install it") from None
    except subprocess.TimeoutExpired:
        raise InvalidInput(f"git {arguments[0]} did not end within {_PATIENCE} s") from None
