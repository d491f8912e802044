"""Starting, recognising and ending the processes of a platform.

No daemon of ours watches them: each runs in a session of its own and outlives the command that started it. A record
says which process it is, and the next `start` starts what is missing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from rehearsal.files import read_json, write_json

# A log longer than this is moved aside when its process starts (bytes).
LOG_LIMIT = 20_000_000
_POLL = 0.02
# What a process gets of the environment. etcd takes every ETCD_* for a setting: one in a person's shell once had it
# listen beyond loopback. The last is the mark by which a build machine finds what a run left (.ci/run).
_INHERITED = frozenset({"PATH", "HOME", "TMPDIR", "LANG", "TZ", "TERRARIUM_CI_RUN"})

# For programs written in Go: how much their memory may grow between two collections, in percent (Go's default is 100).
# A fifth of the API server's time went there. What runs already keeps what it was started with.
_COLLECTOR = {"GOGC": "200"}

# Children of this very process, by pid. They stay zombies until they are waited for, and only waiting tells for sure
# whether they run: for a moment after its start a process has no command line yet, and looked as if it had ended.
_children: dict[int, tuple[subprocess.Popen[bytes], Running]] = {}


@dataclass(frozen=True)
class Running:
    """A process known to be ours: pid, the moment it started, and its command line are those of the record."""

    pid: int
    started: int
    command: tuple[str, ...]

    def alive(self) -> bool:
        """Return whether it still runs."""
        child, running = _children.get(self.pid, (None, None))
        if child is not None and running == self:
            return child.poll() is None
        return _identify(self.pid) == self

    def memory(self) -> int:
        """Return its resident memory and what its children have to themselves, in bytes; 0 if it has ended."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            return int(process.memory_info().rss) + sum(map(_own_memory, process.children(recursive=True)))
        return 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended or its pid belongs to another one by now."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass(frozen=True)
