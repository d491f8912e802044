"""Where things lie: the checkout, the cache that checkouts share, and what one checkout keeps to itself."""

from __future__ import annotations

import os
from pathlib import Path

from rehearsal.errors import explained


def root() -> Path:
    """Return the checkout this code runs from."""
    return Path(__file__).resolve().parent.parent


def cache() -> Path:
    """Return the folder for what can be made again (built binaries, downloads), shared by all checkouts.

    `$TERRARIUM_CACHE`, else `$XDG_CACHE_HOME/terrarium`, else `~/.cache/terrarium`. It is not created here.
    """
    if chosen := os.environ.get("TERRARIUM_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification says a relative path in its variables is to be ignored.
    if base and Path(base).is_absolute():
        return Path(base) / "terrarium"
    return Path.home() / ".cache" / "terrarium"


def local() -> Path:
    """Return `<checkout>/.terrarium`, created if missing, readable by its owner alone.

    It holds private keys and cluster data, so that its mode is set right on each call.

    Raises:
        RehearsalError: It can't be made: a file of that name, a checkout that can't be written, a full disk.
    """
    folder = root() / ".terrarium"
    with explained(f"The folder {folder} can't be made"):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    return folder


def pulumi_home() -> Path:
    """Return Pulumi's own folder, with its plugins and logins: $PULUMI_HOME, or one of this checkout."""
    return Path(os.environ.get("PULUMI_HOME") or local() / "pulumi")
