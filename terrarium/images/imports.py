"""Modules that stand beside a script and that it imports: Python finds them there, and so must the image."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from terrarium.errors import InvalidInput
from terrarium.images import walk


def beside(script: Path, text: str, python: str | None) -> dict[str, Path]:
    """Return the modules and packages in a script's folder that it needs, by path relative to that folder.

    Args:
        script: The script.
        text: What stands in it.
        python: The image's Python, as `3.11`; None if that is not known, and code that is no Python has no imports.

    Raises:
        InvalidInput: The script, or such a module, is no Python.
    """
    folder, found = script.parent, dict[str, Path]()
    waiting = list(_needed(script, text, python))
    while waiting:
        name = waiting.pop()
        for path in _files(folder, name):
            key = str(path.relative_to(folder))
            if key in found or path == script:
                continue
            found[key] = path
            if path.suffix == ".py":
                waiting.extend(_needed(path, path.read_text(encoding="utf-8", errors="replace"), python))
    return dict(sorted(found.items()))


def _needed(path: Path, text: str, python: str | None) -> Iterator[str]:
    try:
        yield from _names(ast.parse(text))
    except (SyntaxError, ValueError) as error:
        # A newer Python than this one may know more words.
        if python is None or tuple(map(int, python.split("."))) > sys.version_info[:2]:
            return
        line = getattr(error, "lineno", None)
        at = f"{path}:{line}" if line else str(path)
        raise InvalidInput(f"{at} is no Python: {getattr(error, 'msg', error)}") from None


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _files(folder: Path, name: str) -> Iterator[Path]:
    module, package = folder / f"{name}.py", folder / name
    if (package / "__init__.py").is_file():
        # With its data: what a package reads beside itself must be there too.
        yield from walk.code(package)
    elif module.is_file():
        yield module
