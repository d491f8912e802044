"""The base image is made by programs that are unpacked, and installed nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehearsal import debian
from rehearsal.images import base
from tests.platform.conftest import Listener

# As Debian's: it starts another program of its package, by its name alone. The last word is the archive to make.
MMDEBSTRAP = 'for archive; do :; done; exec mmtarfilter "$archive"'
MMTARFILTER = 'exec tar --create --file "$1" --files-from /dev/null'


def test_programs_of_one_package_find_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    """On machines with an installed mmdebstrap it worked, and nowhere else."""
    programs = tmp_path / "unpacked" / "usr" / "bin"
    programs.mkdir(parents=True)
    for name, text in {"mmdebstrap": MMDEBSTRAP, "mmtarfilter": MMTARFILTER}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("TERRARIUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "unpacked", lambda *_: debian.Unpacked(tmp_path / "unpacked"))
    made = base._made(listener)
    assert json.loads((made / "image.json").read_text())["digest"].startswith("sha256:")
