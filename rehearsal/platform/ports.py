"""Ports on loopback: chosen at the first start, kept, moved when somebody else took one."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path

from rehearsal.platform.files import read_json, write_json
from rehearsal.progress import Report

LOOPBACK = "127.0.0.1"
_FIRST, _LAST = 1024, 65535


def free(port: int) -> bool:
    """Return whether a port of 127.0.0.1 can be listened on now."""
    with socket.socket() as probe:
        # As Go's listeners do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
    return True


def choose(file: Path, names: Iterable[str], in_use: Collection[str], report: Report) -> dict[str, int]:
    """Return a port for each name: the remembered one, or another where somebody took it.

    Args:
        file: Where they are remembered; a damaged one counts as none.
        names: What needs a port.
        in_use: Names whose remembered port is held by our own running process.
        report: Told of each port that moved.
    """
    remembered = read_json(file) or {}
    ports: dict[str, int] = {}
    moved: dict[str, int] = {}
    for name in names:
        port = remembered.get(name)
        if not isinstance(port, int) or not _FIRST <= port <= _LAST or port in ports.values():
            continue
        if name in in_use or free(port):
            ports[name] = port
        else:
            moved[name] = port
    missing = [name for name in names if name not in ports]
    ports.update(zip(missing, _unused(len(missing)), strict=True))
    for name, old in moved.items():
        report.note(f"Port {old} of {name} is taken by another program; it moved to {ports[name]}.")
    if ports != remembered:
        write_json(file, ports)
    return ports


def _unused(count: int) -> list[int]:
    # All are held at once, or the system could give the same one twice.
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
