"""Keeps one node: everything of it lives in namespaces that end with this process, however it ends.

The node's mounts, network, rules and processes are in namespaces of its own. When their first process goes, the kernel
ends all others, shims and containers among them, and takes mounts, addresses and packet filters away with the
namespaces. What the kernel leaves behind are empty control groups: they are removed at the end, by the next keeper,
or when the platform is stopped.

Run as `python -m rehearsal.platform.node.keeper --plan=FILE` (see `plan.py`), as root.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from rehearsal.platform.node import cgroups

# linux/sched.h and linux/mount.h, linux/prctl.h.
_NEWNS, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000
_REC, _PRIVATE, _SHARED, _BIND = 0x4000, 1 << 18, 1 << 20, 0x1000
_PDEATHSIG = 1
# Seconds for containers to end in order before the kernel ends them.
_GRACE = 5.0
# Seconds that containerd has to answer: 0.4 on an idle machine.
_PATIENCE = 60.0
_POLL = 0.05
# A part that ends more often than this, one time right after the other, won't be mended by starting it again.
_RESTARTS = 5
_SETTLED = 30.0
# Lines of its log that are repeated then.
_LAST_WORDS = 5
_SHIM = b"containerd-shim"
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Keep the node until somebody ends this process, or a part of it can't be kept running."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    plan = json.loads(parser.parse_args().plan.read_text(encoding="utf-8"))
    Path(plan["ready"]).unlink(missing_ok=True)
    cgroups.remove(plan["cgroup"])
    if reason := cgroups.make(plan["cgroup"]):
        raise SystemExit(reason)
    _check(_libc.unshare(_NEWPID), "a namespace of processes")
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    # Each keeps its own end alone: it waits for the other's word, and must see when the other has ended.
    if child == 0:
        os.close(ready[0])
        os.close(go[1])
        _begin_inside(plan, ready[1], go[0])
    os.close(ready[1])
    os.close(go[0])
    try:
        _wire(plan, ready[0], go[1])
        code = _wait(child)
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        Path(plan["ready"]).unlink(missing_ok=True)
        cgroups.remove(plan["cgroup"])
    sys.exit(code)


def _wire(plan: Mapping[str, Any], ready: int, go: int) -> None:
    """Give the node a network card that is plugged into the platform's bridge, and let it go on."""
    if not os.read(ready, 1):
        raise SystemExit("the node's namespaces could not be made; the lines above say why")
    ip = plan["ip"]
    # A keeper that was killed leaves its end for the moment that the kernel needs to take the namespace down.
    subprocess.run([ip, "link", "delete", plan["card"]], check=False, stderr=subprocess.DEVNULL)
    # What this process starts is in the node's namespace of processes by now, where the node's first is number one.
    peer = ["peer", "name", "eth0", "netns", "1"]
    subprocess.run([ip, "link", "add", plan["card"], "type", "veth", *peer], check=True)
    subprocess.run([ip, "link", "set", plan["card"], "master", plan["bridge"], "up"], check=True)
    os.write(go, b"g")


def _wait(child: int) -> int:
    """Return the node's exit code; asked to end, pass it on, and insist after a while."""
    asked: list[float] = []

    def ask(*_: object) -> None:
        if not asked:
            asked.append(time.monotonic())
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return 0 if asked else os.waitstatus_to_exitcode(status) or 1
        if asked and time.monotonic() - asked[0] > _GRACE + 2:
            os.kill(child, signal.SIGKILL)
        time.sleep(_POLL)


def _begin_inside(plan: Mapping[str, Any], ready: int, go: int) -> NoReturn:
    """Be the first process of the node. Nothing returns from here: what follows the fork is the keeper's."""
    code = 1
    try:
        _check(_libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "to end with its keeper")
        _check(_libc.unshare(_NEWNS | _NEWUTS | _NEWIPC | _NEWNET), "namespaces")
        os.write(ready, b"r")
        if os.read(go, 1):
            socket.sethostname(plan["hostname"])
            _mount(plan)
            _network(plan)
            code = Inside(plan).run()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not run on as a second keeper
        sys.stderr.write(f"node: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _mount(plan: Mapping[str, Any]) -> None:
    # Nothing that is mounted from here on is seen outside; containers see what is mounted later in the node.
    _check(_libc.mount(b"none", b"/", None, _REC | _PRIVATE, None), "private mounts")
    _check(_libc.mount(b"none", b"/", None, _REC | _SHARED, None), "shared mounts")
    _check(_libc.mount(b"proc", b"/proc", b"proc", 0, None), "/proc")
    for folder in (b"/run", b"/var/log"):
        _check(_libc.mount(b"tmpfs", folder, b"tmpfs", 0, b"mode=755"), os.fsdecode(folder))
    # As a machine that was replaced: containers, and what kubelet remembers of pods, ended with the one before.
    storage = Path(plan["storage"])
    shutil.rmtree(storage, ignore_errors=True)
    for source, target in plan["binds"].items():
        for folder in (source, target):
            Path(folder).mkdir(parents=True, exist_ok=True)
        _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, _BIND | _REC, None), target)


