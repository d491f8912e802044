"""Which parts the engine is made of, on machines that have much, little and nothing."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import shutil
import socketserver
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal import build as build_module
from rehearsal import download, engine, versions
from rehearsal.errors import RehearsalError
from tests.build.conftest import Listener

Program = Callable[[str, str], Path]
PINNED = versions.pulumi()


@dataclass(frozen=True)
class Machine:
    """A machine on which builds take no time and no host answers.

    Attributes:
        local: What is `.terrarium` elsewhere.
        built: The sets that a build was asked for.
        asked: The hosts that were asked whether they answer.
        program: Puts a shell script on PATH.
        listener: What was reported.
    """

    local: Path
    built: list[str]
    asked: list[str]
    program: Program
    listener: Listener

    def prepare(self) -> engine.EngineParts:
        return engine.prepare(self.listener)

    def install_pulumi(self, script: str) -> Path:
        self.program("pulumi-language-python", "")
        return self.program("pulumi", script)


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, program: Program, listener: Listener
) -> Machine:
    found = Machine(tmp_path / "local", [], [], program, listener)
    found.local.mkdir()
    monkeypatch.setattr(engine, "local", lambda: found.local)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi-home"))
    monkeypatch.delenv("TERRARIUM_PARTS", raising=False)
    folder = tmp_path / "built"
    folder.mkdir()
    for name in ("pulumi", "pulumi-language-python-exec", "pulumi-resource-pulumi-python", "kubectl"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)

    def build(sets: Sequence[str], _: object) -> dict[str, Path]:
        found.built.extend(sets)
        return dict.fromkeys(sets, folder)

    def answers(source: str) -> bool:
        found.asked.append(source)
        return False

    monkeypatch.setattr(build_module, "build", build)
    monkeypatch.setattr(build_module, "built", lambda _: folder)
    monkeypatch.setattr(download, "_answers", answers)
    return found


class _Files(http.server.BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def source() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A web server on loopback with Pulumi's release; returns its address and its files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec"):
            entry = tarfile.TarInfo(f"pulumi/{name}")
            entry.mode = 0o755
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    name = download.archive_name(PINNED)
    digest = hashlib.sha256(archive.getvalue()).hexdigest()
    files = {
        f"/{name}": archive.getvalue(),
        f"/pulumi-{PINNED.removeprefix('v')}-checksums.txt": f"{'0' * 64}  other.tar.gz\n{digest}  {name}\n".encode(),
    }
    handler = type("Handler", (_Files,), {"files": files})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", files
        server.shutdown()
        thread.join()


def test_with_registries_only_the_engine_is_built_and_plugins_stand_in(
    machine: Machine,
) -> None:
    parts = machine.prepare()
    assert parts.bin_dir == machine.local / "bin"
    assert {name: parts.origins[name] for name in ("pulumi", "language-python", "kubernetes", "random")} == {
        "pulumi": "built",
        "language-python": "stand-in",
        "kubernetes": "stand-in",
        "random": "stand-in",
    }
    for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-kubernetes"):
        assert os.access(parts.bin_dir / name, os.X_OK)
    # Through a symbolic link the engine would look for its language host in the cache.
    assert not (parts.bin_dir / "pulumi").is_symlink()


def test_a_second_run_asks_nobody(
    machine: Machine,
) -> None:
    first = machine.prepare()
    asked = len(machine.asked)
    assert machine.prepare() == first
    assert len(machine.asked) == asked == 1
    assert machine.built == ["pulumi"]


def test_an_hour_later_the_download_is_tried_again(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine.prepare()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + download.REMEMBERED + 1)
    machine.prepare()
    assert len(machine.asked) == 2


@pytest.mark.parametrize("lost", ["pulumi", "pulumi-resource-random"])
def test_a_lost_file_is_laid_out_again(
    lost: str,
    machine: Machine,
) -> None:
    parts = machine.prepare()
    (parts.bin_dir / lost).unlink()
    machine.prepare()
    assert (parts.bin_dir / lost).exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"inputs": null}'])
def test_a_damaged_state_file_is_made_anew(
    content: str,
    machine: Machine,
) -> None:
    first = machine.prepare()
    (machine.local / "engine.json").write_text(content)
    assert machine.prepare() == first


def test_a_recent_pulumi_on_path_is_used_with_its_own_language_host(
    machine: Machine,
) -> None:
    major, minor, _ = PINNED.split(".")
    found = machine.install_pulumi(f"echo {major}.{int(minor) + 5}.1")
    parts = machine.prepare()
    assert parts.origins["pulumi"] == parts.origins["language-python"] == "on PATH"
    assert parts.versions["pulumi"] == f"{major}.{int(minor) + 5}.1"
    assert (parts.bin_dir / "pulumi").resolve() == found
    assert not (parts.bin_dir / "pulumi-language-python").exists()
    assert machine.built == []


@pytest.mark.parametrize(
    ("version", "host", "said"),
    [
        ("v3.100.0", True, "is needed"),
        ("v4.0.0", True, "is needed"),
        ("nonsense", True, "is needed"),
        (PINNED, False, "no pulumi-language-python beside it"),
    ],
)
def test_a_pulumi_that_does_not_fit_is_passed_over_and_said_why(
    version: str,
    host: bool,
    said: str,
    machine: Machine,
) -> None:
    found = machine.install_pulumi(f"echo {version}")
    if not host:
        found.with_name("pulumi-language-python").unlink()
    assert machine.prepare().origins["pulumi"] == "built"
    assert any(said in note for note in machine.listener.notes)


def test_ours_is_not_taken_for_one_on_path(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = machine.prepare()
    monkeypatch.setenv("PATH", f"{first.bin_dir}:{os.environ['PATH']}")
    assert machine.prepare() == first


def test_a_switch_to_stand_ins_asks_nobody(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine.install_pulumi(f"echo {PINNED}")
    assert machine.prepare().origins["pulumi"] == "on PATH"
    monkeypatch.setenv("TERRARIUM_PARTS", "standin")
    asked = len(machine.asked)
    parts = machine.prepare()
    assert parts.origins["pulumi"] == "built"
    assert len(machine.asked) == asked
    assert (parts.bin_dir / "pulumi-language-python").exists()


def test_only_official_parts_or_a_refusal_that_says_what_to_do(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRARIUM_PARTS", "official")
    monkeypatch.setattr(download.fetch_pulumi, "__defaults__", ("http://127.0.0.1:9",))
    with pytest.raises(RehearsalError) as raised:
        machine.prepare()
    assert "pulumi.com/docs/iac/download-install" in str(raised.value)
    assert "unset TERRARIUM_PARTS" in str(raised.value)
    machine.install_pulumi(f'[ "$1" = version ] && echo {PINNED} || {{ echo "no such plugin" >&2; exit 1; }}')
    with pytest.raises(RehearsalError, match=r"plugin aws .* can't be installed: no such plugin"):
        machine.prepare()
    assert machine.built == []


def test_all_official_where_it_can_be_had(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_answers", lambda _: True)
    machine.install_pulumi(f'[ "$1" = version ] && echo {PINNED} || mkdir -p "$PULUMI_HOME/plugins/resource-$4-$5"')
    parts = machine.prepare()
    assert parts.origins["kubernetes"] == parts.origins["random"] == "official"
    assert not list(parts.bin_dir.glob("pulumi-resource-*"))
    steps = len(machine.listener.steps)
    assert machine.prepare() == parts
    assert len(machine.listener.steps) == steps


def test_an_unknown_switch_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRARIUM_PARTS", "all")
    with pytest.raises(RehearsalError, match="TERRARIUM_PARTS=all is not known: use one of auto, official, standin"):
        machine.prepare()


def test_a_release_is_fetched_checked_and_kept(
    cache: Path, source: tuple[str, dict[str, bytes]], listener: Listener
) -> None:
    address, files = source
    # As a download that was killed leaves it.
    (cache / "downloads" / ".new-killed").mkdir(parents=True)
    folder = download.fetch_pulumi(PINNED, listener, address)
    assert (folder / "pulumi").read_text() == "pulumi"
    assert os.access(folder / "pulumi", os.X_OK)
    files.clear()
    assert download.fetch_pulumi(PINNED, listener, address) == folder
    assert [path.name for path in folder.parent.glob(".new-*")] == []


@pytest.mark.parametrize("damage", ["archive", "checksums", "unlisted"])
def test_a_release_that_is_not_what_was_published_is_not_used(
    damage: str, cache: Path, source: tuple[str, dict[str, bytes]], listener: Listener
) -> None:
    address, files = source
    archive, checksums = files
    if damage == "archive":
        files[archive] = files[archive][:-1] + b"x"
        message = "is published. It was not used"
    elif damage == "checksums":
        del files[checksums]
        message = "checksums can't be fetched"
    else:
        files[checksums] = b"nothing\n"
        message = "has no checksum"
    with pytest.raises(RehearsalError, match=message):
        download.fetch_pulumi(PINNED, listener, address)
    assert list((cache / "downloads").glob("*")) == [cache / "downloads" / ".lock"]


def test_a_host_that_never_answers_is_given_up_in_time_and_remembered(
    cache: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    monkeypatch.setattr(download, "PROBE_PATIENCE", 0.2)

    given_up = threading.Event()

    def answers_late(_: str) -> bool:
        given_up.wait()
        return True

    monkeypatch.setattr(download, "_answers", answers_late)
    assert not download.out_of_reach()
    assert not download.reachable(listener)
    given_up.set()
    assert download.out_of_reach()
    # Which host, what follows, how to undo it.
    for words in ("get.pulumi.com", "built from its Go modules", f"delete {cache / 'out-of-reach.json'}"):
        assert words in listener.notes[0]


def test_a_changed_module_gives_another_engine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine.prepare()
    assert not engine.must_build(machine.listener)
    folder = versions.module_folder("pulumi")
    shutil.copytree(folder, tmp_path / "pulumi")
    with (tmp_path / "pulumi" / "go.sum").open("a") as stream:
        stream.write("changed")
    monkeypatch.setattr(
        versions, "module_folder", lambda name: tmp_path / name if name == "pulumi" else folder.parent / name
    )
    assert engine.must_build(machine.listener)
    machine.prepare()
    assert machine.built == ["pulumi", "pulumi"]
