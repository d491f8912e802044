"""Which files of a folder are code, and not what tools left there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_LEFT_OUT = {".git", ".hg", ".venv", "venv", "__pycache__", "build", "dist", ".tox", ".mypy_cache", ".ruff_cache"}
_LEFT_OUT |= {".pytest_cache", "node_modules", ".terrarium", ".idea", ".vscode"}


def code(folder: Path, *, hidden: bool = False) -> Iterator[Path]:
    """Yield the files of a folder that belong to its code.

    Args:
        folder: The folder.
        hidden: Whether those count whose names begin with a dot: a build may read them, but a `.env` is no code.
    """
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".egg-info") or path.suffix == ".pyc" or (path.name[0] == "." and not hidden):
            continue
        # What can be imported is code, whatever it is called.
        if path.name in _LEFT_OUT and not (path / "__init__.py").is_file():
            continue
        if path.is_dir() and not path.is_symlink():
            yield from code(path, hidden=hidden)
        elif path.is_file():
            yield path
