"""The three layers of an image: terrarium's client, the requirements, and the code."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache as once
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import parse_wheel_filename

from terrarium.errors import InvalidInput
from terrarium.images import cache, layers, uv
from terrarium.images.compiled import compile_all, magic
from terrarium.images.layers import Entry, Layer, Package
from terrarium.images.locking import Lock
from terrarium.images.requirements import normalised
from terrarium.images.source import APP, Source

CLIENT = "/opt/terrarium"
DEPENDENCIES = "/opt/dependencies"
HOME = "/srv/nonroot"
"""Where a container begins, and may write."""
USER = 65532

_ROOT = Path(__file__).resolve().parents[2]
_CLIENT_LOCK = _ROOT / "requirements" / "client.txt"
# What `terrarium.connect()` and `terrarium.inside` import in a pod: files, and folders with all that is in them.
_CLIENT = (
    "terrarium/__init__.py",
    "terrarium/cluster.py",
    "terrarium/errors.py",
    "terrarium/s3.py",
    "terrarium/client",
    "terrarium/inside",
    "components/__init__.py",
    "components/addressing.py",
    "components/labels.py",
    "components/naming.py",
    "components/quoting.py",
    "components/stores/__init__.py",
    "components/stores/files.py",
    "components/stores/layout.py",
    "components/tiers.py",
)
_SHEBANG = re.compile(rb"^#!.*python[^\n]*\n")
# Told apart from a layer that an earlier way of packing made of the same.
_FORM = 1


@once
def client_files() -> Mapping[str, Path]:
    """Return terrarium's modules that every image has, by path in the checkout."""
    found = {}
    for name in _CLIENT:
        place = _ROOT / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place] * place.is_file():
            found[path.relative_to(_ROOT).as_posix()] = path
    return found


def client_digest() -> str:
    """Return the hash of all that the client's layer is made of, in hexadecimal."""
    files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in client_files().items()}
    return cache.digest(_FORM, files, _CLIENT_LOCK.read_text(encoding="utf-8"))


def client_layer(target: Sequence[str], python: str) -> Layer:
    """Return the layer with terrarium's client and what it needs.

    Args:
        target: uv's options for the image's Python.
        python: The image's Python.
    """
    key = cache.digest("client", client_digest(), target, magic(python))
    if found := layers.known(key):
        return found
    lock = Lock(_CLIENT_LOCK.read_text(encoding="utf-8"), "requirements.txt", str(_CLIENT_LOCK))
    with cache.workbench() as folder:
        _install(lock, folder, target)
        for name, path in client_files().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(path.read_bytes())
        return _packed(folder, CLIENT, python, what="terrarium's client", key=key)


def dependencies_layer(lock: Lock, target: Sequence[str], python: str) -> Layer | None:
    """Return the layer with what a lock names; None if that is nothing.

    Args:
        lock: The lock.
        target: uv's options for the image's Python.
        python: The image's Python.

    Raises:
        InvalidInput: Something can't be installed: no wheel for the platform, another hash than the lock's.
    """
    if not lock.pins:
        return None
    key = cache.digest("dependencies", _FORM, lock.form, lock.text, target, magic(python))
    if found := layers.known(key):
        return found
    with cache.workbench() as folder:
        try:
            _install(lock, folder, target)
        except uv.UvRefused as error:
            raise InvalidInput(f"what {lock.origin} locks can't be installed: {error}") from None
        return _packed(folder, DEPENDENCIES, python, what="requirements", key=key)


