"""Google Cloud Storage on loopback, as far as obstore speaks to it: objects in memory, by its XML API."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class Google:
    """The service.

    Args:
        url: Where it is.
        objects: Content by bucket and key, `bucket/key`.
        asked: Methods and paths of all requests.
        refused: Whether it refuses whatever is asked.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refused: bool = False

    def listing(self, bucket: str, query: dict[str, str]) -> str:
        """Return the answer to a listing."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        content, folders = "", set()
        for name in sorted(self.objects):
            key = name.removeprefix(f"{bucket}/")
            if key == name or not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
                continue
            size, tag = len(self.objects[name]), tag_of(self.objects[name])
            content += (
                f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><ETag>{escape(tag)}</ETag>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        content += "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
        return f"<ListBucketResult>{content}<IsTruncated>false</IsTruncated></ListBucketResult>"


def tag_of(content: bytes) -> str:
    """Return the ETag of a content."""
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Google

    def do_GET(self) -> None:
        bucket, _, key = self._path().partition("/")
        if not key:
            self._say(200, self.state.listing(bucket, self._query()).encode())
            return
        content = self.state.objects.get(f"{bucket}/{key}")
        if content is None:
            self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        wanted = self.headers.get("Range")
        if wanted is None:
            self._say(200, content, tag_of(content))
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        end = min(int(last) + 1 if last else len(content), len(content))
        span = f"bytes {first}-{end - 1}/{len(content)}"
        self._say(206, content[int(first) : end], tag_of(content), span)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        path, length = self._path(), int(self.headers.get("Content-Length") or 0)
        content, source = self.rfile.read(length), self.headers.get("x-goog-copy-source")
        query = self._query()
        if "partNumber" in query:
            path = f"parts of {path}/{int(query['partNumber']):05}"
        if source:
            content = self.state.objects[unquote(source)]
        self.state.objects[path] = content
        self._say(200, b"", tag_of(content))

    def do_POST(self) -> None:
        path = self._path()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "uploads" in self._query():
            begun = "<UploadId>one</UploadId>"
            self._say(200, f"<InitiateMultipartUploadResult>{begun}</InitiateMultipartUploadResult>".encode())
            return
        parts = sorted(name for name in self.state.objects if name.startswith(f"parts of {path}/"))
        self.state.objects[path] = b"".join(self.state.objects.pop(name) for name in parts)
        tag = f"<ETag>{escape(tag_of(self.state.objects[path]))}</ETag>"
        self._say(200, f"<CompleteMultipartUploadResult>{tag}</CompleteMultipartUploadResult>".encode())

    def do_DELETE(self) -> None:
        self.state.objects.pop(self._path(), None)
        self._say(204, b"")

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path.lstrip("/"))

    def _query(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def _say(self, status: int, content: bytes, tag: str = "", span: str = "") -> None:
        self.state.asked.append(f"{self.command} {self.path}")
        if self.state.refused:
            status, content = 403, b"<Error><Code>AccessDenied</Code><Details>hidden details</Details></Error>"
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(content)),
            "Last-Modified": formatdate(usegmt=True),
            "ETag": tag,
            "Content-Range": span,
        }.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def google() -> Iterator[Google]:
    """Serve it for as long as the context lasts."""
    state = Google()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Answer", (_Answer,), {"state": state})) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
