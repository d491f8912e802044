"""A control group in which all of a node's pods are, in every hierarchy that this machine has."""

from __future__ import annotations

import errno
import os
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


def why_not() -> str:
    """Return why no group can be made here, as a clause; empty if one can. It is tried: no mode of a file tells."""
    probe = f"terrarium-probe-{os.getpid()}"
    try:
        return make(probe)
    finally:
        remove(probe)


def make(name: str) -> str:
    """Make the group, and return why it can't be made, as a clause; empty if it was.

    Args:
        name: One path component.
    """
    if not _hierarchies():
        return "this machine has no control groups"
    try:
        if _unified():
            _make_unified(name)
        else:
            _make_in_each(name)
    except OSError as error:
        hint = ""
        if error.errno == errno.EBUSY:
            # The kernel hands controllers on from no group that has processes, except from the machine's own root.
            hint = "; in a container, they must be the machine's (Docker: --privileged --cgroupns=host)"
        return f"control groups can't be made here: {error.strerror}{hint}"
    return ""


def _make_unified(name: str) -> None:
    for group in (_ROOT, _ROOT / name):
        group.mkdir(exist_ok=True)
        # Asked again for what they have, some groups refuse.
        enabled, available = (
            set((group / file).read_text(encoding="ascii").split())
            for file in ("cgroup.subtree_control", "cgroup.controllers")
        )
        if missing := sorted(available - enabled):
            wanted = " ".join(f"+{controller}" for controller in missing)
            (group / "cgroup.subtree_control").write_text(wanted, encoding="ascii")


def _make_in_each(name: str) -> None:
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
