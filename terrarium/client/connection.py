"""What a store's identity needs to reach it: the standard files of a Secret or of the folder where pods have it."""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.stores import layout
from components.stores.files import AUTHORITIES, CONFIG, CREDENTIALS, DESCRIPTION, SERVICE, VERSION
from terrarium.client.authorities import Authorities
from terrarium.errors import InvalidInput

KINDS = layout.KINDS
"""Kinds of objects; each is an S3 bucket of its own."""
FILES = (CONFIG, CREDENTIALS, SERVICE, DESCRIPTION, AUTHORITIES)
"""What a Secret or a folder may hold; the first or second lacks where the other says it all."""
S3, GS = "s3", "gs"
"""What a store of objects may speak: S3, or Google Cloud Storage's own."""


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
class Role:
    """A role that is taken with a pod's service account token, where the store takes those instead of keys.

    Args:
        arn: The role.
        token: File of the token; only pods have it.
        endpoint: URL of the service that exchanges it.
    """

    arn: str
    token: str
    endpoint: str


@dataclass(frozen=True)
class Lent:
    """A role that a pod's service account has by EKS Pod Identity, and that a person's own AWS credentials take.

    Args:
        arn: The role.
        service_account: The service account.
    """

    arn: str
    service_account: str


@dataclass(frozen=True)
class Ambient:
    """The Google credentials that a pod's service account has by Workload Identity, or a person on their machine.

    Args:
        service_account: The service account.
    """

    service_account: str


@dataclass(frozen=True)
class Objects:
    """Where objects are.

    Args:
        endpoint: URL of the service.
        region: Its region.
        buckets: S3 bucket, or bucket of Google Cloud Storage, of each kind.
        prefix: What every key begins with; empty, or ends with `/`.
        keys: The identity's key, or what is in place of it.
        protocol: What the service speaks: `s3` or `gs`.
    """

    endpoint: str
    region: str
    buckets: Mapping[str, str]
    prefix: str
    keys: Keys | Role | Lent | Ambient
    protocol: str = S3


@dataclass(frozen=True)
class Connection:
    """One identity's way to one store.

    Args:
        environment: The environment's id.
        identity: `rw`, `ro` or `bucket-<name>`.
        bucket: The bucket of the environment that this is limited to; None for all of it.
        objects: Where objects are.
        database: libpq parameters by their names; none for a lake.
        schema: The database's schema to work in.
        lake: S3 bucket of the lake's datasets, if the environment reads one.
        authorities: Who vouches for the servers' certificates; None if the machine knows them.
    """

    environment: str
    identity: str
    bucket: str | None
    objects: Objects
    database: Mapping[str, str] = field(repr=False)
    schema: str
    lake: str | None
    authorities: Authorities | None = None

    @property
    def who(self) -> str:
        """The identity, for messages."""
        return f"identity {self.identity} of {self.environment}"

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
        objects = replace(self.objects, prefix=layout.prefix(bucket))
        return replace(self, bucket=bucket, objects=objects, schema=layout.schema(bucket))


def parse(files: Mapping[str, str], source: str, folder: Path | None = None) -> Connection:
    """Return what the files say.

    Args:
        files: Content by name, see `FILES`.
        source: Where they come from, for messages.
        folder: Where they stand as files, if they do.

    Raises:
        InvalidInput: If one lacks, or is not what it should be. What it holds is never quoted.
    """
    if DESCRIPTION not in files:
        raise InvalidInput(f"{source} is no store's connection: it lacks {DESCRIPTION}")
    try:
        return _parsed(files, folder)
    except (configparser.Error, KeyError, TypeError, ValueError):
        raise InvalidInput(
            f"{source} can't be read: its files {', '.join(FILES)} are damaged, or of another version than {VERSION}; "
            "`terrarium up` of the environment writes them anew"
        ) from None


def _parsed(files: Mapping[str, str], folder: Path | None) -> Connection:
    facts: dict[str, Any] = json.loads(files[DESCRIPTION])
    if facts["version"] != VERSION:
        raise ValueError
    where = facts["objects"]
    lake = facts.get("lake")
    return Connection(
        environment=str(facts["environment"]),
        identity=str(facts["identity"]),
        bucket=facts["bucket"],
        objects=Objects(
            endpoint=str(where["endpoint"]),
            region=str(where["region"]),
            buckets={kind: str(where["buckets"][kind]) for kind in KINDS if kind in where["buckets"]},
            prefix=str(where["prefix"]),
            keys=_keys(files, where, f"store-{facts['identity']}"),
            protocol=_protocol(where),
        ),
        database=_section(files[SERVICE], "store") if facts["database"] else {},
        schema=str(facts["database"]["schema"]) if facts["database"] else layout.PUBLIC,
        lake=str(lake["bucket"]) if lake else None,
        authorities=Authorities(files[AUTHORITIES], folder and folder / AUTHORITIES) if AUTHORITIES in files else None,
    )


def _protocol(where: Mapping[str, Any]) -> str:
    protocol = str(where.get("protocol", S3))
    if protocol not in (S3, GS):
        raise ValueError
    return protocol


def _keys(files: Mapping[str, str], where: Mapping[str, Any], service_account: str) -> Keys | Role | Lent | Ambient:
    if _protocol(where) == GS:
        return Ambient(service_account)
    if CREDENTIALS not in files and "role" in where:
        return Lent(str(where["role"]), service_account)
    if CREDENTIALS in files:
        found = _section(files[CREDENTIALS], "default")
        return Keys(found["aws_access_key_id"], found["aws_secret_access_key"])
    default, services = _section(files[CONFIG], "default"), _section(files[CONFIG], "services store")
    # A nested section: `sts =`, then indented lines.
    sts = dict(line.replace(" ", "").split("=", 1) for line in services["sts"].strip().splitlines())
    return Role(default["role_arn"], default["web_identity_token_file"], sts["endpoint_url"])


def _section(text: str, name: str) -> dict[str, str]:
    # Without interpolation: a password may hold `%`. Only `=` and full-line comments, as libpq reads them.
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), default_section="")
    parser.read_string(text)
    return dict(parser[name])
