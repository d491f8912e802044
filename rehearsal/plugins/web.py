"""Requests to a server, and in words why it does not answer."""

from __future__ import annotations

import json
import ssl
from typing import Any

import urllib3

from rehearsal.plugins.resource import ProviderError

# The engine works on as many resources at once as `--parallel` says (16 unless told).
CONNECTIONS = 32
CONNECT_SECONDS = 5.0
# Servers answer long before; a dry run through a slow Kubernetes admission webhook may take 30 s.
READ_SECONDS = 60.0


class UnreachableError(ProviderError):
    """No answer from the server; the message says which and what to do."""


class Server:
    """A server for many threads at once.

    Args:
        url: where it is.
        role: what a person calls it, such as `the Kubernetes API server`.
        hint: what to check when it does not answer.
        trust: how its certificate is checked; None for the system's authorities.
        name_on_certificate: if it is not the URL's.
    """

    def __init__(
        self,
        url: str,
        role: str,
        hint: str,
        *,
        trust: ssl.SSLContext | None = None,
        name_on_certificate: str | None = None,
    ) -> None:
        self.url = url
        self._role = role
        self._hint = hint
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            ssl_context=trust,
            server_hostname=name_on_certificate,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            # A server that restarts refuses connections for a moment; nothing has been sent then.
            retries=urllib3.Retry(total=None, connect=2, read=1, redirect=0, status=0, other=0, backoff_factor=0.3),
        )

    def request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Send a request and return the answer's status and JSON object; of another answer the text, as `message`.

        Raises:
            UnreachableError: no server, no valid certificate, or no answer in time.
        """
        try:
            answer = self._pool.request(method, self.url + path, body=body, headers=headers)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"{self._role} {self.url} {_why(str(error))}: {self._hint}") from error
        return answer.status, _parsed(answer.data)


def _parsed(answer: bytes) -> dict[str, Any]:
    text = answer.decode(errors="replace")
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    # A proxy on the way answers with a page of HTML.
    return content if isinstance(content, dict) else {"message": text[:500]}


def _why(text: str) -> str:
    if "certificate verify failed" in text:
        return "has a certificate that the chosen authority did not sign"
    if "refused" in text:
        return "refuses connections"
    if "resolve" in text or "Name or service not known" in text:
        return "has a name that can't be resolved"
    return "does not answer"


def tls(
    authority: str | None, certificate: str | None = None, key: str | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """How to check a server's certificate and show our own.

    Args:
        authority: PEM file of the authorities; None for the system's.
        certificate: PEM file of our own; None for none.
        key: PEM file of its key.
        verify: false accepts any server.

    Raises:
        OSError: a file can't be read, or is no certificate.
    """
    context = ssl.create_default_context(cafile=authority)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # The person says so; a warning with each request tells nobody anything new.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context
