"""Registries: what a tag means stays so, what is pushed is scanned, and nobody outside reads it."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.documents import EVERYBODY, allowed, members, public
from policies.rules.model import EVERY_TIER, SHARED_TIERS, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import root

_ECR = "aws:ecr/repository:Repository"
_ECR_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy"
_ARTIFACTS = "gcp:artifactregistry/repository:Repository"
_ARTIFACTS_BINDINGS = (
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    "gcp:artifactregistry/repositoryIamBinding:RepositoryIamBinding",
)
_SCALEWAY = "scaleway:registry/namespace:Namespace"


@rule(
    "registry-immutable",
    title="Tags can't be moved.",
    reason="What a tag named when it was tested may be something else when it is deployed.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("CKV_AWS_51", "ECR.2"),
    remedy="AWS: imageTagMutability IMMUTABLE. Google Cloud: dockerConfig.immutableTags true.",
    types=(_ECR, _ARTIFACTS),
)
def immutable(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Tags are immutable without exception; both clouds' default lets them move."""
    node = root(resource)
    if resource.type == _ECR:
        yield from node.get("imageTagMutability").must_be_among(["IMMUTABLE"], "lets tags be moved")
    elif node.get("format").value in ("DOCKER", None):
        yield from node.get("dockerConfig", "immutableTags").must_be_true("lets tags be moved")


@rule(
    "registry-scanning",
    title="Images are scanned when they are pushed.",
    reason="A vulnerable image is found out before it is promoted, not after.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_163", "ECR.1"),
    remedy="Set imageScanningConfiguration.scanOnPush: true.",
    types=(_ECR,),
)
def scanning(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """scanOnPush is true: the default is off."""
    yield from root(resource).get("imageScanningConfiguration", "scanOnPush").must_be_true("is not on")


@rule(
    "registry-private",
    title="Nobody outside reads a registry.",
    reason="Images hold code and models, and sometimes credentials.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_32", "CKV_GCP_101"),
    remedy="Name the accounts that pull; Scaleway: isPublic false.",
    types=(_ECR_POLICY, *_ARTIFACTS_BINDINGS, _SCALEWAY),
    unknown=True,
)
def private(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No policy or binding names everybody."""
    node = root(resource)
    if resource.type == _SCALEWAY:
        yield from node.get("isPublic").must_not_be_true("opens the registry to everybody")
    elif resource.type == _ECR_POLICY:
        for statement in allowed(node.get("policy")):
            for principal in public(statement):
                yield principal.fault("opens the repository to everybody")
    else:
        for member in members(node):
            if member.text in EVERYBODY or not member.text:
                yield member.fault("opens the repository to everybody")
