"""What somebody else put at a name that can be guessed is neither used nor wiped."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.support import scratch


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"terrarium-tests-{os.getuid()}"


def test_the_folder_is_found_again(expected: Path) -> None:
    assert scratch.base("tests") == scratch.base("tests") == expected
    assert expected.stat().st_mode & 0o777 == 0o700


def test_a_link_a_file_and_an_open_folder_are_left_alone(expected: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir(mode=0o700)
    expected.symlink_to(tmp_path / "precious")
    assert scratch.base("tests") != expected
    expected.unlink()
    expected.touch(mode=0o700)
    assert scratch.base("tests") != expected
    expected.unlink()
    expected.mkdir()
    expected.chmod(0o777)
    assert scratch.base("tests") != expected


def test_links_inside_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to("/")
    assert list(scratch.inside(tmp_path)) == [tmp_path / "own"]
    assert scratch.opened(tmp_path / "link") is None
    descriptor = scratch.opened(tmp_path / "own")
    assert descriptor is not None
    os.close(descriptor)
