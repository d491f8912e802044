"""What the cluster holds for a real node: its resolver, and what the programs on the node may do."""

from __future__ import annotations

import datetime
from typing import Any

from rehearsal.platform.api import Api
from rehearsal.platform.layout import KUBELET_CLIENT, RESOLVER
from rehearsal.platform.node.plan import resolver_image
from rehearsal.platform.objects import NODES

_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"{_GROUP}/v1"
_SYSTEM = "/api/v1/namespaces/kube-system"
_READ = ["get", "list", "watch"]
_DNS = "coredns"
_LABELS = {"k8s-app": "kube-dns"}
# Names of the cluster, and no others: nothing outside is asked from here.
_COREFILE = """.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 30
    }
    cache 30
}
"""


def permissions() -> list[tuple[str, dict[str, Any]]]:
    """Return the roles of kube-router and of the resolver, with their bindings, each with its path."""
    return [
        _bound("terrarium:kubelet-api", "system:kubelet-api-admin", _user(KUBELET_CLIENT)),
        *_allowed(
            "terrarium:kube-router",
            [
                _rule("", ["namespaces", "nodes", "pods", "services", "endpoints"]),
                _rule("networking.k8s.io", ["networkpolicies"]),
                _rule("discovery.k8s.io", ["endpointslices"]),
            ],
            _user("terrarium:kube-router"),
        ),
        *_allowed(
            "terrarium:coredns",
            [_rule("", ["namespaces", "pods", "services", "endpoints"]), _rule("discovery.k8s.io", ["endpointslices"])],
            {"kind": "ServiceAccount", "name": _DNS, "namespace": "kube-system"},
        ),
    ]


def resolver() -> list[tuple[str, dict[str, Any]]]:
    """Return the resolver's objects, each with its path."""
    metadata = {"name": _DNS, "namespace": "kube-system", "labels": _LABELS}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata | {"name": "kube-dns"},
        "spec": {
            "clusterIP": RESOLVER,
            "selector": _LABELS,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": _pod()},
        },
    }
    return [
        (f"{_SYSTEM}/serviceaccounts/{_DNS}", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        (
            f"{_SYSTEM}/configmaps/{_DNS}",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": _COREFILE}},
        ),
        (f"{_SYSTEM}/services/kube-dns", service),
        (f"/apis/apps/v1/namespaces/kube-system/deployments/{_DNS}", deployment),
    ]


def clear(api: Api, node: str) -> None:
    """Take a machine that is gone off the cluster, and its pods, so that what made them makes others.

    The Node would be Ready for 40 s more, and pods be given to nobody. kubelet, started anew without a trace of the
    pods, would run their containers a second time, whatever their restart policy says. A cloud deletes the Node of a
    machine that it replaces, too, and then Kubernetes' own collector does the rest, 40 s later (pkg/controller/podgc,
    `markFailedAndDeletePodWithCondition`).

    Args:
        api: The API server.
        node: The node's name.
    """
    api.delete(f"{NODES}/{node}")
    found = api.get(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}") or {}
    for pod in found.get("items", []):
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        if pod["status"].get("phase") not in ("Succeeded", "Failed"):
            api.apply(f"{path}/status", _disrupted(name, namespace, pod["metadata"]["uid"]))
        api.delete(path, {"gracePeriodSeconds": 0})


def _disrupted(name: str, namespace: str, uid: str) -> dict[str, Any]:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists",
        "lastTransitionTime": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": uid},
        "status": {"phase": "Failed", "conditions": [condition]},
    }


def resolves(api: Api) -> bool:
    """Return whether the resolver is ready to be asked: its pod, as what its Deployment says may be of the last one."""
    found = api.get(f"{_SYSTEM}/pods?labelSelector=k8s-app%3D{_LABELS['k8s-app']}") or {}
    conditions = [entry for pod in found.get("items", []) for entry in pod.get("status", {}).get("conditions", [])]
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _pod() -> dict[str, Any]:
    container = {
        "name": _DNS,
        "image": resolver_image(),
        "imagePullPolicy": "Never",
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    return {
        "serviceAccountName": _DNS,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"terrarium.dev/real": "true"},
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": _DNS}}],
    }


def _rule(group: str, resources: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": _READ}


def _user(name: str) -> dict[str, str]:
    return {"kind": "User", "name": name, "apiGroup": _GROUP}


def _allowed(name: str, rules: list[dict[str, Any]], subject: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    role = {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    return [(f"/apis/{_RBAC}/clusterroles/{name}", role), _bound(name, name, subject)]


def _bound(name: str, role: str, subject: dict[str, str]) -> tuple[str, dict[str, Any]]:
    binding = {
        "apiVersion": _RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
    return f"/apis/{_RBAC}/clusterrolebindings/{name}", binding
