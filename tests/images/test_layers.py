"""The same files make the same bytes; what every image has of terrarium stands alone."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.images import contents, uv
from terrarium.images.layers import Entry, known, pack, tree, write_tar

TARGET = uv.target("3.11", "amd64")
PARTS = st.from_regex(r"[a-z]{1,6}(\.py)?", fullmatch=True)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
ENTRIES = st.dictionaries(PATHS, st.builds(Entry, st.binary(max_size=50), st.booleans(), st.sampled_from([0, 65532])))


def packed(entries: dict[str, Entry]) -> bytes:
    stream = io.BytesIO()
    write_tar(stream, entries)
    return stream.getvalue()


@given(ENTRIES, st.randoms())
def test_the_order_of_files_makes_no_difference(entries: dict[str, Entry], random: object) -> None:
    shuffled = list(entries.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis names its own class
    assert packed(entries) == packed(dict(shuffled))
    with tarfile.open(fileobj=io.BytesIO(packed(entries))) as tar:
        found = {entry.name: entry for entry in tar}
        assert {entry.mtime for entry in found.values()} <= {0}
        for path, entry in entries.items():
            # A folder and a file of one name: the file was there first.
            assert found[path].uid == entry.owner
    assert entries.keys() <= found.keys()


@given(st.integers(0, 2**31), st.sampled_from([0o644, 0o600, 0o664]))
def test_neither_time_nor_rights_of_this_machine_are_in_a_layer(moment: int, mode: int) -> None:
    with_file = {}
    for name in ("one", "other"):
        folder = Path(os.environ["PYTEST_FOLDER"]) / name
        folder.mkdir(exist_ok=True)
        (folder / "file").write_bytes(b"x")
        (folder / "file").chmod(mode if name == "one" else 0o644)
        os.utime(folder / "file", (moment, moment) if name == "one" else (0, 0))
        with_file[name] = packed(dict(tree(folder, "app")))
    assert with_file["one"] == with_file["other"]


@pytest.fixture(autouse=True)
def folder_for_hypothesis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_FOLDER", str(tmp_path))


def test_a_layer_that_lost_its_bytes_is_made_again(cache_folder: Path) -> None:
    made = pack({"x": Entry(b"x")}, what="test", key="lost")
    assert known("lost") == made
    made.path.write_bytes(b"")
    assert known("lost") is None
    made.path.unlink()
    assert known("lost") is None
    assert pack({"x": Entry(b"x")}, what="test", key="lost") == made


def test_the_client_is_the_same_wherever_it_is_made(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = contents.client_layer(TARGET, "3.11")
    before = first.path
    monkeypatch.setenv("TERRARIUM_CACHE", str(tmp_path / "another"))
    again = contents.client_layer(TARGET, "3.11")
    assert again.path != before
    assert first.digest == again.digest


def test_the_client_imports_nothing_that_images_lack(cache_folder: Path, tmp_path: Path) -> None:
    layer = contents.client_layer(TARGET, "3.11")
    with tarfile.open(layer.path) as tar:
        tar.extractall(tmp_path, filter="data")
    place = tmp_path / contents.CLIENT[1:]
    modules = sorted(
        ".".join(path.relative_to(place).with_suffix("").parts).removesuffix(".__init__")
        for package in ("terrarium", "components")
        for path in (place / package).rglob("*.py")
        if path.name != "__main__.py"
    )
    assert "terrarium.client.environment" in modules
    # Kubernetes' client is for people: a pod reads its store from files.
    code = "import sys, importlib\nsys.path.insert(0, sys.argv[1])\nfor it in sys.argv[2:]: importlib.import_module(it)"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(place), *modules], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
