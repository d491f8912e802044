"""What a registry may do to a push: not answer, refuse, want a login, break off, keep its own list of papers."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import urllib3

from rehearsal.images.loopback import Served, served
from terrarium.errors import CommandFailed, Exit
from terrarium.images import build, delivery, places
from terrarium.images.registry import Repository, digest_of
from tests.images.conftest import script
from tests.support.image_registry import document, tags

pytestmark = pytest.mark.usefixtures("advisories")

# `htpasswd -Bbn builder secret`
HTPASSWD = "builder:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


def mapped(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    conf = folder / "elsewhere.conf"
    conf.write_text(f'[[registry]]\nprefix = "registry.internal"\nlocation = "{address}"\ninsecure = true\n{more}')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))


def test_a_registry_that_does_not_answer(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped(project, "127.0.0.1:9", monkeypatch)
    script(project, "print('nobody')\n")
    with pytest.raises(CommandFailed, match=r"does not answer at http://127.0.0.1:9.*is it up") as failed:
        build("train.py", environment="dev")
    assert failed.value.code == Exit.FAILED


def test_what_is_interrupted_has_no_name(project: Path, registry: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    script(project, "print('interrupted')\n")
    before = tags(registry, "churn-dev/interrupted")

    def broken(self: Repository, document: Any, tag: str | None = None) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken_off:
        broken_off.setattr(Repository, "put_manifest", broken)
        with pytest.raises(KeyboardInterrupt):
            build("train.py", environment="dev", name="interrupted")
    assert tags(registry, "churn-dev/interrupted") == before == []
    # The same command goes on.
    built = build("train.py", environment="dev", name="interrupted")
    called = tags(registry, "churn-dev/interrupted")
    assert [tag for tag in called if tag.startswith("inputs-")]
    assert built.digest.replace(":", "-") in called


def test_what_is_interrupted_between_image_and_papers(
    project: Path, registry: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(project, "print('half')\n")

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken_off:
        broken_off.setattr(delivery, "attach", broken)
        with pytest.raises(KeyboardInterrupt):
            build("train.py", environment="dev", name="half")
    assert tags(registry, "churn-dev/half") == []
    assert not build("train.py", environment="dev", name="half").cached


@pytest.fixture
def guarded(tmp_path: Path) -> Any:
    """A registry that wants a login."""
    folder = tmp_path / "guarded"
    folder.mkdir()
    (folder / "htpasswd").write_text(HTPASSWD)
    with served(
        folder, {"auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}}, base=False
    ) as found:
        yield found


def test_whoever_signed_in_may_push(
    guarded: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Served
) -> None:
    mapped(tmp_path, guarded.address, monkeypatch)
    where = places.place("registry.internal/team/x", {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "elsewhere.conf")})
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CommandFailed, match=r"only for those who signed in: run `docker login registry.internal`"):
        Repository(where).put_blob(digest_of(b"x"), b"x")

    config = tmp_path / ".docker" / "config.json"
    config.parent.mkdir()
    for password, error in (("wrong", "you may not"), ("secret", None)):
        auth = base64.b64encode(f"builder:{password}".encode()).decode()
        config.write_text(json.dumps({"auths": {"registry.internal": {"auth": auth}}}))
        if error:
            with pytest.raises(CommandFailed, match=error) as refused:
                Repository(where).put_blob(digest_of(b"x"), b"x")
            assert refused.value.code == Exit.REFUSED
        else:
            Repository(where).put_blob(digest_of(b"x"), b"x")
            assert Repository(where).blob(digest_of(b"x")) == b"x"


class Bearer(BaseHTTPRequestHandler):
    """A registry as the clouds': it wants a token, which its own service gives for a login."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        authorization, where = self.headers.get("Authorization", ""), f"http://{self.headers['Host']}"
        self.asked.append(f"{self.path.partition('?')[0]} {authorization.partition(' ')[0]}")
        body = b""
        if self.path.startswith("/token"):
            self.send_response(200 if authorization.startswith("Basic ") else 401)
            body = b'{"token": "granted"}'
        elif authorization == "Bearer granted":
            self.send_response(200)
        else:
            self.send_response(401)
            scope = 'service="registry",scope="repository:team/x:pull"'
            self.send_header("WWW-Authenticate", f'Bearer realm="{where}/token",{scope}')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A registry of a test's own; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_login_is_exchanged_for_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(Bearer) as address:
        mapped(tmp_path, address, monkeypatch)
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "auth.json").write_text('{"auths": {"registry.internal": {"auth": "YTpi"}}}')
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
        conf = {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "elsewhere.conf")}
        repository = Repository(places.place("registry.internal/team/x", conf))
        assert repository.has_blob(digest_of(b"x"))
        assert repository.has_blob(digest_of(b"y"))
    blobs = [line.rpartition(" ")[2] for line in Bearer.asked if "/blobs/" in line]
    assert blobs == ["", "Bearer", "Bearer"]
    assert "/token Basic" in Bearer.asked


