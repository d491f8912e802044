"""The lake: datasets that environments share, and that outlive every one of them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import descriptor, isolation, naming
from components.contract import CONTRACT_VERSION, RW, CloudAdapter, Ground
from components.identity import identity
from components.labels import LABEL, ownership_labels
from components.reaching import found_out
from components.settings.models import LakeSettings
from components.stores import layout
from components.workspace import Scope
from components.workspace.access import subjects
from components.workspace.store import readable_by, secrets


@dataclass(frozen=True)
class LakeArgs:
    """What a lake is made of.

    Args:
        settings: The declaration.
        cloud: The chosen cloud, holding its own settings.
        platform: Name of the platform that it is a slice of.
    """

    settings: LakeSettings
    cloud: CloudAdapter
    platform: str


class Lake(pulumi.ComponentResource):
    """A lake.

    Makes: its identity; its store; a namespace with the keys of those who bring datasets in; the descriptor by which
    environments find it.

    Args:
        name: Logical name, the lake's name.
        args: What it is made of.
        opts: Options of the component.
    """

    outputs: dict[str, pulumi.Input[object]]
    """The stack's outputs, by the contract."""

    def __init__(self, name: str, args: LakeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("terrarium:index:Lake", name, None, opts)
        settings, cloud = args.settings, args.cloud
        children = pulumi.ResourceOptions(parent=self)
        with found_out():
            network = cloud.network(name, settings, children)
            cluster = cloud.cluster(name, settings, network, children)
        uid = identity(name, {"name": settings.name}, children)
        in_cluster = pulumi.ResourceOptions(parent=self, provider=cluster.provider)
        where = descriptor.platform_namespace(name, args.platform, settings.tiers, in_cluster)
        consented = pulumi.Output.all(uid, where).apply(lambda pair: str(pair[0]))
        with found_out():
            store = cloud.lake(name, settings, consented, Ground(network, cluster), children)
        labels = ownership_labels(owner_kind="lake", owner=settings.name, cost_centre=settings.cost_centre)
        called = layout.lake_id(settings.name)
        namespace = _namespace(name, settings, Scope(name, where, labels, in_cluster))
        isolation.closed(name, namespace.metadata.name, labels, in_cluster)
        scope = Scope(name, namespace.metadata.name, labels, in_cluster)
        secrets(scope, store)
        readable_by(scope, store, {RW: subjects(sorted(set(settings.store.writers)))})
        self.outputs = {
            "contractVersion": CONTRACT_VERSION,
            "kind": "lake",
            "name": settings.name,
            "uid": uid,
            "tiers": sorted({tier.value for tier in settings.tiers}),
            "owner": settings.owner,
            "cloud": cloud.name,
            "access": dict(cluster.access),
            "namespace": namespace.metadata.name,
            "bucket": store.objects["buckets"][layout.DATASETS],
            "endpoint": store.objects["endpoint"],
            "store": {**store.published, "buckets": [], "versioned": True, "protected": True},
        }
        descriptor.publish(
            name,
            self.outputs,
            called=called,
            namespace=where,
            # The environments' stacks read it by the rights with which they publish their own.
            readers=subjects(sorted(set(settings.store.writers))),
            labels=labels,
            opts=in_cluster,
        )
        self.register_outputs({"uid": uid})


def _namespace(name: str, settings: LakeSettings, platform: Scope) -> Namespace:
    """Make the namespace of a lake, beside the platform's. Nothing runs there: it holds keys."""
    return Namespace(
        f"{name}-namespace",
        metadata=ObjectMetaArgs(
            name=naming.NAMESPACE.check(layout.lake_id(settings.name)),
            labels={**platform.labels, "pod-security.kubernetes.io/enforce": "restricted"},
            # The platform's namespace is known once it has consented: a refused lake is not half made.
            annotations={f"{LABEL}/owner": settings.owner, f"{LABEL}/descriptors": platform.namespace},
        ),
        opts=pulumi.ResourceOptions.merge(platform.opts, pulumi.ResourceOptions(protect=True)),
    )
