"""Proves: a store that fails one time in three loses nothing and doubles nothing; one that is gone or full says so."""

from __future__ import annotations

import errno
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from terrarium.client.faults import StoreFailed
from tests.client.flaky import flaky
from tests.client.stores import Servers

MEBIBYTE = 1 << 20


def test_one_failure_in_three_is_not_seen(opened: Any, server: Servers, tmp_path: Path) -> None:
    """Also when the store did what was asked and failed to say so."""
    seed = 1
    large = bytes(range(256)) * (20 * MEBIBYTE // 256)
    with flaky(server.endpoint, seed) as (endpoint, failures):
        scratch = opened("rw", endpoint, tmp_path / "folder").store.scratch
        base = f"flaky{seed}"
        for number in range(20):
            scratch.pipe_file(f"{base}/{number}", str(number).encode())
        with scratch.open(f"{base}/large", "wb") as file:
            file.write(large)
        assert scratch.cat_file(f"{base}/large") == large
        with scratch.open(f"{base}/large") as file:
            assert file.read() == large
        assert [scratch.cat_file(f"{base}/{number}") for number in range(20)] == [str(n).encode() for n in range(20)]
        assert len(scratch.find(base)) == 21
        scratch.rm(base, recursive=True)
        assert scratch.find(base) == []
    assert len(failures) > 5
    assert {failure.split()[0] for failure in failures} >= {"PUT", "GET"}


@pytest.mark.parametrize(("status", "number"), [(500, errno.EIO), (501, errno.ENOSYS), (507, errno.ENOSPC)])
def test_a_store_that_always_fails_is_named_in_time(
    opened: Any, server: Servers, tmp_path: Path, status: int, number: int
) -> None:
    with flaky(server.endpoint, 1, share=1, status=status) as (endpoint, _):
        scratch = opened("rw", endpoint, tmp_path / "folder").store.scratch
        start = time.monotonic()
        with pytest.raises(OSError, match="scratch:x") as raised:
            scratch.pipe_file("x", b"1")
        assert time.monotonic() - start < 60
    assert raised.value.errno == number
    assert "Signature" not in str(raised.value)


def test_a_key_that_is_no_path_is_named(opened: Any, tmp_path: Path) -> None:
    """S3 takes it, obstore doesn't; versitygw makes a path of it, so this store is made up."""
    with _answering(b"<ListBucketResult><Contents><Key>a//b</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
        b"<ETag>x</ETag><Size>1</Size></Contents></ListBucketResult>") as endpoint:  # fmt: skip
        scratch = opened("rw", endpoint, tmp_path / "folder").store.scratch
        for ask in (scratch.ls, scratch.find):
            with pytest.raises(OSError, match="key `a//b` in it is no path; rename or delete it") as raised:
                ask("")
            assert raised.value.errno == errno.EINVAL


@contextmanager
def _answering(body: bytes) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_store_that_is_gone_is_named(opened: Any, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    files = opened("rw", endpoint, tmp_path / "folder").store.results
    with pytest.raises(ConnectionError, match="does not answer"):
        files.pipe_file("x", b"1")
    # A store that does not answer must not be taken for one without the object.
    with pytest.raises(ConnectionError):
        files.exists("x")


def test_a_key_that_was_renewed_is_named(folders: dict[str, Path], opened: Any, tmp_path: Path) -> None:
    environment = opened("rw", "http://unused", tmp_path / "folder")
    for name in ("credentials", "store.json", "config"):
        text = (folders["rw"] / name).read_text()
        (tmp_path / "folder" / name).write_text(text.replace("aws_secret_access_key = ", "aws_secret_access_key = x"))
    with pytest.raises(PermissionError, match="no longer valid"):
        environment.store.results.ls("")


def test_variables_of_the_shell_change_nothing(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_SESSION_TOKEN": "x",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_PROFILE": "none-of-this-name",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "PGHOST": "nowhere",
        "PGOPTIONS": "-c search_path=nothing",
    }.items():
        monkeypatch.setenv(name, value)
    store = opened().store
    store.results.pipe_file("shell", b"1")
    assert store.results.cat_file("shell") == b"1"
    assert store.sql("show search_path")[0][0] == '"$user", public'


def test_a_database_that_is_gone_is_named(folders: dict[str, Path], opened: Any, tmp_path: Path) -> None:
    environment = opened("rw", "http://unused", tmp_path / "folder")
    service = tmp_path / "folder" / "pg_service.conf"
    text = service.read_text()
    service.write_text(text.replace("port=", "port=1\n#"))
    with pytest.raises(StoreFailed, match="does not answer"):
        environment.store.sql("select 1")


def test_a_password_that_was_renewed_is_named(opened: Any, tmp_path: Path) -> None:
    environment = opened("rw", "http://unused", tmp_path / "folder")
    service = tmp_path / "folder" / "pg_service.conf"
    service.write_text(service.read_text().replace("pass%word", "another"))
    with pytest.raises(StoreFailed, match="refused the password") as raised:
        environment.store.sql("select 1")
    assert "another" not in str(raised.value)


def test_a_lost_connection_is_made_anew(opened: Any) -> None:
    store = opened().store
    [row] = store.sql("select pg_backend_pid()")
    with store.database.connect(autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s)", [row[0]])
    with pytest.raises(psycopg.OperationalError):
        store.sql("select 1")
    assert store.sql("select 1 as one")[0][0] == 1


def test_an_identity_reaches_no_other_ones_tables(opened: Any) -> None:
    opened().store.sql("create table if not exists public.shared (a int)")
    reader = opened("ro").store
    assert reader.sql("select count(*) from shared")[0][0] == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.sql("insert into shared values (1)")
    alice = opened("bucket-alice").store
    alice.sql("create table if not exists mine (a int)")
    assert alice.sql("select schemaname from pg_tables where tablename = 'mine'")[0][0] == "alice"


@pytest.mark.parametrize("damage", ["", "{", json.dumps({"version": 2}), json.dumps([])])
def test_a_damaged_folder_is_named(opened: Any, tmp_path: Path, damage: str) -> None:
    environment = opened("rw", "http://unused", tmp_path / "folder")
    (tmp_path / "folder" / "store.json").write_text(damage)
    with pytest.raises(Exception, match="can't be read"):
        _ = environment.store
