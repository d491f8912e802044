"""A cluster, reached by the kubeconfig of a person, and the few questions about what stands in it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from components.labels import LABEL
from terrarium.errors import CommandFailed, Refused

# Seconds for one question.
_PATIENCE = 10
_NOT_OURS = "app.kubernetes.io/managed-by!=terrarium"


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
        namespaces = self._ask("list_namespace", label_selector=f"{LABEL}/{kind}")
        return [item.metadata.labels[f"{LABEL}/{kind}"] for item in namespaces]

    def contents(self, namespace: str) -> list[str]:
        """Return what would be lost with a namespace, as counted kinds (`2 PersistentVolumeClaims`).

        Raises:
            CommandFailed: If the cluster can't be reached.
        """
        counts = {
            "PersistentVolumeClaim": len(self._ask("list_namespaced_persistent_volume_claim", namespace)),
            "Pod": len(self._ask("list_namespaced_pod", namespace)),
            # The store's own keys are made anew with it.
            "Secret": len(self._ask("list_namespaced_secret", namespace, label_selector=_NOT_OURS)),
        }
        return [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]

    def config_map(self, name: str, namespace: str) -> dict[str, str] | None:
        """Return a ConfigMap's data, or None if there is none of this name.

        Raises:
            Denied: If this person may not read it.
            CommandFailed: If the cluster can't be reached.
        """
        found = self._call("read_namespaced_config_map", name, namespace)
        return None if found is None else dict(found.data or {})

    def noted(self, name: str, namespace: str) -> dict[str, str]:
        """Return a ConfigMap's annotations; none if there is none of this name.

        Raises:
            Denied: If this person may not read it.
            CommandFailed: If the cluster can't be reached.
        """
        found = self._call("read_namespaced_config_map", name, namespace)
        return {} if found is None else dict(found.metadata.annotations or {})

    def secret(self, name: str, namespace: str) -> dict[str, str] | None:
        """Return a Secret's data as text, or None if there is none of this name.

        Raises:
            Denied: If this person may not read it.
            CommandFailed: If the cluster can't be reached.
        """
        found = self._call("read_namespaced_secret", name, namespace)
        return None if found is None else {k: base64.b64decode(v).decode() for k, v in (found.data or {}).items()}

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

    def _ask(self, question: str, *arguments: str, **options: str) -> list[Any]:
        found = self._call(question, *arguments, **options)
        return [] if found is None else list(found.items)

    def _call(self, question: str, *arguments: str, **options: str) -> Any:
        """Return the answer, or None if what was asked for does not exist."""
        from kubernetes import client  # noqa: PLC0415 - see api
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - see api
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - see api

        try:
            return getattr(client.CoreV1Api(self.api), question)(*arguments, _request_timeout=_PATIENCE, **options)
        except ApiException as error:
            if error.status == 404:
                return None
            if error.status == 403:
                raise Denied(f"the cluster of context {self._context} does not let you do this") from None
            raise CommandFailed(f"the cluster of context {self._context} refused a question: {error.reason}") from None
        except (HTTPError, OSError):
            raise self._silent() from None

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
