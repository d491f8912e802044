"""How obstore is set up: for every way of using objects the same patience, and nothing taken from the shell."""

from __future__ import annotations

import errno
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrarium.client.authorities import Authorities
from terrarium.client.connection import Connection, Keys, Role

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, S3Credential, S3Store

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
        authorities: Who vouches for the service; None if the machine knows them.
    """

    def __init__(self, role: Role, region: str, authorities: Authorities | None) -> None:
        self._role = role
        self._region = region
        self._authorities = authorities

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
        from terrarium.s3 import client  # noqa: PLC0415 - boto3 takes 0.3 s, and few need it

        # The token is the proof: this one request is not signed.
        sts = client("sts", self._role.endpoint, self._region, None, ca_bundle=_bundle(self._authorities))
        answer = sts.assume_role_with_web_identity(
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
    return Static(keys) if isinstance(keys, Keys) else Taken(keys, connection.objects.region, connection.authorities)


def _bundle(authorities: Authorities | None) -> str | None:
    if authorities is None:
        return None
    from botocore.httpsession import get_cert_path  # noqa: PLC0415 - boto3 takes 0.3 s, and few need it

    # The store may be a public one, and only the database vouched for by these.
    return authorities.beside(str(get_cert_path(True)))


def s3(connection: Connection, bucket: str, prefix: str) -> S3Store:
    """Return obstore's store for one S3 bucket; no call is made.

    Args:
        connection: Where and by whose keys.
        bucket: The S3 bucket.
        prefix: What every key begins with; paths are below it.
    """
    from obstore.store import S3Store  # noqa: PLC0415 - imported when objects are wanted

    endpoint = connection.objects.endpoint
    # Beside those that the machine trusts.
    trusted: ClientConfig = {"root_certificate": connection.authorities.pem} if connection.authorities else {}
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
            **trusted,
        },
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
            PermissionError: If there is a role to take, and no token.
        """
        from terrarium.s3 import Keys as Given  # noqa: PLC0415 - boto3 takes 0.3 s, and few need it
        from terrarium.s3 import client  # noqa: PLC0415 - as above

        with self._lock:
            if self._made is None or (self._until and datetime.now(UTC) > self._until - _MARGIN):
                where, key = self._connection.objects, _provider(self._connection)()
                given = Given(key["access_key_id"], key["secret_access_key"], key.get("token"))
                bundle = _bundle(self._connection.authorities)
                self._made = client("s3", where.endpoint, where.region, given, ca_bundle=bundle)
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
