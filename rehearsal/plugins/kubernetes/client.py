"""Requests to an API server: objects by kind and name, discovery, and errors a person can act on."""

from __future__ import annotations

import contextlib
import json
import ssl
import tempfile
import threading
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

import urllib3

from rehearsal.plugins.kubernetes.kubeconfig import Access, ConfigError, KubernetesError

Object = dict[str, Any]
Patch = Literal["application/apply-patch+yaml", "application/json-patch+json"]

CONNECT_SECONDS = 5.0
# The server answers long before; a dry run through a slow admission webhook may take 30 s.
READ_SECONDS = 60.0
# The engine works on as many resources at once as `--parallel` says (16 unless told).
CONNECTIONS = 32
_NOT_FOUND = 404


class UnreachableError(KubernetesError):
    """No answer from the server; the message says which and what to do."""


class MissingError(KubernetesError):
    """There is no such object, or no such kind."""


class ApiError(KubernetesError):
    """The server refused; holds its status."""

    def __init__(self, code: int, status: Object) -> None:
        """Keep the answer.

        Args:
            code: HTTP status.
            status: the server's `Status` object, or what there is of it.
        """
        super().__init__(status.get("message") or f"HTTP {code}")
        self.code = code
        self.reason: str = status.get("reason", "")
        self.causes: list[dict[str, str]] = (status.get("details") or {}).get("causes") or []


class NotFoundError(ApiError, MissingError):
    """The server has no such object, or no namespace for it."""


class NoSuchKindError(MissingError):
    """The server does not know the kind; for a custom resource its definition is not there (yet)."""


@dataclass(frozen=True)
class Kind:
    """Where a kind's objects are: `path` of its group version, `plural` name, and whether they are in namespaces."""

    path: str
    plural: str
    namespaced: bool


