"""Requests to an API server: objects by kind and name, discovery, and errors a person can act on."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from rehearsal.plugins.kubernetes.kubeconfig import Access
from rehearsal.plugins.resource import ProviderError

Object = dict[str, Any]
# What to do when the server refuses for such a reason.
_ADVICE = {
    "AlreadyExists": ". To manage it here: import it (`pulumi import`, or the option import_), give the old resource's "
    "name as an alias if it was renamed, or set upsertExistingObjects on the provider",
    "Conflict": ". Take these fields out of the program, or take them over from their manager with the annotation "
    'pulumi.com/patchForce: "true"',
    "Forbidden": ". The kubeconfig's user lacks this right",
    "Unauthorized": ". The server does not accept the kubeconfig's user",
}


class MissingError(ProviderError):
    """There is no such object, or no such kind."""


class ApiError(ProviderError):
    """The server refused, with this HTTP status and this `Status` object, or what there is of it."""

    def __init__(self, code: int, status: Object) -> None:
        self.code = code
        self.reason: str = status.get("reason", "")
        super().__init__((status.get("message") or f"HTTP {code}") + _ADVICE.get(self.reason, ""))
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
        self.access = access
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()

    def kind(self, obj: Object) -> Kind:
        """Find where objects of this one's `apiVersion` and `kind` are; NoSuchKindError if the server has none."""
        version, kind = obj["apiVersion"], obj["kind"]
        with self._lock:
            known = self._kinds.get(version, {}).get(kind)
            # Only what was found is kept: what is missing may appear with the next definition.
            if known is None:
                self._kinds[version] = self._discover(version)
                known = self._kinds[version].get(kind)
        if known is None:
            advice = "is its custom resource definition installed, or made by this program before it?"
            raise NoSuchKindError(f"the server has no kind {kind} in {version}: {advice}")
        return known

    def _discover(self, version: str) -> dict[str, Kind]:
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        try:
            listed = self.request("GET", path)["resources"]
        except NotFoundError:
            return {}
        objects = [entry for entry in listed if "/" not in entry["name"]]
        return {entry["kind"]: Kind(path, entry["name"], entry["namespaced"]) for entry in objects}

    def path(self, obj: Object, *, collection: bool = False) -> str:
        """Path of an object, or of the collection it is in."""
        kind, meta = self.kind(obj), obj["metadata"]
        inside = ["namespaces", quote(meta.get("namespace") or self.access.namespace)] if kind.namespaced else []
        name = [] if collection else [quote(meta["name"], safe="")]
        return "/".join([kind.path, *inside, kind.plural, *name])

    def get(self, obj: Object) -> Object:
        """The live object."""
        return self.request("GET", self.path(obj))

    def create(self, obj: Object, manager: str, *, dry_run: bool) -> Object:
        """Make an object that must not exist; `manager` owns its fields."""
        query = _query(manager, dry_run)
        return self.request("POST", self.path(obj, collection=True), query=query, body=obj)

    def apply(self, obj: Object, manager: str, *, force: bool, dry_run: bool = False) -> Object:
        """Server-side apply: this manager wants exactly these fields; `force` takes those that another one owns."""
        query = _query(manager, dry_run) | {"force": str(force).lower()}
        return self.request("PATCH", self.path(obj), query=query, body=obj, form="application/apply-patch+yaml")

    def json_patch(self, obj: Object, steps: list[Object]) -> Object:
        """Change single fields of the live object by path."""
        return self.request("PATCH", self.path(obj), body=steps, form="application/json-patch+json")

    def delete(self, obj: Object, propagation: str) -> Object:
        """Delete an object, and dependents as `propagation` says; return it as it goes, or a `Status` if it is gone."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        return self.request("DELETE", self.path(obj), body=options)

    def beside(self, obj: Object, version: str, kind: str, labels: dict[str, str]) -> list[Object]:
        """Objects of another kind in an object's namespace that have all these labels."""
        path = self.path({**obj, "apiVersion": version, "kind": kind}, collection=True)
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
        form: str = "application/json",
    ) -> Object:
        """Send a request and read the JSON answer; ApiError when it is a refusal, UnreachableError without one."""
        headers = {"Accept": "application/json", "Content-Type": form, "User-Agent": "pulumi"} | self.access.headers()
        data = None if body is None else json.dumps(body).encode()
        where = path + (f"?{urlencode(query)}" if query else "")
        code, content = self.access.server.request(method, where, data, headers)
        if code >= 400:
            raise (NotFoundError if code == 404 else ApiError)(code, content)
        return content


def _query(manager: str, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": manager, "fieldValidation": "Warn"} | ({"dryRun": "All"} if dry_run else {})
