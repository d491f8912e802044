"""Builds with a `go` that is a shell script: what is made, what is kept, and what is said when it fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rehearsal import build as build_module
from rehearsal import golang, paths, versions
from rehearsal.build import build, built
from rehearsal.errors import RehearsalError
from tests.build.conftest import Listener
from tests.support.waiting import PATIENCE, until

Program = Callable[[str, str], Path]

# Answers as go does, as far as it is asked; each build is a line in $GO_LOG.
GO = """
case "$1" in
  env)
    printf '{"GOVERSION": "%s", "GOOS": "linux", "GOARCH": "%s"}' "${FAKE_VERSION:-go1.26.8}" "${FAKE_ARCH:-amd64}"
    ;;
  list) case "$*" in *Dir*) echo "$GO_SOURCE" ;; *) printf 'a\\nb\\nc\\n' ;; esac ;;
  mod) ;;
  build)
    echo "$*" >> "$GO_LOG"
    echo 'go: downloading example.org/one v1.0.0' >&2
    echo 'example.org/one' >&2
    while [ "$1" != -o ]; do shift; done
    out="$2"
    case "$out" in
      */)
        for name in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
          echo "$name" > "$out$name"
        done
        ;;
      *) echo "binary" > "$out" ;;
    esac
    sleep "${FAKE_SECONDS:-0}"
    ;;
esac
"""


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, program: Program) -> Callable[[], int]:
    """A fake `go` on PATH; returns how many builds it made."""
    source = tmp_path / "source"
    for file in (
        "python/cmd/pulumi-language-python-exec",
        "python/dist/pulumi-resource-pulumi-python",
        "kustomize/stage/node.yaml",
    ):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_text(file)
        # Go's module cache is read-only.
        (source / file).chmod(0o444)
    log = tmp_path / "go.log"
    log.touch()
    monkeypatch.setenv("GO_LOG", str(log))
    monkeypatch.setenv("GO_SOURCE", str(source))
    program("go", GO)
    return lambda: len(log.read_text().splitlines())


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the modules' folders that a test may change."""
    folder = tmp_path / "modules"
    shutil.copytree(versions.module_folder("kwok").parent, folder)
    monkeypatch.setattr(versions, "module_folder", lambda name: folder / name)
    monkeypatch.setattr(golang, "module_folder", lambda name: folder / name)
    versions.pinned.cache_clear()
    monkeypatch.setattr(versions, "pinned", versions.pinned.__wrapped__)
    return folder


