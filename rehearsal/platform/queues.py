"""Queues of a platform: Kueue, beside the API server as the other controllers are, and what it needs there."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rehearsal import versions
from rehearsal.files import write
from rehearsal.platform.api import Api
from rehearsal.platform.kubeconfigs import write_kubeconfig
from rehearsal.platform.layout import QUEUES, Layout, server
from rehearsal.platform.part import Part
from rehearsal.platform.ports import LOOPBACK

_USER = "terrarium:kueue"
_NAMESPACE = "kueue-system"
_RBAC = "rbac.authorization.k8s.io/v1"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
# Of all groups at once: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_CERTIFICATE = "webhook"
_MADE_FROM, _TRIED = "terrarium.dev/made-from", "terrarium.dev/tried"
# Kueue's default is one at a time.
_CONCURRENCY = {
    "Job.batch": 5,
    "Workload.kueue.x-k8s.io": 10,
    "LocalQueue.kueue.x-k8s.io": 5,
    "ClusterQueue.kueue.x-k8s.io": 5,
}
# Kueue brings webhooks for every kind of workload that it could manage; these are for what it manages here.
_OURS = ("kueue.x-k8s.io", "batch")


def _settings(layout: Layout) -> Path:
    return layout.folder / "config" / "kueue.yaml"


def _mark(layout: Layout) -> str:
    return f"--kubeconfig={layout.part_kubeconfig(QUEUES)}"


def _arguments(layout: Layout, _: Mapping[str, int], __: Path) -> tuple[str, ...]:
    return (_mark(layout), f"--config={_settings(layout)}", "--zap-log-level=error")


PART = Part(
    name=QUEUES,
    built_in="kueue",
    program="kueue",
    version=versions.kueue,
    port=QUEUES,
    real=True,
    about=(
        "Real: Kueue, with its webhooks. Jobs wait until their queue has room, get the node selector of the pool "
        "that has it, and are stopped when what they borrowed is wanted back."
    ),
    mark=_mark,
    arguments=_arguments,
)


def write_settings(layout: Layout, ports: Mapping[str, int]) -> None:
    """Write what Kueue is told: what the product's own Helm release tells it, and what differs outside a cluster.

    Args:
        layout: The platform's folder.
        ports: Those of `layout.PORTS`.
    """
    pair = layout.pair(QUEUES)
    write_kubeconfig(
        layout.part_kubeconfig(QUEUES),
        context=layout.context,
        server=server(ports["kube-apiserver"], layout.host),
        authority=layout.authority.certificate,
        client=pair,
    )
    folder = layout.certificates / _CERTIFICATE
    # The names that its library looks for.
    write(folder / "tls.crt", pair.certificate.read_bytes())
    write(folder / "tls.key", pair.key.read_bytes())
    settings = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": _NAMESPACE,
        "manageJobsWithoutQueueName": True,
        "managedJobsNamespaceSelector": {
            "matchExpressions": [{"key": "terrarium.dev/environment", "operator": "Exists"}]
        },
        "integrations": {"frameworks": ["batch/job"]},
        "controller": {"groupKindConcurrency": _CONCURRENCY},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"host": LOOPBACK, "port": ports[QUEUES], "certDir": str(folder)},
        # It serves nobody else: without these there are two ports less to be taken.
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": "0"},
        "featureGates": {
            # As the product's release: a job is not sent back because its machine takes long to come.
            "DisableWaitForPodsReady": True,
            # These would serve, or ask for, what is not here: an aggregated API, other clusters.
            "VisibilityOnDemand": False,
            "MultiKueue": False,
        },
    }
    write(_settings(layout), yaml.safe_dump(settings, sort_keys=False))


def definitions(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the kinds that Kueue works with, each with its path; in the one version in which they are stored.

    Each is served in a deprecated one, too, where its own manifest installs it. The API server keeps a cache for each
    version, and has Kueue convert every change of a job's workload or of a queue for it, though nobody asked for it:
    six calls a job.

    Args:
        folder: Of the build set.
    """
    for file in sorted((folder / "definitions").glob("*.yaml")):
        definition = _read(file)
        spec = definition["spec"]
        spec["versions"] = [version for version in spec["versions"] if version["storage"]]
        definition["metadata"]["annotations"] = {_MADE_FROM: _digest(definition)}
        yield f"{_DEFINITIONS}/{definition['metadata']['name']}", definition


