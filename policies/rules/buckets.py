"""Buckets of object stores: closed to the public, versioned, encrypted, and never emptied by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from policies.rules.documents import EVERYBODY, allowed, members, own_servers, public
from policies.rules.model import EVERY_TIER, PRODUCTION, SHARED_TIERS, STACK, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node, root

# The older tokens are names of the same resources that the provider still takes.
S3 = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
GCS = "gcp:storage/bucket:Bucket"
SCALEWAY = "scaleway:object/bucket:Bucket"
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_VERSIONING = ("aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2")
_ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
)
_S3_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
_SCALEWAY_POLICY = "scaleway:object/bucketPolicy:BucketPolicy"
_ACLS = ("aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2", "scaleway:object/bucketAcl:BucketAcl")
_GCS_BINDINGS = ("gcp:storage/bucketIAMMember:BucketIAMMember", "gcp:storage/bucketIAMBinding:BucketIAMBinding")
_GCS_ENTITIES = (
    "gcp:storage/bucketAccessControl:BucketAccessControl",
    "gcp:storage/defaultObjectAccessControl:DefaultObjectAccessControl",
    "gcp:storage/objectAccessControl:ObjectAccessControl",
)
_FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_PRIVATE_ACLS = ("private", "bucket-owner-full-control", "bucket-owner-read", "log-delivery-write")


@rule(
    "bucket-public-block",
    title="Buckets can't be made public.",
    reason="One policy or ACL too many publishes the data; the block holds whatever the others say.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56", "S3.8", "CKV_GCP_114"),
    remedy="S3: all four flags of the BucketPublicAccessBlock. Google Cloud: publicAccessPrevention enforced.",
    types=(_BLOCK, GCS, *_ACLS),
    unknown=True,
)
def public_block(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """All four flags, or enforced prevention, and no ACL that is public."""
    node = root(resource)
    if resource.type == _BLOCK:
        for flag in _FLAGS:
            yield from node.get(flag).must_be_true("is not true")
    elif resource.type == GCS:
        yield from node.get("publicAccessPrevention").must_be_among(["enforced"], "is not enforced")
    elif not node.get("acl").absent:
        yield from node.get("acl").must_be_among(_PRIVATE_ACLS, "lets in more than the bucket's owner")


@rule(
    "bucket-block-present",
    title="Each S3 bucket has its block of public access.",
    reason="An account's own setting can be lifted for all buckets at once.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV2_AWS_6", "S3.8"),
    remedy="Add an aws:s3:BucketPublicAccessBlock with all four flags.",
    types=(STACK,),
    about=(*S3, _BLOCK),
)
def block_present(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """There is one for each bucket; servers of one's own have no such setting, and bucket-no-anonymous holds there."""
    own = own_servers(facts)
    yield from _without(facts, (_BLOCK,), "has no block of public access", lambda one: one.options.provider in own)


