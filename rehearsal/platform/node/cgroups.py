"""A control group in which all of a node's pods are, in every hierarchy that this machine has."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# Seconds: the kernel removes processes that were killed a moment after their namespace has ended.
_PATIENCE = 5.0
_POLL = 0.05


def _unified() -> bool:
    return (_ROOT / "cgroup.controllers").is_file()


def _hierarchies() -> list[Path]:
    if _unified():
        return [_ROOT]
    # Version 1 has a hierarchy for each controller; names such as `cpu,cpuacct` are linked to by their parts.
    return [path for path in sorted(_ROOT.glob("*")) if path.is_dir() and not path.is_symlink()]


def make(name: str) -> None:
    """Make the group.

    Args:
        name: One path component.

    Raises:
        OSError: This machine does not let it be made.
    """
    if _unified():
        available = (_ROOT / "cgroup.controllers").read_text(encoding="ascii").split()
        for group in (_ROOT, _ROOT / name):
            group.mkdir(exist_ok=True)
            wanted = " ".join(f"+{controller}" for controller in available)
            (group / "cgroup.subtree_control").write_text(wanted, encoding="ascii")
        return
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        # A new group of this controller has no processor and no memory, and takes nobody in.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / file).is_file():
                (group / file).write_bytes((hierarchy / file).read_bytes())


def remove(name: str) -> None:
    """Remove the group and all below it; nothing may run in it any more.

    Args:
        name: One path component.
    """
    deadline = time.monotonic() + _PATIENCE
    groups = [hierarchy / name for hierarchy in _hierarchies()]
    while any(group.is_dir() and not _removed(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(_POLL)


def _removed(group: Path) -> bool:
    with suppress(OSError):
        for below in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            below.rmdir()
        group.rmdir()
        return True
    return False
