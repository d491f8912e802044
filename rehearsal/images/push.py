"""Images into the embedded registry, which takes them from anybody on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import urllib3

from rehearsal.errors import RehearsalError

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# Seconds without an answer.
_PATIENCE = 60.0


class Registry:
    """A registry.

    Args:
        address: Host and port.
    """

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}"
        self._pool = urllib3.PoolManager(timeout=_PATIENCE, retries=False)

    def digest(self, repository: str, reference: str) -> str | None:
        """Return the digest of a manifest, or None if there is none of this name.

        Args:
            repository: The repository.
            reference: A tag or digest.
        """
        answer = self._ask("HEAD", f"{repository}/manifests/{reference}", {200, 404}, headers={"Accept": _MANIFEST})
        return answer.headers.get("Docker-Content-Digest") if answer.status == 200 else None

    def push(self, repository: str, tag: str, blobs: Path, digest: str) -> None:
        """Push an image.

        Args:
            repository: The repository.
            tag: What it is called there.
            blobs: Folder with its blobs, as `layout.image_blobs` writes them.
            digest: Its manifest's.
        """
        data = (blobs / digest.removeprefix("sha256:")).read_bytes()
        manifest: dict[str, Any] = json.loads(data)
        for descriptor in [*manifest["layers"], manifest["config"]]:
            self._blob(repository, str(descriptor["digest"]), blobs)
        self._ask("PUT", f"{repository}/manifests/{tag}", {201}, body=data, headers={"Content-Type": _MANIFEST})

    def _blob(self, repository: str, digest: str, blobs: Path) -> None:
        if self._ask("HEAD", f"{repository}/blobs/{digest}", {200, 404}).status == 200:
            return
        place = self._ask("POST", f"{repository}/blobs/uploads/", {202}).headers.get("Location", "")
        url = urljoin(self._url, place)
        url += ("&" if "?" in url else "?") + urlencode({"digest": digest})
        file = blobs / digest.removeprefix("sha256:")
        with file.open("rb") as stream:
            self._ask("PUT", url, {201}, body=stream, headers={"Content-Length": str(file.stat().st_size)})

    def _ask(self, method: str, path: str, expected: set[int], **more: Any) -> urllib3.BaseHTTPResponse:
        url = path if path.startswith("http") else f"{self._url}/v2/{path}"
        try:
            answer = self._pool.request(method, url, **more)
        except urllib3.exceptions.HTTPError as error:
            raise RehearsalError(f"The embedded registry does not answer: {type(error).__name__}.") from error
        if answer.status not in expected:
            raise RehearsalError(f"The embedded registry answers {answer.status} to {method} of {path}.")
        return answer
