"""Where a platform's real node stands: a bridge of the platform's own, and an address for its servers and for the node.

On that bridge the platform's servers listen, so that people on this machine and pods reach them by one address.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from rehearsal import debian
from rehearsal.errors import RehearsalError
from rehearsal.files import read_json, write_json
from rehearsal.platform.node import cgroups

# A /24 for each platform, out of a range that neither the organisation's address plan nor Kubernetes' defaults use.
_RANGE = "10.213"
_NETWORKS = 254
# Instances of inotify that all programs of one user have together. The kernel's default is 128, and a platform with a
# node holds some thirty: the kubelet of the fourth one ended with "too many open files". kind's known issues say 512.
_WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH_WATCHERS = 1024
# Of the rule that shuts a node in: after that of the machine's own addresses (0), before its usual ones (32766).
_PREFERENCE = 10213
# What a kernel has room for in an interface's name: 15 characters.
_MARK_LENGTH = 8


@dataclass(frozen=True)
class Machine:
    """A platform's real node, and the bridge between it and this machine.

    Attributes:
        mark: What names of its bridge, card and control group end with.
        host: The address of the platform's servers.
        address: The node's.
        simulated: How many simulated nodes stand beside it.
    """

    mark: str
    host: str
    address: str
    simulated: int = 0

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"trmbr{self.mark}"

    @property
    def card(self) -> str:
        """The name of this machine's end of the cable to the node."""
        return f"trmve{self.mark}"

    @property
    def cgroup(self) -> str:
        """The control group of its pods."""
        return f"terrarium-{self.mark}"


def why_not() -> str:
    """Return why no real node can run here, as a clause; empty if one can."""
    if platform.system() != "Linux":
        return f"it needs Linux, and this is {platform.system()}"
    if os.getuid():
        return "it needs root, for namespaces and mounts"
    if not debian.possible():
        return "its programs come from Debian's packages, and this machine has no apt"
    if not ip():
        return "`ip` is missing: install iproute2"
    return cgroups.why_not()


def read(file: Path) -> Machine | None:
    """Return what a platform's file says; None if it has no real node."""
    content = read_json(file)
    try:
        return Machine(**content) if content else None
    except TypeError:
        return None


def choose(file: Path, simulated: int) -> Machine:
    """Choose addresses that nobody on this machine has, and remember them in a platform's file.

    Args:
        file: The file.
        simulated: How many simulated nodes stand beside the real one.
    """
    first = hashlib.sha256(str(file).encode()).digest()[0]
    taken = _taken()
    for step in range(_NETWORKS):
        number = (first + step) % _NETWORKS + 1
        if f"{_RANGE}.{number}" not in taken:
            found = Machine(_mark(file), f"{_RANGE}.{number}.1", f"{_RANGE}.{number}.2", simulated)
            write_json(file, asdict(found))
            return found
    raise RehearsalError(
        f"All networks in {_RANGE}.0.0/16 are taken on this machine: stop platforms that you don't need."
    )


def _mark(file: Path) -> str:
    return hashlib.sha256(str(file).encode()).hexdigest()[:_MARK_LENGTH]


def _taken() -> dict[str, set[str]]:
    """Return the cards that have an address in a /24, by its first three numbers."""
    found: dict[str, set[str]] = {}
    for card, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family == socket.AF_INET:
                found.setdefault(_network(address.address), set()).add(card)
    return found


def _network(address: str) -> str:
    return address.rpartition(".")[0]


def ip() -> str:
    """Return the program `ip`, which makes bridges and cables; empty if it is missing."""
    return shutil.which("ip", path=f"{os.environ.get('PATH', '')}:{debian.SYSTEM}") or ""


def up(machine: Machine) -> None:
    """Make the bridge, unless it is there, from which nothing leads on, and room for what the node's programs watch.

    Args:
        machine: Whose.

    Raises:
        RehearsalError: This machine does not let it be made, or somebody else has its network by now.
    """
    network = _network(machine.host)
    if others := _taken().get(network, set()) - {machine.bridge}:
        # While a platform is stopped, its network looks free. To move it to another would move its data store, too.
        raise RehearsalError(
            f"{network}.0/24, the network of this platform's real node, is {' and '.join(sorted(others))}'s by now. "
            "Stop what has it (a card that begins with trmbr is another platform's), or reset this platform: it gets "
            "another network."
        )
    if machine.bridge not in psutil.net_if_addrs():
        _run([ip(), "link", "add", machine.bridge, "type", "bridge"])
    if not _run([ip(), "rule", "show", "iif", machine.bridge]):
        _run([ip(), "rule", "add", *_no_way_out(machine)])
    _run([ip(), "address", "replace", f"{machine.host}/24", "dev", machine.bridge])
    _run([ip(), "link", "set", machine.bridge, "up"])
    # Where it can't be raised, one node has enough, and kubelet says what it lacks.
    with suppress(OSError, ValueError):
        if int(_WATCHERS.read_text(encoding="ascii")) < _ENOUGH_WATCHERS:
            _WATCHERS.write_text(str(_ENOUGH_WATCHERS), encoding="ascii")


def down(file: Path) -> None:
    """Remove the bridge, and what a node that was killed left; what is not there is no error.

    Args:
        file: The platform's file. It may be gone with the platform's folder: its path tells the names.
    """
    machine = read(file) or Machine(_mark(file), host="", address="")
    cards = psutil.net_if_addrs()
    if machine.card in cards:
        subprocess.run([ip(), "link", "delete", machine.card], capture_output=True, check=False)
    if machine.bridge in cards:
        # In this order: no rule is left without its bridge, by which it would be found.
        subprocess.run([ip(), "rule", "delete", *_no_way_out(machine)], capture_output=True, check=False)
        subprocess.run([ip(), "link", "delete", machine.bridge], capture_output=True, check=False)
    cgroups.remove(machine.cgroup)


def _no_way_out(machine: Machine) -> list[str]:
    # What comes over the bridge reaches this machine's own addresses, which are looked up before, and is never sent on:
    # a machine with Docker or a VPN forwards packets and translates their addresses, also those of a node.
    return ["preference", str(_PREFERENCE), "iif", machine.bridge, "prohibit"]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RehearsalError(
            f"The bridge of a real node can't be made: `{' '.join(command)}` says {done.stderr.strip() or 'nothing'}. "
            "Without a real node: TERRARIUM_NODES=simulated."
        )
    return done.stdout.strip()
