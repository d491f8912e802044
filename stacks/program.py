"""From a stack's configuration to its components."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from components.contract import CONTRACT_VERSION, CloudAdapter, Ground
from components.environment import Environment, EnvironmentArgs
from components.platform import Platform, PlatformArgs
from components.reaching import found_out
from components.settings.configuration import blocks
from components.settings.declaration import Declaration, declare
from components.settings.models import EnvironmentSettings, LakeSettings, PlatformSettings
from components.stores import layout
from components.tiers import Tier

if TYPE_CHECKING:
    from policies.gates.program import Gate
    from policies.rules.cluster_gate import Lists


def build(root: Path, stack: str, config: pulumi.Config) -> Mapping[str, pulumi.Input[Any]]:
    """Build what the stack declares and return its outputs.

    Args:
        root: The folder of Pulumi.yaml.
        stack: The stack's name.
        config: The `terrarium` configuration, as the engine gives it.

    Raises:
        InvalidSettings: With every problem found; nothing is registered then.
    """
    # What the engine holds is what the stack file says, unless `--config` said otherwise.
    declaration = declare(root, stack, blocks(config.get))
    gate = _gate(root, declaration)
    built = _built(declaration, _lists(root, declaration, gate))
    return {**built, "rules": gate.close()} if gate else built


def _gate(root: Path, declaration: Declaration) -> Gate | None:
    """Have production judged while it is declared, whether a policy pack is attached or not."""
    if Tier.PRODUCTION not in declaration.tiers:
        return None
    # Imported here: the other tiers' stacks need nothing of it.
    from policies.gates.court import judge  # noqa: PLC0415
    from policies.gates.program import Gate  # noqa: PLC0415

    gate = Gate(judge(root, declaration, os.environ))
    gate.open()
    return gate


def _built(declaration: Declaration, lists: Lists | None) -> Mapping[str, pulumi.Input[Any]]:
    settings = declaration.settings
    if isinstance(settings, EnvironmentSettings):
        args = EnvironmentArgs(settings, declaration.adapter, lists)
        return Environment(settings.id, args).outputs
    if isinstance(settings, LakeSettings):
        return _lake(settings, declaration.adapter)
    return _platform(settings, declaration, lists)


def _lake(settings: LakeSettings, adapter: CloudAdapter) -> Mapping[str, pulumi.Input[Any]]:
    # Imported here: the other stacks need nothing of it.
    from components.lake import Lake, LakeArgs  # noqa: PLC0415

    return Lake(layout.lake_id(settings.name), LakeArgs(settings, adapter, adapter.platform or "")).outputs


def _platform(
    settings: PlatformSettings, declaration: Declaration, lists: Lists | None
) -> Mapping[str, pulumi.Input[Any]]:
    adapter = declaration.adapter
    opts = pulumi.ResourceOptions()
    with found_out():
        network = adapter.network(settings.name, settings, opts)
        cluster = adapter.cluster(settings.name, settings, network, opts)
    args = PlatformArgs(
        name=settings.name,
        tiers=declaration.tiers,
        shared=True,
        owner=settings.owner,
        cost_centre=settings.cost_centre,
        cloud=adapter.name,
        cluster=cluster,
        lists=lists,
        workers=adapter.workers(settings),
        kueue=adapter.kueue,
    )
    platform = Platform(settings.name, args)
    governance = adapter.governance(settings.name, settings, Ground(network, cluster), opts)
    return {
        "contractVersion": CONTRACT_VERSION,
        "kind": "platform",
        "name": settings.name,
        "tiers": sorted(tier.value for tier in declaration.tiers),
        "cloud": adapter.name,
        "access": dict(cluster.access),
        "descriptor": platform.descriptor,
        "compute": platform.facts.compute.apply(lambda found: found.published),
        **({"governance": dict(governance)} if governance else {}),
    }


def _lists(root: Path, declaration: Declaration, gate: Gate | None) -> Lists | None:
    """Return what security approves, for the platform that the stack makes; None for what makes none."""
    if declaration.adapter.platform is not None or declaration.kind == "lake":
        return None
    # Imported here: a slice needs nothing of it.
    from policies.gates import cluster  # noqa: PLC0415

    # By what the gate has read of security's files already, and the same day.
    return cluster.lists_of(gate.judge.book, gate.judge.today) if gate else cluster.lists(root)
