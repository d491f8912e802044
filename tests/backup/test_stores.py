"""Proves of stores that answer badly: a cut stream goes on, silence is told soon, and attempts end by time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server
from typing import ClassVar

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from components.contract import Administration
from terrarium import s3
from terrarium.backups import answers
from terrarium.backups import objects as objects_module
from terrarium.backups.objects import Objects
from terrarium.errors import CommandFailed

CONTENT = bytes(range(256)) * 4_000
KEYS = s3.Keys("key", "secret")


class Store(BaseHTTPRequestHandler):
    """A store of one object, whose first two answers break off."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str | None, str | None]]] = []
    etag: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if "object" not in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        wanted, same = self.headers.get("Range"), self.headers.get("If-Match")
        self.asked.append((wanted, same))
        etag = self.etag[min(len(self.asked), len(self.etag)) - 1]
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        rest = CONTENT[first:] if same in {None, etag} else b""
        self.send_response(412 if not rest else 206 if first else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if len(self.asked) > 2 else rest[:400_000])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def served(*etags: str) -> Iterator[Objects]:
    handler = type("Handler", (Store,), {"asked": [], "etag": list(etags)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Objects(administration(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()


def administration(endpoint: str) -> Administration:
    return Administration(endpoint, endpoint, "us-east-1", None, "key", "secret", {})


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "_PAUSE", 0.0)


def test_a_stream_that_is_cut_goes_on_where_it_was() -> None:
    with served('"same"') as store:
        assert b"".join(store.stream("bucket", "object")) == CONTENT


def test_a_stream_that_is_cut_does_not_go_on_with_another_object() -> None:
    with served('"old"', '"new"') as store, pytest.raises(CommandFailed, match="412"):
        list(store.stream("bucket", "object"))


@contextmanager
def silent() -> Iterator[str]:
    """Give the URL of who takes connections and never answers."""
    with create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_store_that_says_nothing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "_PROBE", 0.2)
    with silent() as endpoint, pytest.raises(CommandFailed, match="does not answer"):
        Objects(administration(endpoint))


def test_attempts_end_by_time() -> None:
    began = time.monotonic()
    with silent() as endpoint, pytest.raises(ReadTimeoutError):
        answers.client(administration(endpoint), silence=0.2, patience=0.5).list_buckets()
    assert time.monotonic() - began < 5


def test_attempts_at_a_store_that_fails_end_by_time_and_say_how() -> None:
    class Failing(Store):
        def do_GET(self) -> None:
            body = b"<Error><Code>SlowDown</Code></Error>"
            self.send_response(503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ClientError, match="SlowDown"):
            s3.client("s3", f"http://127.0.0.1:{server.server_port}", "us-east-1", KEYS, patience=0.5).list_buckets()
        server.shutdown()


def test_nothing_is_taken_from_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_PROFILE": "missing",
        "AWS_SESSION_TOKEN": "other",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    client = s3.client("s3", "http://127.0.0.1:9", "us-east-1", KEYS)
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client._request_signer._credentials.token is None
