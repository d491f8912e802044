"""The client of an S3 store, and what its answers say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from components.contract import Administration
from terrarium import s3
from terrarium.backups.parallel import AT_ONCE
from terrarium.backups.versions import Version, made
from terrarium.errors import CommandFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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


def reached(administration: Administration) -> tuple[str, s3.Keys]:
    """Return the endpoint of a store of the S3 kind, and its administrator's keys.

    Raises:
        CommandFailed: If the store is none.
    """
    way = administration
    if way.endpoint is None or way.access_key is None or way.secret_key is None:
        raise CommandFailed("the store's objects can't be asked for by S3: its cloud keeps its own backups")
    return way.endpoint, s3.Keys(way.access_key, way.secret_key, way.session_token)


def client(administration: Administration, silence: float, patience: float) -> S3Client:
    """Return a client by the administrator's keys.

    Args:
        administration: How the store is reached.
        silence: Seconds that it may say nothing within one answer.
        patience: Seconds after which a request that failed is not made again.

    Raises:
        CommandFailed: If the store's objects can't be asked for by S3.
    """
    endpoint, keys = reached(administration)
    found: S3Client = s3.client(
        "s3",
        endpoint,
        administration.region,
        keys,
        ca_bundle=administration.ca_bundle,
        connections=AT_ONCE,
        silence=silence,
        patience=patience,
    )
    return found


def now(answer: Any) -> datetime:
    """Return when an answer was given, by the store's clock, to the second."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)


def versions(page: Any) -> Iterator[Version]:
    """Yield the versions of a page of their listing, then its markers, each with the newest first."""
    # Not this machine's: with a clock that is behind, the newest ids would seem to hold no times.
    asked = now(page)
    for item in page.get("Versions", ()):
        id_, etag = item["VersionId"], item["ETag"].strip('"')
        time = made(id_, item["LastModified"], asked)
        yield Version(item["Key"], id_, time, item["IsLatest"], size=item["Size"], etag=etag)
    for item in page.get("DeleteMarkers", ()):
        id_ = item["VersionId"]
        yield Version(item["Key"], id_, made(id_, item["LastModified"], asked), item["IsLatest"], marker=True)
