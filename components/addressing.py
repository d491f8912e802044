"""One address plan across all environments: ranges lie in the organisation's, and no two of them meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from components.quoting import quoted

Network = IPv4Network | IPv6Network

# Never part of "the internet" for a workload.
PRIVATE_IPV4 = (
    "10.0.0.0/8",  # private, RFC 1918
    "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; clouds number pods and their own services from it
    "168.63.129.16/32",  # Azure's WireServer, machine credentials: "What is IP address 168.63.129.16?"
    "169.254.0.0/16",  # link-local, RFC 3927; clouds serve machine credentials at 169.254.169.254
    "172.16.0.0/12",  # private, RFC 1918
    "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle's cloud serves machine metadata at 192.0.0.192
    "192.168.0.0/16",  # private, RFC 1918
    "198.18.0.0/15",  # benchmarks of networks, RFC 2544; in use inside companies
    "224.0.0.0/4",  # multicast, RFC 5771
    "240.0.0.0/4",  # reserved, RFC 1112; in use inside clouds
)
PRIVATE_IPV6 = (
    "64:ff9b::/96",  # NAT64, RFC 6052: every address of IPv4 once more, the private ones too
    "fc00::/7",  # private, RFC 4193
    "fe80::/10",  # link-local, RFC 4291
    "ff00::/8",  # multicast, RFC 4291
)

# No destination that anybody may list, by what it is.
_NO_DESTINATION = {
    "loopback, the node itself": ("0.0.0.0/8", "127.0.0.0/8", "::/127"),  # RFC 1122, RFC 4291
    "link-local, where clouds serve machine credentials": ("169.254.0.0/16", "fe80::/10"),  # RFC 3927, RFC 4291
    # docs.aws.amazon.com "Instance metadata and user data"; cloud.google.com "Query VM metadata"
    "where clouds serve machine credentials": ("fd00:ec2::254/128", "fd20:ce::254/128"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),  # RFC 5771, RFC 4291
}


def parse(cidr: str) -> Network:
    """Return the network of a CIDR.

    Raises:
        ValueError: If it is not a CIDR, or has bits set behind its prefix; says which CIDR was probably meant.
    """
    try:
        network = ip_network(cidr, strict=False)
    except ValueError:
        raise ValueError(f"{quoted(cidr)} is not a network in CIDR form, such as 10.64.0.0/20") from None
    address, slash, prefix = cidr.partition("/")
    if not slash:
        raise ValueError(f"{quoted(cidr)} has no prefix length; for one address write {network}")
    # Python also takes netmasks (/255.255.240.0), leading zeros and IPv6 zones, and no cloud or cluster does.
    if prefix != str(network.prefixlen) or "%" in address:
        raise ValueError(f"{quoted(cidr)} is not in CIDR form; write {_without_zone(network)}")
    if ip_network(address).network_address != network.network_address:
        raise ValueError(f"{quoted(cidr)} has bits set behind its prefix; the network is {network}")
    return network


def _without_zone(network: Network) -> Network:
    return type(network)((int(network.network_address), network.prefixlen))


def destination(cidr: str) -> Network:
    """Return the network of a CIDR that traffic may be let out to.

    Raises:
        ValueError: As `parse` does; and if a part of it is loopback, link-local, multicast, or serves credentials.
    """
    network = parse(cidr)
    for what, ranges in _NO_DESTINATION.items():
        for closed in map(ip_network, ranges):
            if overlaps(network, closed):
                part = "is" if contains(closed, network) else f"holds {closed},"
                raise ValueError(f"{quoted(cidr)} {part} {what}: no environment may call it; list narrower ranges")
    return network


def overlaps(a: Network, b: Network) -> bool:
    """Tell whether two ranges share an address; ranges of different IP versions never do."""
    return a.version == b.version and a.overlaps(b)


def conflicts(plan: Mapping[str, Network]) -> list[tuple[str, str]]:
    """Return every pair of owners whose ranges meet, in order of name.

    Args:
        plan: Range by owner.
    """
    names = sorted(plan)
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if overlaps(plan[a], plan[b])]


def contains(outer: Network, inner: Network) -> bool:
    """Tell whether the inner range lies wholly in the outer one."""
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network):
        return inner.subnet_of(outer)
    return False


def next_free(supernet: Network, taken: Iterable[Network], prefix: int) -> Network | None:
    """Return the lowest free range of a size, or None if there is none left.

    Args:
        supernet: Where to look.
        taken: Ranges in use.
        prefix: The prefix length wanted.
    """
    if prefix < supernet.prefixlen or prefix > supernet.max_prefixlen:
        return None
    size = 1 << (supernet.max_prefixlen - prefix)
    candidate = int(supernet.network_address)
    for block in merged(n for n in taken if overlaps(n, supernet)):
        if candidate + size <= int(block.network_address):
            break
        after = int(block.broadcast_address) + 1
        candidate = max(candidate, -(-after // size) * size)
    if candidate + size - 1 > int(supernet.broadcast_address):
        return None
    return type(supernet)((candidate, prefix))


def merged(networks: Iterable[Network]) -> list[Network]:
    """Return the same addresses as the fewest ranges, in order, IPv4 first."""
    every = list(networks)
    v4 = [n for n in every if isinstance(n, IPv4Network)]
    v6 = [n for n in every if isinstance(n, IPv6Network)]
    return [*collapse_addresses(v4), *collapse_addresses(v6)]