# An S3 policy holds its bucket's name, which is unknown until the bucket is made. So an unknown policy is no violation:
# `up` judges it again when it is known, and until then bucket-public-block keeps it from publishing anything.
@rule(
    "bucket-no-anonymous",
    title="No bucket's policy names everybody.",
    reason="Whoever finds the name reads the data.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_70", "S3.2", "S3.3", "CKV_GCP_28"),
    remedy="Name the roles and accounts that read it.",
    types=(_S3_POLICY, _SCALEWAY_POLICY, *_GCS_BINDINGS, *_GCS_ENTITIES),
)
def no_anonymous(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No statement that allows, no member and no entity is everybody."""
    node = root(resource)
    if resource.type in {_S3_POLICY, _SCALEWAY_POLICY}:
        named = [who for statement in allowed(node.get("policy")) for who in public(statement)]
    elif resource.type in _GCS_ENTITIES:
        named = [node.get("entity")] if node.get("entity").text in {"", *EVERYBODY} else []
    else:
        named = [member for member in members(node) if member.text in {"", *EVERYBODY}]
    for who in named:
        yield who.fault("is everybody")


@rule(
    "bucket-versioned",
    title="What is overwritten or deleted can be brought back.",
    reason="A job with a wrong path deletes in a minute what took months.",
    severity=Severity.MEDIUM,
    tiers=PRODUCTION,
    sources=("CKV_AWS_21", "CKV_GCP_78"),
    remedy="S3: a BucketVersioning with status Enabled. Google Cloud and Scaleway: versioning.enabled true.",
    types=(*_VERSIONING, GCS, SCALEWAY),
)
def versioned(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """Versioning is on: the default is off. What has an end by its declaration needs no versions."""
    node = root(resource)
    if resource.name in facts.expiring:
        return
    if resource.type in _VERSIONING:
        status = node.get("versioningConfiguration", "status")
        yield from status.must_be_among(["Enabled"], "is not Enabled")
    else:
        yield from node.get("versioning", "enabled").must_be_true("is not true")


@rule(
    "bucket-versioning-present",
    title="Each S3 bucket of production is versioned.",
    reason="Without the resource that says so there is nothing that bucket-versioned could read.",
    severity=Severity.MEDIUM,
    tiers=PRODUCTION,
    sources=("CKV_AWS_21",),
    remedy="Add an aws:s3:BucketVersioning.",
    types=(STACK,),
    about=(*S3, *_VERSIONING),
)
def versioning_present(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """There is one for each bucket, but for those whose content has an end by its declaration."""
    yield from _without(facts, _VERSIONING, "is not versioned", lambda one: one.name in facts.expiring)


@rule(
    "bucket-encrypted",
    title="Production's buckets are encrypted by a key of one's own.",
    reason="Data can be made unreadable at once, everywhere, by disabling one key.",
    severity=Severity.MEDIUM,
    tiers=PRODUCTION,
    sources=("CKV_AWS_19", "S3.17"),
    remedy="S3: sseAlgorithm aws:kms with a key. Google Cloud: encryption.defaultKmsKeyName.",
    types=(*_ENCRYPTION, GCS),
)
def encrypted(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """A key is named."""
    node = root(resource)
    if resource.type == GCS:
        yield from node.get("encryption", "defaultKmsKeyName").must_be_given("is not set")
        return
    rules = node.get("rules")
    yield from rules.must_be_given("is empty")
    for one in rules.entries():
        default = one.get("applyServerSideEncryptionByDefault")
        yield from default.get("sseAlgorithm").must_be_among(["aws:kms", "aws:kms:dsse"], "is not aws:kms")
        yield from default.get("kmsMasterKeyId").must_be_given("is not set")


@rule(
    "bucket-no-force-destroy",
    title="Production's buckets are not emptied when they are deleted.",
    reason="One wrong `destroy` deletes all data, versions included.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("own",),
    remedy="Remove forceDestroy; empty the bucket by hand if that is meant.",
    types=(*S3, GCS, SCALEWAY),
)
def no_force_destroy(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """forceDestroy is off, which is the default."""
    yield from root(resource).get("forceDestroy").must_not_be_true("deletes the data with the bucket")


@rule(
    "bucket-tls-uniform",
    title="Buckets are reached by TLS, and one set of rights holds.",
    reason="Plain HTTP gives data away; ACLs of single objects open what the bucket's policy closes.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("S3.5", "CKV_GCP_29"),
    remedy="S3: a Deny where aws:SecureTransport is false. Google Cloud: uniformBucketLevelAccess true.",
    types=(_S3_POLICY, GCS),
)
def tls_uniform(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """S3 refuses plain HTTP by the bucket's policy; Google Cloud has one level of access."""
    node = root(resource)
    if resource.type == GCS:
        yield from node.get("uniformBucketLevelAccess").must_be_true("is not true")
        return
    policy = node.get("policy")
    statements = policy.document().get("Statement").one_or_more()
    if not any(_denies_plain(statement) for statement in statements):
        yield policy.fault("does not deny plain HTTP")


def _denies_plain(statement: Node) -> bool:
    secure = statement.get("Condition", "Bool", "aws:SecureTransport")
    everyone = any(who.text == "*" for who in public(statement))
    return statement.get("Effect").text == "Deny" and everyone and any(one.false for one in secure.one_or_more())


def _without(
    facts: Facts, companions: tuple[str, ...], says: str, exempt: Callable[[Resource], bool]
) -> Iterator[Finding]:
    """Find buckets without a companion: by name; before both are made by the logical name, or else by counting."""
    found = [one for one in facts.resources if one.type in companions]
    named = {root(one).get("bucket").text for one in found} - {""}
    unnamed = [one.name for one in found if not root(one).get("bucket").text]
    buckets = [one for one in facts.resources if one.type in S3]
    # The longest name: a bucket may be called as another and something more.
    owners = [max((b.name for b in buckets if name.startswith(b.name)), key=len, default="") for name in unnamed]
    rest = [
        bucket
        for bucket in buckets
        if root(bucket).get("bucket").text not in named and bucket.name not in owners and not exempt(bucket)
    ]
    yield from (Finding("", says, resource=bucket) for bucket in rest[owners.count("") :])
