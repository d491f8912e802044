"""S3 buckets, through the AWS provider: of AWS itself, or of any store that speaks S3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from components.stores import layout, policies
from components.stores.policies import Statement


@dataclass(frozen=True)
class Keeping:
    """How long S3 buckets keep what.

    Args:
        versioned: Whether what is overwritten or deleted can be brought back. Scratch and backups never are versioned.
        versions_days: Days for which it can.
        scratch_days: Days after which an object in scratch goes.
        backups_days: Days after which a backup goes.
        protected: Whether deleting a bucket that holds objects fails.
    """

    versioned: bool
    versions_days: int
    scratch_days: int
    backups_days: int
    protected: bool


@dataclass(frozen=True)
class Place:
    """Where S3 buckets are made.

    Args:
        name: Prefix of the logical names.
        owner: The id of the environment, or the lake's name: what the buckets' names begin with.
        uid: The owner's uid.
        without: What the store's API lacks: `lifecycle`, `encryption`, `public_access_block`.
        encrypted: Whether it is reached by TLS; then nothing else is let in.
        tags: Tags of everything.
        opts: Parent and provider.
        kms_key: ARN of the KMS key that encrypts what is kept; None for the store's own.
        partition: What the ARNs of the store's buckets begin with: `aws`, in China `aws-cn`.
    """

    name: str
    owner: str
    uid: pulumi.Output[str]
    without: frozenset[str]
    encrypted: bool
    tags: Mapping[str, str]
    opts: pulumi.ResourceOptions
    kms_key: pulumi.Input[str] | None = None
    partition: str = "aws"


def buckets(place: Place, kinds: Iterable[str], keeping: Keeping) -> dict[str, s3.Bucket]:
    """Make an S3 bucket for each kind of objects, and return them by kind.

    Args:
        place: Where.
        kinds: The kinds.
        keeping: How long they keep what.
    """
    return {kind: _bucket(place, kind, keeping) for kind in kinds}


def _bucket(place: Place, kind: str, keeping: Keeping) -> s3.Bucket:
    logical = f"{place.name}-{kind}"
    made = s3.Bucket(
        logical,
        bucket=place.uid.apply(lambda uid: layout.s3_bucket(place.owner, kind, uid)),
        force_destroy=not keeping.protected,
        tags=place.tags,
        # Deleting or replacing it deletes all that is in it; `terrarium destroy` lifts this after asking.
        opts=pulumi.ResourceOptions.merge(place.opts, pulumi.ResourceOptions(protect=True)),
    )
    versioned = keeping.versioned and kind not in (layout.SCRATCH, layout.BACKUPS)
    if versioned:
        s3.BucketVersioning(
            f"{logical}-versioning",
            bucket=made.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=place.opts,
        )
    if "lifecycle" not in place.without:
        _lifecycle(place, logical, made, _rules(kind, keeping, versioned=versioned))
    if "encryption" not in place.without:
        _encryption(place, logical, made)
    if "public_access_block" not in place.without:
        s3.BucketPublicAccessBlock(
            f"{logical}-public-access",
            bucket=made.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=place.opts,
        )
    return made


def _rules(kind: str, keeping: Keeping, *, versioned: bool) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    everything = s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")
    uploads = s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(days_after_initiation=7)
    rules = [
        s3.BucketLifecycleConfigurationRuleArgs(
            id="unfinished-uploads",
            status="Enabled",
            filter=everything,
            abort_incomplete_multipart_upload=uploads,
        )
    ]
    days = {layout.SCRATCH: keeping.scratch_days, layout.BACKUPS: keeping.backups_days}.get(kind)
    if days:
        expiration = s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days)
        rules.append(
            s3.BucketLifecycleConfigurationRuleArgs(
                id="old-objects", status="Enabled", filter=everything, expiration=expiration
            )
        )
    if versioned:
        old = s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=keeping.versions_days)
        # What marks an object as deleted would outlive its last version, and S3 deletes no bucket that holds one.
        marks = s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True)
        rules.append(
            s3.BucketLifecycleConfigurationRuleArgs(
                id="old-versions",
                status="Enabled",
                filter=everything,
                noncurrent_version_expiration=old,
                expiration=marks,
            )
        )
    return rules


def _lifecycle(
    place: Place, logical: str, bucket: s3.Bucket, rules: list[s3.BucketLifecycleConfigurationRuleArgs]
) -> None:
    s3.BucketLifecycleConfiguration(f"{logical}-lifecycle", bucket=bucket.bucket, rules=rules, opts=place.opts)


def _encryption(place: Place, logical: str, bucket: s3.Bucket) -> None:
    default = s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="aws:kms" if place.kms_key else "AES256", kms_master_key_id=place.kms_key
    )
    rule = s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=default,
        # One call to KMS for many objects: each call is paid, and their number a second is limited.
        bucket_key_enabled=True if place.kms_key else None,
    )
    s3.BucketServerSideEncryptionConfiguration(
        f"{logical}-encryption", bucket=bucket.bucket, rules=[rule], opts=place.opts
    )


def bucket_policies(
    place: Place, made: Mapping[str, s3.Bucket], granted: pulumi.Output[Mapping[str, list[Statement]]] | None = None
) -> None:
    """Make the policy of each S3 bucket that needs one.

    Args:
        place: Where.
        made: The S3 buckets, by kind.
        granted: What accounts that the store's administrator made may do, by the account's name in the store.
    """
    if not place.encrypted and granted is None:
        return
    for kind, bucket in made.items():
        policy = pulumi.Output.all(name=bucket.bucket, granted=granted or {}).apply(
            lambda values: _bucket_policy(place, values["name"], values["granted"])
        )
        s3.BucketPolicy(f"{place.name}-{kind}-policy", bucket=bucket.bucket, policy=policy, opts=place.opts)


def _bucket_policy(place: Place, bucket: str, granted: Mapping[str, list[Statement]]) -> str:
    statements = [policies.encrypted_only(bucket)] if place.encrypted else []
    for principal, allowed in granted.items():
        statements += policies.granted_to(principal, allowed, bucket)
    return policies.document(statements, place.partition)
