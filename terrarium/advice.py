"""What to do about failures that clouds and stores report in words of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile("BucketAlreadyExists|BucketAlreadyOwnedByYou"),
        "An S3 bucket of this name exists and is not this stack's; it was left alone. Rename or delete it, or take it "
        "over on purpose with pulumi import.",
    ),
    (
        re.compile("EntityAlreadyExists"),
        "An IAM user of this name exists and is not this stack's; it was left alone. Delete it, or take it over on "
        "purpose with pulumi import.",
    ),
    (
        re.compile(r"(database|role|schema) \S+ already exists", re.IGNORECASE),
        "It is not this stack's and was left alone. Rename or drop it, or take it over on purpose with pulumi import.",
    ),
    (
        re.compile("NotImplemented"),
        "The store's API lacks this: name it under cloud.kubernetes.store.objects.without, and say what stands in.",
    ),
    (
        re.compile("InvalidAccessKeyId|SignatureDoesNotMatch|password authentication failed"),
        "The administrator's keys are not, or no longer, valid: see the files that AWS_SHARED_CREDENTIALS_FILE and "
        "PGSERVICEFILE name.",
    ),
    (
        re.compile("No space left on device|ENOSPC|InsufficientStorage|could not extend file"),
        "The store's disk is full. Make room; then run the same command again, it goes on where this one ended.",
    ),
    (
        re.compile(r"cannot drop schema \S+ because other objects depend on it"),
        "The bucket holds tables. Drop them, or move them, then run the same command again.",
    ),
    (
        re.compile("is being accessed by other users"),
        "End their work, or wait; then run the same command again.",
    ),
    (
        re.compile("Connection refused|Could not connect|EndpointConnectionError|ServiceUnavailable|SlowDown"),
        "Is the store running? When it answers again, run the same command again: it goes on where this one ended.",
    ),
)


def advice(message: str) -> Iterable[str]:
    """Yield what to do about a failure, from what its message says; nothing if it is not known.

    Args:
        message: The engine's diagnostics.
    """
    return (text for pattern, text in _ADVICE if pattern.search(message))
