"""A repository of a registry, by the HTTP API of the OCI's distribution specification 1.1."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urljoin

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import parse_url

from terrarium.errors import CommandFailed, InvalidInput, Refused
from terrarium.images.places import Place

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_ACCEPTED = ", ".join((MANIFEST, INDEX, _DOCKER_MANIFEST, _DOCKER_INDEX))
INDEXES = {INDEX, _DOCKER_INDEX}
# Seconds to connect, and without a byte. Three tries: a registry behind a balancer drops one now and then.
_PATIENCE = urllib3.Timeout(connect=5, read=120)
_RETRIES = urllib3.Retry(total=3, connect=1, backoff_factor=0.3, status_forcelist=[429, 502, 503, 504], redirect=5)
_CHUNK = 1 << 20
# Of a blob whose bytes end too early: no request is at fault, so that none of the above covers it.
_TRIES = 3
_PORTS = {"http": 80, "https": 443}


class RegistryFailed(CommandFailed):
    """The registry does not answer, or not as the specification says."""


class Repository:
    """One repository.

    Args:
        where: Its name, and where it is served.
        pool: Connections to share with other repositories.
    """

    def __init__(self, where: Place, pool: urllib3.PoolManager | None = None) -> None:
        self.where = where
        self.pool = pool or urllib3.PoolManager(timeout=_PATIENCE, retries=_RETRIES)
        self._authorization: str | None = None

    @property
    def name(self) -> str:
        """Host and path, as images name it."""
        return self.where.name

    def digest(self, reference: str) -> str | None:
        """Return the digest of a manifest, or None if there is none of this name.

        Args:
            reference: A tag or digest.
        """
        answer = self._ask("HEAD", f"manifests/{reference}", headers={"Accept": _ACCEPTED}, missing=True)
        if answer.status == 404:
            return None
        told = answer.headers.get("Docker-Content-Digest")
        return told or (reference if reference.startswith("sha256:") else self.manifest(reference)[1])

    def manifest(self, reference: str) -> tuple[dict[str, Any], str]:
        """Return a manifest or index, and its digest.

        Args:
            reference: A tag or digest.

        Raises:
            InvalidInput: There is none of this name.
            RegistryFailed: What came has another digest, or is no manifest.
        """
        answer = self._ask("GET", f"manifests/{reference}", headers={"Accept": _ACCEPTED}, missing=True)
        if answer.status == 404:
            mark = "@" if reference.startswith("sha256:") else ":"
            raise InvalidInput(f"{self.name}{mark}{reference} does not exist in its registry")
        digest = f"sha256:{hashlib.sha256(answer.data).hexdigest()}"
        if reference.startswith("sha256:") and reference != digest:
            raise RegistryFailed(f"{self.name} gave another manifest than {reference}, and is not believed")
        return _object(answer.data, f"{self.name}, manifest {reference}"), digest

    def put_manifest(self, document: Mapping[str, Any], tag: str | None = None) -> Mapping[str, str]:
        """Push a manifest or index under its digest, or a tag; return the answer's headers."""
        data = encoded(document)
        reference = tag or digest_of(data)
        headers = {"Content-Type": str(document["mediaType"])}
        return self._ask("PUT", f"manifests/{reference}", body=data, headers=headers).headers

    def blob(self, digest: str) -> bytes:
        """Return a small blob, checked.

        Raises:
            InvalidInput: There is none.
            RegistryFailed: What came has another digest, or breaks off again and again.
        """
        held = io.BytesIO()
        self.fetch(digest, held)
        return held.getvalue()

    def fetch(self, digest: str, into: IO[bytes]) -> None:
        """Write a blob, checked. One that breaks off is asked for again, from its beginning.

        Args:
            digest: The blob.
            into: Where to; what was in it is replaced.

        Raises:
            InvalidInput: There is none.
            RegistryFailed: What came has another digest, or breaks off again and again.
        """
        for left in reversed(range(_TRIES)):
            into.seek(0)
            into.truncate()
            try:
                seen = self._copy(digest, into)
            except HTTPError as error:
                if not left:
                    raise self._silent(error) from None
                continue
            if seen != digest:
                raise RegistryFailed(f"{self.name} gave another blob than {digest}, and is not believed")
            return

    def _copy(self, digest: str, into: IO[bytes]) -> str:
        """Write what the registry gives for a digest; return which digest that has."""
        answer = self._ask("GET", f"blobs/{digest}", missing=True, preload_content=False)
        try:
            if answer.status == 404:
                raise InvalidInput(f"{self.name} has no blob {digest}")
            seen = hashlib.sha256()
            for chunk in answer.stream(_CHUNK):
                seen.update(chunk)
                into.write(chunk)
        finally:
            answer.release_conn()
        return f"sha256:{seen.hexdigest()}"

    def referrers(self, digest: str) -> list[dict[str, Any]] | None:
        """Return the descriptors of what refers to a manifest; None if the registry keeps no such list."""
        answer = self._ask("GET", f"referrers/{digest}", headers={"Accept": INDEX}, missing=True)
        if answer.status == 404:
            return None
        return list(_object(answer.data, f"{self.name}, referrers of {digest}").get("manifests") or [])

    def has_blob(self, digest: str) -> bool:
        """Tell whether a blob is there."""
        return self._ask("HEAD", f"blobs/{digest}", missing=True).status == 200

    def put_blob(self, digest: str, content: Path | bytes) -> None:
        """Push a blob in one piece, unless it is there."""
        if self.has_blob(digest):
            return
        begun = self._ask("POST", "blobs/uploads/", headers={"Content-Length": "0"})
        self._finish(begun, digest, content)

    def mount(self, digest: str, origin: Repository) -> bool:
        """Take a blob from another repository of the same registry; return whether that worked.

        Args:
            digest: The blob.
            origin: Where it is.
        """
        if self.has_blob(digest):
            return True
        if origin.where.url != self.where.url:
            return False
        query = urlencode({"mount": digest, "from": origin.where.path})
        answer = self._ask("POST", f"blobs/uploads/?{query}", headers={"Content-Length": "0"})
        if answer.status == 201:
            return True
        if location := answer.headers.get("Location"):
            # Some begin an upload instead. It is not needed: the caller brings the blob in another way.
            self._ask("DELETE", urljoin(self._url(""), location), missing=True, tolerant=True)
        return False

    def _finish(self, begun: urllib3.BaseHTTPResponse, digest: str, content: Path | bytes) -> None:
        location = begun.headers.get("Location")
        if not location:
            raise RegistryFailed(f"{self.name} began an upload without saying where to")
        url = urljoin(self._url(""), location)
        url = f"{url}{'&' if '?' in url else '?'}{urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream"}
        if isinstance(content, bytes):
            self._ask("PUT", url, body=content, headers=headers)
            return
        with content.open("rb") as stream:
            headers["Content-Length"] = str(content.stat().st_size)
            self._ask("PUT", url, body=stream, headers=headers)

    def _url(self, path: str) -> str:
        return f"{self.where.url}/v2/{self.where.path}/{path}"

    def _ask(
        self, method: str, path: str, *, missing: bool = False, tolerant: bool = False, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        """Ask, sign in if the registry wants that, and turn what it refuses into words.

        Args:
            method: HTTP's.
            path: Below the repository, or a whole address.
            missing: Whether 404 is an answer.
            tolerant: Whether anything is.
            more: As `urllib3.PoolManager.request` takes it.
        """
        url = path if path.startswith("http") else self._url(path)
        answer = self._once(method, url, more)
        if answer.status == 401:
            from terrarium.images.sign_in import authorization  # noqa: PLC0415 - many registries ask for none

            challenge = answer.headers.get("WWW-Authenticate", "")
            self._authorization = authorization(challenge, self.where)
            if isinstance(body := more.get("body"), io.BufferedReader):
                body.seek(0)
            answer = self._once(method, url, more)
        if tolerant or 200 <= answer.status < 300 or (missing and answer.status == 404):
            return answer
        raise self._wrong(answer, method)

    def _once(self, method: str, url: str, more: Mapping[str, Any]) -> urllib3.BaseHTTPResponse:
        headers = dict(more.get("headers", {}))
        rest = {key: value for key, value in more.items() if key != "headers"}
        try:
            # Uploads may lead to another host, which has no business with our credentials.
            if self._authorization and _server(url) == _server(self.where.url):
                headers["Authorization"] = self._authorization
            return self.pool.request(method, url, headers=headers, **rest)
        except HTTPError as error:
            raise self._silent(error) from None

    def _silent(self, error: HTTPError) -> RegistryFailed:
        reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        return RegistryFailed(
            f"the registry of {self.name} does not answer at {self.where.url} ({type(reason).__name__}): is it up, "
            "and does CONTAINERS_REGISTRIES_CONF name the file that says where it is served?"
        )

    def _wrong(self, answer: urllib3.BaseHTTPResponse, method: str) -> CommandFailed:
        said = _reason(answer.data)
        if answer.status in {401, 403}:
            doing = "read from" if method in {"GET", "HEAD"} else "push to"
            return Refused(
                f"you may not {doing} {self.name} ({said}): sign in (`docker login`, `podman login` or the cloud's "
                f"credential helper for {self.where.host}), or ask its owner for the right"
            )
        return RegistryFailed(f"{self.name}: the registry refused {method} with {answer.status} ({said})")


def _server(url: str) -> tuple[str | None, str | None, int | None]:
    """Return which server an address is of: `https://registry.example.evil` begins as another, and is not it."""
    parts = parse_url(url)
    return parts.scheme, parts.host, parts.port or _PORTS.get(parts.scheme or "")


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return the one form of a document that we push, so that equal documents have one digest."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def digest_of(data: bytes) -> str:
    """Return the digest of bytes, as `sha256:…`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RegistryFailed(f"{what} is no JSON object: is that a registry?")
    return found


def _reason(data: bytes) -> str:
    try:
        told = json.loads(data)["errors"][0]
        return str(told.get("message") or told["code"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return "it gave no reason"
