"""Debian's packages, fetched by an `apt-get` that is a shell script: what is fetched again, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal import debian
from tests.platform.conftest import Listener

# As apt and dpkg answer, as far as they are asked; $STATE holds what is installed, and a line for each fetch.
APT_GET = """
case "$*" in *install*)
  echo fetched >> "$STATE/fetches"
  for word in "$@"; do case "$word" in Dir::Cache::archives=*) touch "${word#*=}/tool_1_amd64.deb" ;; esac; done
esac
"""
APT_CACHE = "printf 'tool\\n  Depends: libc6\\n |Depends: libone\\n  Depends: libtwo\\nlibc6\\nlibone\\nlibtwo\\n'"
DPKG_QUERY = 'while read -r name; do echo "installed $name"; done < "$STATE/installed"; echo "config-files libtwo"'
DPKG_DEB = """mkdir -p "$3/usr/bin"; echo > "$3/usr/bin/tool"; chmod +x "$3/usr/bin/tool" """


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what is installed from now on."""
    monkeypatch.setenv("STATE", str(tmp_path))
    monkeypatch.setenv("TERRARIUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    programs = {"apt-get": APT_GET, "apt-cache": APT_CACHE, "dpkg-query": DPKG_QUERY, "dpkg-deb": DPKG_DEB}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def state(*packages: str) -> None:
        (tmp_path / "installed").write_text("".join(f"{name}\n" for name in packages))

    return state


@pytest.fixture
def fetched(tmp_path: Path, listener: Listener) -> Callable[[], int]:
    """Ask for a package; returns how often anything was fetched so far."""

    def ask() -> int:
        found = debian.unpacked("tools", ["tool"], listener)
        assert found.program("tool") == found.folder / "usr/bin/tool"
        return len((tmp_path / "fetches").read_text().splitlines())

    return ask


def test_packages_are_fetched_once_whatever_else_is_installed(
    install: Callable[..., None], fetched: Callable[[], int]
) -> None:
    install("libc6", "libone")
    assert fetched() == 1
    install("libc6", "libone", "libtwo", "an-editor")
    assert fetched() == 1


def test_packages_are_fetched_anew_once_something_they_need_is_removed(
    install: Callable[..., None], fetched: Callable[[], int]
) -> None:
    install("libc6", "libone")
    assert fetched() == 1
    # As many letters as before, and as many packages.
    install("libc6", "libtwo")
    assert fetched() == 2
    install("libc6", "libone")
    assert fetched() == 2
