"""Proves: servers whose certificates a site's own authority signs are reached by its `ca.crt`, and not without it."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from terrarium.client.authorities import Authorities
from terrarium.client.connection import parse
from terrarium.client.database import Database
from terrarium.client.faults import StoreFailed, from_client_error
from terrarium.store_places import Remote
from terrarium.store_transfer import Transfer
from tests.client.flaky import flaky
from tests.client.stores import Servers

_MOUNTED = "/var/run/terrarium/store/ca.crt"


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    own = key is by
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=own, path_length=None), critical=True)
        .add_extension(here, critical=False)
        .sign(by, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ssl.SSLContext]:
    """An authority's certificate, and TLS of a server on loopback that it vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = _certificate("site", root, root).public_bytes(serialization.Encoding.PEM).decode()
    (folder / "server").write_bytes(
        _certificate("server", key, root).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server")
    return pem, context


def test_objects_are_reached_by_the_site_s_authority(
    opened: Any, server: Servers, tmp_path: Path, site: tuple[str, ssl.SSLContext]
) -> None:
    pem, tls = site
    with flaky(server.endpoint, 1, share=0, tls=tls) as (endpoint, _):
        stranger = opened("rw", endpoint, tmp_path / "stranger").store
        with pytest.raises(ConnectionError, match="is not trusted"):
            stranger.scratch.pipe_file("tls", b"1")
        # boto3 tries again for two minutes before it says so.
        said = from_client_error(SSLError(endpoint_url=endpoint, error=""), stranger.connection, "scratch:tls")
        assert "is not trusted" in str(said)
        (tmp_path / "known").mkdir()
        (tmp_path / "known" / "ca.crt").write_text(pem)
        known = opened("rw", endpoint, tmp_path / "known").store
        known.scratch.pipe_file("tls", b"1")
        _copy(known)
        assert known.results.cat_file("tls") == b"1"


def _copy(store: Any) -> None:
    Transfer(store, lambda _: None).copy(Remote("scratch", "tls", False), Remote("results", "tls", False), 1)


def test_the_database_is_verified_by_the_site_s_authority(
    folders: dict[str, Path], site: tuple[str, ssl.SSLContext]
) -> None:
    pem, tls = site
    with _postgresql(tls) as port:
        files = {file.name: file.read_text() for file in folders["rw"].iterdir()}
        service = files["pg_service.conf"].replace("sslmode=disable", f"sslmode=verify-full\nsslrootcert={_MOUNTED}")
        files["pg_service.conf"] = service.replace("port=", f"port={port}\n#")
        # libpq: `root certificate file "…" does not exist`, which was taken for a database that is gone.
        with pytest.raises(StoreFailed, match=f"is not trusted: .* that {_MOUNTED} vouches for"):
            Database(parse(files, "Secret")).connect()
        # It trusts the server, which then hangs up.
        with pytest.raises(StoreFailed, match="does not answer"):
            Database(parse({**files, "ca.crt": pem}, "Secret")).connect()


@contextmanager
def _postgresql(tls: ssl.SSLContext) -> Iterator[int]:
    """Take connections as PostgreSQL does, up to the end of the handshake."""

    def serve() -> None:
        while True:
            try:
                taken, _ = listening.accept()
            except OSError:
                return
            with taken:
                taken.recv(8)
                taken.sendall(b"S")
                try:
                    tls.wrap_socket(taken, server_side=True).close()
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_secret_s_authorities_are_a_private_file_while_the_process_lives(tmp_path: Path) -> None:
    assert Authorities("x", tmp_path).path == str(tmp_path)
    program = (
        "from terrarium.client.authorities import Authorities as A; import os, pathlib; "
        "p = pathlib.Path(A('pem').path); assert A('pem').path == str(p); "
        "print(p, oct(p.stat().st_mode & 0o777), p.read_text()); os.fork() or exit(0); os.wait(); assert p.exists()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    path, mode, content = done.stdout.splitlines()[0].split()
    assert (mode, content, Path(path).exists()) == ("0o600", "pem", False)
