"""The identity of what a stack declares: drawn once, protected, and keyed by what is fixed at creation."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_random import Provider, RandomId


def identity(name: str, fixed: Mapping[str, str], opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Make an identity that no other has or had, 8 hexadecimal digits.

    Args:
        name: Prefix of the logical names.
        fixed: What is fixed at creation: the engine refuses to change it, as it would replace a protected resource.
        opts: Parent.
    """
    # Explicit, because stacks disable default providers: what a forgotten one would use is whatever is ambient.
    provider = Provider(f"{name}-random", opts=opts)
    own = pulumi.ResourceOptions(provider=provider, protect=True)
    made = RandomId(
        f"{name}-identity", byte_length=4, keepers=dict(fixed), opts=pulumi.ResourceOptions.merge(opts, own)
    )
    return made.hex
