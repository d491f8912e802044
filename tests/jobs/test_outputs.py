"""Which files of a job are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from terrarium.inside import outputs
from terrarium.inside.orders import Input
from terrarium.inside.staging import stage
from tests.jobs.shelves import MemoryShelf


def paths(found: list[outputs.Output]) -> list[str]:
    return sorted(one.path for one in found)


def test_what_is_new_or_changed_is_kept(tmp_path: Path) -> None:
    (tmp_path / "input.csv").write_text("1")
    (tmp_path / "changed.csv").write_text("1")
    before = outputs.snapshot(tmp_path)
    (tmp_path / "changed.csv").write_text("22")
    (tmp_path / "plots" / "deep").mkdir(parents=True)
    (tmp_path / "plots" / "deep" / "a.png").write_text("x")
    (tmp_path / "model.pkl").write_text("x")
    assert paths(outputs.new(tmp_path, before)) == ["changed.csv", "model.pkl", "plots/deep/a.png"]


def test_caches_links_and_pipes_are_not(tmp_path: Path) -> None:
    before = outputs.snapshot(tmp_path)
    for name in (".cache", "__pycache__", ".ipynb_checkpoints"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    assert outputs.new(tmp_path, before) == []


def test_declared_files_and_folders_are_kept_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    work = tmp_path / "work"
    for file in (elsewhere / "y", work / "keep" / "a", work / "keep" / "b" / "c", work / "other", work / "model"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    found, missing = outputs.declared(work, ["keep", "model", str(elsewhere), "nothing"])
    outside = str(elsewhere).lstrip("/")
    assert paths(found) == sorted(["keep/a", "keep/b/c", "model", f"{outside}/y"])
    assert missing == ["nothing"]


def test_inputs_become_files(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    for key in ("2026/a.csv", "2026/b.csv", "models/v1/x", "models/v1/deep/y"):
        shelf.put(key, key.encode())
    wanted = (
        Input("datasets", "2026/a.csv", folder=False, path="data/in.csv"),
        Input("datasets", "models/v1", folder=True, path="m"),
    )
    assert stage(wanted, lambda _: shelf, tmp_path) == 3
    found = {file.relative_to(tmp_path).as_posix(): file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {"data/in.csv": "2026/a.csv", "m/x": "models/v1/x", "m/deep/y": "models/v1/deep/y"}


@pytest.mark.parametrize("folder", [False, True])
def test_an_input_that_is_not_there_is_said(tmp_path: Path, folder: bool) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        stage((Input("datasets", "nowhere", folder=folder, path="x"),), lambda _: MemoryShelf(), tmp_path)


def test_a_key_that_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    shelf = MemoryShelf()
    shelf.put("a/../../x", b"x")
    with pytest.raises(OSError, match="would leave the working folder"):
        stage((Input("datasets", "a", folder=True, path="in"),), lambda _: shelf, tmp_path)
