"""What holds state: nobody deletes it in passing."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules import buckets, clusters, databases, keys
from policies.rules.model import PRODUCTION, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import root

CLUSTERS = (clusters.EKS, clusters.GKE, clusters.KAPSULE)
STATEFUL = (
    *CLUSTERS,
    databases.RDS,
    databases.AURORA,
    databases.CLOUD_SQL,
    databases.SCALEWAY,
    *buckets.S3,
    buckets.GCS,
    buckets.SCALEWAY,
    keys.KMS,
    keys.CRYPTO_KEY,
    "postgresql:index/database:Database",
    "kubernetes:core/v1:PersistentVolumeClaim",
)
"""Types whose loss no other `up` makes good; the guard of destructive changes knows them all, and networks."""


@rule(
    "stateful-protected",
    title="What holds production's state is protected.",
    reason="A renamed variable or a wrong stack deletes data that no second `up` brings back.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("own", "CKV_AWS_139"),
    remedy="Set the option protect=True.",
    types=STATEFUL,
)
def protected(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The engine refuses to delete it. To leave it in the cloud is not enough: what replaces it begins empty."""
    if not resource.options.protect:
        yield Finding("", "is not protected")


@rule(
    "cluster-deletion-protection",
    title="Production's clusters refuse to be deleted.",
    reason="It holds against the console and other tools as well, where the engine's `protect` does not.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("own",),
    remedy="Set deletionProtection: true.",
    types=(clusters.EKS, clusters.GKE),
)
def cluster_protected(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """EKS' default is off, the provider's for GKE is on."""
    on = root(resource).get("deletionProtection")
    if resource.type == clusters.EKS or not on.absent:
        yield from on.must_be_true("is not true")
