"""What stands in an environment's store, written and read past Terrarium: boto3 and psycopg, by the administrator."""

from __future__ import annotations

import configparser
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from components.stores import layout
from rehearsal.platform import Platform
from tests.platform.store import s3
from tests.support.checkout import Checkout

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def pause() -> str:
    """Return the time, with a second on each side in which nothing happens: S3 lists whole seconds."""
    time.sleep(1.1)
    found = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    time.sleep(1.1)
    return found


@dataclass(frozen=True)
class Data:
    """An environment's store.

    Args:
        id: The environment's id.
        uid: Its uid.
        buckets: Its S3 buckets, by kind.
        database: Its database's name.
        client: The administrator's.
        keywords: libpq's, of the administrator.
    """

    id: str
    uid: str
    buckets: Mapping[str, str]
    database: str
    client: S3Client
    keywords: Mapping[str, str]

    @staticmethod
    def of(checkout: Checkout, platform: Platform, stack: str) -> Data:
        found = checkout.answer("status", stack)["stacks"][0]["outputs"]
        parser = configparser.RawConfigParser()
        parser.read(platform.connections.pg_service)
        keywords = dict(parser[platform.context])
        store = found["store"]
        return Data(
            found["id"], found["uid"], store["objects"]["buckets"], store["database"]["name"], s3(platform), keywords
        )

    # ------------------------------------------------------------------ objects

    def put(self, kind: str, key: str, body: bytes, **more: Any) -> None:
        self.client.put_object(Bucket=self.buckets[kind], Key=key, Body=body, **more)

    def delete(self, kind: str, key: str) -> None:
        self.client.delete_object(Bucket=self.buckets[kind], Key=key)

    def objects(self, kind: str) -> dict[str, bytes]:
        """Return the current objects of a kind."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.buckets[kind])
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {key: self.client.get_object(Bucket=self.buckets[kind], Key=key)["Body"].read() for key in keys}

    def versions(self, kind: str) -> list[tuple[str, str]]:
        """Return every version and marker of a kind: key and id."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.buckets[kind])
        return sorted(
            (item["Key"], item["VersionId"])
            for page in pages
            for item in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        )

    def empty(self, kind: str) -> None:
        """Delete the current objects of a kind."""
        for key in self.objects(kind):
            self.delete(kind, key)

    # ------------------------------------------------------------------ rows

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        parameters: dict[str, Any] = {**self.keywords, "dbname": self.database}
        with psycopg.connect(**parameters, autocommit=True) as connection:
            yield connection

    def sql(self, *statements: str, bucket: str | None = None) -> None:
        """Run statements as the environment, or as one of its buckets."""
        role = layout.role(self.id, self.uid, *(("b", bucket) if bucket else ("rw",)))
        with self.connection() as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(layout.schema(bucket))))
            for statement in statements:
                connection.execute(statement.encode())

    def as_administrator(self, *statements: str) -> None:
        """Run statements with every right."""
        with self.connection() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            return connection.execute(query.encode()).fetchall()

    def owners(self) -> dict[str, str]:
        """Return the owner of each table, view and sequence, by name with schema."""
        return {
            f"{schema}.{name}": owner.removeprefix(f"{self.database}_")
            for schema, name, owner in self.rows(
                "SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner) FROM pg_class c "
                "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'S') "
                "AND n.nspname !~ '^(pg_|information_schema)'"
            )
        }

    def logins(self) -> list[str]:
        """Return the roles of the server that belong to this environment and may log in."""
        found = self.rows("SELECT rolname FROM pg_roles WHERE rolcanlogin")
        return sorted(name for (name,) in found if name.startswith(self.database))