class Client:
    """One server, for many threads at once."""

    def __init__(self, access: Access) -> None:
        """Prepare connections; none is opened yet.

        Raises:
            ConfigError: unreadable certificates.
        """
        self.access = access
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=CONNECTIONS,
            block=False,
            ssl_context=_tls(access) if access.server.startswith("https:") else None,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            # A server that restarts refuses connections for a moment; nothing has been sent then.
            retries=urllib3.Retry(total=None, connect=2, read=1, redirect=0, status=0, other=0, backoff_factor=0.3),
        )
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()

    def kind(self, api_version: str, kind: str) -> Kind:
        """Find where a kind's objects are.

        Args:
            api_version: `v1` or `group/version`.
            kind: such as `ConfigMap`.

        Raises:
            NoSuchKindError: the server does not have it.
            UnreachableError: no answer.
        """
        with self._lock:
            known = self._kinds.get(api_version, {}).get(kind)
            # Only what was found is kept: what is missing may appear with the next definition.
            if known is None:
                self._kinds[api_version] = self._discover(api_version)
                known = self._kinds[api_version].get(kind)
        if known is None:
            raise NoSuchKindError(f"the server has no kind {kind} in {api_version}")
        return known

    def _discover(self, api_version: str) -> dict[str, Kind]:
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listed = self.request("GET", path)
        except NotFoundError:
            return {}
        return {
            entry["kind"]: Kind(path, entry["name"], entry["namespaced"])
            for entry in listed["resources"]
            if "/" not in entry["name"]
        }

    def path(self, obj: Object, *, name: str | None = "") -> str:
        """Path of an object, or of its collection.

        Args:
            obj: has `apiVersion`, `kind` and `metadata`.
            name: instead of the object's; None for the collection.
        """
        kind = self.kind(obj["apiVersion"], obj["kind"])
        meta = obj.get("metadata") or {}
        parts = [kind.path]
        if kind.namespaced:
            parts += ["namespaces", quote(meta.get("namespace") or self.access.namespace)]
        parts.append(kind.plural)
        if name is not None:
            parts.append(quote(name or meta["name"], safe=""))
        return "/".join(parts)

    def get(self, obj: Object) -> Object:
        """The live object."""
        return self.request("GET", self.path(obj))

    def create(self, obj: Object, manager: str, *, dry_run: bool = False) -> Object:
        """Make an object that must not exist."""
        query = {"fieldManager": manager, "fieldValidation": "Warn"} | _dry(dry_run)
        return self.request("POST", self.path(obj, name=None), query=query, body=obj)

    def replace(self, obj: Object, manager: str, *, dry_run: bool = False) -> Object:
        """Put an object in place of the live one; its `resourceVersion` must be the live one's."""
        return self.request("PUT", self.path(obj), query={"fieldManager": manager} | _dry(dry_run), body=obj)

    def apply(self, obj: Object, manager: str, *, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply: this manager wants exactly these fields, others keep theirs.

        Args:
            obj: the fields.
            manager: field manager that owns them.
            force: take fields another manager owns.
            dry_run: answer what would be, change nothing.
        """
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Warn"} | _dry(dry_run)
        return self.request("PATCH", self.path(obj), query=query, body=obj, patch="application/apply-patch+yaml")

    def json_patch(self, obj: Object, steps: list[Object]) -> Object:
        """Change single fields of the live object by path."""
        return self.request("PATCH", self.path(obj), body=steps, patch="application/json-patch+json")

    def delete(self, obj: Object, propagation: str) -> None:
        """Start an object's deletion.

        Args:
            obj: which.
            propagation: what becomes of dependents: Foreground, Background or Orphan.
        """
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        self.request("DELETE", self.path(obj), body=options)

    def listed(self, path: str, labels: dict[str, str]) -> list[Object]:
        """Objects of a collection that have all these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found: list[Object] = self.request("GET", path, query={"labelSelector": selector})["items"]
        return found

    def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Object | list[Object] | None = None,
        patch: Patch | None = None,
    ) -> Object:
        """Send a request and read the JSON answer.

        Raises:
            ApiError: the server refused.
            UnreachableError: no server, no valid certificate, or no answer in time.
        """
        url = self.access.server + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": patch or "application/json", "User-Agent": "pulumi"}
        try:
            headers |= self.access.headers()
            data = None if body is None else json.dumps(body).encode()
            answer = self._pool.request(method, url, body=data, headers=headers)
        except (urllib3.exceptions.HTTPError, ConfigError, OSError) as error:
            raise UnreachableError(f"the Kubernetes API server {self.access.server} {_why(error)}") from error
        if answer.status >= 400:
            refusal = NotFoundError if answer.status == _NOT_FOUND else ApiError
            raise refusal(answer.status, _status(answer.data))
        content: Object = json.loads(answer.data) if answer.data else {}
        return content


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _status(data: bytes) -> Object:
    with contextlib.suppress(ValueError):
        status = json.loads(data)
        if isinstance(status, dict):
            return status
    return {"message": data.decode(errors="replace").strip()[:500]}


def _why(error: Exception) -> str:
    """The end of a sentence that began with the server: what went wrong, and what to do."""
    text = str(error)
    if isinstance(error, ConfigError):
        return f"was not asked: {text}"
    if "certificate verify failed" in text or isinstance(error, urllib3.exceptions.SSLError):
        return "has a certificate the kubeconfig's authority did not sign: is it the kubeconfig of this cluster?"
    if "refused" in text:
        return "refuses connections: is the cluster started, and is the kubeconfig the current one?"
    if "Name or service not known" in text or "resolve" in text:
        return "has a name that can't be resolved: check the kubeconfig's server and the network"
    return "does not answer: check the kubeconfig's server and the network"


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.authority)
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # The kubeconfig says so; a warning with each request tells nobody anything new.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    pair = access.certificate()
    if pair:
        # Python's TLS reads a client certificate from files only; this one is readable by its owner alone.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write("\n".join(pair))
            file.flush()
            context.load_cert_chain(file.name)
    return context
