"""How obstore is set up: for every way of using objects the same patience, and nothing taken from the shell."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from terrarium.client.connection import Connection, Keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import S3Credential, S3Store

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

_user: dict[str, int] = {}


class Static:
    """Gives obstore the identity's key: as a provider, because AWS_SESSION_TOKEN of a shell would join a plain key."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def __call__(self) -> S3Credential:
        """Return the key."""
        return {
            "access_key_id": self._keys.access,
            "secret_access_key": self._keys.secret,
            "token": None,
            "expires_at": None,
        }


def s3(connection: Connection, bucket: str, prefix: str) -> S3Store:
    """Return obstore's store for one S3 bucket; no call is made.

    Args:
        connection: Where and by whose keys.
        bucket: The S3 bucket.
        prefix: What every key begins with; paths are below it.
    """
    from obstore.store import S3Store  # noqa: PLC0415 - imported when objects are wanted

    endpoint = connection.objects.endpoint
    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=endpoint,
        region=connection.objects.region,
        credential_provider=Static(connection.objects.keys),
        # All said, because what is left out is taken from AWS_* variables of the shell.
        virtual_hosted_style_request=False,
        skip_signature=False,
        unsigned_payload=False,
        # `timeout` bounds a whole part, also on a slow line; `read_timeout` notices a store that fell silent.
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=60),
            "timeout": timedelta(minutes=30),
        },
        retry_config=_RETRIES,
    )


def boto_client(connection: Connection) -> S3Client:
    """Return boto3's client, for what obstore can't do; no call is made. Nothing is taken from the shell or AWS files.

    Args:
        connection: Where and by whose keys.
    """
    import boto3  # noqa: PLC0415 - 0.3 s, and few need it
    from botocore.config import Config  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    # A profile that the shell names, and that the files lack, would be an error.
    unset: Any = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    where = connection.objects
    session = boto3.Session(
        aws_access_key_id=where.keys.access,
        aws_secret_access_key=where.keys.secret,
        region_name=where.region,
        botocore_session=Session(session_vars=unset),
    )
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 12, "mode": "standard"})
    return session.client("s3", endpoint_url=where.endpoint, config=config)


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
