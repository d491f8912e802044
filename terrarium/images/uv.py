"""uv, which resolves, locks and installs Python packages; what it says is turned into one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from terrarium.errors import InvalidInput

# What leads uv elsewhere than the person who runs the build sees: another project, another interpreter, other files.
_AMBIENT = ("VIRTUAL_ENV", "UV_PROJECT", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_REQUIRE_HASHES", "UV_QUIET")
_LABEL = re.compile(r"^\s*(?:error|cause):\s*")


class UvRefused(InvalidInput):
    """uv could not do it; the message is its reason."""


def run(*arguments: str) -> str:
    """Run uv and return what it printed.

    Args:
        arguments: Its command and options.

    Raises:
        UvRefused: With its reason, in one sentence.
        InvalidInput: uv is missing.
    """
    # Beside the Python that runs this, as the lock file names it; not whichever PATH has.
    program = Path(sys.executable).with_name("uv")
    variables = {key: value for key, value in os.environ.items() if not key.startswith(_AMBIENT)}
    try:
        ended = subprocess.run(
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            env={**variables, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise InvalidInput(f"uv is missing beside {sys.executable}: install what the lock file names anew") from None
    if ended.returncode:
        raise UvRefused(in_words(ended.stderr))
    return ended.stdout


def in_words(said: str) -> str:
    """Return uv's reason as text without its marks.

    Args:
        said: What it wrote to stderr: `error:` and `cause:` lines, and `hint:` lines after a blank one.
    """
    reasons: list[str] = []
    for line in said.strip().splitlines():
        if line.startswith("hint:"):
            reasons.append(f"({line.removeprefix('hint:').strip()})")
        elif _LABEL.match(line) or not reasons:
            reasons.append(_LABEL.sub("", line).strip().rstrip(":"))
        elif line.strip() and not line.startswith("warning:"):
            reasons[-1] = f"{reasons[-1]} {line.strip()}"
    # The head says only that something failed, if a cause follows.
    useful = reasons[1:] if len(reasons) > 1 and reasons[0].startswith("No solution found") else reasons
    return ": ".join(useful).replace(": (", " (") or "uv gave no reason"


def target(python: str, architecture: str) -> Sequence[str]:
    """Return the options that make uv work for an image's Python and not for this machine's.

    Args:
        python: The version, as `3.11`.
        architecture: As OCI says it: `amd64`, `arm64`.

    Raises:
        InvalidInput: No wheels are made for it.
    """
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(architecture)
    if machine is None:
        raise InvalidInput(f"the base image is for {architecture}; images are built for amd64 and arm64")
    # Wheels for glibc 2.28: RHEL 8, Debian 10 and whatever is newer.
    return ("--python-version", python, "--python-platform", f"{machine}-manylinux_2_28", "--only-binary", ":all:")
