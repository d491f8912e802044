"""What lies where in a store: kinds of objects, buckets as prefixes and schemas, names. Pure."""

from __future__ import annotations

from components import naming

KINDS = ("results", "datasets", "models", "scratch")
"""Kinds of objects; each environment has an S3 bucket for each."""
DATASETS = "datasets"
SCRATCH = "scratch"
BACKUPS = "backups"
"""The S3 bucket of backups: no identity of the environment reaches it, so that what runs there can't destroy them."""
PUBLIC = "public"
"""The database's schema that belongs to the environment as a whole."""


def prefix(bucket: str | None) -> str:
    """Return what the keys of a bucket's objects begin with; of the environment as a whole, nothing."""
    return f"buckets/{bucket}/" if bucket else ""


def schema(bucket: str | None) -> str:
    """Return the database's schema of a bucket, or of the environment as a whole."""
    return bucket.replace("-", "_") if bucket else PUBLIC


def bucket_identity(bucket: str) -> str:
    """Return the name of a bucket's identity."""
    return f"bucket-{bucket}"


def lake_id(name: str) -> str:
    """Return what the names of a lake's things begin with.

    An environment's id is `<project>-<name>`, and no project ends with `-`: so no environment's begins like this.
    """
    return f"lake--{name}"


def s3_bucket(owner: str, kind: str, uid: str) -> str:
    """Return the name of an S3 bucket. The uid makes it unlike any other, in a name space that the world may share.

    Args:
        owner: The environment's id, or the lake's.
        kind: The kind of objects.
        uid: The owner's uid.

    Raises:
        NameRefused: If S3 would not take it.
    """
    return naming.S3_BUCKET.fit(owner, kind, uid)


def iam_user(owner: str, identity: str, uid: str) -> str:
    """Return the name of an identity's IAM user or role.

    Raises:
        NameRefused: If IAM would not take it.
    """
    return naming.IAM_USER.fit(owner, identity, uid)


def database_name(owner: str, uid: str) -> str:
    """Return the name of an environment's database.

    Raises:
        NameRefused: If PostgreSQL would not take it.
    """
    return naming.POSTGRESQL.fit(owner.replace("-", "_"), uid, joint="_")


def role(owner: str, uid: str, *suffix: str) -> str:
    """Return the name of a database role of an environment.

    Raises:
        NameRefused: If PostgreSQL would not take it.
    """
    return naming.POSTGRESQL.fit(owner.replace("-", "_"), uid, *(part.replace("-", "_") for part in suffix), joint="_")


def refusals(owner: str, *, database: bool = True) -> list[str]:
    """Return why services would refuse names that begin with an owner's id; empty if none would.

    Args:
        owner: The environment's id, or the lake's.
        database: Whether it has one.
    """
    found = []
    for name in (s3_bucket, iam_user):
        try:
            name(owner, DATASETS, "00000000")
        except naming.NameRefused as error:
            found.append(str(error))
    try:
        if database:
            database_name(owner, "00000000")
    except naming.NameRefused as error:
        found.append(str(error))
    return found
