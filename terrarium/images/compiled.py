"""Python's compiled modules, beside those that they were made of.

A container may write nothing there: without them, each start would compile all that it imports, for seconds.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path


def magic(python: str) -> str:
    """Return what tells this Python's compiled modules from another's; empty if it can't compile for the image's.

    Args:
        python: The image's Python, as `3.11`.
    """
    same = tuple(map(int, python.split("."))) == sys.version_info[:2]
    return importlib.util.MAGIC_NUMBER.hex() if same else ""


def compile_all(folder: Path, below: str, python: str) -> None:
    """Compile each module of a folder, if this Python is of the image's version.

    Args:
        folder: The folder.
        below: Where it is in the image, which traces show.
        python: The image's Python.
    """
    if not magic(python):
        return
    # By content and never checked: what is in an image does not change, and times would make every build another.
    how = ["-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    where = ["-s", str(folder), "-p", below, str(folder)]
    # A module for another version, as some packages carry, does not compile, and is left out.
    subprocess.run(
        [sys.executable, "-I", "-m", "compileall", *how, *where],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