class Leading(Bearer):
    """It sends uploads elsewhere, to an address that begins as its own."""

    def do_HEAD(self) -> None:
        if self.headers.get("Authorization") != "Bearer granted":
            self.do_GET()
            return
        self.send_response(404)
        self.end_headers()

    def do_POST(self) -> None:
        self.send_response(202)
        self.send_header("Location", f"http://{self.headers['Host']}@elsewhere.example/upload")
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_another_host_is_told_no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, str | None] = {}
    request = urllib3.PoolManager.request

    def watched(self: urllib3.PoolManager, method: str, url: str, **more: Any) -> Any:
        told[method] = more["headers"].get("Authorization")
        if "elsewhere.example" in url:
            raise urllib3.exceptions.ProtocolError
        return request(self, method, url, **more)

    monkeypatch.setattr(urllib3.PoolManager, "request", watched)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "auth.json").write_text('{"auths": {"registry.internal": {"auth": "YTpi"}}}')
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    with answering(Leading) as address:
        repository = Repository(places.Place("registry.internal/team/x", f"http://{address}", "team/x"))
        with pytest.raises(CommandFailed, match="does not answer"):
            repository.put_blob(digest_of(b"x"), b"x")
    assert told == {"HEAD": "Bearer granted", "POST": "Bearer granted", "PUT": None}


class Stumbling(BaseHTTPRequestHandler):
    """A registry that breaks a blob off, as often as its name says."""

    content: ClassVar[bytes] = b"x" * 4_000_000
    breaks: ClassVar[int] = 0

    def do_GET(self) -> None:
        kind = type(self)
        kind.breaks -= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: 2_500_000 if kind.breaks >= 0 else None])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def test_a_blob_that_breaks_off_is_asked_for_again() -> None:
    with answering(Stumbling) as address:
        repository = Repository(places.Place("registry.internal/x", f"http://{address}", "x"))
        Stumbling.breaks = 2
        assert repository.blob(digest_of(Stumbling.content)) == Stumbling.content
        Stumbling.breaks = 9
        with pytest.raises(CommandFailed, match="does not answer at"):
            repository.blob(digest_of(Stumbling.content))
    assert Stumbling.breaks == 9 - 3


def test_a_base_from_another_registry_is_carried_over(
    project: Path, registry: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with served(folder, base=False) as other:
        moved = f'prefix = "registry.internal/churn-dev"\nlocation = "{other.address}/moved"\ninsecure = true\n'
        mapped(project, registry.address, monkeypatch, f"[[registry]]\n{moved}")
        script(project, "print('carried')\n")
        built = build("train.py", environment="dev")
        assert built.reference.startswith("registry.internal/churn-dev/train@")
        assert len(document(other, f"moved/train/manifests/{built.digest}")["layers"]) == 3


def test_what_comes_is_checked(project: Path, registry: Served) -> None:
    repository = Repository(
        places.place("registry.internal/base/python", {"CONTAINERS_REGISTRIES_CONF": str(registry.conf)})
    )
    manifest, _ = repository.manifest(registry.base)
    digest = manifest["config"]["digest"].removeprefix("sha256:")
    stored = registry.folder / f"images/docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    kept = stored.read_bytes()
    stored.write_bytes(kept.replace(b"3.11.2", b"3.12.2"))
    try:
        with pytest.raises(CommandFailed, match="gave another blob than"):
            repository.blob(f"sha256:{digest}")
    finally:
        stored.write_bytes(kept)
