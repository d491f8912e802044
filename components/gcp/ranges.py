"""How an environment's range is divided between nodes, pods, services, the control plane and Cloud SQL. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from components import addressing

_CONTROL_PLANE = 28  # GKE, "Creating a private cluster": the control plane's range is a /28
_DATABASE = 24  # Cloud SQL, "Configure private services access": at least a /24
_LARGEST_SERVICES = 16  # GKE, "VPC-native clusters", range for services
_SMALLEST = 22  # with less, the parts above leave less than four nodes' worth
_RESERVED = 4  # addresses that VPC keeps in a subnetwork's primary range: VPC, "Subnets"


class TooSmall(ValueError):  # noqa: N818 - it is the range that is
    """A range holds less than what is asked of it; the message says what it holds."""


@dataclass(frozen=True)
class Ranges:
    """The parts of a range.

    Args:
        nodes: Primary range of the subnetwork.
        pods: Secondary range for pods.
        services: Secondary range for services.
        database: For Cloud SQL, by private services access.
        control_plane: For the control plane.
    """

    nodes: IPv4Network
    pods: IPv4Network
    services: IPv4Network
    database: IPv4Network
    control_plane: IPv4Network

    def machines(self, pods_per_node: int) -> int:
        """Return how many machines it holds.

        Args:
            pods_per_node: Pods that each may hold at most.
        """
        return min(by_pods(self.pods.prefixlen, pods_per_node), self.nodes.num_addresses - _RESERVED)


def by_pods(prefix: int, pods_per_node: int) -> int:
    """Return how many machines a range for pods serves.

    Args:
        prefix: The range's prefix length.
        pods_per_node: Pods that each may hold at most.
    """
    each = per_node(pods_per_node)
    return 1 << (each - prefix) if each >= prefix else 0


def per_node(pods_per_node: int) -> int:
    """Return the prefix length of one machine's range for pods: twice as many addresses, GKE's own rule."""
    return 32 - (2 * pods_per_node - 1).bit_length()


def plan(cidr: str) -> Ranges:
    """Divide a range: half of it for pods, an eighth for nodes.

    Args:
        cidr: The range.

    Raises:
        TooSmall: If it can't be divided.
    """
    whole = addressing.parse(cidr)
    if not isinstance(whole, IPv4Network):
        raise TooSmall(f"{cidr} is a range of IPv6; GKE's own ranges are of IPv4, such as 10.64.0.0/18")
    if whole.prefixlen > _SMALLEST:
        raise TooSmall(f"{cidr} holds {whole.num_addresses} addresses; a cluster needs a /{_SMALLEST} at least")
    length = whole.prefixlen
    sizes = {
        "pods": length + 1,
        "nodes": length + 3,
        "services": max(length + 4, _LARGEST_SERVICES),
        "database": min(max(length + 4, _LARGEST_SERVICES), _DATABASE),
        "control_plane": _CONTROL_PLANE,
    }
    found: dict[str, IPv4Network] = {}
    # The largest first: then no address is lost to alignment.
    for part in sorted(sizes, key=lambda name: sizes[name]):
        free = addressing.next_free(whole, found.values(), sizes[part])
        if not isinstance(free, IPv4Network):
            raise TooSmall(f"{cidr} has no room left for its {part} range, a /{sizes[part]}")
        found[part] = free
    return Ranges(**found)


def problem(cidr: str, machines: int, pods: int, pods_per_node: int) -> str | None:
    """Return what a range holds too little of; None if it is enough.

    Args:
        cidr: The range.
        machines: Machines that all pools together may have, one more in each pool while it is upgraded.
        pods: Pods that the environment may have at one time.
        pods_per_node: Pods that one machine may hold.
    """
    try:
        held = plan(cidr).machines(pods_per_node)
    except TooSmall as error:
        return str(error)
    # Each machine also runs what GKE brings, about eight pods: cloud.google.com/kubernetes-engine, "system Pods".
    needed = max(machines, -(-pods // max(pods_per_node - 8, 1)))
    if held >= needed:
        return None
    why = f"{machines} machines" if needed == machines else f"{needed} machines, to run {pods} pods"
    fits = next((p for p in range(addressing.parse(cidr).prefixlen, 7, -1) if _holds(p, needed, pods_per_node)), 8)
    return (
        f"{cidr} holds {held} machines of {pods_per_node} pods, and the declaration needs {why}; give it a /{fits}, or "
        "lower pools, quota.pods or cloud.gcp.pods_per_node"
    )


def _holds(prefix: int, machines: int, pods_per_node: int) -> bool:
    return plan(f"0.0.0.0/{prefix}").machines(pods_per_node) >= machines if prefix <= _SMALLEST else False
