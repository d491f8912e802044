"""How obstore is set up: for every way of using objects the same patience, and nothing taken from the shell."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrarium.client.connection import Connection, Keys, Role

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
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
    """Gives obstore the identity's key: as a provider, because AWS_SESSION_TOKEN of a shell would join a plain key.

    Args:
        keys: The key.
    """

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


class Taken:
    """Gives obstore keys of a role that a pod's service account token opens, as long as they last.

    Args:
        role: The role.
        region: The store's region.
    """

    def __init__(self, role: Role, region: str) -> None:
        self._role = role
        self._region = region

    def __call__(self) -> S3Credential:
        """Exchange the token, which the kubelet renews in its file.

        Raises:
            PermissionError: If there is no token: outside a pod nobody has this identity.
        """
        try:
            token = Path(self._role.token).read_text(encoding="utf-8")
        except OSError:
            raise PermissionError(
                errno.EACCES,
                f"this store takes tokens of service accounts, and only pods have one at {self._role.token}",
            ) from None
        from botocore import UNSIGNED  # noqa: PLC0415 - 0.3 s, and few need it

        # The token is the proof: this one request is not signed.
        client = _session(None, self._region).client(
            "sts", endpoint_url=self._role.endpoint, config=_config(signature_version=UNSIGNED)
        )
        answer = client.assume_role_with_web_identity(
            RoleArn=self._role.arn, RoleSessionName="terrarium", WebIdentityToken=token.strip()
        )["Credentials"]
        return {
            "access_key_id": answer["AccessKeyId"],
            "secret_access_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expires_at": answer["Expiration"],
        }


def _provider(connection: Connection) -> Static | Taken:
    keys = connection.objects.keys
    return Static(keys) if isinstance(keys, Keys) else Taken(keys, connection.objects.region)


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
        credential_provider=_provider(connection),
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
    where = connection.objects
    session = _session(_provider(connection)(), where.region)
    return session.client("s3", endpoint_url=where.endpoint, config=_config(s3={"addressing_style": "path"}))


def _session(keys: S3Credential | None, region: str) -> boto3.Session:
    import boto3  # noqa: PLC0415 - 0.3 s, and few need it
    from botocore.session import Session  # noqa: PLC0415 - see above

    # A profile that the shell names, and that the files lack, would be an error.
    unset: Any = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    return boto3.Session(
        aws_access_key_id=keys["access_key_id"] if keys else None,
        aws_secret_access_key=keys["secret_access_key"] if keys else None,
        aws_session_token=keys.get("token") if keys else None,
        region_name=region,
        botocore_session=Session(session_vars=unset),
    )


def _config(**more: Any) -> Config:
    from botocore.config import Config  # noqa: PLC0415 - see _session

    return Config(retries={"max_attempts": 12, "mode": "standard"}, **more)


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
