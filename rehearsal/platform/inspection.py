"""What runs of a platform, and whether it works. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping

from rehearsal.files import read_json
from rehearsal.platform import instance, objects, postgresql, store
from rehearsal.platform.api import Api
from rehearsal.platform.layout import PORTS, Layout, server
from rehearsal.platform.parts import parts_of
from rehearsal.platform.status import PartStatus, Status

# Seconds that `status` waits for an API server that may hang.
_PATIENCE = 2.0


def remembered_ports(layout: Layout) -> dict[str, int]:
    """Return the ports that were chosen at the first start, by part; empty before that."""
    content = read_json(layout.ports) or {}
    return {name: port for name in PORTS if isinstance(port := content.get(name), int)}


def status(layout: Layout, simulated: int) -> Status:
    """Return what runs and whether it is ready.

    Args:
        layout: The platform's folder.
        simulated: How many simulated nodes it should have.
    """
    ports, parts = remembered_ports(layout), parts_of(layout)
    running = instance.find(layout)
    found = []
    for part in parts:
        process, port = running.get(part.name), ports.get(part.port)
        found.append(
            PartStatus(
                name=part.name,
                running=process is not None,
                pid=process.pid if process else None,
                version=part.version(),
                memory=process.memory() if process else 0,
                address=part.address(port, layout) if port else "",
                real=part.real,
                about=part.about,
                log=layout.log(part.name),
            )
        )
    port = ports.get("kube-apiserver")
    nodes = _nodes(layout, port) if port and "kube-apiserver" in running else None
    wanted = simulated + (layout.machine is not None)
    return Status(
        name=layout.folder.name,
        context=layout.context,
        kubeconfig=layout.kubeconfig,
        address=server(port, layout.host) if port else "",
        # None of no nodes is not Ready, either: the number is part of the question.
        ready=all(part.name in running for part in parts)
        and nodes is not None
        and len(nodes) == wanted
        and all(nodes.values())
        and _store_answers(layout, ports),
        nodes=sum((nodes or {}).values()),
        real_nodes=int((nodes or {}).get(layout.node_name, False)),
        parts=tuple(found),
    )


def _store_answers(layout: Layout, ports: Mapping[str, int]) -> bool:
    return (
        "versitygw-iam" in ports
        and store.healthy(ports["versitygw-iam"])
        and "versitygw" in ports
        and store.healthy(ports["versitygw"], layout.authority.certificate if layout.machine else None)
        and "postgresql" in ports
        and postgresql.accepts(ports["postgresql"])
        and "postgresql-tls" in ports
        and store.listens(ports["postgresql-tls"])
    )


def _nodes(layout: Layout, port: int) -> dict[str, bool] | None:
    """Return for each node whether it is Ready, or None if the API server is not ready itself."""
    try:
        pair = layout.pair("admin")
        api = Api(port, layout.authority.certificate, pair, host=layout.host, timeout=_PATIENCE)
    except OSError:
        # Its certificates were deleted or damaged; the next start makes new ones.
        return None
    if not api.answers("/readyz"):
        return None
    # By label: nodes that somebody adds by hand are theirs.
    listed = api.get(objects.NODES + "?labelSelector=terrarium.dev/simulated%3Dtrue") or {}
    real = api.get(f"{objects.NODES}/{layout.node_name}") if layout.machine else None
    found = [*listed.get("items", []), *([real] if real else [])]
    return {node["metadata"]["name"]: objects.ready(node) for node in found}
