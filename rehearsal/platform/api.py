"""The few calls that starting a platform makes to its API server.

Not the Kubernetes client: importing it takes longer (0.6 s) than everything asked here.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rehearsal.errors import RehearsalError
from rehearsal.platform.certificates import Pair
from rehearsal.platform.ports import LOOPBACK

_MISSING, _CONFLICT = 404, 409
_FAILED = 300


class Api:
    """One API server on loopback, asked with a client certificate."""

    def __init__(
        self, port: int, authority: Path, client: Pair, *, host: str = LOOPBACK, timeout: float = 10.0
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            port: Where it listens.
            authority: Certificate its own is checked with.
            client: Certificate and key to log in with.
            host: Its address, on this machine.
            timeout: Seconds one call may take.
        """
        self._port = port
        self._host = host
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._tls.load_cert_chain(client.certificate, client.key)

    def get(self, path: str, accept: str = "") -> dict[str, Any] | None:
        """Return the object at a path, or None if it is not there or the server does not answer (yet).

        Args:
            path: The path.
            accept: The form that is asked for, as a media type; by default the server's own.
        """
        with suppress(OSError, http.client.HTTPException, ValueError):
            status, body = self._ask("GET", path, accept=accept)
            content = json.loads(body) if status < _FAILED else None
            return content if isinstance(content, dict) else None
        return None

    def answers(self, path: str) -> bool:
        """Return whether a path, such as `/readyz`, answers with success."""
        with suppress(OSError, http.client.HTTPException):
            return self._ask("GET", path)[0] < _FAILED
        return False

    def create(self, path: str, content: Mapping[str, Any]) -> None:
        """Create an object in the collection at a path, unless it exists.

        Raises:
            RehearsalError: The server refused it or went away.
        """
        self._send("POST", path, content, "application/json", {_CONFLICT})

    def apply(self, path: str, content: Mapping[str, Any]) -> None:
        """Make the object at a path what `content` says (server-side apply).

        Raises:
            RehearsalError: The server refused it or went away.
        """
        query = "?fieldManager=terrarium-platform&force=true"
        self._send("PATCH", path + query, content, "application/apply-patch+yaml", set())

    def delete(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """Delete the object at a path, if it exists.

        Args:
            path: The path.
            options: Of `DeleteOptions`, such as {"gracePeriodSeconds": 0}.

        Raises:
            RehearsalError: The server refused it or went away.
        """
        self._send("DELETE", path, options or {}, "application/json", {_MISSING})

    def _send(self, method: str, path: str, content: Mapping[str, Any], kind: str, accepted: set[int]) -> None:
        try:
            status, body = self._ask(method, path, json.dumps(content).encode() if content else None, kind)
        except (OSError, http.client.HTTPException) as error:
            raise RehearsalError(f"The API server on port {self._port} does not answer: {error}") from error
        if status >= _FAILED and status not in accepted:
            text = body.decode(errors="replace")[:500]
            raise RehearsalError(f"The API server refused {method} {path} ({status}): {text}")

    def _ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "", accept: str = ""
    ) -> tuple[int, bytes]:
        # A connection of its own, past any HTTPS_PROXY: the way to this machine itself never leads through a proxy.
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)
        try:
            headers = {"Content-Type": kind, "Accept": accept}
            connection.request(method, path, body, {name: value for name, value in headers.items() if value})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
