"""The parts of a platform that are there for its real node: the registry, and the node itself."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import yaml

from rehearsal import versions
from rehearsal.files import write
from rehearsal.platform.layout import Layout
from rehearsal.platform.part import Part


def _registry_mark(layout: Layout) -> str:
    return str(layout.registry_settings)


def _registry(layout: Layout, _: Mapping[str, int], __: Path) -> tuple[str, ...]:
    return ("serve", _registry_mark(layout))


def write_registry_settings(layout: Layout, ports: Mapping[str, int]) -> None:
    """Write what the registry is told.

    Args:
        layout: The platform's folder.
        ports: Those of `layout.PORTS`.
    """
    settings = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(layout.registry)}, "delete": {"enabled": True}},
        "http": {"addr": f"{layout.host}:{ports['registry']}"},
    }
    write(layout.registry_settings, yaml.safe_dump(settings))


def _node_mark(layout: Layout) -> str:
    return f"--plan={layout.node / 'plan.json'}"


def _node(layout: Layout, _: Mapping[str, int], __: Path) -> tuple[str, ...]:
    return ("-m", "rehearsal.platform.node.keeper", _node_mark(layout))


_REGISTRY = Part(
    name="registry",
    program="docker-registry",
    built_in="registry",
    version=lambda: "v2.8.2",
    port="registry",
    scheme="http",
    real=True,
    about=(
        "Real: an OCI registry, which images are pushed to and pulled from by digest. Without TLS and without logins, "
        "on the bridge to the node, where only this machine and its pods are."
    ),
    mark=_registry_mark,
    arguments=_registry,
    on_bridge=True,
)

_NODE = Part(
    name="node",
    program="python3",
    built_in="python",
    version=versions.kubernetes,
    port="",
    real=True,
    about=(
        f"Real: a Linux node in namespaces of its own on this machine's kernel ({platform.release()}): kubelet runs "
        "containers by containerd and runc, with limits held by control groups; kube-proxy serves Services, CoreDNS "
        "names, and kube-router drops what network policies do not allow. Pods have no way to the internet, and no "
        "volumes but those of the node; the node shares this machine's processors and memory."
    ),
    mark=_node_mark,
    arguments=_node,
)

NODE_PARTS = (_REGISTRY, _NODE)
"""In the order they start."""
