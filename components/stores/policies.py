"""What each identity may do with objects, as IAM policy documents. Pure.

Actions are those of the service authorization reference (docs.aws.amazon.com/service-authorization, Amazon S3). None of
them makes or deletes an S3 bucket, changes a policy, or deletes a version: what an identity overwrites or deletes by
mistake can be brought back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_READ = ("s3:GetObject", "s3:GetObjectTagging")
_READ_VERSIONS = ("s3:GetObjectVersion",)
_WRITE = (
    *("s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject"),
    *("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
)
_LIST = ("s3:ListBucket", "s3:ListBucketVersions")
_LOCATE = ("s3:GetBucketLocation",)

Statement = dict[str, Any]


def document(statements: Iterable[Statement], partition: str = "aws") -> str:
    """Return a policy document.

    Args:
        statements: What it says.
        partition: What ARNs begin with where the store is: `aws`, in China `aws-cn`.
    """
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)
    return text.replace('"arn:aws:', f'"arn:{partition}:')


def read_write(buckets: Sequence[str], prefix: str = "") -> list[Statement]:
    """Return what lets an identity read and write.

    Args:
        buckets: S3 buckets.
        prefix: What the keys begin with that it is limited to; all if empty.
    """
    return [_objects("ReadWrite", (*_READ, *_WRITE), buckets, prefix), *_listing(buckets, prefix)]


def read_only(buckets: Sequence[str], prefix: str = "", name: str = "ReadOnly") -> list[Statement]:
    """Return what lets an identity read; see `read_write`.

    Args:
        buckets: S3 buckets.
        prefix: What the keys begin with that it is limited to; all if empty.
        name: Begins the statements' ids, which must differ within a document.
    """
    return [_objects(name, (*_READ, *_READ_VERSIONS), buckets, prefix), *_listing(buckets, prefix, name)]


def encrypted_only(bucket: str) -> Statement:
    """Return what refuses to an S3 bucket whatever comes unencrypted (CIS AWS Foundations 2.1.1)."""
    return {
        "Sid": "EncryptedOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [_arn(bucket), f"{_arn(bucket)}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def granted_to(principal: str, statements: Iterable[Statement], bucket: str) -> list[Statement]:
    """Return statements as a bucket's own policy needs them: for one account, and of this bucket alone.

    Args:
        principal: The account, as the store names it.
        statements: What it may do, in any buckets.
        bucket: The S3 bucket that the policy is of.
    """
    own = _arn(bucket)
    granted = []
    for number, statement in enumerate(statements):
        resources = [r for r in statement["Resource"] if r == own or r.startswith(f"{own}/")]
        if resources:
            sid = f"{''.join(c for c in principal if c.isalnum())}{number}"
            granted.append({**statement, "Sid": sid, "Principal": {"AWS": [principal]}, "Resource": resources})
    return granted


def web_identity(provider_arn: str, issuer: str, audience: str, namespace: str, service_account: str) -> str:
    """Return the trust document of a role that one service account's tokens open.

    Args:
        provider_arn: ARN of the store's OpenID Connect provider for the cluster.
        issuer: The cluster's token issuer, without scheme.
        audience: What the tokens must be made for.
        namespace: The service account's namespace.
        service_account: Its name.
    """
    equal = {
        f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
        f"{issuer}:aud": audience,
    }
    statement: Mapping[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": equal},
    }
    return document([dict(statement)])


def _objects(sid: str, actions: Sequence[str], buckets: Sequence[str], prefix: str) -> Statement:
    resources = [f"{_arn(bucket)}/{prefix}*" for bucket in buckets]
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}


def _listing(buckets: Sequence[str], prefix: str, sid: str = "") -> list[Statement]:
    resources = [_arn(bucket) for bucket in buckets]
    listing: Statement = {"Sid": f"{sid}List", "Effect": "Allow", "Action": list(_LIST), "Resource": resources}
    if prefix:
        # Without the condition a bucket's identity could read the names of everybody's objects.
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
    locate = {"Sid": f"{sid}Locate", "Effect": "Allow", "Action": list(_LOCATE), "Resource": resources}
    return [listing, locate]


def _arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"
