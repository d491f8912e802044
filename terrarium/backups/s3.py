"""The client of an S3 store, and what a copy that the store can't make by itself must be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import boto3
from botocore.config import Config

from components.contract import Administration
from terrarium.backups.parallel import AT_ONCE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def client(administration: Administration, attempts: int) -> S3Client:
    """Return a client by the administrator's keys.

    Args:
        administration: How the store is reached.
        attempts: How often a request is made at most.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=AT_ONCE,
        s3={"addressing_style": "path"},
        connect_timeout=10,
        read_timeout=300,
        # Newer checksums by default are refused by stores that do not know them yet.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    # Keys are given: a person's own AWS variables and profiles must not matter.
    return boto3.client(
        "s3",
        endpoint_url=administration.endpoint,
        region_name=administration.region,
        aws_access_key_id=administration.access_key,
        aws_secret_access_key=administration.secret_key,
        verify=administration.ca_bundle or True,
        config=config,
    )


def described(client: S3Client, place: Any) -> dict[str, Any]:
    """Return what an upload in parts must be told: content type, metadata and tags, which it does not copy.

    Args:
        client: Of the store that holds the object.
        place: Bucket, key, and version if it is not the current one.
    """
    head: Mapping[str, Any] = client.head_object(**place)
    names = ("ContentType", "ContentEncoding", "ContentDisposition", "ContentLanguage", "CacheControl", "Metadata")
    found = {name: head[name] for name in names if head.get(name)}
    tags = client.get_object_tagging(**place)["TagSet"] if head.get("TagCount") else []
    if tags:
        found["Tagging"] = urlencode({tag["Key"]: tag["Value"] for tag in tags})
    return found
