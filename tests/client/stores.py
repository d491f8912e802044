"""An environment's store on real servers, made by hand as the program makes it: identities, rights, files."""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
from botocore.config import Config
from botocore.session import Session
from psycopg import sql

from components.stores import files, layout
from rehearsal.platform import Platform

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

IDENTITIES = ("rw", "ro", "bucket-alice")
_GET = ["s3:GetObject"]
_PUT = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
_UID = "1a2b3c4d"
# With `%`, which ConfigParser would take for more than it is.
_PASSWORD = "pass%word"  # noqa: S105 - of a database that lives as long as the test


@dataclass(frozen=True)
class Servers:
    """A platform's store, as its administrator."""

    s3: S3Client
    iam: IAMClient
    endpoint: str
    database: Mapping[str, str]


def servers(platform: Platform) -> Servers:
    name = platform.context
    session = boto3.Session(botocore_session=Session(session_vars=_variables(platform)))
    config = Config(s3={"addressing_style": "path"})
    service = configparser.RawConfigParser(delimiters=("=",))
    service.read(platform.connections.pg_service)
    s3 = session.client("s3", config=config)
    return Servers(s3, session.client("iam", config=config), s3.meta.endpoint_url, dict(service[name]))


def _variables(platform: Platform) -> Any:
    given = platform.connections
    return {
        "profile": (None, None, platform.context, None),
        "config_file": (None, None, str(given.aws_config), None),
        "credentials_file": (None, None, str(given.aws_credentials), None),
    }


def make(server: Servers, environment: str, home: Path, lake: str) -> dict[str, Path]:
    """Make an environment's store with a bucket, `alice`; return a folder for each identity, as pods have it."""
    buckets = {kind: f"{environment}-{kind}-{_UID}" for kind in layout.KINDS}
    for bucket in buckets.values():
        server.s3.create_bucket(Bucket=bucket)
        server.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    _database(server, environment)
    return {
        identity: _folder(server, environment, identity, buckets=buckets, home=home, lake=lake)
        for identity in IDENTITIES
    }


def make_lake(server: Servers) -> str:
    # Files of tests that one process runs share its platform, and the lake on it.
    with suppress(server.s3.exceptions.BucketAlreadyOwnedByYou):
        server.s3.create_bucket(Bucket="lake--main")
    server.s3.put_object(Bucket="lake--main", Key="rain/2026.csv", Body=b"day,mm\n1,3\n")
    return "lake--main"


def _policy(identity: str, buckets: Mapping[str, str], lake: str) -> str:
    bucket = identity.removeprefix("bucket-") if identity.startswith("bucket-") else None
    prefix = layout.prefix(bucket)
    listing: dict[str, Any] = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
        "Resource": [f"arn:aws:s3:::{name}" for name in buckets.values()],
    }
    if bucket:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
    own = {
        "Effect": "Allow",
        "Action": _GET if identity == "ro" else [*_GET, *_PUT],
        "Resource": [f"arn:aws:s3:::{name}/{prefix}*" for name in buckets.values()],
    }
    shared = {
        "Effect": "Allow",
        "Action": [*_GET, "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{lake}", f"arn:aws:s3:::{lake}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [own, listing, shared]})


def _login(environment: str, identity: str) -> str:
    return f"{environment}_{identity}".replace("-", "_")


def _database(server: Servers, environment: str) -> None:
    name = environment.replace("-", "_")
    rw, ro, alice = (_login(environment, identity) for identity in IDENTITIES)
    with psycopg.connect(**server.database, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(name)))
        for role in (rw, ro, alice):
            admin.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(role), _PASSWORD))
            admin.execute(
                sql.SQL("grant connect on database {} to {}").format(sql.Identifier(name), sql.Identifier(role))
            )
    with psycopg.connect(**{**server.database, "dbname": name}, autocommit=True) as own:
        for text in (
            "grant all on schema public to {rw}",
            "grant usage on schema public to {ro}",
            "create schema alice authorization {alice}",
            "alter default privileges for role {rw} grant select on tables to {ro}",
        ):
            roles = {"rw": sql.Identifier(rw), "ro": sql.Identifier(ro), "alice": sql.Identifier(alice)}
            own.execute(sql.SQL(text).format(**{key: who for key, who in roles.items() if f"{{{key}}}" in text}))


def _folder(
    server: Servers, environment: str, identity: str, *, buckets: Mapping[str, str], home: Path, lake: str
) -> Path:
    user = f"{environment}-{identity}-{_UID}"
    server.iam.create_user(UserName=user, Path=f"/terrarium/{environment}/")
    server.iam.put_user_policy(UserName=user, PolicyName="store", PolicyDocument=_policy(identity, buckets, lake))
    key = server.iam.create_access_key(UserName=user)["AccessKey"]
    bucket = identity.removeprefix("bucket-") if identity.startswith("bucket-") else None
    database = {
        "host": server.database["host"],
        "port": int(server.database["port"]),
        "name": environment.replace("-", "_"),
        "sslmode": "disable",
    }
    content = {
        "environment": environment,
        "identity": identity,
        "bucket": bucket,
        "objects": {
            "endpoint": server.endpoint,
            "region": "us-east-1",
            "buckets": dict(buckets),
            "prefix": layout.prefix(bucket),
        },
        "database": {**database, "schema": layout.schema(bucket)},
        "lake": {"name": "main", "bucket": lake},
    }
    folder = home / identity
    folder.mkdir(parents=True)
    for name, text in {
        files.CONFIG: files.aws_config(server.endpoint, "us-east-1"),
        files.CREDENTIALS: files.aws_credentials(key["AccessKeyId"], key["SecretAccessKey"]),
        files.SERVICE: files.pg_service(database, _login(environment, identity), _PASSWORD),
        files.DESCRIPTION: files.description(content),
    }.items():
        (folder / name).write_text(text)
    return folder
