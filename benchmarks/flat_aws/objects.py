"""The environment's S3 buckets, written out."""

import pulumi
from pulumi_aws import s3

from benchmarks.flat_aws.place import NAME, Place, document

KINDS = ("results", "datasets", "models", "scratch")


def buckets(place: Place, uid: pulumi.Output[str], key: pulumi.Output[str]) -> dict[str, s3.Bucket]:
    """Make a bucket for each kind of objects."""
    return {kind: bucket(place, kind, uid, key) for kind in KINDS}


def bucket(place: Place, kind: str, uid: pulumi.Output[str], key: pulumi.Output[str]) -> s3.Bucket:
    """Make a bucket, and all that is set of it."""
    logical = f"{NAME}-store-{kind}"
    made = s3.Bucket(
        logical,
        bucket=uid.apply(lambda uid: f"{NAME}-{kind}-{uid}"),
        force_destroy=False,
        tags={},
        opts=place.opts(protect=True),
    )
    if kind != "scratch":
        s3.BucketVersioning(
            f"{logical}-versioning",
            bucket=made.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=place.opts(),
        )
    s3.BucketLifecycleConfiguration(f"{logical}-lifecycle", bucket=made.bucket, rules=rules(kind), opts=place.opts())
    s3.BucketServerSideEncryptionConfiguration(
        f"{logical}-encryption",
        bucket=made.bucket,
        rules=[
            s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                    sse_algorithm="aws:kms", kms_master_key_id=key
                ),
                bucket_key_enabled=True,
            )
        ],
        opts=place.opts(),
    )
    s3.BucketPublicAccessBlock(
        f"{logical}-public-access",
        bucket=made.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=place.opts(),
    )
    s3.BucketPolicy(
        f"{logical}-policy", bucket=made.bucket, policy=made.bucket.apply(encrypted_only), opts=place.opts()
    )
    return made


def rules(kind: str) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    """Return what goes when."""
    everything = s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")
    uploads = s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(days_after_initiation=7)
    unfinished = s3.BucketLifecycleConfigurationRuleArgs(
        id="unfinished-uploads", status="Enabled", filter=everything, abort_incomplete_multipart_upload=uploads
    )
    if kind == "scratch":
        old = s3.BucketLifecycleConfigurationRuleArgs(
            id="old-objects",
            status="Enabled",
            filter=everything,
            expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(days=7),
        )
    else:
        old = s3.BucketLifecycleConfigurationRuleArgs(
            id="old-versions",
            status="Enabled",
            filter=everything,
            noncurrent_version_expiration=s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=90
            ),
            expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
        )
    return [unfinished, old]


def encrypted_only(name: str) -> str:
    """Return the policy that refuses what comes unencrypted."""
    own = f"arn:aws:s3:::{name}"
    return document(
        {
            "Sid": "EncryptedOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [own, f"{own}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )
