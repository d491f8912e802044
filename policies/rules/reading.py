"""Reading properties of any shape without raising: a value that isn't what a rule expects is never taken as good.

`props["a"]["b"]` of a mapping that turned out to be text has stopped previews in other packs, and `.get` with a default
has let wrong shapes through. Here each step gives a `Node`: a value with its path, absent, unknown or unreadable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from policies.rules.model import UNKNOWN, Finding, Mark, Resource, Secret

_UNREADABLE = Mark("UNREADABLE")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$-]*", re.ASCII)
# Prefix lengths: of the largest private range (RFC 1918), and of what registries allocate to one provider (RIPE-738).
_WIDEST = {4: 8, 6: 32}


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    Args:
        path: As `spec.containers[0].image`.
        value: What stands there: None if nothing does.
        hidden: Whether it is part of a secret, whose keys are not shown either.
    """

    path: str
    value: object
    hidden: bool = False

    @property
    def absent(self) -> bool:
        """Whether nothing stands here; the engine's null is nothing too."""
        return self.value is None

    @property
    def unknown(self) -> bool:
        """Whether it is known only after the operation."""
        return self.value is UNKNOWN

    @property
    def true(self) -> bool:
        """Whether it is true; providers take the text `true` for it."""
        return self.value is True or self.value == "true"

    @property
    def false(self) -> bool:
        """Whether it says false; absent is not false."""
        return self.value is False or self.value == "false"

    @property
    def text(self) -> str:
        """The text that stands here, else an empty one."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def number(self) -> float | None:
        """The number that stands here, also written as text; None for all else."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float | str):
            return None
        try:
            return float(self.value)
        except ValueError:
            return None

    def get(self, *keys: str) -> Node:
        """Return what stands under these keys, one below the other."""
        node = self
        for key in keys:
            node = node._below(key)
        return node

    def entries(self) -> tuple[Node, ...]:
        """Return the entries of a list: none if absent, one that is unknown or unreadable if it is no list."""
        if self.value is None:
            return ()
        if isinstance(self.value, list | tuple):
            return tuple(_node(f"{self.path}[{i}]", value, self.hidden) for i, value in enumerate(self.value))
        return (self._opaque(),)

    def fields(self) -> tuple[tuple[str, Node], ...]:
        """Return the keys of a mapping and what stands under them, by the same convention as `entries`."""
        if self.value is None:
            return ()
        if isinstance(self.value, Mapping):
            names = [(str(key), value) for key, value in self.value.items()]
            return tuple(
                (key, _node(_step(self.path, "*" if self.hidden else key), v, self.hidden)) for key, v in names
            )
        return (("", self._opaque()),)

    def one_or_more(self) -> tuple[Node, ...]:
        """Return the entries of a list, or a single value as the list of itself, as AWS policies write both."""
        return self.entries() if self.value is None or isinstance(self.value, list | tuple) else (self,)

    def document(self) -> Node:
        """Return the JSON document that stands here as text; a mapping is one already."""
        if not isinstance(self.value, str):
            return self
        try:
            return _node(self.path, json.loads(self.value), self.hidden)
        except (ValueError, RecursionError):
            return Node(self.path, _UNREADABLE)

    def fault(self, says: str) -> Finding:
        """Return the finding that this value is wrong; what can't be seen yet is said to be unknown."""
        if self.value is _UNREADABLE:
            says = "is not of the shape that it must have"
        return Finding(self.path, "can't be seen yet" if self.unknown else says, unknown=self.unknown)

    def must_be_true(self, says: str) -> Iterator[Finding]:
        """Yield a finding unless this is true; absent is not."""
        if not self.true:
            yield self.fault(says)

    def must_not_be_true(self, says: str) -> Iterator[Finding]:
        """Yield a finding unless this is false or absent."""
        if not (self.absent or self.false):
            yield self.fault(says)

    def must_be_among(self, allowed: Iterable[object], says: str) -> Iterator[Finding]:
        """Yield a finding unless this is one of these values."""
        if not any(self.value == one for one in allowed):
            yield self.fault(says)

    def must_be_given(self, says: str) -> Iterator[Finding]:
        """Yield a finding if this is absent, empty or unreadable; an unknown value is given."""
        if self.value is _UNREADABLE or (not self.unknown and self.value in (None, "", [], {})):
            yield self.fault(says)

    def _below(self, key: str) -> Node:
        if isinstance(self.value, Mapping):
            return _node(_step(self.path, key), self.value.get(key), self.hidden)
        # What lies below something unknown or unreadable is blamed on the place that can still be found.
        return Node(_step(self.path, key), None) if self.value is None else self._opaque()

    def _opaque(self) -> Node:
        return self if self.unknown else Node(self.path, _UNREADABLE)


def root(resource: Resource) -> Node:
    """Return the properties of a resource."""
    return _node("", resource.properties)


def open_to_the_world(ranges: Iterable[Node]) -> Iterator[Finding]:
    """Yield the ranges that let in large parts of the internet, alone or together, and those that are no ranges.

    0.0.0.0/1 and 128.0.0.0/1 are the world as well, so neighbours are taken together.

    Args:
        ranges: Nodes that hold CIDR ranges.
    """
    by_network: dict[IPv4Network | IPv6Network, Node] = {}
    for node in ranges:
        network = _network(node.text)
        if network is None:
            yield node.fault("is no range such as 10.0.0.0/16")
        else:
            by_network[network] = node
    for version in (4, 6):
        written = {str(n): node for n, node in by_network.items() if n.version == version}
        yield from (written[one].fault("lets in the internet or a large part of it") for one in _wide(written))


def _wide(ranges: Iterable[str]) -> Iterator[str]:
    networks = [ip_network(text) for text in ranges]
    # All of them are of one version; collapse_addresses is typed for either alone.
    merged: list[IPv4Network | IPv6Network] = list(collapse_addresses(networks))  # type: ignore[type-var]
    wide = [(int(n.network_address), int(n.broadcast_address)) for n in merged if n.prefixlen < _WIDEST[n.version]]
    ends = {str(n): (int(n.network_address), int(n.broadcast_address)) for n in networks}
    for text, (first, last) in ends.items():
        # One that another range holds as a whole adds nothing to what is wrong.
        held = any(one <= first and last <= other for name, (one, other) in ends.items() if name != text)
        if not held and any(one <= first <= other for one, other in wide):
            yield text


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False) if text else None
    except ValueError:
        return None


def _node(path: str, value: object, hidden: bool = False) -> Node:
    while isinstance(value, Secret):
        value, hidden = value.inner, True
    return Node(path, value, hidden)


def _step(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key
