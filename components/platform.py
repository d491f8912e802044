"""The platform: what a cluster needs once, whichever environments live on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import descriptor, isolation
from components.compute import PRIORITIES, Compute, Kueue, Workers, ordered
from components.contract import Cluster, PlatformFacts
from components.descriptor import NAME, PLATFORM_NAMESPACE
from components.labels import LABEL, ownership_labels
from components.tiers import TIERS, Tier

if TYPE_CHECKING:
    from pulumi_kubernetes.scheduling.v1 import PriorityClass

    from policies.rules.cluster_gate import Lists


@dataclass(frozen=True)
class PlatformArgs:
    """What a platform is made of.

    Args:
        name: The platform's name.
        tiers: The tiers that it takes.
        shared: Whether it takes slices. The one inside an environment doesn't: it serves its owner alone.
        owner: Who answers for it.
        cost_centre: Who pays.
        cloud: Name of the cloud, for the descriptor.
        cluster: The cluster to equip.
        lists: What security approves, for its admission policies; None approves nothing.
        workers: The cluster's pools.
        kueue: Whether the cluster has Kueue, or is given it here.
    """

    name: str
    tiers: frozenset[Tier]
    shared: bool
    owner: str
    cost_centre: str
    cloud: str
    cluster: Cluster
    lists: Lists | None
    workers: Sequence[Workers] = ()
    kueue: Kueue = "none"


class Platform(pulumi.ComponentResource):
    """Namespace `terrarium-system`, one PriorityClass per tier, admission, and the descriptor that environments read.

    Args:
        name: Logical name, the platform's name.
        args: What it is made of.
        opts: Parent.
    """

    facts: PlatformFacts
    """What an environment on this platform needs to know."""
    descriptor: pulumi.Output[str]
    """Where the descriptor is, `<namespace>/<name>`."""

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("terrarium:index:Platform", name, None, opts)
        children = pulumi.ResourceOptions(parent=self, provider=args.cluster.provider)
        labels = ownership_labels(owner_kind="platform", owner=args.name, cost_centre=args.cost_centre)
        namespace = _namespace(name, args, labels, children)
        classes = {tier: _priority_class(name, tier, labels, children) for tier in Tier if tier in args.tiers}
        isolation.closed(name, namespace.metadata.name, labels, children)
        _admission(name, labels, args.lists, children)
        compute = self._compute(name, args, labels, children)
        published = descriptor.publish(
            name,
            {
                "kind": "platform",
                "name": args.name,
                "shared": args.shared,
                "cloud": args.cloud,
                "tiers": sorted(tier.value for tier in args.tiers),
                "compute": compute.apply(lambda found: found.published),
                "priorityClasses": {tier.value: item.metadata.name for tier, item in classes.items()},
            },
            called=NAME,
            namespace=namespace.metadata.name,
            # Slices' stacks read it by the rights with which they publish their own; on some clouds everybody with any
            # account is authenticated.
            readers=(),
            labels=labels,
            opts=children,
        )
        own = next(iter(classes.values()))
        self.facts = PlatformFacts(
            name=args.name,
            namespace=namespace.metadata.name,
            tiers=args.tiers,
            priority_class=own.metadata.name,
            compute=compute,
        )
        self.descriptor = published.id
        self.register_outputs({"descriptor": self.descriptor})

    def _compute(
        self, name: str, args: PlatformArgs, labels: dict[str, str], opts: pulumi.ResourceOptions
    ) -> pulumi.Output[Compute]:
        pools = ordered(args.workers)
        if args.kueue == "none":
            return pulumi.Output.from_input(Compute(queues=False, pools=pools))
        # Imported here: a slice makes none, and must not pay for it.
        from components import admission, queues  # noqa: PLC0415

        installed = [queues.release(name, args.cluster.system, opts)] if args.kueue == "made" else []
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=installed))
        priorities = {called: queues.priority(name, called, labels, after).called for called in PRIORITIES}
        flavors = [queues.flavor(name, pool, labels, after).called for pool in pools]
        everywhere = queues.everywhere(name, labels, after).called
        admission.queued(name, labels, opts)
        # An environment's queue waits for all of it.
        made = pulumi.Output.all(priorities, everywhere, flavors)
        return made.apply(lambda found: queues.offered(pools, found[0], found[1]))


def _namespace(name: str, args: PlatformArgs, labels: dict[str, str], opts: pulumi.ResourceOptions) -> Namespace:
    return Namespace(
        f"{name}-namespace",
        metadata=ObjectMetaArgs(
            name=PLATFORM_NAMESPACE,
            labels={**labels, "pod-security.kubernetes.io/enforce": "restricted"},
            annotations={f"{LABEL}/owner": args.owner},
        ),
        # Environments need what lives here; `terrarium destroy` lifts this after it has seen that none is left.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=True)),
    )


def _admission(name: str, labels: dict[str, str], lists: Lists | None, opts: pulumi.ResourceOptions) -> None:
    # Imported here: a slice of a platform makes none, and must not pay for this part of the SDK.
    from components import admission  # noqa: PLC0415

    admission.services(name, labels, opts)
    admission.rules(name, labels, lists, opts)


def _priority_class(name: str, tier: Tier, labels: dict[str, str], opts: pulumi.ResourceOptions) -> PriorityClass:
    # Imported here: a slice of a platform makes none, and must not pay for this part of the SDK (0.03 s).
    from pulumi_kubernetes.scheduling.v1 import PriorityClass  # noqa: PLC0415

    table = TIERS[tier]
    return PriorityClass(
        f"{name}-priority-{tier.value}",
        metadata=ObjectMetaArgs(name=f"terrarium-{tier.value}", labels=labels),
        value=table.priority,
        preemption_policy="PreemptLowerPriority" if table.preempts else "Never",
        description=f"Workloads of {tier.value} environments.",
        opts=opts,
    )
