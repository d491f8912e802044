"""From a stack's configuration to its components."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from components.contract import CONTRACT_VERSION, CloudAdapter, Ground
from components.environment import Environment, EnvironmentArgs
from components.platform import Platform, PlatformArgs
from components.reaching import found_out
from components.settings.declaration import MODELS, Declaration, declare
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
    declaration = declare(root, stack, _given(config))
    gate = _gate(root, declaration)
    built = _built(root, declaration)
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


def _built(root: Path, declaration: Declaration) -> Mapping[str, pulumi.Input[Any]]:
    settings = declaration.settings
    if isinstance(settings, EnvironmentSettings):
        args = EnvironmentArgs(settings, declaration.adapter, _lists(root, declaration))
        return Environment(settings.id, args).outputs
    if isinstance(settings, LakeSettings):
        return _lake(settings, declaration.adapter)
    return _platform(settings, declaration, _lists(root, declaration))


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
        **({"governance": dict(governance)} if governance else {}),
    }


def _lists(root: Path, declaration: Declaration) -> Lists | None:
    """Return what security approves, for the platform that the stack makes; None for a slice, which makes none."""
    if declaration.adapter.platform is not None:
        return None
    # Imported here: a slice needs nothing of it.
    from policies.gates import cluster  # noqa: PLC0415

    return cluster.lists(root)


def _given(config: pulumi.Config) -> dict[str, Any]:
    """Return the blocks that the engine holds: what the stack file says, unless `--config` said otherwise."""
    given: dict[str, Any] = {}
    for kind in MODELS:
        text = config.get(kind)
        if text is not None:
            given[kind] = _decoded(text)
    return given


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
