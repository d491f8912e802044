"""Objects and their versions in an S3 store, by the administrator's keys; every failure becomes a message."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from components.contract import Administration
from terrarium.backups import answers
from terrarium.backups.parallel import batches
from terrarium.backups.versions import Version
from terrarium.errors import CommandFailed

# CopyObject takes no more (Amazon S3 API reference).
_COPIED_AT_ONCE = 5 << 30
# 10,000 parts are allowed: a dump of 640 GB. One part is held in memory.
_PART = 64 << 20
_DELETED_AT_ONCE = 1_000
_PIECE = 1 << 20
# Seconds before a stream that was cut goes on: a store that cuts each at once is not asked in a tight loop.
_PAUSE = 1.0
# Seconds: within one answer (a copy of 5 GiB, or the end of an upload, takes minutes), of one request with all its
# attempts, and without a byte of a download.
_SILENCE, _PATIENCE = 300.0, 600.0
# Seconds of silence after which nobody is there; who refuses is asked for a fifth of them.
_PROBE = 10.0


@dataclass(frozen=True)
class Poured:
    """What was written to the store.

    Args:
        size: Bytes.
        sha256: Of the content, hexadecimal.
    """

    size: int
    sha256: str


class Objects:
    """An S3 store.

    Args:
        administration: How it is reached.

    Raises:
        CommandFailed: If nobody answers there, or it is no store of the S3 kind.
    """

    def __init__(self, administration: Administration) -> None:
        self.endpoint, keys = answers.reached(administration)
        self._account = keys.access
        self.client = answers.client(administration, _SILENCE, _PATIENCE)
        try:
            answers.client(administration, _PROBE, _PROBE / 5).list_buckets()
        except (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError):
            raise CommandFailed(f"the object store {self.endpoint} does not answer: is it running?") from None
        except (ClientError, BotoCoreError):
            pass  # it answers; the right to list buckets is not needed

    def same(self, other: Objects) -> bool:
        """Tell whether the store can copy between this one's buckets and the other's by itself."""
        return (self.endpoint, self._account) == (other.endpoint, other._account)

    @contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Turn a failure of the store into a message.

        Args:
            what: What was tried, for people.

        Raises:
            CommandFailed: Instead of the SDK's error.
        """
        try:
            yield
        except ClientError as error:
            found = error.response.get("Error", {})
            said = f"{found.get('Code', 'no code')}: {found.get('Message', '')}".rstrip(": ")
            raise CommandFailed(f"{what}: the object store {self.endpoint} says {said}") from None
        except BotoCoreError as error:
            message = f"{what}: the object store {self.endpoint} can't be used ({type(error).__name__})"
            raise CommandFailed(f"{message}; run the same command again") from None

    # ------------------------------------------------------------------ read

    def now(self, bucket: str) -> datetime:
        """Return the time by the store's clock, to the second."""
        with self.explained(f"bucket {bucket}"):
            return answers.now(self.client.get_bucket_location(Bucket=bucket))

    def versioned(self, bucket: str) -> bool:
        """Tell whether a bucket keeps versions."""
        with self.explained(f"bucket {bucket}"):
            return self.client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"

    def histories(self, bucket: str) -> Iterator[tuple[str, list[Version]]]:
        """Yield each key with all its versions, objects and markers each with the newest first."""
        pending: dict[str, list[Version]] = {}
        with self.explained(f"versions in bucket {bucket}"):
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=bucket):
                for version in answers.versions(page):
                    pending.setdefault(version.key, []).append(version)
                # The last key of a page may go on in the next.
                going_on = page.get("NextKeyMarker") if page.get("IsTruncated") else None
                rest = pending.pop(going_on, None) if going_on else None
                yield from pending.items()
                pending = {going_on: rest} if going_on and rest else {}

    def in_order(self, bucket: str, key: str) -> Iterator[Version]:
        """Yield the versions and markers of one key in their true order, newest first: page by page of one."""
        arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": key, "MaxKeys": 1}
        with self.explained(f"versions of {key} in bucket {bucket}"):
            while True:
                page = self.client.list_object_versions(**arguments)
                found = list(answers.versions(page))
                if any(version.key != key for version in found):
                    return  # keys that this one begins sort behind it
                yield from found
                if not page.get("IsTruncated"):
                    return
                arguments |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def listed(self, bucket: str, prefix: str = "") -> Iterator[Version]:
        """Yield the current objects of a bucket; their version id is empty."""
        with self.explained(f"objects in bucket {bucket}"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    etag = item["ETag"].strip('"')
                    yield Version(item["Key"], "", item["LastModified"], latest=True, size=item["Size"], etag=etag)

    def folders(self, bucket: str) -> list[str]:
        """Return what stands before the first `/` of keys, each once."""
        with self.explained(f"objects in bucket {bucket}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/")
            return [found["Prefix"].rstrip("/") for page in pages for found in page.get("CommonPrefixes", ())]

    def empty(self, bucket: str) -> bool:
        """Tell whether a bucket holds no object, version or marker."""
        with self.explained(f"bucket {bucket}"):
            page = self.client.list_object_versions(Bucket=bucket, MaxKeys=1)
            return not page.get("Versions") and not page.get("DeleteMarkers")

    def exists(self, bucket: str, key: str) -> bool:
        """Tell whether there is an object of this key."""
        return any(found.key == key for found in islice(self.listed(bucket, key), 1))

    def read(self, bucket: str, key: str) -> bytes | None:
        """Return an object's content; None if there is no such object."""
        try:
            return b"".join(self.stream(bucket, key))
        except FileNotFoundError:
            return None

    def stream(self, bucket: str, key: str) -> Iterator[bytes]:
        """Yield an object's content in pieces of at most 1 MiB; a stream that is cut goes on where it was.

        Raises:
            FileNotFoundError: If there is no such object.
        """
        got, size, etag, last = 0, 1, "", time.monotonic()
        with self.explained(f"{key} in bucket {bucket}"):
            while got < size:
                # The same object: with a part of another, replaced meanwhile, it would be neither.
                same: dict[str, Any] = {"IfMatch": etag} if etag else {}
                rest: dict[str, Any] = {"Range": f"bytes={got}-"} if got else {}
                try:
                    answer = self.client.get_object(Bucket=bucket, Key=key, **same, **rest)
                    etag, size = answer["ETag"], got + answer["ContentLength"]
                    for piece in answer["Body"].iter_chunks(_PIECE):
                        got += len(piece)
                        yield piece
                        last = time.monotonic()
                except self.client.exceptions.NoSuchKey:
                    raise FileNotFoundError(key) from None
                except BotoCoreError:
                    if not etag or time.monotonic() - last > _PATIENCE:
                        raise
                    time.sleep(_PAUSE)

    # ------------------------------------------------------------------ write

    def write(self, bucket: str, key: str, content: bytes) -> Poured:
        """Write an object."""
        with self.explained(f"{key} in bucket {bucket}"):
            self.client.put_object(Bucket=bucket, Key=key, Body=content)
        return Poured(len(content), hashlib.sha256(content).hexdigest())

    def pour(self, bucket: str, key: str, pieces: Iterable[bytes]) -> Poured:
        """Write an object of unknown size. If it fails, or the pieces do, there is no such object."""
        parts = _parts(pieces)
        head = next(parts, b"")
        more = next(parts, None)
        if more is None:
            return self.write(bucket, key, head)
        digest, size, done = hashlib.sha256(), 0, list[Any]()
        with self.explained(f"{key} in bucket {bucket}"):
            upload = self.client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
            target: dict[str, Any] = {"Bucket": bucket, "Key": key, "UploadId": upload}
            try:
                for number, part in enumerate(chain((head, more), parts), 1):
                    made = self.client.upload_part(**target, PartNumber=number, Body=part)
                    done.append({"PartNumber": number, "ETag": made["ETag"]})
                    digest.update(part)
                    size += len(part)
                self.client.complete_multipart_upload(**target, MultipartUpload={"Parts": done})
            except BaseException:
                with suppress(ClientError, BotoCoreError):  # the failure itself is what matters
                    self.client.abort_multipart_upload(**target)
                raise
        return Poured(size, digest.hexdigest())

    def delete(self, bucket: str, found: Iterable[Version]) -> int:
        """Delete objects, or of those with an id that version, and return how many."""
        count = 0
        for batch in batches(found, _DELETED_AT_ONCE):
            named: list[Any] = [{"Key": v.key} | ({"VersionId": v.id} if v.id else {}) for v in batch]
            with self.explained(f"deleting in bucket {bucket}"):
                answer = self.client.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
            for failed in answer.get("Errors", ())[:1]:
                raise CommandFailed(f"{failed.get('Key')} in bucket {bucket} can't be deleted: {failed.get('Code')}")
            count += len(batch)
        return count

    def abort_uploads(self, bucket: str, before: datetime) -> int:
        """Forget uploads that were begun before a time and never ended, and return how many."""
        count = 0
        with self.explained(f"uploads in bucket {bucket}"):
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < before:
                        target: dict[str, Any] = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                        self.client.abort_multipart_upload(Bucket=bucket, **target)
                        count += 1
        return count

    # ------------------------------------------------------------------ copy

    def copy(self, source: Objects, bucket: str, version: Version, target: str, key: str) -> None:
        """Copy a version of an object into a bucket of this store, with its content type and metadata.

        Args:
            source: The store that it is in.
            bucket: The bucket that it is in.
            version: The version; without an id, the object as it is.
            target: The bucket of this store.
            key: The key there.
        """
        place: Any = {"Bucket": bucket, "Key": version.key} | ({"VersionId": version.id} if version.id else {})
        with self.explained(f"copying {version.key} of bucket {bucket}"):
            if not self.same(source):
                self._transfer(source, place, target, key)
            elif version.size <= _COPIED_AT_ONCE:
                self.client.copy_object(Bucket=target, Key=key, CopySource=place)
            else:
                extra = answers.described(source.client, place)
                self.client.copy(place, target, key, ExtraArgs=extra, SourceClient=source.client)

    def _transfer(self, source: Objects, place: Any, target: str, key: str) -> None:
        body = source.client.get_object(**place)["Body"]
        # Threads would read parts ahead, ten at a time, for each of the copies that run beside this one.
        plain = TransferConfig(use_threads=False, multipart_chunksize=_PART, multipart_threshold=_PART)
        extra = answers.described(source.client, place)
        self.client.upload_fileobj(body, target, key, ExtraArgs=extra, Config=plain)


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    part = bytearray()
    for piece in pieces:
        part += piece
        while len(part) >= _PART:
            yield bytes(part[:_PART])
            del part[:_PART]
    if part:
        yield bytes(part)
