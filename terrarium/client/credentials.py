"""By what an identity reaches objects: its key, or a role that its pod has or a person takes. As obstore asks."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrarium.client.authorities import Authorities
from terrarium.client.connection import Connection, Keys, Lent, Role

if TYPE_CHECKING:
    from obstore.store import S3Credential

# What EKS gives a pod whose service account has a role (EKS user guide, "Understand how EKS Pod Identity works").
# The first alone is set elsewhere, too: in CloudShell it names a person's own credentials.
_AGENT, _TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
# STS takes these, and from 2 to 64 of them, as a session's name (API reference, AssumeRole).
_NOT_IN_SESSION = re.compile(r"[^\w+=,.@-]")
_ENDED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch"}


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
        sts = client("sts", self._role.endpoint, self._region, None, ca_bundle=bundle(self._authorities))
        answer = sts.assume_role_with_web_identity(
            RoleArn=self._role.arn, RoleSessionName="terrarium", WebIdentityToken=token.strip()
        )
        return _lent(answer["Credentials"])


class Borrowed:
    """Gives obstore keys of a role for a time: the pod's own by EKS Pod Identity, or taken by a person's credentials.

    Args:
        role: The role.
        region: The store's region.
        who: The identity, for messages.
    """

    def __init__(self, role: Lent, region: str, who: str) -> None:
        self._role = role
        self._region = region
        self._who = who

    def __call__(self) -> S3Credential:
        """Ask the pod's agent, or STS; obstore asks again before they end.

        Raises:
            PermissionError: If there are no credentials, or they may not take the role.
            OSError: If nobody answers.
        """
        agent, token = os.environ.get(_AGENT), os.environ.get(_TOKEN)
        # In a pod STS is not asked: its way out may lead to the store alone.
        return self._of_pod(agent, token) if agent and token else self._of_person()

    def _of_pod(self, agent: str, token: str) -> S3Credential:
        from botocore.exceptions import MetadataRetrievalError  # noqa: PLC0415 - boto3 takes 0.3 s, and few need it
        from botocore.utils import ContainerMetadataFetcher  # noqa: PLC0415 - as above

        try:
            proof = Path(token).read_text(encoding="utf-8").strip()
            found = ContainerMetadataFetcher().retrieve_full_uri(agent, headers={"Authorization": proof})
            return {
                "access_key_id": found["AccessKeyId"],
                "secret_access_key": found["SecretAccessKey"],
                "token": found["Token"],
                "expires_at": datetime.fromisoformat(found["Expiration"]),
            }
        except (MetadataRetrievalError, OSError, ValueError, KeyError, json.JSONDecodeError) as error:
            raise PermissionError(
                errno.EACCES,
                f"the pod got no credentials of {self._who} from EKS Pod Identity ({type(error).__name__}): it must "
                f"run as service account {self._role.service_account}, and be let through to the agent",
            ) from None

    def _of_person(self) -> S3Credential:
        import boto3  # noqa: PLC0415 - 0.3 s, and few need it
        from botocore.config import Config  # noqa: PLC0415 - as above

        with self._explained():
            config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10)
            # A person's own: their profile, their sign-in, and whatever else the field's tools know.
            sts: Any = boto3.Session(region_name=self._region).client("sts", config=config)
            caller = str(sts.get_caller_identity()["Arn"])
            answer = sts.assume_role(RoleArn=self._role.arn, RoleSessionName=session_name(caller))
            return _lent(answer["Credentials"])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError  # noqa: PLC0415 - as above

        try:
            yield
        except (EndpointConnectionError, HTTPClientError):
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"AWS STS in {self._region} does not answer: does a way lead to it?"
            ) from None
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            said = (
                "your AWS sign-in ended; sign in again (`aws sso login`)"
                if code in _ENDED
                else f"your AWS credentials may not take role {self._role.arn} ({code}): the stack file must name your "
                f"IAM role under cloud.aws.principals, for a group that has {self._who}"
            )
            raise PermissionError(errno.EACCES, said) from None
        except BotoCoreError as error:
            # Not the error's own text: it may quote what it read.
            raise PermissionError(
                errno.EACCES,
                f"no AWS credentials of yours for {self._who} ({type(error).__name__}): sign in (`aws sso login`) or "
                f"set AWS_PROFILE; a pod must run as service account {self._role.service_account}",
            ) from None


def session_name(caller: str) -> str:
    """Return the name of a session that a caller takes: the person's, so that the account's trail says who it was.

    Args:
        caller: The caller's ARN: its last part is an IAM user's name, or the person's in a session of a role.
    """
    name = _NOT_IN_SESSION.sub("-", caller.rpartition("/")[2])[:64]
    return name if len(name) > 1 else f"terrarium-{name}"


def provider(connection: Connection) -> Static | Taken | Borrowed:
    """Return what gives an identity's S3 keys.

    Args:
        connection: Whose.
    """
    keys, region = connection.objects.keys, connection.objects.region
    if isinstance(keys, Keys):
        return Static(keys)
    if isinstance(keys, Role):
        return Taken(keys, region, connection.authorities)
    if isinstance(keys, Lent):
        return Borrowed(keys, region, connection.who)
    raise TypeError(f"{connection.who} reaches Google Cloud Storage, where no S3 keys are")


def bundle(authorities: Authorities | None) -> str | None:
    """Return a file of those who vouch for a store and of those that the machine trusts; None for these alone.

    Args:
        authorities: Who vouches for the store.
    """
    if authorities is None:
        return None
    from botocore.httpsession import get_cert_path  # noqa: PLC0415 - boto3 takes 0.3 s, and few need it

    # The store may be a public one, and only the database vouched for by these.
    return authorities.beside(str(get_cert_path(True)))


def _lent(answer: Mapping[str, Any]) -> S3Credential:
    return {
        "access_key_id": answer["AccessKeyId"],
        "secret_access_key": answer["SecretAccessKey"],
        "token": answer["SessionToken"],
        "expires_at": answer["Expiration"],
    }