class Sign:
    """What tells a part's process from all others.

    Attributes:
        program: Name of its executable, such as `etcd`.
        mark: One whole argument that no other process of this program has, as it names a file of this platform.
        folder: Where it works, which may have been deleted since.
        owner: The user (number) it runs as.
    """

    program: str
    mark: str
    folder: Path
    owner: int

    def fits(self, command: Sequence[str]) -> bool:
        """Return whether a command line is this part's."""
        return bool(command) and Path(command[0]).name == self.program and self.mark in command[1:]


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    record: Path,
    folder: Path,
    through: Sequence[str] = (),
    secrets: Mapping[str, str] | None = None,
) -> Running:
    """Start a process that outlives this one, and write down which it is.

    Args:
        command: Program and arguments.
        log: File that gets its output, appended.
        record: File that gets its pid, start and command line.
        folder: Its working folder.
        through: A command that becomes the program (by exec), such as `setpriv` with its options. It is not recorded:
            what runs in the end has the program's command line.
        secrets: Variables that the process gets beside those of all parts. They are written nowhere: everybody may
            see a command line, only the process's owner its variables.

    Raises:
        OSError: It can't be started, or the record can't be written; then it does not run.
    """
    _reap()
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".old.log"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        child = subprocess.Popen(
            [*through, *command],
            cwd=folder,
            env=inherited() | _COLLECTOR | dict(secrets or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        running = Running(child.pid, _started(child.pid), tuple(command))
        _children[child.pid] = (child, running)
        write_json(record, {"pid": running.pid, "started": running.started, "command": list(command)})
    except BaseException:
        # Without a record nobody would know of it: a full disk, or Ctrl-C just now.
        child.kill()
        child.wait()
        raise
    return running


def recorded(record: Path) -> Running | None:
    """Return the process a record tells of, if it runs and is that process.

    A record that is damaged, or whose pid belongs to somebody else by now, counts as none.
    """
    content = read_json(record) or {}
    pid, started, command = content.get("pid"), content.get("started"), content.get("command")
    if not isinstance(pid, int) or not isinstance(started, int) or not isinstance(command, list) or pid <= 0:
        return None
    running = Running(pid, started, tuple(str(word) for word in command))
    return running if running.alive() else None


def search(signs: Mapping[str, Sign]) -> dict[str, Running]:
    """Return the processes that fit a sign, by its name.

    For when a record is lost (deleted, cut short, or never written as the starting command was killed in between).

    Args:
        signs: By name of a part.
    """
    found: dict[str, Running] = {}
    for process in psutil.process_iter():
        # A process may end meanwhile, and others' are not for us to see.
        with suppress(psutil.Error, OSError):
            command = process.cmdline()
            for name, sign in signs.items():
                if sign.fits(command) and _ours(process, sign) and (running := _identify(process.pid)):
                    # A child that was forked just now still has its parent's command line; the parent is older.
                    found[name] = min(running, found.get(name, running), key=lambda each: (each.started, each.pid))
    return found


def orphans(sign: Sign) -> list[Running]:
    """Return what a server left behind that was killed: children that call themselves `program: what they do`.

    Args:
        sign: The server's.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            title = (process.cmdline() or [""])[0]
            is_child = title.startswith(f"{sign.program}: ")
            if is_child and _ours(process, sign) and (running := _identify(process.pid)):
                found.append(running)
    return found


def inherited() -> dict[str, str]:
    """Return the variables that every process of a platform gets."""
    return {name: value for name, value in os.environ.items() if name in _INHERITED}


def _own_memory(process: psutil.Process) -> int:
    # Unique, not resident: a database server's children all see the same shared memory.
    with suppress(psutil.Error):
        return int(process.memory_full_info().uss)
    return 0


def _ours(process: psutil.Process, sign: Sign) -> bool:
    # A command line can be imitated, and a container that shares the folder has processes that look the same: whoever
    # they belong to, they are not ours to end.
    return (
        process.uids().real == sign.owner
        and Path(process.cwd()) == sign.folder.resolve()
        and _namespace(process.pid) == _namespace(os.getpid())
    )


def _namespace(pid: int) -> str:
    """Return which numbering of processes one belongs to; on systems without namespaces always the same."""
    link = Path(f"/proc/{pid}/ns/pid")
    return str(link.readlink()) if Path("/proc/self/ns/pid").is_symlink() else ""


def end(
    processes: Iterable[Running], *, patience: float, ask: Mapping[int, signal.Signals] | None = None
) -> list[Running]:
    """End processes: SIGTERM, and SIGKILL for those that still run after a while; return those that survive that, too.

    Args:
        processes: Those to end, all at once.
        patience: Seconds between the two signals.
        ask: By pid, the first signal of those for which it is not SIGTERM.
    """
    left = [process for process in processes if process.alive()]
    for process in left:
        process.signal((ask or {}).get(process.pid, signal.SIGTERM))
    if not wait_for(lambda: not any(process.alive() for process in left), patience):
        for process in left:
            process.signal(signal.SIGKILL)
        wait_for(lambda: not any(process.alive() for process in left), patience)
    return [process for process in left if process.alive()]


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition came true within some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _reap() -> None:
    # A copy, and no error: a plugin starts several platforms at once, in threads.
    for pid in [pid for pid, (child, _) in list(_children.items()) if child.poll() is not None]:
        _children.pop(pid, None)


def _identify(pid: int) -> Running | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Running(pid, _started(pid), tuple(process.cmdline()))
    except psutil.Error:
        return None


def _started(pid: int) -> int:
    # Linux counts ticks since boot. psutil's create_time adds the boot time to them, and moves when the clock is set:
    # a running platform would look like a stranger's after a correction by NTP.
    with suppress(OSError, IndexError, ValueError):
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[19]
        )
    with suppress(psutil.Error):
        return int(psutil.Process(pid).create_time() * 1000)
    return 0
