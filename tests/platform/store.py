"""Asking a platform's data store, as its administrator."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from rehearsal.platform import Platform, postgresql
from tests.support.stores import Servers

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

BUCKET = "kept"


def s3(platform: Platform) -> S3Client:
    return Servers(platform).s3


def iam(platform: Platform) -> IAMClient:
    return Servers(platform).iam


def sql(platform: Platform, *commands: str) -> str:
    """Run commands in a platform's database, each a transaction, and return what they print."""
    variables = {"PGSERVICEFILE": str(platform.connections.pg_service), "PGSERVICE": platform.context}
    return _psql([], commands, variables)


def sql_at(uri: str, *commands: str) -> str:
    """Run commands on the server that a URI leads to."""
    return _psql([uri], commands, {})


def _psql(where: list[str], commands: tuple[str, ...], variables: dict[str, str]) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        [postgresql.programs() / "psql", "-XAtq", *where, *(f"--command={command}" for command in commands)],
        env=own | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def remember(platform: Platform, value: str) -> None:
    """Leave a value in every part of the store."""
    client = s3(platform)
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=BUCKET, Key="value", Body=value.encode())
    users = iam(platform)
    if "keeper" not in [user["UserName"] for user in users.list_users()["Users"]]:
        users.create_user(UserName="keeper", Path="/terrarium/")
    users.put_user_policy(UserName="keeper", PolicyName="store", PolicyDocument=policy(value))
    row = f"INSERT INTO kept VALUES ('{value}')"  # noqa: S608 - the value is a test's own
    sql(platform, "CREATE TABLE IF NOT EXISTS kept (value text)", row)


def remembered(platform: Platform) -> set[str]:
    """Return what the parts of the store remember: one value, if they agree."""
    body = s3(platform).get_object(Bucket=BUCKET, Key="value")["Body"].read().decode()
    document = str(iam(platform).get_user_policy(UserName="keeper", PolicyName="store")["PolicyDocument"])
    row = sql(platform, "SELECT value FROM kept ORDER BY ctid DESC LIMIT 1")
    return {body, row, *([row] if f"arn:aws:s3:::{row}/" in document else [document])}


def policy(bucket: str) -> str:
    return (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", '
        f'"Resource": "arn:aws:s3:::{bucket}/*"}}]}}'
    )