def _network(plan: Mapping[str, Any]) -> None:
    for arguments in (
        ["link", "set", "lo", "up"],
        ["address", "add", plan["address"], "dev", "eth0"],
        ["link", "set", "eth0", "up"],
        ["route", "add", "default", "via", plan["gateway"]],
    ):
        subprocess.run([plan["ip"], *arguments], check=True)
    for key, value in plan["sysctl"].items():
        Path("/proc/sys", *key.split(".")).write_text(value, encoding="ascii")


class Inside:
    """The node's programs, run by its first process."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._variables: dict[str, str] = plan["variables"]
        # Not the numbers alone: a Popen that nobody holds has its process buried by the next one that is made.
        self._running: dict[int, tuple[subprocess.Popen[bytes], Mapping[str, Any]]] = {}
        self._started: dict[str, list[float]] = {}
        self._asked = False

    def run(self) -> int:
        """Run everything and return an exit code once it is asked to end, or a part won't stay."""
        signal.signal(signal.SIGTERM, self._ask)
        first, *rest = self._plan["programs"]
        self._start(first)
        self._await_containers()
        for archive in self._plan["images"]:
            self._import(archive)
        for program in rest:
            self._start(program)
        Path(self._plan["ready"]).write_text("", encoding="utf-8")
        while not self._asked:
            if (failed := self._bury()) is not None:
                sys.stderr.write(
                    f"node: {failed['name']} ended {_RESTARTS} times in a row. It said:\n{_said(failed)}\n"
                )
                return 1
            time.sleep(_POLL)
        self._end()
        return 0

    def _ask(self, *_: object) -> None:
        self._asked = True

    def _start(self, program: Mapping[str, Any]) -> None:
        with Path(program["log"]).open("ab") as log:
            process = subprocess.Popen(
                program["command"], env=self._variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._running[process.pid] = (process, program)
        self._started.setdefault(program["name"], []).append(time.monotonic())

    def _await_containers(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        command = [*self._plan["ctr"], "version"]
        while subprocess.run(command, env=self._variables, capture_output=True, check=False).returncode:
            if self._bury() or self._asked or time.monotonic() > deadline:
                raise SystemExit(f"containerd does not answer. It said:\n{_said(self._plan['programs'][0])}")
            time.sleep(_POLL)

    def _import(self, archive: str) -> None:
        command: Sequence[str] = [*self._plan["ctr"], "images", "import", archive]
        subprocess.run(command, env=self._variables, stdout=subprocess.DEVNULL, check=True)

    def _bury(self) -> Mapping[str, Any] | None:
        """Wait for what ended, orphans among it; start parts again. Return one that won't stay."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0] > 0:
                process, program = self._running.pop(ended[0], (None, None))
                if process is None or program is None:
                    continue
                process.returncode = os.waitstatus_to_exitcode(ended[1])
                started = [at for at in self._started[program["name"]] if time.monotonic() - at < _SETTLED]
                self._started[program["name"]] = started
                if len(started) >= _RESTARTS:
                    return program
                self._start(program)
        return None

    def _end(self) -> None:
        # The parts first, or kubelet would start anew what ends.
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline and _containers_left():
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0] > 0:
                    pass
            time.sleep(_POLL)


def _containers_left() -> bool:
    """Return whether a process is there that is neither this one nor a shim, which ends with its containers."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != "1":
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                # What has ended and waits to be buried has none.
                if command and _SHIM not in command.partition(b"\0")[0]:
                    return True
    return False


def _said(program: Mapping[str, Any]) -> str:
    """Return a program's last words. Its log may be gone, with the platform, when somebody wants to know."""
    with Path(program["log"]).open(encoding="utf-8", errors="replace") as log:
        return "".join(f"  {line.rstrip()[:300]}\n" for line in deque(log, _LAST_WORDS)).rstrip()


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: the node can't have {what}")


if __name__ == "__main__":
    main()
