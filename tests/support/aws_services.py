"""STS, Secrets Manager and the agent of EKS Pod Identity on loopback, as far as the product asks: scripted answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

CALLER = "arn:aws:sts::123456789012:assumed-role/team/ana@example.org"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass
class Services:
    """What was asked, and what is answered.

    Args:
        url: Where the services are.
        secrets: What Secrets Manager holds, by ARN.
        refusal: Code with which STS refuses to lend a role; None to lend it.
        minutes: For how long keys are lent.
        token: What the agent must be shown.
        asked: Operations, with their parameters.
    """

    url: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None
    minutes: int = 60
    token: str = "proof"  # noqa: S105 - of no service
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def lent(self) -> dict[str, str]:
        """Keys, another one each time."""
        number = len(self.asked)
        until = datetime.now(UTC) + timedelta(minutes=self.minutes)
        return {
            "AccessKeyId": f"LENT{number}",
            "SecretAccessKey": f"hidden-{number}",
            "SessionToken": f"token-{number}",
            "Expiration": until.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }

    def sts(self, asked: dict[str, str]) -> tuple[int, str]:
        """Answer STS."""
        action = asked["Action"]
        self.asked.append((action, asked))
        if action == "GetCallerIdentity":
            content = f"<Arn>{CALLER}</Arn><UserId>AROA:ana</UserId><Account>123456789012</Account>"
        elif self.refusal:
            said = f"<Error><Code>{self.refusal}</Code><Message>hidden details</Message></Error>"
            return 403, f'<ErrorResponse xmlns="{_NAMESPACE}">{said}</ErrorResponse>'
        else:
            content = "<Credentials>" + "".join(f"<{k}>{v}</{k}>" for k, v in self.lent.items()) + "</Credentials>"
        result = f"<{action}Result>{content}</{action}Result>"
        return 200, f'<{action}Response xmlns="{_NAMESPACE}">{result}</{action}Response>'

    def secret(self, arn: str) -> tuple[int, str]:
        """Answer Secrets Manager."""
        self.asked.append(("GetSecretValue", {"SecretId": arn}))
        if arn not in self.secrets:
            return 400, json.dumps({"__type": "AccessDeniedException", "Message": "hidden details"})
        return 200, json.dumps({"ARN": arn, "Name": "n", "SecretString": self.secrets[arn]})

    def agent(self, token: str | None) -> tuple[int, str]:
        """Answer as the agent on a node."""
        self.asked.append(("Agent", {"token": token or ""}))
        if token != self.token:
            return 400, "no"
        found = self.lent
        return 200, json.dumps({**found, "Token": found["SessionToken"]})


@contextmanager
def services() -> Iterator[Services]:
    """Serve them for as long as the context lasts."""
    state = Services()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.headers.get("X-Amz-Target"):
                self._say(*state.secret(json.loads(body)["SecretId"]))
            else:
                self._say(*state.sts({key: values[0] for key, values in parse_qs(body).items()}))

        def do_GET(self) -> None:
            self._say(*state.agent(self.headers.get("Authorization")))

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
