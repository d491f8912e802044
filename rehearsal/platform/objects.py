"""What a platform holds from the start: the simulated nodes, and what their simulator may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rehearsal.platform.pools import GENERAL, Pool

NODES = "/api/v1/nodes"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_RBAC = "rbac.authorization.k8s.io/v1"
_NAME = "terrarium:kwok"
# Disk of a small cluster's worker; pods as a kubelet's default.
_SIZE = {"ephemeral-storage": "100Gi", "pods": "110"}
GPU = "nvidia.com/gpu"
"""What pods ask for GPUs by."""
_ZONES = "abc"


def nodes(pools: Sequence[Pool], usual: int) -> list[dict[str, Any]]:
    """Return the simulated nodes of a platform.

    Args:
        pools: Their pools; without any, they are of one.
        usual: How many there are without pools.
    """
    if not pools:
        return [node(number) for number in range(1, usual + 1)]
    return [node(number, pool, f"{pool.name}-{number}") for pool in pools for number in range(1, pool.count + 1)]


def node(number: int, pool: Pool | None = None, called: str = "") -> dict[str, Any]:
    """Return a simulated node.

    Args:
        number: From 1; the nodes spread over three zones.
        pool: What it is: by default a small cluster's worker, 8 processors and 32 GiB.
        called: Its name, if not the usual one.
    """
    pool = pool or Pool(GENERAL)
    name = called or f"simulated-{number}"
    size = {**_SIZE, "cpu": pool.cpu, "memory": pool.memory, **({GPU: str(pool.gpu)} if pool.gpu else {})}
    labels = {
        "type": "kwok",
        "terrarium.dev/simulated": "true",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": f"simulated-{pool.cpu}x{pool.memory.removesuffix('Gi')}",
        "terrarium.dev/pool": pool.name,
        "topology.kubernetes.io/region": "local",
        "topology.kubernetes.io/zone": f"local-{_ZONES[(number - 1) % len(_ZONES)]}",
        **pool.labels,
    }
    taints = [{"key": GPU, "value": "present", "effect": "NoSchedule"}] if pool.gpu else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"providerID": f"kwok://{name}", "taints": taints},
        "status": {"capacity": size, "allocatable": size},
    }


def permissions() -> list[tuple[str, dict[str, Any]]]:
    """Return the role of the simulator and its binding, each with its path: nodes, pods and leases, nothing else."""
    role = {
        "apiVersion": _RBAC,
        "kind": "ClusterRole",
        "metadata": {"name": _NAME},
        "rules": [
            _rule("", ["nodes"], ["get", "list", "watch", "patch"]),
            _rule("", ["nodes/status", "pods/status"], ["patch", "update"]),
            _rule("", ["pods"], ["get", "list", "watch", "patch", "delete"]),
            _rule("", ["events"], ["create", "patch", "update"]),
            _rule("coordination.k8s.io", ["leases"], ["get", "list", "watch", "create", "update", "patch"]),
        ],
    }
    binding = {
        "apiVersion": _RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _NAME},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _NAME}],
    }
    return [
        (f"/apis/{_RBAC}/clusterroles/{_NAME}", role),
        (f"/apis/{_RBAC}/clusterrolebindings/{_NAME}", binding),
    ]


def definition(group: str, plural: str, kind: str) -> dict[str, Any]:
    """Return the definition of a kind without namespaces, in version v1, that takes any fields.

    Args:
        group: Its API group.
        plural: Its name in paths.
        kind: Its name in objects.
    """
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Cluster", "versions": [version]},
    }


def ready(found: dict[str, Any] | None) -> bool:
    """Return whether a node, as the API server has it, is Ready and may get pods.

    Args:
        found: The object, or None where there is none.
    """
    if not found:
        return False
    conditions = found.get("status", {}).get("conditions", [])
    # The node controller takes this taint off a moment after the node is Ready; until then no pod lands.
    taints = [taint["key"] for taint in found.get("spec", {}).get("taints", [])]
    is_ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return is_ready and not any(key.startswith("node.kubernetes.io/") for key in taints)


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}
