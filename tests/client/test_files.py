"""Proves: objects are files to whatever takes fsspec, at their own size, and errors are Python's own, with a hint."""

from __future__ import annotations

import errno
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from obstore.exceptions import PreconditionError

from terrarium.client.files import Files
from terrarium.client.reading import read

MEBIBYTE = 1 << 20


@pytest.fixture
def results(opened: Any, request: pytest.FixtureRequest) -> Files:
    """Results, where a folder named as the test is its own."""
    files: Files = opened().store.results
    return files


@pytest.fixture
def own(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("[", "-").replace("]", "")


def test_what_is_written_is_read(results: Files, own: str) -> None:
    with results.open(f"{own}/metrics.json", "w") as file:
        file.write('{"f1": 0.9, "é": 1}')
    with results.open(f"/{own}/metrics.json") as file:
        assert file.read() == '{"f1": 0.9, "é": 1}'.encode()
    assert results.cat_file(f"results://{own}/metrics.json").startswith(b"{")
    assert results.cat(f"{own}/metrics.json").startswith(b"{")
    assert list(results.cat([f"{own}/metrics.json"])) == [f"{own}/metrics.json"]


@pytest.mark.parametrize("size", [0, 1, 8 * MEBIBYTE, 8 * MEBIBYTE + 1, 21 * MEBIBYTE])
def test_every_size_goes_there_and_back(results: Files, own: str, size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    (tmp_path / "up").write_bytes(content)
    results.put_file(str(tmp_path / "up"), own)
    assert results.info(own)["size"] == size
    results.get_file(own, str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == content == results.cat_file(own)
    with results.open(own) as file:
        assert file.read(3) == content[:3]
        assert file.read() == content[3:]
        file.seek(-min(5, size), io.SEEK_END)
        assert file.read() == content[size - min(5, size) :]


def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(results: Files, own: str) -> None:
    results.pipe_file(own, bytes(20 * MEBIBYTE))
    with results.open(own) as file:
        assert file.read(3) == bytes(3)
        results.pipe_file(own, b"1" * 24 * MEBIBYTE)
        for wanted in (9 * MEBIBYTE, -1):
            with pytest.raises(OSError, match=f"results:{own} was replaced while it was read; read it again") as raised:
                file.read(wanted)
            assert raised.value.errno == errno.ESTALE
    assert results.cat_file(own, end=-1) == b"1" * (24 * MEBIBYTE - 1)


def test_an_object_that_is_replaced_between_two_requests_is_not_cut(results: Files, own: str) -> None:
    results.pipe_file(own, bytes(20 * MEBIBYTE))

    class Replacing:
        def get(self, key: str, *, options: Any) -> Any:
            got = results.objects.get(key, options=options)
            results.pipe_file(own, b"1" * 24 * MEBIBYTE)
            return got

    replacing: Any = Replacing()
    with pytest.raises(PreconditionError):
        read(replacing, own)


def test_what_is_to_be_created_replaces_nothing(results: Files, own: str) -> None:
    results.pipe_file(own, b"1", mode="create")
    with pytest.raises(FileExistsError, match=f"results:{own} exists already"):
        results.pipe_file(own, b"2", mode="create")
    assert results.cat_file(own) == b"1"


def test_an_open_file_is_python_s(results: Files, own: str) -> None:
    results.pipe_file(own, b"a\nbc\n\nd")
    with results.open(own) as file:
        assert (file.size, file.path, file.name, file.mode) == (7, own, own, "rb")
        assert list(file) == [b"a\n", b"bc\n", b"\n", b"d"]
        assert file.seek(-2, io.SEEK_END) == 5
        file.seek(2, io.SEEK_CUR)
        assert file.read() == b""
        with pytest.raises(ValueError, match="no byte -1"):
            file.seek(-1)
    with pytest.raises(IsADirectoryError):
        results.open("")


def test_pieces_are_read_without_the_rest(results: Files, own: str) -> None:
    results.pipe_file(own, b"0123456789")
    assert results.cat_file(own, 2, 4) == b"23"
    assert results.cat_file(own, start=8) == b"89"
    assert results.cat_file(own, end=-8) == b"01"
    assert results.cat_file(own, start=-1) == b"9"
    assert results.cat_ranges([own, own], [0, 5], [1, 7]) == [b"0", b"56"]


def test_a_folder_is_what_it_holds(results: Files, own: str) -> None:
    for name in ("a", "b/c", "b/d e/ü%+#.txt"):
        results.pipe_file(f"{own}/{name}", name.encode())
    assert results.ls(own) == [f"{own}/a", f"{own}/b"]
    assert results.ls(f"{own}/a") == [f"{own}/a"]
    assert results.find(own) == [f"{own}/{name}" for name in ("a", "b/c", "b/d e/ü%+#.txt")]
    assert results.glob(f"{own}/**/*.txt") == [f"{own}/b/d e/ü%+#.txt"]
    assert results.isdir(f"{own}/b")
    assert results.isfile(f"{own}/b/c")
    assert not results.exists(f"{own}/nothing")
    with pytest.raises(IsADirectoryError):
        results.rm(own)
    results.rm(own, recursive=True)
    assert results.find(own) == []


def test_trees_go_there_and_back(results: Files, own: str, tmp_path: Path) -> None:
    for name in ("x", "a/y", "a/b/z"):
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_text(name)
    results.put(str(tmp_path / "up"), own, recursive=True)
    results.get(own, str(tmp_path / "down"), recursive=True)
    assert {p.relative_to(tmp_path / "down").as_posix() for p in (tmp_path / "down").rglob("*") if p.is_file()} == {
        "x",
        "a/y",
        "a/b/z",
    }


def test_pandas_reads_and_writes(results: Files, own: str) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    with results.open(f"{own}.csv", "w") as file:
        frame.to_csv(file, index=False)
    with results.open(f"{own}.csv") as file:
        assert pd.read_csv(file).equals(frame)


def test_the_lake_is_read_and_never_written(opened: Any) -> None:
    lake = opened().store.lake
    with lake.open("rain/2026.csv") as file:
        assert list(pd.read_csv(file)["mm"]) == [3]
    with pytest.raises(PermissionError, match="may not do this to lake:x"):
        lake.pipe_file("x", b"")


def test_another_process_gets_the_same(results: Files, own: str) -> None:
    results.pipe_file(own, b"1")
    assert pickle.loads(pickle.dumps(results)).cat_file(own) == b"1"  # noqa: S301 - our own


def test_appending_is_refused_with_a_way_out(results: Files, own: str) -> None:
    with pytest.raises(io.UnsupportedOperation, match="write a further one beside it"):
        results.open(own, "ab")


def test_what_is_missing_is_said_with_what_is_near(results: Files, own: str) -> None:
    results.pipe_file(f"{own}/metrics.json", b"")
    with pytest.raises(FileNotFoundError, match=f"did you mean `{own}/metrics.json`"):
        results.open(f"{own}/metric.json")
    for ask in (results.cat_file, results.info, results.ls, results.rm):
        with pytest.raises(FileNotFoundError, match=f"results:{own}/nothing does not exist"):
            ask(f"{own}/nothing")


def test_a_path_that_is_none_is_said(results: Files) -> None:
    for path in ("a/../b", "a//b"):
        with pytest.raises(OSError, match="has a part that names nothing"):
            results.pipe_file(path, b"")


def test_a_reader_does_not_write_and_learns_who_may(opened: Any, results: Files, own: str) -> None:
    results.pipe_file(own, b"1")
    files = opened("ro").store.results
    assert files.cat_file(own) == b"1"
    for write in (lambda: files.pipe_file(own, b"2"), lambda: files.open(own, "wb").close(), lambda: files.rm(own)):
        with pytest.raises(PermissionError, match=r"identity ro .* may not .*rw is for"):
            write()
    assert files.cat_file(own) == b"1"


def test_a_bucket_sees_its_own_part(opened: Any, results: Files, own: str) -> None:
    alice = opened("bucket-alice")
    alice.store.results.pipe_file(own, b"1")
    assert own in alice["alice"].store.results.ls("")
    assert results.cat_file(f"buckets/alice/{own}") == b"1"
    assert opened()["alice"].store.results.cat_file(own) == b"1"
    assert alice.store.objects("results").head(own)["size"] == 1


def test_a_failed_download_leaves_the_old_file(results: Files, own: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(FileNotFoundError):
        results.get_file(own, str(target))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_fork_is_told_instead_of_hanging(results: Files, own: str) -> None:
    results.pipe_file(own, b"1")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            results.cat_file(own)
        except BaseException as error:  # noqa: BLE001 - the parent looks at it
            os.write(write, str(error).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert "spawn" in pipe.read()
    os.waitpid(child, 0)


_STREAM = """
import resource, sys
from pathlib import Path
from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
files = Environment(Folder(Path(sys.argv[1]))).store.scratch
files.pipe_file("warm", b"1"); files.cat_file("warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files.put_file(sys.argv[2], "large")
files.get_file("large", sys.argv[3])
with files.open("large") as f:
    while f.read(1 << 20): pass
with files.open("copy", "wb") as t, open(sys.argv[2], "rb") as f:
    while piece := f.read(1 << 20): t.write(piece)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_large_files_do_not_stay_in_memory(folders: dict[str, Path], tmp_path: Path) -> None:
    with (tmp_path / "up").open("wb") as file:
        file.truncate(128 * MEBIBYTE)
    done = subprocess.run(
        [sys.executable, "-c", _STREAM, folders["rw"], tmp_path / "up", tmp_path / "down"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    # Four parts on their way, and the pieces of one file that is read: less than the object.
    assert int(done.stdout) < 96, f"{done.stdout} MiB"
