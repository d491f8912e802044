"""What a real node needs of this machine, without one: its bridge, its network, its control group."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform.layout import Layout
from rehearsal.platform.node import cgroups, machine
from rehearsal.platform.node.machine import Machine
from tests.support import nodes


def rules() -> str:
    return subprocess.run([machine.ip(), "rule"], check=True, capture_output=True, text=True).stdout


def chosen(platform: Platform) -> Machine:
    """Have a platform's bridge and control group made, as its start does."""
    nodes.demand()
    found = machine.choose(Layout(platform.folder).machine_file, 0)
    machine.up(found)
    assert cgroups.make(found.cgroup) == ""
    return found


def test_what_a_node_sends_reaches_this_machine_and_is_not_sent_on(tmp_path: Path) -> None:
    platform = Platform("shut", tmp_path)
    found = chosen(platform)
    try:
        # As on a machine with Docker, for this card alone.
        Path(f"/proc/sys/net/ipv4/conf/{found.bridge}/forwarding").write_text("1", encoding="ascii")

        def way(to: str) -> str:
            command = [machine.ip(), "route", "get", to, "from", found.address, "iif", found.bridge]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            return done.stdout + done.stderr

        # One of those that are reserved for examples.
        assert "Permission denied" in way("198.51.100.1")
        assert way(found.host).startswith("local ")
        # A second start finds its rule.
        machine.up(found)
        assert rules().count(found.bridge) == 1
    finally:
        platform.stop()
    assert found.bridge not in rules()


@pytest.mark.parametrize("gone", [False, True])
def test_what_a_killed_node_left_is_removed_also_once_the_folder_is_gone(tmp_path: Path, *, gone: bool) -> None:
    platform = Platform("left", tmp_path)
    found = chosen(platform)
    [*groups] = Path("/sys/fs/cgroup").glob(f"**/{found.cgroup}")
    assert groups
    if gone:
        shutil.rmtree(platform.folder)
    platform.stop()
    assert not [group for group in groups if group.exists()]
    assert found.bridge not in psutil.net_if_addrs()
    assert found.bridge not in rules()


def test_a_network_that_somebody_else_has_by_now_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Machine("ours", "10.213.7.1", "10.213.7.2")
    run: list[object] = []
    cards = {found.bridge: "10.213.7.1", "trmbrother": "10.213.7.1", "eth0": "10.213.8.1"}
    monkeypatch.setattr(
        psutil,
        "net_if_addrs",
        lambda: {name: [SimpleNamespace(family=socket.AF_INET, address=address)] for name, address in cards.items()},
    )
    monkeypatch.setattr(machine, "_run", run.append)
    with pytest.raises(RehearsalError, match=r"10\.213\.7\.0/24, .* is trmbrother's by now\. Stop what has it"):
        machine.up(found)
    assert run == []
    del cards["trmbrother"]
    machine.up(found)
    assert run


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version 2 hierarchy as a privileged container sees it: its root has processes, and hands nothing more on."""
    make, text = Path.mkdir, Path.write_text

    def mkdir(group: Path, **options: bool) -> None:
        make(group, **options)
        if group == tmp_path:
            return
        given = (group.parent / "cgroup.subtree_control").read_text()
        for file, content in {"cgroup.controllers": given, "cgroup.subtree_control": ""}.items():
            if not (group / file).exists():
                text(group / file, content)

    def write(file: Path, content: str, **_: str) -> int:
        if file.parent == tmp_path:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return text(file, content.replace("+", ""))

    text(tmp_path / "cgroup.controllers", "cpu memory\n")
    text(tmp_path / "cgroup.subtree_control", "")
    monkeypatch.setattr(cgroups, "_ROOT", tmp_path)
    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "write_text", write)
    # A real one goes with its files.
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)
    return tmp_path


def test_a_container_whose_control_groups_hand_nothing_on_has_no_real_node(unified: Path) -> None:
    assert cgroups.why_not() == (
        "control groups can't be made here: Device or resource busy; in a container, they must be the machine's "
        "(Docker: --privileged --cgroupns=host)"
    )
    assert not list(unified.glob("terrarium-*"))


def test_controllers_that_are_handed_on_already_are_not_asked_for_again(unified: Path) -> None:
    with (unified / "cgroup.subtree_control").open("w") as file:
        file.write("memory cpu\n")
    assert cgroups.make("terrarium-x") == ""
    assert (unified / "terrarium-x" / "cgroup.subtree_control").read_text() == "cpu memory"
    assert cgroups.why_not() == ""
    assert [path.name for path in unified.glob("terrarium-*")] == ["terrarium-x"]


def test_a_machine_without_control_groups_has_no_real_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_ROOT", tmp_path)
    assert cgroups.why_not() == "this machine has no control groups"
