"""Entries of kubeconfigs that lead to rehearsed clusters, as the clouds' own commands write them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from rehearsal.errors import RehearsalError
from rehearsal.files import write
from rehearsal.paths import local
from rehearsal.rented.platforms import Rehearsed

_SECTIONS = ("clusters", "contexts", "users")
_API = "client.authentication.k8s.io/v1beta1"


def entry(cluster: Rehearsed, context: str = "") -> dict[str, dict[str, Any]]:
    """Return the entries of a cluster, by section.

    Args:
        cluster: It was started once.
        context: Name of the context; by default that of the cloud's command.
    """
    platform = cluster.platform
    server = {
        "server": f"https://127.0.0.1:{platform.port('kube-apiserver')}",
        "certificate-authority": str(platform.folder / "certificates" / "terrarium-cluster.crt"),
    }
    if cluster.cloud == "aws":
        name = f"arn:aws:eks:{cluster.region}:{cluster.account}:cluster/{cluster.cluster}"
        words = ["--region", cluster.region, "eks", "get-token", "--cluster-name", cluster.cluster, "--output", "json"]
        command: dict[str, Any] = {"command": _command("aws"), "args": words}
        usual = name
    else:
        name = usual = f"gke_{cluster.account}_{cluster.region}_{cluster.cluster}"
        command = {"command": _command("gke-gcloud-auth-plugin"), "provideClusterInfo": True}
    login = {"apiVersion": _API, "interactiveMode": "Never", **command}
    return {
        "clusters": {"name": name, "cluster": server},
        "contexts": {"name": context or usual, "context": {"cluster": name, "user": name}},
        "users": {"name": name, "user": {"exec": login}},
    }


def add(path: Path, cluster: Rehearsed, context: str = "") -> str:
    """Add a cluster to a kubeconfig as the current context, and return the context's name.

    Args:
        path: The file; made if missing.
        cluster: It was started once.
        context: Name of the context; by default that of the cloud's command.

    Raises:
        RehearsalError: The file is no kubeconfig.
    """
    content, entries = _read(path), entry(cluster, context)
    _put(content, entries)
    name = str(entries["contexts"]["name"])
    _write(path, {**content, "current-context": name})
    return name


def refresh(path: Path, clusters: Iterable[Rehearsed]) -> None:
    """Have exactly these rehearsed clusters in a kubeconfig; what else is there stays.

    The contexts are those of the clouds' adapters: with AWS the cluster's name, with Google Cloud the name by gcloud.

    Args:
        path: The file; not made if there is nothing to be said.
        clusters: They were started once.

    Raises:
        RehearsalError: The file is no kubeconfig.
    """
    content = _read(path)
    before = yaml.safe_dump(content)
    ours = {it["name"] for it in content["users"] if _is_ours(it)}
    for section in _SECTIONS:
        content[section] = [
            it for it in content[section] if (it.get("context") or {}).get("user", it["name"]) not in ours
        ]
    for cluster in clusters:
        _put(content, entry(cluster, cluster.cluster if cluster.cloud == "aws" else ""))
    if yaml.safe_dump(content) != before:
        _write(path, content)


def chosen(name: str = "") -> Path:
    """Return the file that commands write to: the named one, else KUBECONFIG's first, else `~/.kube/config`."""
    first = next(filter(None, os.environ.get("KUBECONFIG", "").split(os.pathsep)), "")
    return Path(name or first or "~/.kube/config").expanduser()


def _command(name: str) -> str:
    # By its whole path: the cloud's own command may stand before ours on somebody's PATH, and knows no such cluster.
    return str(local() / "bin" / name)


def _is_ours(user: dict[str, Any]) -> bool:
    command = ((user.get("user") or {}).get("exec") or {}).get("command")
    return command in (_command("aws"), _command("gke-gcloud-auth-plugin"))


def _put(content: dict[str, Any], entries: dict[str, dict[str, Any]]) -> None:
    for section, item in entries.items():
        content[section] = [*(it for it in content[section] if it["name"] != item["name"]), item]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            **found,
            **{name: list(found.get(name) or []) for name in _SECTIONS},
        }
    except FileNotFoundError:
        return {"apiVersion": "v1", "kind": "Config", **{name: [] for name in _SECTIONS}}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, AttributeError):
        raise RehearsalError(f"{path} is no kubeconfig that can be read. Name another, or move it away.") from None


def _write(path: Path, content: dict[str, Any]) -> None:
    write(path, yaml.safe_dump(content, sort_keys=False))
