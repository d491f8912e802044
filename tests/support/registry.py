"""Images for tests: one of a static program, pushed to an embedded registry."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from rehearsal import debian
from rehearsal.images.layout import image_blobs, layer
from rehearsal.platform import Platform
from rehearsal.platform.layout import REGISTRY, Layout
from rehearsal.progress import Silent

PROBE = "probe/busybox"


def probe(platform: Platform, scratch: Path) -> str:
    """Push an image with all of BusyBox's commands to a platform's registry, and return what pods call it by.

    Args:
        platform: A running platform with a real node.
        scratch: An empty folder.
    """
    busybox = debian.unpacked("probe", ["busybox-static"], Silent()).program("busybox")
    assert busybox
    made = image_blobs(scratch, layers=[layer({"/bin/busybox": busybox})], settings={"Env": ["PATH=/bin"]})
    return push(platform, scratch, PROBE, made)


def push(platform: Platform, blobs: Path, repository: str, manifest: dict[str, object]) -> str:
    """Push an image's blobs and return its reference, by digest.

    Args:
        platform: A running platform with a real node.
        blobs: The folder of its blobs, by the hex of their SHA-256.
        repository: The repository in the registry.
        manifest: The manifest's descriptor.
    """
    url = f"http://{Layout(platform.folder).host}:{platform.port('registry')}/v2/{repository}"
    digest = str(manifest["digest"])
    content = json.loads((blobs / digest.removeprefix("sha256:")).read_bytes())
    for blob in (content["config"], *content["layers"]):
        _send(
            "PUT",
            _upload(f"{url}/blobs/uploads/", blob["digest"]),
            _read(blobs, blob["digest"]),
            "application/octet-stream",
        )
    _send("PUT", f"{url}/manifests/{digest}", _read(blobs, digest), str(manifest["mediaType"]))
    return f"{REGISTRY}/{repository}@{digest}"


def _read(blobs: Path, digest: str) -> bytes:
    return (blobs / digest.removeprefix("sha256:")).read_bytes()


def _upload(url: str, digest: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST", data=b"")) as answer:  # noqa: S310 - http, and ours
        place = str(answer.headers["Location"])
    return f"{place}{'&' if '?' in place else '?'}digest={digest}"


def _send(method: str, url: str, data: bytes, kind: str) -> None:
    request = urllib.request.Request(url, method=method, data=data, headers={"Content-Type": kind})  # noqa: S310 - as above
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        assert answer.status in (201, 202)
