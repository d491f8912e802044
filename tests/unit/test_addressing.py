"""Ranges lie where they may, never meet, and a wrong one is refused with the right one."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import addressing
from components.addressing import Network

SUPERNET = ip_network("10.64.0.0/24")


@st.composite
def subnets(draw: st.DrawFn, supernet: Network = SUPERNET) -> Network:
    prefix = draw(st.integers(supernet.prefixlen, supernet.max_prefixlen))
    index = draw(st.integers(0, 2 ** (prefix - supernet.prefixlen) - 1))
    return type(supernet)((int(supernet.network_address) + (index << (supernet.max_prefixlen - prefix)), prefix))


@given(taken=st.lists(subnets(), max_size=12), prefix=st.integers(20, 32))
def test_next_free_is_the_lowest_range_inside_that_meets_nothing(taken: list[Network], prefix: int) -> None:
    found = addressing.next_free(SUPERNET, taken, prefix)
    # Every candidate, tried one by one: slow, and too simple to be wrong.
    candidates = SUPERNET.subnets(new_prefix=prefix) if prefix >= SUPERNET.prefixlen else iter(())
    assert found == next((c for c in candidates if not any(c.overlaps(t) for t in taken)), None)


@given(taken=st.lists(subnets(ip_network("fd00::/120")), max_size=8), other=st.lists(subnets(), max_size=3))
def test_ranges_of_the_other_ip_version_take_no_room(taken: list[Network], other: list[Network]) -> None:
    supernet = ip_network("fd00::/120")
    assert addressing.next_free(supernet, [*taken, *other], 124) == addressing.next_free(supernet, taken, 124)


def test_a_range_around_the_supernet_leaves_nothing_free() -> None:
    assert addressing.next_free(SUPERNET, [ip_network("10.0.0.0/8")], 28) is None


@pytest.mark.parametrize("prefix", [23, 33, -1])
def test_a_size_that_the_supernet_cannot_hold_is_not_free(prefix: int) -> None:
    assert addressing.next_free(SUPERNET, [], prefix) is None


@given(plan=st.dictionaries(st.sampled_from("abcdefgh"), subnets(), max_size=8))
def test_conflicts_are_exactly_the_pairs_that_share_an_address(plan: dict[str, Network]) -> None:
    addresses = {name: {int(a) for a in network} for name, network in plan.items()}
    expected = [(a, b) for a in sorted(plan) for b in sorted(plan) if a < b and addresses[a] & addresses[b]]
    assert addressing.conflicts(plan) == expected


@given(a=subnets(), b=subnets(ip_network("10.64.0.128/25")))
def test_overlap_is_symmetrical_and_containment_implies_it(a: Network, b: Network) -> None:
    assert addressing.overlaps(a, b) == addressing.overlaps(b, a)
    if addressing.contains(a, b):
        assert addressing.overlaps(a, b)


def test_ranges_of_different_ip_versions_never_meet() -> None:
    assert not addressing.overlaps(ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert not addressing.contains(ip_network("0.0.0.0/0"), ip_network("::/0"))


@given(networks=st.lists(subnets(), max_size=10))
def test_merging_keeps_the_addresses_and_leaves_nothing_to_merge(networks: list[Network]) -> None:
    merged = addressing.merged(networks)
    assert {a for n in merged for a in n} == {a for n in networks for a in n}
    assert merged == addressing.merged(merged)
    assert merged == sorted(merged, key=lambda n: (int(n.network_address), n.prefixlen))


@given(network=subnets())
def test_a_network_is_read_back_as_written(network: IPv4Network) -> None:
    assert addressing.parse(str(network)) == network


@given(address=st.ip_addresses(), prefix=st.integers(0, 128))
def test_host_bits_are_refused_with_the_network_that_was_meant(address: object, prefix: int) -> None:
    text = f"{address}/{prefix}"
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        with pytest.raises(ValueError, match="is not a network"):
            addressing.parse(text)
        return
    if str(meant.network_address) == str(address):
        assert addressing.parse(text) == meant
        return
    with pytest.raises(ValueError, match="bits set behind its prefix") as refused:
        addressing.parse(text)
    assert str(refused.value).endswith(f"the network is {meant}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a network in CIDR form, such as 10.64.0.0/20"),
        ("10.64.0.0/33", "is not a network"),
        ("office", "is not a network"),
        ("10.64.0.1", "for one address write 10.64.0.1/32"),
        ("fd00::1", "for one address write fd00::1/128"),
        ("10.64.0.0/255.255.240.0", "write 10.64.0.0/20"),
        ("10.64.0.0/020", "write 10.64.0.0/20"),
        ("fe80::%eth0/64", "write fe80::/64"),
    ],
)
def test_what_is_no_cidr_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^`") as refused:
        addressing.parse(text)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("cidr", "says"),
    [
        ("127.0.0.0/8", "is loopback"),
        ("0.0.0.0/32", "is loopback"),
        ("::1/128", "is loopback"),
        ("169.254.169.254/32", "is link-local, where clouds serve machine credentials"),
        ("169.0.0.0/8", "holds 169.254.0.0/16, link-local"),
        ("fe80::/64", "is link-local"),
        ("fd00:ec2::254/128", "is where clouds serve machine credentials"),
        ("fd00::/8", "holds fd00:ec2::254/128, where clouds serve machine credentials"),
        ("239.1.2.3/32", "is multicast"),
        ("ff02::1/128", "is multicast"),
        ("0.0.0.0/0", "holds 0.0.0.0/8, loopback"),
        ("::/0", "holds ::/127, loopback"),
        ("office", "is not a network"),
    ],
)
def test_what_nobody_may_call_is_no_destination(cidr: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^`") as refused:
        addressing.destination(cidr)
    assert says in str(refused.value)


@pytest.mark.parametrize("cidr", ["10.0.12.0/24", "8.8.8.8/32", "168.63.129.16/32", "2001:db8::/32", "fd12::/48"])
def test_an_ordinary_range_is_a_destination(cidr: str) -> None:
    assert addressing.destination(cidr) == ip_network(cidr)


@given(text=st.text(max_size=30))
def test_any_text_is_a_network_or_a_value_error(text: str) -> None:
    message = ""
    try:
        assert ip_network(text) == addressing.parse(text)
    except ValueError as error:
        message = str(error)
    assert message.isprintable()
