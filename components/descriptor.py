"""Descriptors: what an environment or a platform publishes about itself, for whoever works with it. Never a secret.

A descriptor is a ConfigMap in the cluster, so that promotion, portal and client read it by the rights people have there
and need no access to Pulumi's state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.contract import CONTRACT_VERSION, PlatformFacts
from components.tiers import Tier, admits

NAME = "terrarium"
"""Name of the ConfigMap, in an environment's namespace or a platform's."""
KEY = "descriptor.json"
PLATFORM_NAMESPACE = "terrarium-system"
"""The namespace of what a cluster has once."""


class PlatformRefused(pulumi.RunError):
    """The platform can't take this environment; the message says why and what to do. The engine shows no trace."""


def publish(
    name: str,
    content: Mapping[str, pulumi.Input[Any]],
    *,
    namespace: pulumi.Input[str],
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> ConfigMap:
    """Publish a descriptor.

    Args:
        name: Prefix of the logical name.
        content: What to say; the contract's version is added.
        namespace: Where.
        labels: Labels of the owner.
        opts: Parent and provider.
    """
    versioned = {"contractVersion": CONTRACT_VERSION, **content}
    return ConfigMap(
        f"{name}-descriptor",
        metadata=ObjectMetaArgs(name=NAME, namespace=namespace, labels=labels),
        data={KEY: pulumi.Output.json_dumps(versioned, sort_keys=True)},
        opts=opts,
    )


def platform_facts(name: str, platform: str, tier: Tier, opts: pulumi.ResourceOptions) -> PlatformFacts:
    """Read a platform's descriptor and return what an environment of a tier needs of it.

    The engine fails with PlatformRefused's message at preview if the platform is another one, speaks another version of
    the contract, or does not take the tier.

    Args:
        name: Prefix of the logical name.
        platform: The platform's name, as the environment's settings give it.
        tier: The environment's tier.
        opts: Parent and provider.
    """
    found = ConfigMap.get(f"{name}-platform", f"{PLATFORM_NAMESPACE}/{NAME}", opts=opts)
    facts = found.data.apply(lambda data: check_platform(data, platform, tier))
    return PlatformFacts(
        name=facts.apply(lambda f: str(f["name"])),
        tiers=frozenset({tier}),
        priority_class=facts.apply(lambda f: str(f["priorityClasses"][tier.value])),
    )


def check_platform(data: Mapping[str, str], platform: str, tier: Tier) -> dict[str, Any]:
    """Return a platform's descriptor if it takes an environment of this tier.

    Args:
        data: The ConfigMap's data.
        platform: The name that is expected.
        tier: The environment's tier.

    Raises:
        PlatformRefused: Otherwise.
    """
    descriptor = _descriptor(data, platform)
    version = descriptor.get("contractVersion")
    if version != CONTRACT_VERSION:
        raise PlatformRefused(
            f"platform {platform} speaks version {version} of the contract, this program {CONTRACT_VERSION}: "
            "bring both to one release of Terrarium, the platform first"
        )
    if "name" not in descriptor or "tiers" not in descriptor:
        raise _unreadable(platform)
    if descriptor["name"] != platform:
        raise PlatformRefused(
            f"the cluster belongs to platform {descriptor['name']}, not {platform}: "
            "correct the platform or the cluster that the stack file names under `cloud`"
        )
    serves = frozenset(Tier(value) for value in descriptor["tiers"])
    if not admits(serves, tier):
        names = ", ".join(sorted(t.value for t in serves))
        raise PlatformRefused(
            f"platform {platform} takes {names}, not {tier.value}: every tier must stand in the platform's `tiers`, "
            "and production shares a platform with no other tier"
        )
    return descriptor


def _descriptor(data: Mapping[str, str], platform: str) -> dict[str, Any]:
    try:
        descriptor = json.loads(data[KEY])
    except (KeyError, ValueError):
        raise _unreadable(platform) from None
    if not isinstance(descriptor, dict):
        raise _unreadable(platform)
    return descriptor


def _unreadable(platform: str) -> PlatformRefused:
    return PlatformRefused(
        f"platform {platform} publishes no descriptor that can be read, ConfigMap {PLATFORM_NAMESPACE}/{NAME}: "
        "somebody changed it; update the platform's stack to restore it"
    )
