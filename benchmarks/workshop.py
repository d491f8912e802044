"""The folder in which things are measured, and how it is left: no process, no file, also after a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from rehearsal import paths
from rehearsal.platform import Platform
from rehearsal.rented import platforms as rented
from rehearsal.rented.platforms import HOME

PLATFORM = "bench"
_PREFIX = "terrarium-bench-"
# Seconds. An engine that is told to stop finishes the step it is at.
_STOP_PATIENCE = 20.0
_COMMAND_PATIENCE = 900.0


class CommandFailedError(Exception):
    """A command that is measured, or needed for it, failed; the message has its last lines."""


@contextmanager
def workshop() -> Iterator[Path]:
    """Give a folder for one run; at the end, also after an error, stop what runs in it and delete it.

    Before, do the same for runs that were killed and could not: their process ids are in their folders' names.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = left.name.removeprefix(_PREFIX).partition("-")[0]
        if left.stat().st_uid == os.getuid() and owner.isdigit() and not psutil.pid_exists(int(owner)):
            _clear(left)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        yield folder
    finally:
        _clear(folder)


def platform(folder: Path) -> Platform:
    """Return the embedded platform of a workshop; starting and resetting it is the caller's part."""
    return Platform(PLATFORM, home=folder / "platforms")


@contextmanager
def rehearsal(folder: Path) -> Iterator[dict[str, str]]:
    """Give the variables of a workshop's own rehearsed clouds; in between, they hold for this process, too."""
    own = {HOME: str(folder / "rehearsal")}
    before = os.environ.get(HOME)
    os.environ.update(own)
    try:
        yield own
    finally:
        del os.environ[HOME]
        if before is not None:
            os.environ[HOME] = before


def clone(folder: Path) -> Path:
    """Return where a workshop holds its copy of the checkout."""
    return folder / "clone"


def reset_clone(folder: Path) -> None:
    """Stop what runs in the copy of the checkout and delete the copy."""
    copy = clone(folder)
    # Without a virtual environment nothing was started, and make would begin by making one.
    if (copy / ".venv" / "runtime.stamp").exists():
        run(["make", "--no-print-directory", "reset"], copy, bare_environment())
    shutil.rmtree(copy, ignore_errors=True)


def bare_environment() -> dict[str, str]:
    """Return the environment of a fresh shell: nothing of Pulumi, make, a store or an activated checkout."""
    dropped = ("PULUMI_", "MAKE", "MFLAGS", "KUBECONFIG", "AWS_", "PG", "VIRTUAL_ENV", "PYTHON")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    root = paths.root()
    entries = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    environment["PATH"] = os.pathsep.join(entry for entry in entries if not Path(entry).is_relative_to(root))
    return environment


def run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command to its end and return its standard output.

    Args:
        command: Program and arguments.
        folder: Its working folder.
        environment: All its variables.

    Raises:
        CommandFailedError: If it ends with another code than 0.
    """
    # A session of its own: Ctrl-C reaches it once, through us, and what it started can be ended with it.
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=_COMMAND_PATIENCE)
    except BaseException:
        _end(child)
        raise
    if child.returncode:
        lines = (output + errors).strip().splitlines()
        # What the stack's outputs would be stands last, and can be long.
        last = "\n".join([line for line in lines[:-30] if "error" in line.lower()] + lines[-30:])
        raise CommandFailedError(f"`{' '.join(map(str, command))}` ended with code {child.returncode}:\n{last}")
    return output


def _end(child: subprocess.Popen[str]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_PATIENCE)
            return


def _end_plugins(folder: Path) -> None:
    """End what an engine that was stopped has left at work: a plugin would start a cluster after all were reset."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(HOME, "").startswith(f"{folder}/") and process.pid != os.getpid():
                process.kill()


def _clear(folder: Path) -> None:
    # A reset that hangs must not keep the rest from being cleaned up.
    with suppress(CommandFailedError, subprocess.TimeoutExpired):
        reset_clone(folder)
    platform(folder).reset()
    _end_plugins(folder)
    with rehearsal(folder):
        rented.reset()
    shutil.rmtree(folder, ignore_errors=True)
