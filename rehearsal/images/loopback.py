"""A registry for as long as somebody measures or tries something: Debian's, on loopback, with a base image in it."""

from __future__ import annotations

import json
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
from rehearsal.errors import RehearsalError
from rehearsal.images.layout import image_blobs, layer
from rehearsal.images.push import Registry
from rehearsal.platform.layout import REGISTRY
from rehearsal.platform.ports import LOOPBACK, choose
from rehearsal.progress import Silent

BASE = f"{REGISTRY}/base/python"
"""The base image, which no container could start, but that everything can be built on."""
# Seconds until it answers, and until it has ended.
_PATIENCE = 20.0


@dataclass(frozen=True)
class Served:
    """A registry that runs.

    Attributes:
        address: Host and port.
        folder: Where it keeps its settings and, below `images`, what is pushed.
        conf: For CONTAINERS_REGISTRIES_CONF: says that the embedded registry's name leads here.
        base: Digest of the base image; empty if none was pushed.
    """

    address: str
    folder: Path
    conf: Path
    base: str


@contextmanager
def served(folder: Path, more: Mapping[str, Any] | None = None, *, base: bool = True) -> Iterator[Served]:
    """Run a registry as long as the context is.

    Args:
        folder: An empty folder.
        more: More of its settings.
        base: Whether to push the base image; a registry that wants a login takes none from here.

    Raises:
        RehearsalError: It can't be had, or does not answer.
    """
    port = choose(folder / "ports.json", ("registry",), (), Silent())["registry"]
    address = f"{LOOPBACK}:{port}"
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": True}},
        "http": {"addr": address},
        **(more or {}),
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    conf = folder / "registries.conf"
    told = {"prefix": REGISTRY, "location": address, "insecure": True}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in told.items())
    conf.write_text(f"[[registry]]\n{lines}", encoding="utf-8")
    program = debian.unpacked("registry", ("docker-registry",), Silent()).program("docker-registry")
    if program is None:
        raise RehearsalError("Debian's docker-registry can't be had.")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "settings.yaml"], stdout=log, stderr=log)
    try:
        _wait(address)
        yield Served(address, folder, conf, push_base(Registry(address), folder) if base else "")
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def push_base(registry: Registry, folder: Path, **settings: Any) -> str:
    """Push a base image of one file and return its digest.

    Args:
        registry: The registry.
        folder: Where its blobs are written.
        settings: More of the image's `config`.
    """
    blobs = folder / f"blobs-{len(list(folder.glob('blobs-*')))}"
    blobs.mkdir()
    chosen = {"Env": ["PATH=/usr/bin", "PYTHON_VERSION=3.11.2"], "Cmd": ["python3"], **settings}
    digest = str(image_blobs(blobs, layers=[layer({"etc/os-release": b"ID=none\n"})], settings=chosen)["digest"])
    registry.push("base/python", "3.11", blobs, digest)
    return digest


def _wait(address: str) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            # One that wants a login answers so, too.
            if urllib3.request("GET", f"http://{address}/v2/", retries=False).status in {200, 401}:
                return
        except urllib3.exceptions.HTTPError:
            if time.monotonic() > end:
                raise RehearsalError(f"The registry does not answer within {_PATIENCE:.0f} s.") from None
        time.sleep(0.05)
