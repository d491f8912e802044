"""Ports on loopback: chosen at the first start, kept, moved when somebody else took one."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from rehearsal.files import read_json, write_json
from rehearsal.progress import Report

LOOPBACK = "127.0.0.1"
# Below the range that systems take for outgoing connections (Linux: from 32768): such a connection could hold a
# remembered port for a moment, and it would move for nothing.
_FIRST, _LAST = 20000, 32000
# Seconds until a remembered port counts as taken by somebody else.
_PATIENCE = 1.0


def free(port: int, hosts: Collection[str] = (LOOPBACK,)) -> bool:
    """Return whether a port can be listened on now, on each of some addresses of this machine."""
    return all(_free(port, host) for host in hosts)


def _free(port: int, host: str) -> bool:
    with socket.socket() as probe:
        # As Go's listeners do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def choose(
    file: Path, names: Iterable[str], in_use: Collection[str], report: Report, hosts: Collection[str] = (LOOPBACK,)
) -> dict[str, int]:
    """Return a port for each name: the remembered one, or another where somebody took it.

    Args:
        file: Where they are remembered; a damaged one counts as none.
        names: What needs a port.
        in_use: Names whose remembered port is held by our own running process.
        report: Told of each port that moved.
        hosts: The addresses on which a port must be free.
    """
    remembered = read_json(file) or {}
    ports: dict[str, int] = {}
    moved: dict[str, int] = {}
    for name in names:
        port = remembered.get(name)
        if not isinstance(port, int) or not _FIRST <= port <= _LAST or port in ports.values():
            continue
        if name in in_use or _frees(port, hosts):
            ports[name] = port
        else:
            moved[name] = port
    missing = [name for name in names if name not in ports]
    ports.update(zip(missing, _unused(len(missing), ports.values(), hosts), strict=True))
    for name, old in moved.items():
        report.note(f"Port {old} of {name} is taken by another program; it moved to {ports[name]}.")
    if ports != remembered:
        write_json(file, ports)
    return ports


def _frees(port: int, hosts: Collection[str]) -> bool:
    # A process that was killed holds its ports for some milliseconds more than it can be seen.
    deadline = time.monotonic() + _PATIENCE
    while not free(port, hosts):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _unused(count: int, taken: Collection[int], hosts: Collection[str]) -> list[int]:
    found: list[int] = []
    # Not from the first on: two platforms that start at the same time would go for the same ports.
    for port in random.sample(range(_FIRST, _LAST), _LAST - _FIRST):
        if len(found) == count:
            break
        if port not in taken and free(port, hosts):
            found.append(port)
    return found