def test_all_sets_are_built_once(builds: Callable[[], int], listener: Listener, cache: Path) -> None:
    sets = ["kwok", "pulumi", "kubernetes", "versitygw"]
    folders = build(sets, listener)
    assert builds() == 5
    for name, programs in {
        "kwok": ["kwok"],
        "versitygw": ["versitygw"],
        "pulumi": ["pulumi", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"],
        "kubernetes": ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"],
    }.items():
        for file in programs:
            assert os.access(folders[name] / file, os.X_OK)
    assert (folders["kwok"] / "stage" / "node.yaml").read_text() == "kustomize/stage/node.yaml"
    assert [(done, left) for _, done, left in listener.steps] == [(0, 5), (1, 4), (2, 3), (3, 2), (4, 1)]
    assert "downloading example.org/one v1.0.0" in listener.details
    assert "1 packages compiled, of at most 3 (those in Go's cache are skipped)" in listener.details
    told = len(listener.steps)
    assert build(sets, listener) == folders
    assert builds() == 5
    assert len(listener.steps) == told
    assert [path.name for path in (cache / "builds").glob(".*.new-*")] == []


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_a_changed_input_is_built_anew(file: str, builds: Callable[[], int], modules: Path, listener: Listener) -> None:
    before = build(["kwok"], listener)["kwok"]
    with (modules / "kwok" / file).open("a") as stream:
        stream.write("\n// changed\n")
    after = build(["kwok"], listener)["kwok"]
    assert before != after
    assert builds() == 2


@pytest.mark.parametrize(("variable", "value"), [("FAKE_VERSION", "go1.27.1"), ("FAKE_ARCH", "arm64")])
def test_another_go_or_processor_is_built_anew(
    variable: str, value: str, builds: Callable[[], int], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build(["kwok"], listener)["kwok"]
    monkeypatch.setenv(variable, value)
    assert build(["kwok"], listener)["kwok"] != before
    assert builds() == 2


def test_other_flags_are_built_anew(
    builds: Callable[[], int], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build(["kwok"], listener)["kwok"]
    monkeypatch.setattr(build_module, "_FLAGS", ("-trimpath",))
    assert build(["kwok"], listener)["kwok"] != before


@pytest.mark.parametrize("damage", ["missing", "short", "manifest"])
def test_a_build_that_lost_a_file_is_made_again(damage: str, builds: Callable[[], int], listener: Listener) -> None:
    folder = build(["kwok"], listener)["kwok"]
    if damage == "missing":
        (folder / "kwok").unlink()
    elif damage == "short":
        (folder / "kwok").write_text("")
    else:
        (folder / "manifest.json").write_text("{")
    assert built("kwok") is None
    assert build(["kwok"], listener)["kwok"] == folder
    assert built("kwok") == folder
    assert builds() == 2


def _at_least(builds: Callable[[], int], number: int) -> bool:
    return builds() >= number


def test_an_interrupted_build_is_not_taken_for_done(
    builds: Callable[[], int], listener: Listener, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    script = "from rehearsal.build import build; from rehearsal.progress import Silent; build(['kwok'], Silent())"
    for number in (signal.SIGKILL, signal.SIGINT):
        begun = builds() + 1
        running = subprocess.Popen(
            [sys.executable, "-c", script], env=os.environ | {"FAKE_SECONDS": "1"}, stderr=subprocess.DEVNULL
        )
        until(partial(_at_least, builds, begun))
        running.send_signal(number)
        running.wait()
        assert built("kwok") is None
    assert build(["kwok"], listener)["kwok"].is_dir()
    assert [path.name for path in (cache / "builds").glob(".*.new-*")] == []


def test_two_runs_at_once_build_once(builds: Callable[[], int], cache: Path) -> None:
    script = "from rehearsal.build import build; from rehearsal.progress import Silent; build(['kwok'], Silent())"
    environment = os.environ | {"FAKE_SECONDS": "0.5"}
    running = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(3)]
    assert [process.wait(PATIENCE) for process in running] == [0, 0, 0]
    assert builds() == 1


def test_old_builds_leave_the_cache(
    builds: Callable[[], int], listener: Listener, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    for number in range(build_module.KEPT + 2):
        monkeypatch.setenv("FAKE_VERSION", f"go1.26.{number}")
        newest = build(["kwok"], listener)["kwok"]
    left = [path for path in (cache / "builds").iterdir() if path.name.startswith("kwok-")]
    assert len(left) == build_module.KEPT
    assert newest in left


def test_a_build_in_use_outlives_newer_ones(
    builds: Callable[[], int], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = build(["kwok"], listener)["kwok"]
    for number in range(build_module.KEPT + 1):
        monkeypatch.setenv("FAKE_VERSION", f"go1.27.{number}")
        build(["kwok"], listener)
        monkeypatch.delenv("FAKE_VERSION")
        assert build(["kwok"], listener)["kwok"] == used
    assert builds() == build_module.KEPT + 2


def test_go_is_asked_without_the_persons_flags_and_workspace(
    builds: Callable[[], int], listener: Listener, monkeypatch: pytest.MonkeyPatch, program: Program, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOFLAGS", "-tags=mine -mod=mod")
    monkeypatch.setenv("GOWORK", str(tmp_path / "go.work"))
    seen = tmp_path / "seen"
    program(
        "go",
        f'echo "$GOFLAGS $GOWORK $1 $GOTMPDIR" >> {seen}\n[ -z "$GOTMPDIR" ] || [ -d "$GOTMPDIR" ] || exit 1\n{GO}',
    )
    folder = build(["kwok"], listener)["kwok"]
    lines = seen.read_text().splitlines()
    assert {line.split()[2] for line in lines} == {"env", "list", "mod", "build"}
    assert all(line.startswith("-mod=readonly off ") for line in lines)
    scratch = next(line.split()[3] for line in lines if " build " in line)
    assert Path(scratch).is_relative_to(folder.parent)
    assert not Path(scratch).exists()
    assert not (folder / ".scratch").exists()


def test_an_unknown_set_is_refused(listener: Listener) -> None:
    with pytest.raises(ValueError, match="there are pulumi, kubernetes, kwok, versitygw"):
        build(["nonsense"], listener)


def test_without_go_it_says_which_is_needed(
    cache: Path, program: Program, listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(RehearsalError, match=r"no `go` is on PATH\. Install Go 1\.26 or newer"):
        build(["kwok"], listener)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo \'{"GOVERSION": "go1.24.4"}\'', "`go` on PATH is go1.24.4"),
        ("echo '{}'", "of unknown version"),
        ("echo not json", "does not work"),
        ("echo 'go.mod requires go >= 1.26 (running go 1.25)' >&2; echo '{}'; exit 1", "requires go >= 1.26"),
    ],
)
def test_a_go_that_is_too_old_or_broken_is_named(
    script: str, message: str, cache: Path, program: Program, listener: Listener
) -> None:
    program("go", script)
    with pytest.raises(RehearsalError) as raised:
        build(["kwok"], listener)
    assert message in str(raised.value)
    assert "Install Go 1.26 or newer" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("Get proxy/x.zip: dial tcp: lookup proxy: no such host", "GOPROXY"),
        ("verifying x: checksum mismatch", "go.sum"),
        ("write /x: no space left on device", "The disk is full"),
        ("main.go:1: syntax error", "Run it again"),
    ],
)
def test_a_failed_build_shows_gos_last_lines_and_what_to_do(
    said: str, advice: str, builds: Callable[[], int], program: Program, listener: Listener
) -> None:
    program("go", GO.replace("echo 'example.org/one' >&2", f"echo '{said}' >&2; exit 1"))
    with pytest.raises(RehearsalError) as raised:
        build(["kwok"], listener)
    assert said in str(raised.value)
    assert advice in str(raised.value)
    assert built("kwok") is None
    assert [path.name for path in (paths.cache() / "builds").glob(".*.new-*")] == []


def test_a_cache_that_can_not_be_written_is_named(builds: Callable[[], int], listener: Listener, cache: Path) -> None:
    cache.touch()
    with pytest.raises(RehearsalError, match=r"can't be written: .* Check free space"):
        build(["kwok"], listener)


def test_versions_come_from_go_mod() -> None:
    assert versions.kubernetes().startswith("v1.")
    assert versions.pulumi().startswith("v3.")
    with pytest.raises(KeyError, match=r"rehearsal/modules/kwok/go\.mod"):
        versions.pinned("kwok", "example.org/nothing")
