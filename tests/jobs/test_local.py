"""`--local`: which engine, by which command line, with whose keys; the engine's stand-in runs the wrapper itself."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from terrarium.client.connection import FILES
from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
from terrarium.errors import InvalidInput, Refused
from terrarium.inside.shelf import StoreShelf
from terrarium.jobs import local
from terrarium.jobs.asking import asked
from terrarium.jobs.kept import Kept
from terrarium.jobs.manifest import Identity, Spec
from terrarium.jobs.place import Place
from terrarium.jobs.router import Placement
from tests.jobs.fakes import Known, Rights, place
from tests.jobs.world import IMAGE, descriptor

# What an engine is asked for: variables, the store's folder, the image, and then the command's own words.
_ENGINE = """#!{python}
import os, pathlib, sys, tempfile
words = sys.argv[1:]
if words == ["info"]:
    sys.exit(0)
told, store = dict(os.environ), ""
while words[0] != {image!r}:
    word = words.pop(0)
    if word == "--env":
        key, _, value = words.pop(0).partition("=")
        told[key] = value
    if word.startswith("--volume="):
        store = word.removeprefix("--volume=").split(":")[0]
told["TERRARIUM_STORE"] = store
os.chdir(tempfile.mkdtemp(dir=pathlib.Path(__file__).parent))
os.execve(sys.executable, [sys.executable, "-m", "terrarium.inside", "--", sys.executable, *words[1:]], told)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine called podman, before all others on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "podman"
    program.write_text(_ENGINE.format(python=sys.executable, image=IMAGE))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return program


class Lent(Known):
    """A source whose files can be had, as a Secret's are."""

    def __init__(self, folder: Path) -> None:
        super().__init__(descriptor(), folder)
        self._folder = folder

    def files(self, bucket: str | None, wanted: object) -> tuple[dict[str, str], str]:
        del bucket, wanted
        return {name: (self._folder / name).read_text() for name in FILES if (self._folder / name).exists()}, "here"


def lent(folder: Path) -> Place:
    return Place(Lent(folder))


def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **content: str) -> None:
    """Let PATH hold these programs, and nothing else."""
    folder = tmp_path / "only"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_an_engine_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch)
    with pytest.raises(Refused, match=r"needs podman or docker that runs: install podman .* or leave --local out"):
        local.found_engine()


def test_an_engine_that_does_not_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, docker="echo 'no daemon' >&2; exit 1")
    with pytest.raises(Refused, match=r"docker is there, and does not run \(no daemon\)"):
        local.found_engine()


def test_the_first_that_runs_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, podman="exit 1", docker="exit 0")
    assert local.found_engine()[0].endswith("/docker")


def test_the_container_may_as_little_as_a_pod() -> None:
    whole = Spec("train-1", "churn-dev", "churn-dev", "experimentation", Placement(), IMAGE, identity=Identity("s"))
    words = local.command(["podman"], whole, Path("/keys"), called="c", run_id="r", index=3)
    for word in ("--rm", "--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"):
        assert word in words
    assert f"--user={local.container_user()}:{local.container_user()}" in words
    assert local.container_user() != 0
    assert "--volume=/keys:/var/run/terrarium/store:ro" in words
    assert "JOB_COMPLETION_INDEX=3" in words


def test_keys_are_there_as_long_as_the_job_and_for_nobody_else(folders: Mapping[str, Path]) -> None:
    with local.keys(lent(folders["rw"])) as folder:
        assert folder is not None
        assert {file.name for file in folder.iterdir()} >= {"credentials", "store.json"}
        for path in (folder, *folder.iterdir()):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert not folder.exists()


def test_who_may_only_read_is_refused_before_anything_is_built(folders: Mapping[str, Path], engine: Path) -> None:
    with pytest.raises(Refused, match="you may only read it"):
        local.run(lent(folders["ro"]), asked(None, image=IMAGE), print)


def test_what_means_nothing_here_is_refused() -> None:
    wish = asked(None, image=IMAGE, needs="gpu=1,pool=training", schedule="@daily")
    with pytest.raises(InvalidInput, match="exclude each other") as refused:
        local.run(place(descriptor(), Rights()), wish, print)
    assert len(refused.value.details["problems"]) == 2


def test_production_s_data_does_not_come_here(engine: Path) -> None:
    with pytest.raises(Refused, match="only what a release names"):
        local.run(place(descriptor("production"), Rights()), asked(None, image=IMAGE), print)


def test_every_index_runs_and_leaves_its_results_in_the_store(folders: Mapping[str, Path], engine: Path) -> None:
    with Environment(Folder(folders["rw"])) as env:
        env.store.datasets.pipe("local/x.csv", b"42")
        code = "import sys; open('out', 'w').write(open('x.csv').read() + sys.argv[1])"
        words = ["-c", code, "-{index}"]
        wish = asked(None, words, image=IMAGE, array=3, inputs=["datasets:local/x.csv"], needs="cpu=99")
        ran = local.run(lent(folders["rw"]), wish, print)
        assert (ran.code, ran.image) == (0, IMAGE)
        kept = Kept(StoreShelf(env.store), ran.name)
        assert [record.index for record in kept.results()] == [0, 1, 2]
        assert env.store.results.cat(kept.results()[2].files[0].key) == b"42-2"


def test_the_first_code_that_is_not_0_is_told_and_failures_are_repeated(
    folders: Mapping[str, Path], engine: Path, tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    code = f"import sys; open({str(tries)!r}, 'a').write('x'); sys.exit(int(sys.argv[1]) * 3)"
    wish = asked(None, ["-c", code, "{index}"], image=IMAGE, array=3, retries=1)
    assert local.run(lent(folders["rw"]), wish, print).code == 3
    assert len(tries.read_text()) == 1 + 2 + 2


def test_the_time_is_that_of_all_and_nothing_is_repeated_after_it(folders: Mapping[str, Path], engine: Path) -> None:
    wish = asked(None, ["-c", "import time; time.sleep(60)"], image=IMAGE, timeout=1, array=3, retries=9)
    begin = time.monotonic()
    assert local.run(lent(folders["rw"]), wish, print).code == 124
    assert time.monotonic() - begin < 60


def test_an_image_that_is_deaf_to_signals_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(
        tmp_path,
        monkeypatch,
        podman="""\
if [ "$1" = rm ]; then /bin/kill -9 "$(/bin/cat "$0.$3")"; exit; fi
for word; do case "$word" in --name=*) echo $$ > "$0.${word#--name=}";; esac; done
trap '' TERM
/bin/sleep 60 & wait; wait""",
    )
    monkeypatch.setattr(local, "GRACE", 0.2)
    whole = Spec("x", "churn-dev", "churn-dev", "experimentation", Placement(), IMAGE, timeout=1)
    engine = [str(tmp_path / "only" / "podman")]
    begin = time.monotonic()
    assert local._all(engine, whole, None, {}, apart=True) == 124
    assert time.monotonic() - begin < 30


def test_what_admission_refuses_does_not_run_here_instead(
    folders: Mapping[str, Path], engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lent(folders["rw"])
    monkeypatch.setattr(Place, "root", Path(__file__).resolve().parents[2])
    with pytest.raises(Refused, match="image-approved-registry"):
        local.run(found, asked(None, image="docker.io/somebody/tool@sha256:" + "0" * 64), print)


def test_what_takes_too_long_is_ended(folders: Mapping[str, Path], engine: Path) -> None:
    wish = asked(None, ["-c", "import time; time.sleep(60)"], image=IMAGE, timeout=1)
    assert local.run(lent(folders["rw"]), wish, print).code == 124
