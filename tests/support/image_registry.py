"""A real registry on loopback, from Debian's package, with a base image of a few files in it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

from rehearsal import debian
from rehearsal.images.layout import image_blobs, layer
from rehearsal.images.push import Registry
from rehearsal.progress import Silent

PATIENCE = 20.0
BASE = "registry.internal/base/python"


@dataclass(frozen=True)
class Served:
    """A registry that runs.

    Args:
        address: Host and port.
        folder: Where it keeps what is pushed, and its settings.
        conf: For CONTAINERS_REGISTRIES_CONF: says that `registry.internal` is here.
        base: Digest of the base image.
    """

    address: str
    folder: Path
    conf: Path
    base: str

    @property
    def client(self) -> Registry:
        return Registry(self.address)

    def tags(self, repository: str) -> list[str]:
        """What a repository calls by name."""
        answer = urllib3.request("GET", f"http://{self.address}/v2/{repository}/tags/list")
        return sorted(answer.json().get("tags") or []) if answer.status == 200 else []

    def get(self, path: str) -> Any:
        """A JSON document of the registry."""
        accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
        return urllib3.request("GET", f"http://{self.address}/v2/{path}", headers={"Accept": accepted}).json()


@contextmanager
def served(folder: Path, more: Mapping[str, Any] | None = None, *, base: bool = True) -> Iterator[Served]:
    """Run a registry as long as the context is.

    Args:
        folder: An empty folder.
        more: More of its settings.
        base: Whether to push the base image; a registry that asks for a login takes none from us.
    """
    address = f"127.0.0.1:{_free_port()}"
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": True}},
        "http": {"addr": address},
        **(more or {}),
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    conf = folder / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "registry.internal"\nlocation = "{address}"\ninsecure = true\n')
    program = debian.unpacked("registry", ("docker-registry",), Silent()).program("docker-registry")
    assert program is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "settings.yaml"], stdout=log, stderr=log)
    try:
        _wait(address)
        yield Served(address, folder, conf, push_base(Registry(address), folder) if base else "")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def push_base(registry: Registry, folder: Path, repository: str = "base/python", **settings: Any) -> str:
    """Push a base image that no container could start, but that everything can be built on; return its digest."""
    blobs = folder / f"blobs-{len(list(folder.glob('blobs-*')))}"
    blobs.mkdir()
    chosen = {"Env": ["PATH=/usr/bin", "PYTHON_VERSION=3.11.2"], "Cmd": ["python3"], **settings}
    files = {"etc/os-release": b"ID=test\n"}
    digest = str(image_blobs(blobs, layers=[layer(files, mode=0o644)], settings=chosen)["digest"])
    registry.push(repository, "3.11", blobs, digest)
    return digest


def _wait(address: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if urllib3.request("GET", f"http://{address}/v2/", retries=False).status in {200, 401}:
                return
        except urllib3.exceptions.HTTPError:
            assert time.monotonic() < end, "the registry does not answer"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
