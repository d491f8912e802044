"""What a stack can't say that uses a cluster and makes none: the same on every cloud that makes clusters."""

from __future__ import annotations

from collections.abc import Iterator

from components.settings.models import EnvironmentSettings, PlatformSettings


def contradictions(
    settings: EnvironmentSettings | PlatformSettings, why: str, *, shared: bool
) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for what only whoever makes the cluster can say.

    Args:
        settings: The declaration.
        why: Begins the messages, as "the cluster that is used has its own".
        shared: Whether the cluster is a platform's, with others on it.
    """
    if settings.pools:
        yield "pools", f"{why}; declare them with the stack that makes it"
    if settings.network.cidr:
        yield "network.cidr", f"{why} network; remove this key"
    if settings.ci and shared:
        # Namespaces and rights take an administrator of the cluster: of every other slice, too, and of its store.
        yield "ci", "one slice's CI would administer its platform's cluster; declare it with the platform"
