from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest


class Listener:
    """A report that remembers what it was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None, int | None]] = []
        self.details: list[str] = []
        self.notes: list[str] = []

    def step(self, text: str, *, done: int | None = None, left: int | None = None) -> None:
        self.steps.append((text, done, left))

    def detail(self, text: str) -> None:
        self.details.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TERRARIUM_CACHE", str(folder))
    return folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a shell script first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    # Only what the scripts need beside themselves: the real `go` and `pulumi` stay out of sight.
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def write(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write
