"""The plan of a VPC's subnets: which part of its range each zone's nodes, databases and gateways get. Pure.

The range is quartered. Three quarters are the nodes' subnets, one for each of three zones; the last one is cut in
eight: three for databases, three for NAT gateways, two stay free. A third zone, added later, moves nothing: its parts
are kept.

Follows docs.aws.amazon.com: VPC user guide, "Subnet CIDR blocks" (/16 to /28, five addresses of each subnet are AWS's);
EKS user guide, "Learn about VPC Networking and Load Balancing in EKS Auto Mode" (a node takes addresses in prefixes of
/28), "Create a Node Class" (110 pods on a node at most), "Amazon EKS networking requirements for VPC and subnets" (six
addresses of a subnet are the control plane's; the range of services).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

from components import addressing

ZONES = 3
"""Zones that the plan has room for."""
LARGEST, SMALLEST = 16, 23
"""Prefix lengths of the largest and the smallest range: AWS's own limit, and /23, whose smallest subnets are /28."""
PODS_PER_NODE = 110
_PREFIX = 16  # addresses of a /28
# Of each node: its own address, one prefix partly used, and one that is kept warm.
_PER_NODE = 1 + 2 * _PREFIX
# Of each node subnet: its first and last /28, in which AWS keeps five addresses, and one for the interfaces of the
# control plane and of endpoints.
_PER_SUBNET = 3 * _PREFIX
# Two nodes of the pool `system`, which EKS runs for its own, with the pods of add-ons on them.
_SYSTEM_NODES, _SYSTEM_PODS = 2, 20
_SERVICES = (IPv4Network("172.20.0.0/16"), IPv4Network("10.100.0.0/16"))


@dataclass(frozen=True)
class Plan:
    """Subnets by zone, in the zones' order.

    Args:
        nodes: Private subnets of nodes and pods.
        data: Isolated subnets of databases.
        public: Subnets of NAT gateways; nothing else is in them.
        services: Range of Kubernetes services; it lies outside the VPC.
    """

    nodes: tuple[IPv4Network, ...]
    data: tuple[IPv4Network, ...]
    public: tuple[IPv4Network, ...]
    services: IPv4Network

    @property
    def addresses(self) -> int:
        """Addresses that nodes and pods of all zones can have together."""
        return sum(max(0, network.num_addresses - _PER_SUBNET) for network in self.nodes)


def plan(cidr: str, zones: int) -> Plan:
    """Return the subnets of a VPC.

    Args:
        cidr: The VPC's range.
        zones: How many zones, 1 to 3.

    Raises:
        ValueError: If AWS takes no VPC of this range, or it is too small to be cut up.
    """
    network = addressing.parse(cidr)
    if not isinstance(network, IPv4Network):
        raise ValueError(f"{cidr} is of IPv6; the range of a VPC is of IPv4, as 10.64.0.0/20")  # noqa: TRY004 - the callers take it
    if network.prefixlen < LARGEST:
        raise ValueError(f"{cidr} is larger than a VPC can be; take a /{LARGEST} or a smaller range")
    if network.prefixlen > SMALLEST:
        raise ValueError(f"{cidr} is too small: subnets in {ZONES} zones need a /{SMALLEST} at least")
    *nodes, rest = network.subnets(prefixlen_diff=2)
    small = rest.subnets(prefixlen_diff=3)
    data, public = tuple(islice(small, ZONES)), tuple(islice(small, ZONES))
    return Plan(tuple(nodes[:zones]), data[:zones], public[:zones], IPv4Network(services(cidr)))


def services(cidr: str) -> str:
    """Return a range for a cluster's services, of the two that EKS takes by itself: outside the VPC.

    Args:
        cidr: The VPC's range.
    """
    network = addressing.parse(cidr)
    return str(next(candidate for candidate in _SERVICES if not addressing.overlaps(candidate, network)))


def needed(nodes: int, pods: int) -> int:
    """Return how many addresses nodes and pods take at most.

    Args:
        nodes: Machines of all pools at their maximum.
        pods: Pods that may be there at one time.
    """
    # No more pods than machines can hold, whatever the quota says.
    pods = min(pods, nodes * PODS_PER_NODE) + _SYSTEM_PODS
    return (nodes + _SYSTEM_NODES) * _PER_NODE + pods


def smallest_prefix(addresses: int, zones: int) -> int | None:
    """Return the prefix length of the smallest range with so many addresses; None if no VPC has them.

    Args:
        addresses: As `needed` returns.
        zones: How many zones.
    """
    for prefix in range(SMALLEST, LARGEST - 1, -1):
        if plan(f"10.0.0.0/{prefix}", zones).addresses >= addresses:
            return prefix
    return None
