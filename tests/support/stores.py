"""A store asked with an identity's own keys, by boto3 and psycopg: nothing of Terrarium's client stands in between."""

from __future__ import annotations

import base64
import configparser
import json
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
from botocore.config import Config
from botocore.session import Session
from psycopg.conninfo import make_conninfo

from rehearsal.platform import Platform
from tests.support.api import Person

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

# Not asked twice: a test wants to see the first answer.
CONFIG = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})


def _session(profile: str, config: str, credentials: str) -> boto3.Session:
    """Return a session that read the content of the two files, and none of the shell's."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "config"), Path(folder, "credentials")
        for file, content in zip(files, (config, credentials), strict=True):
            file.write_text(content)
        chosen: Any = {
            "profile": (None, None, profile, None),
            "config_file": (None, None, str(files[0]), None),
            "credentials_file": (None, None, str(files[1]), None),
        }
        session = boto3.Session(botocore_session=Session(session_vars=chosen))
        # Both files are read lazily.
        session.client("s3")
    return session


def _service(name: str, content: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(delimiters=("=",))
    parser.read_string(content)
    return dict(parser[name])


class Keys:
    """An identity's keys.

    Args:
        files: What a pod mounts, by file name.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self.description: dict[str, Any] = json.loads(files["store.json"])

    @staticmethod
    def of(person: Person, namespace: str, secret: str) -> Keys:
        """Return the keys in a Secret, read by somebody who may.

        Raises:
            ApiException: If they may not.
        """
        data = person.core.read_namespaced_secret(secret, namespace).data
        return Keys({name: base64.b64decode(content).decode() for name, content in (data or {}).items()})

    @cached_property
    def _aws(self) -> boto3.Session:
        return _session("default", self._files["config"], self._files["credentials"])

    def bucket(self, kind: str) -> str:
        """Return the S3 bucket of a kind of objects."""
        return str(self.description["objects"]["buckets"][kind])

    def s3(self, endpoint: str | None = None) -> S3Client:
        """Return a client; of the own store unless an endpoint is given."""
        return self._aws.client("s3", config=CONFIG, endpoint_url=endpoint)

    def iam(self, endpoint: str) -> IAMClient:
        """Return a client of an IAM API."""
        return self._aws.client("iam", config=CONFIG, endpoint_url=endpoint)

    @property
    def login(self) -> dict[str, str]:
        """The keywords of a connection to the own database."""
        return _service("store", self._files["pg_service.conf"])

    def connect(self, **instead: Any) -> psycopg.Connection:
        """Connect to the database; `instead` replaces keywords, to try elsewhere.

        Raises:
            psycopg.OperationalError: If the server refuses.
        """
        return psycopg.connect(**{**self.login, **instead, "connect_timeout": 10}, autocommit=True)


class Servers:
    """A platform's store, as its administrator."""

    def __init__(self, platform: Platform) -> None:
        files = platform.connections
        name = platform.context
        self._aws = _session(name, files.aws_config.read_text(), files.aws_credentials.read_text())
        self.service = _service(name, files.pg_service.read_text())

    @cached_property
    def s3(self) -> S3Client:
        """A client of its S3 API."""
        return self._aws.client("s3", config=CONFIG)

    @cached_property
    def iam(self) -> IAMClient:
        """A client of its IAM API."""
        return self._aws.client("iam", config=CONFIG)

    def sql(self, command: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a command in a database, and return the rows that it gives."""
        with psycopg.connect(make_conninfo(**{**self.service, "dbname": database}), autocommit=True) as connection:
            cursor = connection.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def listing(self) -> dict[str, set[str]]:
        """Return what the servers themselves list: S3 buckets, IAM users, databases, roles."""
        return {
            "bucket": {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]},
            "user": {user["UserName"] for user in self.iam.list_users()["Users"]},
            "database": {row[0] for row in self.sql("SELECT datname FROM pg_database")},
            "role": {row[0] for row in self.sql("SELECT rolname FROM pg_roles")},
        }

    def keys(self, user: str) -> set[str]:
        """Return the ids of the access keys of an IAM user."""
        return {key["AccessKeyId"] for key in self.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]}

    def objects(self, bucket: str) -> dict[tuple[str, str], str]:
        """Return the checksum of every version of every object of an S3 bucket, by key and version."""
        versions = self.s3.list_object_versions(Bucket=bucket).get("Versions", [])
        return {(item["Key"], item["VersionId"]): item["ETag"] for item in versions}

    def empty(self, bucket: str) -> None:
        """Delete every version of every object of an S3 bucket, and the marks of deleted ones."""
        answer = self.s3.list_object_versions(Bucket=bucket)
        for item in (*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())):
            self.s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
