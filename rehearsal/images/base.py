"""The base image of the embedded platform's registry: Debian's Python and nothing that a program does not run on."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from rehearsal import debian
from rehearsal.errors import RehearsalError, explained
from rehearsal.files import read_json, write_json
from rehearsal.images.layout import image_blobs
from rehearsal.images.push import Registry
from rehearsal.locks import locked
from rehearsal.paths import cache
from rehearsal.progress import Report

REPOSITORY = "base/python"
TAG = "3.11"
_SUITE = "bookworm"
# Wheels take the C++ library for granted.
_PACKAGES = ("python3", "ca-certificates", "libstdc++6")
_WITHOUT = ("doc", "man", "info", "locale", "lintian")
_USER = 65532
_PASSWD = f"nonroot:x:{_USER}:{_USER}:nonroot:/srv/nonroot:/usr/sbin/nologin"
_HOOKS = (
    f'echo "{_PASSWD}" >> "$1/etc/passwd"',
    f'echo "nonroot:x:{_USER}:" >> "$1/etc/group"',
    # Caches and logs say when and where it was made.
    'rm -rf "$1"/var/cache/* "$1"/var/log/* "$1"/var/lib/apt/lists/* "$1"/etc/machine-id "$1"/etc/hostname',
    'rm -f "$1"/etc/resolv.conf "$1"/var/cache/ldconfig/aux-cache',
)
_SETTINGS: dict[str, Any] = {
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", f"PYTHON_VERSION={TAG}"],
    "User": str(_USER),
    "Cmd": ["python3"],
}
_NOTE = "image.json"
# Seconds; 30 on an idle machine.
_PATIENCE = 900.0


def provide(registry: Registry, report: Report) -> str:
    """Push the base image unless the registry has it; return its digest.

    Args:
        registry: The registry.
        report: Told about progress.

    Raises:
        RehearsalError: It can't be made or pushed.
    """
    folder = _made(report)
    manifest = _read(folder)
    digest = str(manifest["digest"])
    if registry.digest(REPOSITORY, TAG) != digest:
        report.step("Pushing the base image to the embedded registry")
        registry.push(REPOSITORY, TAG, folder, digest)
    return digest


def _made(report: Report) -> Path:
    """Return the folder with its blobs, made if the cache has none of the same recipe."""
    recipe = [_SUITE, _PACKAGES, _WITHOUT, _HOOKS, _SETTINGS, platform.machine()]
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:20]
    folder = cache() / "builds" / f"base-image-{key}"
    if (folder / _NOTE).is_file():
        return folder
    with explained(f"The cache {cache()} can't be written"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / ".base-image.lock", lambda: report.note("Another run is making the base image.")):
            if not (folder / _NOTE).is_file():
                report.step("Making the base image from Debian's packages")
                _make(folder, report)
    return folder


def _read(folder: Path) -> dict[str, Any]:
    found = read_json(folder / _NOTE)
    if found is None:
        raise RehearsalError(f"{folder / _NOTE} can't be read. Delete {folder}; the base image is made again.")
    return found


def _make(folder: Path, report: Report) -> None:
    found = debian.unpacked("mmdebstrap", ("mmdebstrap",), report)
    program = found.program("mmdebstrap")
    if program is None:
        raise RehearsalError("Debian's mmdebstrap can't be had, and the base image is made by it.")
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
    try:
        tree = fresh / ".rootfs.tar"
        excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _WITHOUT]
        hooks = [f"--customize-hook={hook}" for hook in _HOOKS]
        what = ["--mode=root", "--variant=essential", f"--include={','.join(_PACKAGES)}", *excluded, *hooks]
        _run([str(program), "--quiet", *what, _SUITE, str(tree)], found)
        manifest = image_blobs(fresh, layers=[tree], settings=_SETTINGS)
        tree.unlink()
        write_json(fresh / _NOTE, manifest)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _run(command: list[str], found: debian.Unpacked) -> None:
    # Files as old as the epoch: the same packages make the same image. It starts a second program of its package.
    own = {"SOURCE_DATE_EPOCH": "0", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    variables = found.variables() | own
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=variables,
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RehearsalError(f"mmdebstrap does not work: {type(error).__name__}.") from error
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-5:]) or "(nothing)"
        raise RehearsalError(f"The base image can't be made. mmdebstrap's last words:\n{said}")
