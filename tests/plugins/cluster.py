"""A real API server with its etcd and controllers, for these tests: loopback, free ports, gone at the end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 60
# Everybody on loopback with this token is admin of an empty cluster that lives for one test run.
TOKEN = "tests"  # noqa: S105 - protects nothing


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def control_plane(binaries: Path, folder: Path) -> Iterator[Path]:
    """Run etcd, kube-apiserver and kube-controller-manager; yield the admin's kubeconfig."""
    etcd, peer, secure = _free_port(), _free_port(), _free_port()
    key = folder / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
    kubeconfig = folder / "kubeconfig"
    cluster = {
        "server": f"https://127.0.0.1:{secure}",
        "certificate-authority": str(folder / "certificates" / "apiserver.crt"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
        "current-context": "tests",
    }
    kubeconfig.write_text(json.dumps(config))
    commands = {
        "etcd": [
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        ],
        "kube-apiserver": [
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={secure}",
            f"--cert-dir={folder / 'certificates'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://tests.invalid",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials=false",
            f"--service-account-private-key-file={key}",
        ],
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, arguments in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                started.append(subprocess.Popen([binaries / name, *arguments], stdout=log, stderr=log))
            if name == "kube-apiserver":
                _wait_until_ready(secure, folder)
        yield kubeconfig
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _wait_until_ready(port: int, folder: Path) -> None:
    context = ssl._create_unverified_context()  # noqa: S323 - a self-signed certificate on loopback
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        request = urllib.request.Request(
            f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with contextlib.suppress(OSError), urllib.request.urlopen(request, context=context, timeout=5):  # noqa: S310
            return
        time.sleep(0.1)
    raise RuntimeError(f"the API server did not start; its log: {(folder / 'kube-apiserver.log').read_text()[-2000:]}")


def binaries() -> Path:
    """Folder of the built programs: TERRARIUM_BINARIES, or where the engine's set-up puts them."""
    return Path(os.environ.get("TERRARIUM_BINARIES", ".terrarium/bin"))
