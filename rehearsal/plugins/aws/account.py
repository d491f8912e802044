"""The clients of one account: calls are made again when the failure may pass."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.tabular import persistently

# The official provider's: 25 times after an answer that may be better next time, nine when nobody answers at all.
RETRIES: Final = 25
NETWORK_RETRIES: Final = 9
_PASSING = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "OperationAborted"})
_GONE = re.compile("404|NoSuch.*|.*NotFoundError")


class ApiError(ProviderError):
    """A call that the service refused; `code` is its name for why."""

    def __init__(self, doing: str, code: str, said: str) -> None:
        super().__init__(": ".join(part for part in (doing, code, said) if part))
        self.code = code


class Account:
    """The clients of one account; `settings` are the provider's, `stopping` is set when the engine cancels."""

    def __init__(self, settings: Mapping[str, str], stopping: threading.Event) -> None:
        self.stopping = stopping
        self.retries = int(settings.get("maxRetries") or RETRIES)
        urls = {name: url for one in json.loads(settings.get("endpoints") or "[]") for name, url in one.items()}
        style: Literal["path", "auto"] = "path" if settings.get("s3UsePathStyle", "").lower() == "true" else "auto"
        # botocore sleeps between tries where a cancellation can't end it: `call` does it instead.
        config = Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}, max_pool_connections=64)
        more = {"config": config, "verify": settings.get("customCaBundle")}
        try:
            session: Any = boto3.Session(profile_name=settings.get("profile"), region_name=settings.get("region"))
            self.clients = {name: session.client(name, endpoint_url=urls.get(name), **more) for name in ("s3", "iam")}
        except (BotoCoreError, ValueError) as error:
            raise ProviderError(f"configuring the aws provider: {error}") from error
        self.region: str = session.region_name or ""

    def call(self, doing: str, operation: str, **parameters: Any) -> Properties:
        """Call an API until it answers; `doing` is what a failure is told with, `operation` is boto3's name.

        Raises:
            ApiError: the service refused, or did not answer however often it was asked.
        """
        api: Callable[..., Properties] = getattr(self.clients["s3" if " S3 " in doing else "iam"], operation)
        try:
            return persistently(lambda: api(**parameters), self._worth, self.stopping)
        except ClientError as error:
            code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            lacks = f"the store has no {error.operation_name}, so this can't be declared on it"
            raise ApiError(doing, code, lacks if code == "NotImplemented" else said) from error
        except BotoCoreError as error:
            raise ApiError(doing, "", str(error)) from error

    def find(self, doing: str, operation: str, **parameters: Any) -> Properties | None:
        """As `call`; None when what is asked for is not there."""
        try:
            return self.call(doing, operation, **parameters)
        except ApiError as error:
            if not _GONE.fullmatch(error.code):
                raise
            return None

    def _worth(self, error: Exception) -> int:
        if isinstance(error, (BotoConnectionError, HTTPClientError)):
            return min(self.retries, NETWORK_RETRIES)
        if not isinstance(error, ClientError):
            return 0
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        passing = status in (429, 500, 502, 503, 504) or error.response["Error"].get("Code") in _PASSING
        return self.retries * passing
