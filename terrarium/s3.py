"""boto3's clients for stores of the S3 kind: one patience for all, and nothing taken from the shell or AWS files."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError
from botocore.session import Session

# One answer in three may be a failure: 25 attempts make that one request in 800 thousand million.
_ATTEMPTS = 25
_BEGAN = "terrarium_began"


@dataclass(frozen=True, repr=False)
class Keys:
    """Keys of an account.

    Args:
        access: The access key's id.
        secret: The secret key.
        token: The session's token, if the keys are lent for a time.
    """

    access: str
    secret: str
    token: str | None = None


def client(
    service: Any,
    endpoint: str,
    region: str,
    keys: Keys | None,
    *,
    ca_bundle: str | None = None,
    connections: int = 10,
    silence: float = 60.0,
    patience: float = 120.0,
) -> Any:
    """Return a client; no call is made.

    Args:
        service: Which API: `s3`, `iam` or `sts`. Whoever calls names the type of what it gets.
        endpoint: Its URL.
        region: The store's region.
        keys: By whose keys; None signs nothing, as an exchange of tokens wants it.
        ca_bundle: File of the authorities that are trusted; None for the system's.
        connections: Connections that are kept open.
        silence: Seconds that the store may say nothing within one answer.
        patience: Seconds after which a request that failed is not made again. Bounded by time, because 25 attempts of
            a store that accepts and never answers take hours.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=connections,
        s3={"addressing_style": "path"},
        connect_timeout=10,
        read_timeout=silence,
        # Newer checksums by default are refused by stores that do not know them yet.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **({} if keys else {"signature_version": UNSIGNED}),
    )
    # A profile that the shell names, and that the files lack, would be an error.
    unset: Any = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    made: Any = boto3.Session(botocore_session=Session(session_vars=unset)).client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=keys.access if keys else None,
        aws_secret_access_key=keys.secret if keys else None,
        aws_session_token=keys.token if keys else None,
        verify=ca_bundle or True,
        config=config,
    )

    def again(response: Any, operation: Any, caught_exception: Exception | None, request_dict: Any, **_: Any) -> None:
        # Called before botocore's own handler, which knows attempts only.
        seconds = time.monotonic() - request_dict["context"][_BEGAN]
        # A certificate that is refused once is refused always.
        if seconds < patience and not isinstance(caught_exception, SSLError):
            return
        if caught_exception is not None:
            raise caught_exception
        if response[0].status_code >= 500:
            raise ClientError(response[1], operation.name)

    made.meta.events.register_first("before-call", _begin)
    made.meta.events.register_first("needs-retry", again)
    return made


def _begin(*, context: dict[str, Any], **_: Any) -> None:
    context[_BEGAN] = time.monotonic()
