"""Running the Go command: found, new enough, its progress read, its failures put in words."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rehearsal.errors import RehearsalError
from rehearsal.versions import go_needed, module_folder

# What `go env` says that changes what a build makes.
_SETTINGS = ("GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT")
_NETWORK = re.compile(
    r"no such host|connection refused|i/o timeout|network is unreachable|TLS handshake|proxyconnect|"
    r"deadline exceeded|50\d |GOPROXY=off|server misbehaving"
)
_TAIL = 15
# Seconds that Go has, once interrupted, to end its compilers and delete their scratch files.
_STOP_PATIENCE = 10.0
# A workspace above the checkout would put other modules in place of the pinned ones, and flags of the person's own
# (-mod=mod, -tags, -race) would make other binaries under the same name.
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}


def settings(module: str) -> dict[str, str]:
    """Return what `go env` says that a build depends on.

    Args:
        module: A folder of `rehearsal/modules`; its go.mod says which Go is needed.

    Raises:
        RehearsalError: Go is missing or too old.
    """
    major, minor = go_needed(module)
    advice = (
        f"Install Go {major}.{minor} or newer (https://go.dev/dl/) and put its bin folder on PATH, then run it again."
    )
    if shutil.which("go") is None:
        raise RehearsalError(f"Go is needed to build '{module}' and no `go` is on PATH. {advice}")
    try:
        done = subprocess.run(
            ["go", "env", "-json", *_SETTINGS],
            cwd=module_folder(module),
            capture_output=True,
            text=True,
            env=os.environ | _ENVIRONMENT,
            timeout=120,
            check=False,
        )
        values = {str(key): str(value) for key, value in json.loads(done.stdout or "{}").items()}
    except (OSError, ValueError, AttributeError, subprocess.TimeoutExpired) as error:
        raise RehearsalError(f"`go env` does not work ({type(error).__name__}: {error}). {advice}") from error
    if done.returncode:
        # A Go that may not fetch a newer one (GOTOOLCHAIN=local) says here that go.mod asks for more than it is.
        raise RehearsalError(f"`go env` failed for '{module}': {done.stderr.strip()}. {advice}")
    version = re.match(r"go(\d+)\.(\d+)", values.get("GOVERSION", ""))
    if not version or (int(version[1]), int(version[2])) < (major, minor):
        has = values.get("GOVERSION") or "of unknown version"
        raise RehearsalError(f"Go {major}.{minor} is needed to build '{module}'; `go` on PATH is {has}. {advice}")
    return values


def build(
    module: str,
    flags: Sequence[str],
    packages: Sequence[str],
    scratch: Path,
    progress: Callable[[str], None],
    *,
    files: Sequence[str] | None = None,
) -> None:
    """Run `go build` in a module. Go's own cache keeps what an interrupted build had finished.

    Args:
        module: A folder of `rehearsal/modules`.
        flags: What follows `go build`.
        packages: What is built.
        scratch: Folder for what a build needs meanwhile, up to some GB. Go deletes it at the end, unless it is killed.
        progress: Told what is being fetched or compiled, line by line.
        files: Go files that take the place of a package's own.

    Raises:
        RehearsalError: The build failed; the text has Go's last lines and what to do.
    """
    total = len(_run(module, ["list", "-deps", *packages]).splitlines())
    process = subprocess.Popen(
        ["go", "build", "-v", *flags, *(files or packages)],
        cwd=module_folder(module),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | _ENVIRONMENT | {"GOTMPDIR": str(scratch)},
        # Its own group: an interrupt must end the compilers that Go started, too.
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=_TAIL)
    compiled = 0
    try:
        for line in process.stderr or ():
            tail.append(line.rstrip())
            if line.startswith("go: downloading "):
                progress(line[len("go: ") :].strip())
            else:
                compiled += 1
                progress(f"{compiled} packages compiled, of at most {total} (those in Go's cache are skipped)")
        code = process.wait()
    finally:
        _end_group(process)
    if code:
        raise RehearsalError(failure(module, list(tail)))


def module_source(module: str, dependency: str) -> Path:
    """Return the folder in Go's module cache that holds a dependency's files, fetched if need be.

    Raises:
        RehearsalError: It can't be fetched.
    """
    _run(module, ["mod", "download", dependency])
    return Path(_run(module, ["list", "-m", "-f", "{{.Dir}}", dependency]).strip())


def failure(module: str, lines: Sequence[str]) -> str:
    """Put a failed Go command in words: its last lines, and what to do.

    Args:
        module: What was built.
        lines: The last lines Go wrote.
    """
    text = "\n".join(lines[-_TAIL:])
    if _NETWORK.search(text):
        advice = (
            "Go could not fetch a module. Check that this machine reaches the Go module proxy "
            f"(GOPROXY is {os.environ.get('GOPROXY') or 'not set in the environment: `go env GOPROXY` tells'}; "
            "set it to a mirror if your company has one), then run it again: what was built so far is kept."
        )
    elif "checksum mismatch" in text or "missing go.sum entry" in text:
        advice = (
            f"A module is not the one that rehearsal/modules/{module}/go.sum pins. If go.mod was changed, "
            f"run `go mod tidy` in that folder; if not, the proxy served something else: do not go on."
        )
    elif "no space left" in text:
        advice = "The disk is full. `go env GOCACHE GOMODCACHE` and the folder in TERRARIUM_CACHE say where builds go."
    else:
        advice = "Run it again; if it fails the same way, the lines above say why."
    return f"Building '{module}' failed. Go's last lines:\n{text}\n{advice}"


def _run(module: str, arguments: Sequence[str]) -> str:
    done = subprocess.run(
        ["go", *arguments],
        cwd=module_folder(module),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | _ENVIRONMENT,
        check=False,
    )
    if done.returncode:
        raise RehearsalError(failure(module, done.stderr.strip().splitlines()))
    return done.stdout


def _end_group(process: subprocess.Popen[str]) -> None:
    # SIGINT: Go ends at once on SIGTERM, and leaves its compilers and scratch files behind.
    for number in (signal.SIGINT, signal.SIGKILL) if process.poll() is None else ():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_PATIENCE)
            break
    if process.stderr:
        process.stderr.close()
