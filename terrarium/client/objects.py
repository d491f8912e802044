"""How obstore is set up: for every way of using objects the same patience, and nothing taken from the shell."""

from __future__ import annotations

import errno
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from terrarium.client.connection import GS, Connection
from terrarium.client.credentials import bundle, provider

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, GCSStore, ObjectStore, S3Store

MEBIBYTE = 1 << 20
PART = 8 * MEBIBYTE
"""Bytes of one part of a large upload; four of them are on their way at a time, so that memory stays small."""
CONCURRENCY = 4
_MOST_PARTS = 10_000
"""S3's own limit (Amazon S3 user guide, "multipart upload limits")."""

# A store that fails one time in three fails 13 times in a row once in 1.6 million: then it is said, after some 10 s
# of waiting, or `retry_timeout` where each answer is slow. Writes are safe to repeat: each replaces the whole object.
_RETRIES: Any = {
    "max_retries": 12,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=4), "base": 2},
}

# A role's key is taken anew when it has less left than this.
_MARGIN = timedelta(minutes=10)

_user: dict[str, int] = {}


def store(connection: Connection, bucket: str, prefix: str) -> ObjectStore:
    """Return obstore's store for one S3 bucket, or bucket of Google Cloud Storage; no call is made.

    Args:
        connection: Where and by whose keys.
        bucket: The bucket.
        prefix: What every key begins with; paths are below it.

    Raises:
        PermissionError: If this machine's Google credentials are of a kind that can't be used.
    """
    return (_gs if connection.objects.protocol == GS else _s3)(connection, bucket, prefix)


def _gs(connection: Connection, bucket: str, prefix: str) -> GCSStore:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - imported when objects are wanted
    from obstore.store import GCSStore  # noqa: PLC0415 - as above

    try:
        # No key: a pod has its service account's by Workload Identity, a person their application default credentials.
        return GCSStore(
            bucket,
            prefix=prefix or None,
            base_url=connection.objects.endpoint,
            skip_signature=False,
            client_options=_client(connection),
            retry_config=_RETRIES,
        )
    except BaseError:
        # Not its own text: it may quote the file.
        raise PermissionError(
            errno.EACCES,
            "the Google credentials of this machine can't be used: `gcloud auth application-default login` makes some "
            "that can; of files, those of a person or a service account are understood",
        ) from None


def _client(connection: Connection) -> ClientConfig:
    # Beside those that the machine trusts.
    trusted: ClientConfig = {"root_certificate": connection.authorities.pem} if connection.authorities else {}
    # `timeout` bounds a whole part, also on a slow line; `read_timeout` notices a store that fell silent.
    return {
        "allow_http": connection.objects.endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=60),
        "timeout": timedelta(minutes=30),
        **trusted,
    }


def _s3(connection: Connection, bucket: str, prefix: str) -> S3Store:
    from obstore.store import S3Store  # noqa: PLC0415 - imported when objects are wanted

    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=connection.objects.endpoint,
        region=connection.objects.region,
        credential_provider=provider(connection),
        # All said, because what is left out is taken from AWS_* variables of the shell.
        virtual_hosted_style_request=False,
        skip_signature=False,
        unsigned_payload=False,
        client_options=_client(connection),
        retry_config=_RETRIES,
    )


class Boto:
    """boto3's client, for what obstore can't do: made when it is first used, and kept, as making one takes 0.25 s.

    Args:
        connection: Where and by whose keys.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        self._until: datetime | None = None

    def client(self) -> S3Client:
        """Return the client, which threads may share. A role's key does not last: it is taken anew in time.

        Raises:
            PermissionError: If there is a role to take, and nothing that opens it.
        """
        from terrarium.s3 import Keys as Given  # noqa: PLC0415 - boto3 takes 0.3 s, and few need it
        from terrarium.s3 import client  # noqa: PLC0415 - as above

        with self._lock:
            if self._made is None or (self._until and datetime.now(UTC) > self._until - _MARGIN):
                where, key = self._connection.objects, provider(self._connection)()
                given = Given(key["access_key_id"], key["secret_access_key"], key.get("token"))
                trusted = bundle(self._connection.authorities)
                self._made = client("s3", where.endpoint, where.region, given, ca_bundle=trusted)
                self._until = key["expires_at"]
            return self._made


def part_size(size: int) -> int:
    """Return how many bytes each part of an upload has: as many as keep within S3's 10,000 parts.

    Args:
        size: Bytes of the whole.
    """
    return max(PART, -(-size // _MOST_PARTS))


def same_process() -> None:
    """Refuse to go on in a fork of a process that has used objects: there, every call would hang forever.

    Raises:
        RuntimeError: With what to do instead.
    """
    if _user.setdefault("pid", os.getpid()) != os.getpid():
        raise RuntimeError(
            "objects were used before this process was forked, and obstore's threads do not follow a fork: start "
            "workers with multiprocessing's `spawn` or `forkserver` (PyTorch: multiprocessing_context='spawn')"
        )
