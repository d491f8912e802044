"""A service that is asked for known holes, by pip-audit: what it says, and what it does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from terrarium.images.advisories import Hole
from terrarium.images.layers import Package
from terrarium.images.scan import Scan, fresh, read, scan

TODAY = datetime.now(UTC).date().isoformat()
HOLE = {
    "id": "PYSEC-2099-2",
    "aliases": ["CVE-2099-0002"],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "holey"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
        }
    ],
}


class Service(BaseHTTPRequestHandler):
    """Answers as OSV's `v1/query`."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        body = json.dumps({"vulns": [HOLE]} if name == "holey" else {}).encode()
        self.send_response(500 if name == "broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {"TERRARIUM_ADVISORIES": f"http://127.0.0.1:{server.server_address[1]}/v1/query"}
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_the_service_knows(service: dict[str, str]) -> None:
    found = scan([Package("holey", "1.0"), Package("sound", "1.0")], service)
    assert found.holes == (Hole("holey", "1.0", "PYSEC-2099-2", ("CVE-2099-0002",), ("2.0",)),)
    assert (found.day, found.clean) == (TODAY, False)
    assert scan([Package("sound", "1.0")], service).clean
    assert scan([], service).clean


def test_a_service_that_fails_has_scanned_nothing(service: dict[str, str]) -> None:
    found = scan([Package("sound", "1.0"), Package("broken", "1.0")], service)
    assert found.day is None
    assert not found.clean
    assert "can't be reached" in str(found)


def test_a_scan_is_as_old_as_its_data_and_due_once_a_day(service: dict[str, str]) -> None:
    old = Scan("advisories", "2026-01-02", "2026-01-01")
    assert str(old) == "no known holes, by advisories of 2026-01-01"
    assert read(json.loads(json.dumps(old.as_dict()))) == old
    assert not fresh(old, {"TERRARIUM_ADVISORIES": "/data/advisories"})
    assert fresh(Scan("advisories", TODAY), {"TERRARIUM_ADVISORIES": "/data/advisories"})
    # With other data it is another question.
    assert not fresh(Scan("advisories", TODAY), service)
    assert fresh(Scan("OSV", TODAY), {})
