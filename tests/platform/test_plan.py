"""What a node is told, without a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehearsal.platform.layout import PORTS, Layout
from rehearsal.platform.node import machine, plan


@pytest.fixture
def told(tmp_path: Path) -> dict[str, object]:
    """The plan of a node whose programs are empty files."""
    layout = Layout(tmp_path / "planned")
    machine.choose(layout.machine_file, 0)
    layout.issue_certificates()
    folders = {name: tmp_path / name for name in ("debian", "node", "kube-router", "coredns")}
    for program in ("debian/usr/bin/containerd", "debian/usr/bin/ctr", "debian/usr/bin/runc"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).touch(mode=0o755)
    for image in ("pause", "coredns"):
        folders["coredns"].mkdir(exist_ok=True)
        (folders["coredns"] / image).touch()
    plan.prepare(layout, dict.fromkeys(PORTS, 1), folders)
    found: dict[str, object] = json.loads((layout.node / "plan.json").read_text(encoding="utf-8"))
    return found


def test_a_node_needs_no_module_of_the_kernel_that_a_machine_may_lack(told: dict[str, object]) -> None:
    # Keys of net.bridge are there with br_netfilter alone, and no bridge is on the node's side.
    assert isinstance(told["sysctl"], dict)
    assert [key for key in told["sysctl"] if not key.startswith("net.ipv4.")] == []
