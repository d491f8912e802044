"""Costs: whatever is paid for says whose it is."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.documents import own_servers
from policies.rules.model import EVERY_TIER, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node, root

# What is paid for by the hour or by size, and where its labels stand. Google Cloud's provider labels by default too.
_LABELS: dict[str, tuple[str, ...]] = {
    "aws:dynamodb/table:Table": ("tags",),
    "aws:ebs/volume:Volume": ("tags",),
    "aws:ec2/instance:Instance": ("tags",),
    "aws:ec2/natGateway:NatGateway": ("tags",),
    "aws:ecr/repository:Repository": ("tags",),
    "aws:efs/fileSystem:FileSystem": ("tags",),
    "aws:eks/cluster:Cluster": ("tags",),
    "aws:eks/nodeGroup:NodeGroup": ("tags",),
    "aws:kms/key:Key": ("tags",),
    "aws:rds/cluster:Cluster": ("tags",),
    "aws:rds/instance:Instance": ("tags",),
    "aws:s3/bucket:Bucket": ("tags",),
    "aws:s3/bucketV2:BucketV2": ("tags",),
    "gcp:artifactregistry/repository:Repository": ("labels",),
    "gcp:compute/disk:Disk": ("labels",),
    "gcp:compute/instance:Instance": ("labels",),
    "gcp:container/cluster:Cluster": ("resourceLabels",),
    "gcp:container/nodePool:NodePool": ("nodeConfig", "resourceLabels"),
    "gcp:kms/cryptoKey:CryptoKey": ("labels",),
    "gcp:sql/databaseInstance:DatabaseInstance": ("settings", "userLabels"),
    "gcp:storage/bucket:Bucket": ("labels",),
    "scaleway:databases/instance:Instance": ("tags",),
    "scaleway:kubernetes/cluster:Cluster": ("tags",),
    "scaleway:kubernetes/pool:Pool": ("tags",),
    "scaleway:object/bucket:Bucket": ("tags",),
}
# The provider's default labels reach what has `labels` or `tags` at the top, not what stands deeper (pulumi-gcp,
# `defaultLabels`).
_DEFAULTED = {("tags",), ("labels",), ("resourceLabels",)}


@rule(
    "cost-tags",
    title="What is paid for says to whom it belongs.",
    reason="A bill that nobody can assign is paid by everybody, and nobody turns off what is not theirs.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("GK requiredlabels", "CKV_GCP_21"),
    remedy="Set the labels on the provider once (defaultTags, defaultLabels), or on the resource.",
    types=tuple(_LABELS),
)
def cost_tags(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """Each required key is there, by the resource or by its provider's defaults; servers of one's own send no bills."""
    if resource.options.provider in own_servers(facts):
        return
    place = _LABELS[resource.type]
    labels = root(resource).get(*place)
    scaleway = resource.type.startswith("scaleway:")
    known = _keys(labels)
    if place in _DEFAULTED and not scaleway:
        known |= facts.default_tags.get(resource.options.provider, frozenset())
    missing = [key for key in facts.cost_keys if key not in known]
    if missing:
        yield labels.fault(f"lacks {', '.join(missing)}")


def _keys(labels: Node) -> set[str]:
    """Return the keys of labels: of a mapping, or of a list of `key=value` as Scaleway has."""
    if isinstance(labels.value, list | tuple):
        return {key for entry in labels.entries() for key, equals, _ in [entry.text.partition("=")] if equals}
    return {key for key, value in labels.fields() if not value.absent and value.value != ""}
