"""What code goes into an image, and where it is from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from terrarium.errors import InvalidInput
from terrarium.images.git import origin
from terrarium.images.source import opened
from terrarium.jobs.source import examined

GIT = [
    "-c",
    "user.name=t",
    "-c",
    "user.email=t@example.org",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "init.defaultBranch=main",
]


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *GIT, "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "train.py").write_text("import helper\nprint(1)\n")
    (folder / "jobs" / "helper.py").write_text("")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    monkeypatch.chdir(folder)
    return folder


def test_modules_beside_a_script_come_along(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import os, a\nfrom package.part import x\ndef f():\n    import late\n")
    (tmp_path / "a.py").write_text("import b, train\n")
    for name in ("b", "late", "unused"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "package").mkdir()
    for name in ("__init__.py", "part.py", "data.csv"):
        (tmp_path / "package" / name).write_text("")
    with opened(str(tmp_path / "train.py"), "3.11") as found:
        assert set(found.files) == {
            *("train.py", "a.py", "b.py", "late.py"),
            *("package/__init__.py", "package/part.py", "package/data.csv"),
        }
        assert found.command == ("python3", "/app/train.py")


def test_what_tools_and_people_leave_in_a_package_stays_here(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import package\n")
    kept = ("__init__.py", "part.py", "data.csv", "build/__init__.py", "build/x.py")
    left = (".env", ".git/config", ".venv/x.py", "venv/x.py", "node_modules/x.js", "dist/x.py", "__pycache__/x.pyc")
    for name in (*kept, *left):
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    with opened(str(tmp_path / "train.py"), "3.11") as found:
        assert set(found.files) == {"train.py", *(f"package/{name}" for name in kept)}


def test_a_script_of_a_newer_python_is_not_judged_by_this_one(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("x = 1 1\n")
    with opened(str(tmp_path / "train.py"), "3.99") as found:
        assert found.name == "train"
    with pytest.raises(InvalidInput, match=r"train\.py:1 is no Python"), opened(str(tmp_path / "train.py"), "3.11"):
        pass


def test_code_as_committed_is_the_commits(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "remote", "add", "origin", "https://user:secret@git.example/team/code.git")
    told = origin(repository / "jobs" / "train.py", "00")
    assert told == {
        "uri": "git+https://git.example/team/code.git#jobs/train.py",
        "digest": {"gitCommit": head, "sha256": "00"},
    }
    (repository / "jobs" / "train.py").write_text("print(2)\n")
    assert origin(repository / "jobs" / "train.py", "00") == {"uri": "train.py", "digest": {"sha256": "00"}}


def test_a_commit_of_this_repository(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    (repository / "jobs" / "train.py").write_text("print(2)\n")
    with opened("HEAD:jobs/train.py", "3.11") as found:
        assert found.files["train.py"].read_text() == "import helper\nprint(1)\n"
        assert set(found.files) == {"train.py", "helper.py"}
        assert found.origin["digest"] == {"gitCommit": head}
    with pytest.raises(InvalidInput, match=r"jobs/gone\.py does not exist"), opened("HEAD:jobs/gone.py", "3.11"):
        pass
    with pytest.raises(InvalidInput, match=r"no commit, tag or branch `v9`"), opened("v9:jobs/train.py", "3.11"):
        pass
    with pytest.raises(InvalidInput, match=r"leads out of the repository"), opened("HEAD:../x.py", "3.11"):
        pass


@pytest.mark.parametrize("rev", ["main", "v1", "commit"])
def test_a_commit_of_another_repository(repository: Path, rev: str) -> None:
    git(repository, "tag", "v1")
    head = git(repository, "rev-parse", "HEAD")
    (repository / "jobs" / "train.py").write_text("print(3)\n")
    git(repository, "commit", "-qam", "two")
    wanted = git(repository, "rev-parse", "HEAD") if rev == "main" else head
    name = head if rev == "commit" else rev
    for _ in range(2):
        with opened(f"git+file://{repository}@{name}#jobs/train.py", "3.11") as found:
            assert found.origin["digest"] == {"gitCommit": wanted}
            assert ("print(1)" in found.files["train.py"].read_text()) == (rev != "main")


def test_a_pinned_commit_is_not_what_was_fetched_last(repository: Path) -> None:
    pinned = git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    other = git(repository, "rev-parse", "HEAD")
    for name in (pinned, other, pinned, "main", pinned, pinned[:9]):
        with opened(f"git+file://{repository}@{name}#jobs/train.py", "3.11") as found:
            assert found.origin["digest"] == {
                "gitCommit": other if name == "main" else git(repository, "rev-parse", name)
            }


def test_an_old_commit_by_the_beginning_of_its_id(repository: Path) -> None:
    # After a fetch of the newest alone, whose history is not there yet.
    old = git(repository, "rev-parse", "HEAD")
    for number in range(3):
        git(repository, "commit", "-q", "--allow-empty", "-m", str(number))
    for name in ("main", old[:10]):
        with opened(f"git+file://{repository}@{name}#jobs/train.py", "3.11") as found:
            wanted = git(repository, "rev-parse", name)
            assert found.origin["digest"] == {"gitCommit": wanted}
    gone = f"git+file://{repository}@gone#jobs/train.py"
    with pytest.raises(InvalidInput, match="no commit, tag or branch `gone`"), opened(gone, "3.11"):
        pass


def test_a_link_out_of_a_commit_is_not_of_it(repository: Path) -> None:
    (repository / "jobs" / "data").symlink_to("/etc")
    (repository / "jobs" / "up").symlink_to("../../..")
    (repository / "jobs" / "same.py").symlink_to("helper.py")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "links")
    with opened("HEAD:jobs/train.py", "3.11") as found:
        assert sorted(path.name for path in found.where.parent.iterdir()) == ["helper.py", "same.py", "train.py"]


def test_a_hook_does_not_lead_git_elsewhere(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git(repository, "rev-parse", "HEAD")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "commit", "-q", "--allow-empty", "-m", "other")
    # As git sets them for what it starts.
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert origin(repository / "jobs" / "train.py", "00")["digest"]["gitCommit"] == head
    with opened(f"git+file://{repository}@main#jobs/train.py", "3.11") as found:
        assert found.origin["digest"] == {"gitCommit": head}


def test_a_repository_that_is_not_there(cache_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"can't be read"), opened(f"git+file://{tmp_path}/gone@main#x.py", "3.11"):
        pass


def test_a_package_is_all_that_is_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "My.Package"\nversion = "1"\n')
    with opened(str(tmp_path), "3.11") as found:
        assert (found.name, found.command) == ("my-package", ("python3", "-m", "my_package"))
        before = found.digest
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.py").write_text("")
    with opened(str(tmp_path), "3.11") as found:
        assert found.digest == before
    # A build reads what is left out of it.
    for name in ("data.txt", ".gitignore"):
        (tmp_path / name).write_text("")
        with opened(str(tmp_path), "3.11") as found:
            assert found.digest != before
            before = found.digest


def test_only_what_goes_into_an_image_must_compile(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "calm"\nversion = "1"\n')
    for name in ("tests/fixtures/broken.py", "venv/x.py", "node_modules/x.py", "src/calm/build/x.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("def broken(:\n")
    (tmp_path / "src" / "calm" / "__init__.py").write_text("")
    assert examined(str(tmp_path)) == "calm"
    (tmp_path / "src" / "calm" / "__main__.py").write_text("def broken(:\n")
    with pytest.raises(InvalidInput, match=r"src/calm/__main__\.py does not compile: line 1"):
        examined(str(tmp_path))
    (tmp_path / "src" / "calm" / "__main__.py").unlink()
    (tmp_path / "calm.py").write_text("def broken(:\n")
    with pytest.raises(InvalidInput, match=r"^calm\.py does not compile"):
        examined(str(tmp_path))


def test_a_job_for_a_newer_python_is_not_judged_by_this_one(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("x = 1 1\n")
    with pytest.raises(InvalidInput, match=r"train\.py does not compile"):
        examined(str(path))
    path.write_text('# /// script\n# requires-python = ">=3.99"\n# ///\nx = 1 1\n')
    assert examined(str(path)) == "train"
