"""Stand-ins stay small: what they don't need to cover is the official plugins' business."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

# Lines at most, of its own code; what stand-ins share is apart.
BOUNDS = {"aws": 300, "postgresql": 300, "random": 300, "language_python": 300, "kubernetes": 1000}
# What stands before the rehearsed clouds, which are bounded as a whole.
BOUNDS |= {"aws_or_cloud": 75, "gcp": 20}
# Stands before the stand-in of `kubernetes`, for the one release that stacks have.
BOUNDS |= {"helm": 100}
SHARED = {"__init__", "base", "changes", "hiding", "launch", "properties", "resource", "serving", "tabular", "web"}
SHARED |= {"schema", "trees"}
# The rehearsed clouds: every line of every file in their folder, and what a table says of one type.
CLOUD, TYPE = 1500, 15


def test_every_module_is_a_stand_in_or_shared(root: Path) -> None:
    plugins = root / "rehearsal" / "plugins"
    found = {path.stem for path in plugins.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found == SHARED | BOUNDS.keys()


@pytest.mark.parametrize(("name", "bound"), BOUNDS.items())
def test_a_stand_in_is_not_longer_than_its_bound(root: Path, name: str, bound: int) -> None:
    place = root / "rehearsal" / "plugins" / name
    files = sorted(place.rglob("*.py")) or [place.with_suffix(".py")]
    lines = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert sum(lines.values()) <= bound, lines


def entries(file: Path) -> dict[str, int]:
    """The lines of each resource type in a table."""
    tables = [
        node.value
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TYPES" and isinstance(node.value, ast.Dict)
    ]
    pairs = [(key, value) for table in tables for key, value in zip(table.keys, table.values, strict=True) if key]
    return {ast.unparse(key): (value.end_lineno or 0) - key.lineno + 1 for key, value in pairs}


def test_the_rehearsed_clouds_are_small_and_each_type_is(root: Path) -> None:
    folder = root / "rehearsal" / "cloud"
    files = [file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    lines = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert sum(lines.values()) <= CLOUD, lines
    found = {name: entries(folder / name) for name in ("aws.py", "gcp.py")}
    assert all(found.values())
    assert not {name: lines for table in found.values() for name, lines in table.items() if lines > TYPE}


@pytest.mark.parametrize("name", ["resource", "changes", "hiding", "properties", "serving", "tabular"])
def test_what_is_called_shared_serves_more_than_one(root: Path, name: str) -> None:
    plugins = root / "rehearsal" / "plugins"
    users = {
        path.relative_to(plugins).parts[0]
        for path in plugins.rglob("*.py")
        if f"from rehearsal.plugins.{name} import" in path.read_text(encoding="utf-8")
    }
    assert len(users) > 1, users
