"""A cluster, reached by the kubeconfig of a person, and the few questions about what stands in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

from components.labels import LABEL
from terrarium.errors import CommandFailed, Refused

# Seconds for one question.
_PATIENCE = 10
_NOT_OURS = "app.kubernetes.io/managed-by!=terrarium"


@dataclass(frozen=True)
class ConfigMap:
    """What a ConfigMap says.

    Args:
        data: Its data.
        annotations: Its annotations.
    """

    data: Mapping[str, str]
    annotations: Mapping[str, str]


class Denied(Refused):
    """The cluster does not let this person do what was asked."""


class Cluster:
    """A cluster, reached as a stack's `access` outputs say.

    Args:
        access: The outputs: `context`, `kubeconfig` if it is not the site's, and `login`, a command that makes the
            context, where a cloud has one.
        kubeconfig: The site's kubeconfig.
    """

    def __init__(self, access: Mapping[str, Any], kubeconfig: str | None) -> None:
        self._context = str(access["context"])
        self.kubeconfig: str | None = access.get("kubeconfig") or kubeconfig
        """The kubeconfig; None for the one that kubectl would take."""
        self._login = access.get("login")

    @property
    def context(self) -> str:
        """The kubeconfig context."""
        return self._context

    def occupants(self) -> list[str]:
        """Return the environments, by id, and the lakes that live on the cluster.

        Raises:
            CommandFailed: If the cluster can't be reached.
        """
        environments = self._labelled("environment")
        return sorted([*environments, *(f"lake {name}" for name in self._labelled("lake"))])

    def _labelled(self, kind: str) -> list[str]:
        namespaces = self._list("/api/v1/namespaces", f"{LABEL}/{kind}")
        return [str(item["metadata"]["labels"][f"{LABEL}/{kind}"]) for item in namespaces]

    def contents(self, namespace: str) -> list[str]:
        """Return what would be lost with a namespace, as counted kinds (`2 PersistentVolumeClaims`).

        Raises:
            CommandFailed: If the cluster can't be reached.
        """
        inside = f"/api/v1/namespaces/{namespace}"
        counts = {
            "PersistentVolumeClaim": len(self._list(f"{inside}/persistentvolumeclaims")),
            "Pod": len(self._list(f"{inside}/pods")),
            # The store's own keys are made anew with it.
            "Secret": len(self._list(f"{inside}/secrets", _NOT_OURS)),
        }
        return [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]

    def config_map(self, name: str, namespace: str) -> ConfigMap | None:
        """Return a ConfigMap, or None if there is none of this name.

        Raises:
            Denied: If this person may not read it.
            CommandFailed: If the cluster can't be reached.
        """
        found = self._get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        if found is None:
            return None
        return ConfigMap(dict(found.get("data") or {}), dict(found["metadata"].get("annotations") or {}))

    def secret(self, name: str, namespace: str) -> dict[str, str] | None:
        """Return a Secret's data as text, or None if there is none of this name.

        Raises:
            Denied: If this person may not read it.
            CommandFailed: If the cluster can't be reached.
        """
        found = self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        data = {} if found is None else found.get("data") or {}
        return None if found is None else {key: base64.b64decode(value).decode() for key, value in data.items()}

    def send(self, method: str, path: str, query: Sequence[tuple[str, str]], body: Any, patience: float) -> Any:
        """Send a request as it is, and return the response, whatever its status; what it holds is not read yet.

        Args:
            method: `GET`, `POST`, ...
            path: The path, as `/apis/batch/v1/...`.
            query: Parameters of the query.
            body: What becomes JSON; None for nothing.
            patience: Seconds until the next bytes must have come.

        Raises:
            CommandFailed: If the cluster can't be reached.
        """
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - see api
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - see api

        headers = {"Accept": "application/json, */*", "Content-Type": "application/json"}
        request = self.api.param_serialize(
            method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            return self.api.call_api(*request, _request_timeout=patience).response
        except (ApiException, HTTPError, OSError):
            raise self._silent() from None

    def _list(self, path: str, selector: str = "") -> list[dict[str, Any]]:
        found = self._get(path, [("labelSelector", selector)] if selector else [])
        return [] if found is None else list(found["items"])

    def _get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> dict[str, Any] | None:
        """Return the answer, or None if what was asked for does not exist.

        As plain data: the client's classes for it take as long to import as all else that a command does.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - see api

        try:
            with closing(self.send("GET", path, query, None, _PATIENCE)) as answer:
                status, content = answer.status, answer.data
        except (HTTPError, OSError):
            raise self._silent() from None
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status == HTTPStatus.FORBIDDEN:
            raise Denied(f"the cluster of context {self._context} does not let you do this")
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise CommandFailed(f"the cluster of context {self._context} refused a question: {answer.reason}")
        found: dict[str, Any] = json.loads(content)
        return found

    def _silent(self) -> CommandFailed:
        return CommandFailed(
            f"the cluster of context {self._context} does not answer: is it running, and does a way lead there?"
        )

    @cached_property
    def api(self) -> Any:
        """The Kubernetes client.

        Raises:
            CommandFailed: If the kubeconfig leads nowhere.
        """
        # Imported here: the client costs half a second, and most commands never ask a cluster.
        from kubernetes import config  # noqa: PLC0415
        from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415

        try:
            return config.new_client_from_config(config_file=self.kubeconfig, context=self._context)  # type: ignore[no-untyped-call]  # the client leaves it untyped
        except (ConfigException, OSError) as error:
            hint = f" This makes it: {self._login}" if self._login else ""
            raise CommandFailed(
                f"no way to the cluster: {error}. Is KUBECONFIG right, and does it hold context {self._context}?{hint}"
            ) from None
