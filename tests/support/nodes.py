"""Real nodes: where they can run, what is left of them, and pods of images that every node brings along."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from rehearsal.platform.layout import Layout
from rehearsal.platform.node import machine
from rehearsal.platform.node.plan import PAUSE, resolver_image


def demand() -> None:
    """Skip the test where no real node can run; a build machine must have one."""
    if reason := machine.why_not():
        if os.environ.get("CI"):
            pytest.fail(f"a build machine runs a real node, and this one can't: {reason}")
        pytest.skip(f"no real node can run here: {reason}")


def traces(folder: Path) -> list[str]:
    """Return what is left of a platform's node on this machine: mounts, cards, control groups, processes."""
    found = Layout(folder).machine
    names = [found.bridge, found.card] if found else []
    cards = [name for name in psutil.net_if_addrs() if name in names]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{found.cgroup}")] if found else []
    mounts = [
        line for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines() if str(folder) in line
    ]
    processes = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(f"{folder}/" in word for word in command):
            processes.append(" ".join(command)[:200])
    return [*cards, *groups, *mounts, *processes]


def job(name: str, *, argument: str = "-version", retries: int = 0) -> dict[str, Any]:
    """Return a Job of one pod that prints a line and ends: the resolver, asked for its version."""
    return _job(name, {"name": "main", "image": resolver_image(), "args": [argument]}, retries)


def waiting_job(name: str, *, retries: int = 0) -> dict[str, Any]:
    """Return a Job of one pod that waits until it is ended."""
    return _job(name, {"name": "main", "image": PAUSE}, retries)


def _job(name: str, container: dict[str, Any], retries: int) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [container | {"imagePullPolicy": "Never"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"backoffLimit": retries, "template": {"spec": pod}},
    }
