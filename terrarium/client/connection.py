"""What a store's identity needs to reach it: the standard files of a Secret or of the folder where pods have it."""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from terrarium.errors import InvalidInput

KINDS = ("results", "datasets", "models", "scratch")
"""Kinds of objects; each is an S3 bucket of its own."""
FILES = ("config", "credentials", "pg_service.conf", "store.json")
"""What a Secret or a folder holds: AWS config and credentials files, a libpq service file, and facts, none secret."""
VERSION = 1
"""Version of store.json."""


@dataclass(frozen=True)
class Keys:
    """An S3 key.

    Args:
        access: The key's id.
        secret: The secret key; in no text that Python makes of this.
    """

    access: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Objects:
    """Where objects are.

    Args:
        endpoint: URL of the S3 service.
        region: Its region.
        buckets: S3 bucket of each kind.
        prefix: What every key begins with; empty, or ends with `/`.
        keys: The identity's key.
    """

    endpoint: str
    region: str
    buckets: Mapping[str, str]
    prefix: str
    keys: Keys


@dataclass(frozen=True)
class Connection:
    """One identity's way to one store.

    Args:
        environment: The environment's id.
        identity: `rw`, `ro` or `bucket-<name>`.
        bucket: The bucket of the environment that this is limited to; None for all of it.
        objects: Where objects are.
        database: libpq parameters by their names.
        schema: The database's schema to work in.
        lake: S3 bucket of the lake's datasets, if the environment reads one.
    """

    environment: str
    identity: str
    bucket: str | None
    objects: Objects
    database: Mapping[str, str] = field(repr=False)
    schema: str
    lake: str | None

    @property
    def who(self) -> str:
        """The identity, for messages."""
        return f"identity {self.identity} of environment {self.environment}"

    def narrowed(self, bucket: str) -> Connection:
        """Return the same identity's view of one bucket. It leads people; rights stay what they were.

        Args:
            bucket: The bucket's name.

        Raises:
            InvalidInput: If this is another bucket's.
        """
        if self.bucket == bucket:
            return self
        if self.bucket is not None:
            raise InvalidInput(f"{self.who} is bucket {self.bucket}'s, not {bucket}'s")
        objects = replace(self.objects, prefix=f"buckets/{bucket}/")
        return replace(self, bucket=bucket, objects=objects, schema=bucket.replace("-", "_"))


def parse(files: Mapping[str, str], source: str) -> Connection:
    """Return what the files say.

    Args:
        files: Content by name, see `FILES`.
        source: Where they come from, for messages.

    Raises:
        InvalidInput: If one lacks, or is not what it should be. What it holds is never quoted.
    """
    missing = [name for name in FILES if name not in files]
    if missing:
        raise InvalidInput(f"{source} is no store's connection: it lacks {', '.join(missing)}")
    try:
        return _parsed(files)
    except (configparser.Error, KeyError, TypeError, ValueError):
        raise InvalidInput(
            f"{source} can't be read: its files {', '.join(FILES)} are damaged, or of another version than {VERSION}; "
            "`terrarium up` of the environment writes them anew"
        ) from None


def _parsed(files: Mapping[str, str]) -> Connection:
    facts: dict[str, Any] = json.loads(files["store.json"])
    if facts["version"] != VERSION:
        raise ValueError
    credentials = _section(files["credentials"], "default")
    where = facts["objects"]
    lake = facts.get("lake")
    return Connection(
        environment=str(facts["environment"]),
        identity=str(facts["identity"]),
        bucket=facts["bucket"],
        objects=Objects(
            endpoint=str(where["endpoint"]),
            region=str(where["region"]),
            buckets={kind: str(where["buckets"][kind]) for kind in KINDS},
            prefix=str(where["prefix"]),
            keys=Keys(credentials["aws_access_key_id"], credentials["aws_secret_access_key"]),
        ),
        database=_section(files["pg_service.conf"], "store"),
        schema=str(facts["database"]["schema"]),
        lake=str(lake["bucket"]) if lake else None,
    )


def _section(text: str, name: str) -> dict[str, str]:
    # Without interpolation: a password may hold `%`. Only `=` and full-line comments, as libpq reads them.
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), default_section="")
    parser.read_string(text)
    return dict(parser[name])
