"""A way to a store that fails one time in three: by a 500 before or after it did what was asked, or by hanging up."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

_PIECE = 1 << 20
_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Flaky(BaseHTTPRequestHandler):
    """Passes a request on, or fails."""

    protocol_version = "HTTP/1.1"
    upstream: ClassVar[str]
    chance: ClassVar[random.Random]
    lock: ClassVar[threading.Lock]
    failures: ClassVar[list[str]]
    share: ClassVar[float]
    status: ClassVar[int]
    slow: ClassVar[bool]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            fails = self.chance.random() < self.share
            how = self.chance.choice(("before", "after", "hangs up"))
        if fails:
            self.failures.append(f"{self.command} {how}")
        if fails and how == "hangs up":
            # A reset: nothing is said any more, also not goodbye.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        answer = self._ask(body) if not fails or how == "after" else None
        if answer is None or fails:
            self._say(self.status, [], b"<Error><Code>InternalError</Code></Error>")
        else:
            self._say(*answer)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        way = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            way.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    way.putheader(name, value)
            way.endheaders(body)
            answer = way.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            way.close()

    def _say(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length", "0")
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            for start in range(0, len(body), _PIECE):
                self.wfile.write(body[start : start + _PIECE])
                if self.slow and start:
                    time.sleep(0.2)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


for _method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
    setattr(Flaky, f"do_{_method}", Flaky.answer)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that gave up is what these tests make.
        pass


@contextmanager
def flaky(
    endpoint: str,
    seed: int,
    share: float = 1 / 3,
    status: int = 500,
    *,
    slow: bool = False,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Give the URL of a way to a store that fails, or answers by 5 MiB in a second, and the failures so far."""
    failures: list[str] = []
    given = {
        "upstream": urlsplit(endpoint).netloc,
        "chance": random.Random(seed),  # noqa: S311 - it must come out alike each time
        "lock": threading.Lock(),
        "failures": failures,
        "share": share,
        "status": status,
        "slow": slow,
    }
    server = _Server(("127.0.0.1", 0), type("Handler", (Flaky,), given))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", failures
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
