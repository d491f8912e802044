"""How every cloud makes what is in a cluster: one way of Pulumi's Kubernetes provider. Pure."""

from __future__ import annotations

from typing import TypedDict, final


@final
class Manner(TypedDict):
    """What all clouds tell Pulumi's Kubernetes provider, by the names of its arguments."""

    enable_server_side_apply: bool
    enable_patch_force: bool
    enable_config_map_mutable: bool
    delete_unreachable: bool


MANNER = Manner(
    enable_server_side_apply=True,
    # What Terrarium declares keeps environments apart: whoever changed it by hand does not win.
    enable_patch_force=True,
    # Else a changed descriptor would be deleted and made anew, and be missing for a moment.
    enable_config_map_mutable=True,
    # An unreachable cluster must stop a stack, never empty its state (pulumi/pulumi#6468).
    delete_unreachable=False,
)
