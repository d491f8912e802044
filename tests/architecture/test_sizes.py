"""Stand-ins stay small: what they don't need to cover is the official plugins' business."""

from __future__ import annotations

from pathlib import Path

import pytest

# Lines at most, of its own code; what stand-ins share is apart.
BOUNDS = {"aws": 300, "postgresql": 300, "random": 300, "language_python": 300, "kubernetes": 1000}
SHARED = {"__init__", "base", "changes", "hiding", "launch", "properties", "resource", "serving", "tabular", "web"}


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


@pytest.mark.parametrize("name", ["resource", "changes", "hiding", "properties", "serving", "tabular"])
def test_what_is_called_shared_serves_more_than_one(root: Path, name: str) -> None:
    plugins = root / "rehearsal" / "plugins"
    users = {
        path.relative_to(plugins).parts[0]
        for path in plugins.rglob("*.py")
        if f"from rehearsal.plugins.{name} import" in path.read_text(encoding="utf-8")
    }
    assert len(users) > 1, users