def code_layer(source: Source, lock: Lock, target: Sequence[str], python: str) -> Layer:
    """Return the layer with the code, its lock, and the folder that a container may write to.

    Args:
        source: The code.
        lock: Its requirements, kept beside it.
        target: uv's options for the image's Python.
        python: The image's Python.

    Raises:
        InvalidInput: A package can't be built, is built for this machine alone, or can't be run.
    """
    key = cache.digest("code", _FORM, source.digest, source.command, lock.form, lock.text, target, magic(python))
    if found := layers.known(key):
        return found
    with cache.workbench() as folder:
        if source.package:
            _build(source, source.package, folder, target)
        for name, path in source.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(path.read_bytes())
        kept = {f"opt/terrarium-lock/{lock.form}": Entry(lock.text.encode()), HOME[1:]: Entry(None, owner=USER)}
        return _packed(folder, APP, python, what="code", key=key, more=kept)


def _install(lock: Lock, folder: Path, target: Sequence[str]) -> None:
    with cache.workbench() as beside:
        file = beside / lock.form
        file.write_text(lock.text, encoding="utf-8")
        where = ("--python", sys.executable, "--target", str(folder))
        uv.run("pip", "install", "--quiet", *where, *target, "--require-hashes", "-r", str(file))


def _build(source: Source, package: Path, folder: Path, target: Sequence[str]) -> None:
    """Build a package and lay its modules out."""
    try:
        with cache.workbench() as beside:
            uv.run("build", "--quiet", "--wheel", "--out-dir", str(beside), str(package))
            [wheel] = beside.glob("*.whl")
            _check_portable(wheel, package)
            where = ("--python", sys.executable, "--target", str(folder))
            uv.run("pip", "install", "--quiet", "--no-deps", *where, *target, str(wheel))
    except uv.UvRefused as error:
        raise InvalidInput(f"the package {package} can't be built: {error}") from None
    module = source.command[-1]
    if not ((folder / module / "__main__.py").is_file() or (folder / f"{module}.py").is_file()):
        raise InvalidInput(
            f"the package {package} can't be run: `python -m {module}` would start {module}/__main__.py, which it lacks"
        )


def _check_portable(wheel: Path, package: Path) -> None:
    """Refuse what was compiled against this machine's libraries: `linux_x86_64` says nothing of which it needs."""
    *_, tags = parse_wheel_filename(wheel.name)
    if any(tag.platform.startswith("linux_") for tag in tags):
        raise InvalidInput(
            f"the package {package} compiles code for this machine alone ({wheel.name}): build a manylinux wheel of "
            "that part, publish it, and have the rest require it"
        )


def _packed(
    folder: Path, below: str, python: str, *, what: str, key: str, more: Mapping[str, Entry] | None = None
) -> Layer:
    _same_everywhere(folder)
    compile_all(folder, below, python)
    entries = {**dict(layers.tree(folder, below[1:])), **(more or {})}
    return layers.pack(entries, what=what, key=key, packages=_installed(folder))


def _installed(folder: Path) -> list[Package]:
    found = [
        Package(normalised(one.metadata["Name"]), one.version, _licence(one))
        for one in distributions(path=[str(folder)])
    ]
    return sorted(found)


def _licence(one: Distribution) -> str:
    keys = [key for key in ("License-Expression", "License") if key in one.metadata]
    told = one.metadata[keys[0]] if keys else ""
    # Some put the whole text there.
    return told if "\n" not in told and len(told) < 100 else ""


def _same_everywhere(folder: Path) -> None:
    """Take this machine out of what uv installed: its lock, its paths in scripts, what it notes of the installation."""
    (folder / ".lock").unlink(missing_ok=True)
    for script in sorted((folder / "bin").glob("*")):
        content = script.read_bytes()
        # A file of uv's cache may be linked here: replaced, not changed.
        script.unlink()
        script.write_bytes(_SHEBANG.sub(b"#!/usr/bin/env python3\n", content))
        script.chmod(0o755)
    for note in ("direct_url.json", "uv_cache.json", "uv_build.json"):
        for file in folder.glob(f"*.dist-info/{note}"):
            file.unlink()
    for record in folder.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not re.match(r"(?:\.\./)*bin/|.*dist-info/(?:direct_url|uv_)", line)]
        record.unlink()
        record.write_text("".join(kept), encoding="utf-8")
