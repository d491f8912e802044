"""The versions everything is pinned to, read from the only place they are written: `rehearsal/modules/*/go.mod`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from rehearsal.paths import root

KUBE_ROUTER = "github.com/cloudnativelabs/kube-router/v2"
"""Its module. Version 1 put IPv6 ranges into sets of IPv4 addresses, failed, and held no policy at all."""
KUEUE = "sigs.k8s.io/kueue"
"""Its module."""


def module_folder(name: str) -> Path:
    """Return the folder of the Go module `name` (`pulumi`, `kubernetes`, ...)."""
    return root() / "rehearsal" / "modules" / name


@cache
def pinned(name: str, dependency: str) -> str:
    """Return the version of a dependency, with its leading `v`.

    Args:
        name: The module whose go.mod is read, such as `kubernetes`.
        dependency: A module path it requires, such as `k8s.io/kubernetes`.

    Raises:
        KeyError: The go.mod does not require it.
    """
    text = (module_folder(name) / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(dependency)}\s+(v\S+)", text, re.MULTILINE)
    if not found:
        raise KeyError(f"{dependency} is not required by rehearsal/modules/{name}/go.mod")
    return found[1]


def go_needed(name: str) -> tuple[int, int]:
    """Return the oldest Go (major, minor) that builds the module `name`, from its go.mod."""
    text = (module_folder(name) / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^go (\d+)\.(\d+)", text, re.MULTILINE)
    if not found:
        raise KeyError(f"rehearsal/modules/{name}/go.mod has no go line")
    return int(found[1]), int(found[2])


def pulumi() -> str:
    """Return the engine's version, such as `v3.250.0`."""
    return pinned("pulumi", "github.com/pulumi/pulumi/pkg/v3")


def kubernetes() -> str:
    """Return the version of the API server, controller manager, scheduler and kubectl."""
    return pinned("kubernetes", "k8s.io/kubernetes")


def etcd() -> str:
    """Return the version of etcd."""
    return pinned("kubernetes", "go.etcd.io/etcd/server/v3")


def kwok() -> str:
    """Return the version of kwok, which simulates nodes."""
    return pinned("kwok", "sigs.k8s.io/kwok")


def kube_router() -> str:
    """Return the version of kube-router, which filters a real node's packets by network policies."""
    return pinned("kube-router", KUBE_ROUTER)


def kueue() -> str:
    """Return the version of Kueue, by which jobs wait in queues."""
    return pinned("kueue", KUEUE)


def coredns() -> str:
    """Return the version of CoreDNS, which a real node's pods resolve names by."""
    return pinned("coredns", "github.com/coredns/coredns")


def versitygw() -> str:
    """Return the version of versitygw, which serves S3 and IAM."""
    return pinned("versitygw", "github.com/versity/versitygw")
