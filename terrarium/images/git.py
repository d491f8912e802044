"""Code from git: a commit's files, and which commit a file on disk is of."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
import uuid
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
_SHORT = re.compile(r"[0-9a-f]{4,39}")
# Where a mirror keeps all branches and tags of a server: below names that nobody else's fetch takes.
_KEPT = "refs/terrarium"
# As git understands "all of it", also in a repository that has a part.
_ALL = "--depth=2147483647"
# What leads git elsewhere than the folder it is told (`git rev-parse --local-env-vars`), as in a hook. Configuration in
# variables stays, as for git's own submodules: a CI gives its login so.
_AMBIENT = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}
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
    if commit.url is None:
        repository = _around()
        uri, name = _remote(repository), _local(repository, commit)
    else:
        repository = _mirror(commit.url)
        uri, name = _public(commit.url), _fetched(repository, commit.url, commit.rev)
    # The folder around a script too: modules that it imports stand there.
    around = str(Path(commit.path).parent) if commit.path.endswith(".py") else commit.path
    paths = [] if around in {"", "."} else [around]
    with cache.workbench() as folder:
        packed = _git(repository, "archive", "--format=tar", name, "--", *paths)
        if packed is None:
            raise InvalidInput(f"commit {commit.rev} has no {commit.path}")
        try:
            with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
                tar.extractall(folder, filter=_within)  # noqa: S202 - the filter is Python's own for data, and one more
        except tarfile.TarError as error:
            raise InvalidInput(f"the files of commit {commit.rev} can't be laid out: {error}") from None
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


def _within(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Take what is in a commit, and leave out a link to what is not: of that a commit knows nothing."""
    try:
        return tarfile.data_filter(member, folder)
    except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError):
        return None


def _mirror(url: str) -> Path:
    """Return the repository in which we keep what was fetched from an address."""
    place = cache.folder() / "git" / cache.digest(url)[:20]
    if not (place / "HEAD").exists():
        place.mkdir(parents=True, exist_ok=True)
        _git(place, "init", "--bare", "--quiet")
    return place


def _fetched(mirror: Path, url: str, rev: str) -> str:
    """Return a commit's id, once the mirror has it."""
    exact = _COMMIT.fullmatch(rev) is not None
    if exact and (there := _commit(mirror, rev)):
        return there
    # A name of this call's own: others fetch other commits into the same mirror at the same time.
    wanted = f"{_KEPT}/{uuid.uuid4()}"
    names = [wanted]
    if _git(mirror, "fetch", "--quiet", "--depth=1", "--no-tags", url, f"+{rev}:{wanted}") is None:
        # Not every server gives a commit that is no branch's or tag's end.
        everything = (f"+refs/heads/*:{_KEPT}/heads/*", f"+refs/tags/*:{_KEPT}/tags/*")
        if _git(mirror, "fetch", "--quiet", "--prune", "--no-tags", _ALL, url, *everything) is None:
            raise InvalidInput(f"{_public(url)} can't be read: {_said(mirror, 'ls-remote', url)}")
        names = [f"{_KEPT}/tags/{rev}", f"{_KEPT}/heads/{rev}", *([rev] if _SHORT.fullmatch(rev) else [])]
    found = next((one for name in ([rev] if exact else names) if (one := _commit(mirror, name))), None)
    _git(mirror, "update-ref", "-d", wanted)
    if found is None:
        raise InvalidInput(f"{_public(url)} has no commit, tag or branch `{rev}`")
    return found


def _local(repository: Path, commit: Commit) -> str:
    found = _commit(repository, commit.rev)
    if found is not None:
        return found
    if _git(repository, "rev-parse", "--git-dir") is None:
        raise InvalidInput(f"{commit.rev}:{commit.path} does not exist, and no git repository is around this folder")
    raise InvalidInput(f"the repository around this folder has no commit, tag or branch `{commit.rev}`")


def _commit(repository: Path, name: str) -> str | None:
    """Return the id of the commit that a name leads to."""
    found = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return found.decode().strip() if found else None


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
            env={**{key: value for key, value in os.environ.items() if key not in _AMBIENT}, **quiet},
            timeout=_PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise InvalidInput("git is missing: install it") from None
    except subprocess.TimeoutExpired:
        raise InvalidInput(f"git {arguments[0]} did not end within {_PATIENCE} s") from None