def define(api: Api, path: str, definition: dict[str, Any]) -> None:
    """Make a kind known, unless it is.

    Args:
        api: The API server.
        path: Of the definition.
        definition: The definition.
    """
    found, said = api.get(path), definition["metadata"]["annotations"]
    if established(found) and found and found["metadata"].get("annotations", {}).get(_MADE_FROM) == said[_MADE_FROM]:
        return
    # An API server that ended while it took it in goes on only when the definition changes.
    api.apply(path, {**definition, "metadata": {**definition["metadata"], "annotations": {**said, _TRIED: _now()}}})


def kinds(defined: Iterable[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Return what definitions serve: group, version and plural of each kind.

    Args:
        defined: The definitions.
    """
    return {
        (definition["spec"]["group"], version["name"], definition["spec"]["names"]["plural"])
        for definition in defined
        for version in definition["spec"]["versions"]
    }


def named(api: Api, wanted: set[tuple[str, str, str]]) -> bool:
    """Return whether the API server names kinds to whoever asks what there is.

    It does so a while after they are established, and Kueue asks once: on a busy machine it ended with "no matches for
    kind Workload".

    Args:
        api: The API server.
        wanted: Of `kinds`.
    """
    # Both of its lists: they are written one after the other.
    together = (api.get("/apis", _DISCOVERY) or {}).get("items") or []
    whole = {
        (group["metadata"]["name"], version["version"], one["resource"])
        for group in together
        for version in group.get("versions", [])
        for one in version.get("resources", [])
    }
    single = {
        (group, version, one["name"])
        for group, version in {(group, version) for group, version, _ in wanted}
        for one in (api.get(f"/apis/{group}/{version}") or {}).get("resources", [])
    }
    return wanted <= whole & single


def permissions(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield Kueue's rights, those that it asks for in any cluster, each with its path.

    Args:
        folder: Of the build set.
    """
    role = _read(folder / "role.yaml")
    role["metadata"] = {"name": _USER}
    yield f"/apis/{_RBAC}/clusterroles/{_USER}", role
    binding = {
        "apiVersion": _RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _USER},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _USER}],
    }
    yield f"/apis/{_RBAC}/clusterrolebindings/{_USER}", binding


def webhooks(layout: Layout, ports: Mapping[str, int], folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what has Kueue asked before something is written, each with its path; for when it answers.

    Args:
        layout: The platform's folder.
        ports: Those of `layout.PORTS`.
        folder: Of the build set.
    """
    for configuration in yaml.safe_load_all((folder / "webhooks.yaml").read_text(encoding="utf-8")):
        kind = configuration["kind"]
        name = f"kueue-{configuration['metadata']['name']}"
        hooks = [hook for hook in configuration["webhooks"] if _concerns(hook)]
        for hook in hooks:
            hook["clientConfig"] = _client(layout, ports, hook["clientConfig"]["service"]["path"])
        content = {"apiVersion": configuration["apiVersion"], "kind": kind, "metadata": {"name": name}}
        yield f"{_WEBHOOKS}/{kind.lower()}s/{name}", {**content, "webhooks": hooks}


def _concerns(hook: Mapping[str, Any]) -> bool:
    return any(group in _OURS for rule in hook["rules"] for group in rule["apiGroups"])


def _client(layout: Layout, ports: Mapping[str, int], path: str) -> dict[str, str]:
    authority = base64.b64encode(layout.authority.certificate.read_bytes()).decode()
    return {"url": f"https://{LOOPBACK}:{ports[QUEUES]}{path}", "caBundle": authority}


def established(found: Mapping[str, Any] | None) -> bool:
    """Return whether the API server serves a kind.

    Args:
        found: Its definition, or None where there is none.
    """
    # Null at first.
    conditions = (found or {}).get("status", {}).get("conditions") or []
    return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def _now() -> str:
    return str(time.time_ns())


def _read(file: Path) -> dict[str, Any]:
    # In C: in Python, reading the definition of workloads (1.4 MB) takes seconds.
    content: dict[str, Any] = yaml.load(file.read_bytes(), yaml.CSafeLoader)
    return content
