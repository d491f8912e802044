"""How a store on AWS is administered: by the rights that whoever runs the command has in the account, or takes there.

Nothing is kept: S3 is asked with what the credentials of the field give (variables, profiles, SSO, a runner's role),
and the database's password is read where RDS keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.aws import database
from components.aws.settings import AwsSettings
from components.contract import Administration, NotReached

if TYPE_CHECKING:
    import boto3

ROOT = "TERRARIUM_ROOT"
"""The variable that names the project's folder, to which paths in stack files are relative."""

# What the SDK reads from the shell, by its own names: here a tier's file of variables wins over the shell.
_FILES = {"profile": "AWS_PROFILE", "config_file": "AWS_CONFIG_FILE", "credentials_file": "AWS_SHARED_CREDENTIALS_FILE"}
_SHELL = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_USUAL = {"config_file": "~/.aws/config", "credentials_file": "~/.aws/credentials"}


def administration(
    settings: AwsSettings, variables: Mapping[str, str], outputs: Mapping[str, Any]
) -> Administration | None:
    """Return how a stack's store is administered.

    Args:
        settings: The `cloud.aws` block.
        variables: Of the environment of the process.
        outputs: The stack's own; of one that is not up, or has no store, nothing can be asked.

    Raises:
        NotReached: If there are no credentials, or they may not do this.
    """
    store: Mapping[str, Any] = outputs.get("store") or {}
    if not store:
        return Administration(None, None, settings.region, None, None, None, {})
    with _explained(settings):
        keys, session = _taken(settings, variables)
        connection = _connection(settings, variables, session, store.get("database") or {})
        # Where the SDK finds S3: an organisation may have configured an endpoint of its own (AWS_ENDPOINT_URL_S3).
        objects: Any = session.client("s3")
    return Administration(
        endpoint=str(objects.meta.endpoint_url),
        # Identities have no keys here, so none can be lost.
        iam_endpoint=None,
        region=settings.region,
        ca_bundle=variables.get("AWS_CA_BUNDLE"),
        access_key=keys.access,
        secret_key=keys.secret,
        session_token=keys.token,
        database=connection,
    )


@dataclass(frozen=True)
class _Keys:
    access: str
    secret: str = field(repr=False)
    token: str | None = field(repr=False)


def _session(settings: AwsSettings, variables: Mapping[str, str]) -> boto3.Session:
    # Imported here: 0.2 s that only who administers a store needs.
    import boto3  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    given: Any = {name: (None, None, variables.get(key, _USUAL.get(name)), None) for name, key in _FILES.items()}
    return boto3.Session(
        aws_access_key_id=variables.get(_SHELL[0]),
        aws_secret_access_key=variables.get(_SHELL[1]),
        aws_session_token=variables.get(_SHELL[2]),
        region_name=settings.region,
        botocore_session=Session(session_vars=given),
    )


def _taken(settings: AwsSettings, variables: Mapping[str, str]) -> tuple[_Keys, boto3.Session]:
    """Return the keys that are used, and a session with them: of the role, if the stack file names one."""
    session = _session(settings, variables)
    if settings.role:
        sts: Any = session.client("sts")
        lent = sts.assume_role(RoleArn=settings.role, RoleSessionName="terrarium")["Credentials"]
        keys = _Keys(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])
        own = dict(zip(_SHELL, (keys.access, keys.secret, str(keys.token)), strict=True))
        return keys, _session(settings, {**variables, **own})
    found = session.get_credentials()
    if found is None:
        raise NotReached(
            f"no AWS credentials for account {settings.account}: sign in (`aws sso login`, `aws configure`), or set "
            "AWS_PROFILE"
        )
    frozen = found.get_frozen_credentials()
    return _Keys(str(frozen.access_key), str(frozen.secret_key), frozen.token), session


def _connection(
    settings: AwsSettings, variables: Mapping[str, str], session: boto3.Session, served: Mapping[str, Any]
) -> Mapping[str, str]:
    """Return libpq's keywords of the administrator's connection; none for a lake, or where its password is not ours."""
    if not served or settings.database is None:
        return {}
    authorities = database.authorities(settings.database, Path(variables[ROOT]) if ROOT in variables else None)
    password = _password(session, str(served["administrator"]["secret"]))
    if password is None:
        return {}
    return {
        "host": str(served["host"]),
        "port": str(int(served["port"])),
        "dbname": database.MAINTENANCE,
        "user": str(served["administrator"]["user"]),
        "password": password,
        "sslmode": database.SSLMODE,
        "sslrootcert": str(authorities),
    }


def _password(session: boto3.Session, arn: str) -> str | None:
    """Return the master user's password; None if whoever asks may not read it.

    Who may look into S3 need not be one who administers databases: the database is then said not to be asked.
    """
    from botocore.config import Config  # noqa: PLC0415 - see _session
    from botocore.exceptions import ClientError, EndpointConnectionError  # noqa: PLC0415 - as above

    config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5)
    # botocore has no types for it here.
    secrets: Any = session.client("secretsmanager", config=config)
    try:
        text = secrets.get_secret_value(SecretId=arn)["SecretString"]
    except EndpointConnectionError:
        return None
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in {"AccessDeniedException", "ResourceNotFoundException"}:
            raise
        return None
    return str(json.loads(text)["password"])


@contextmanager
def _explained(settings: AwsSettings) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see _session

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "no code")
        whom = f"role {settings.role}" if settings.role else "the credentials in use"
        raise NotReached(
            f"account {settings.account}: AWS says {code} to {error.operation_name}; {whom} must be allowed it, in "
            f"region {settings.region}"
        ) from None
    except BotoCoreError as error:
        # Not the error's own text: it may quote what it read.
        raise NotReached(
            f"account {settings.account} can't be asked ({type(error).__name__}): sign in (`aws sso login`), and look "
            "at AWS_PROFILE and at the network"
        ) from None
