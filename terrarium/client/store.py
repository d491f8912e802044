"""An environment's data store: objects by kind, one database, and the lake's datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from terrarium.client import objects
from terrarium.client.connection import Connection
from terrarium.client.database import Database
from terrarium.errors import InvalidInput

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from terrarium.client.files import Files


class Store:
    """The data store of an environment, or of one bucket of it, by one identity.

    Args:
        connection: Where it is and who asks.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        """Where the store is and who asks."""
        self._files: dict[str, Files] = {}

    def __repr__(self) -> str:
        part = f", bucket {self.connection.bucket}" if self.connection.bucket else ""
        return f"<store of {self.connection.environment}{part}, as {self.connection.identity}>"

    @property
    def results(self) -> Files:
        """What runs produce, as an fsspec file system."""
        return self.files("results")

    @property
    def datasets(self) -> Files:
        """The environment's own datasets, as an fsspec file system."""
        return self.files("datasets")

    @property
    def models(self) -> Files:
        """Models, as an fsspec file system."""
        return self.files("models")

    @property
    def scratch(self) -> Files:
        """What may be lost, and expires where the tier says so; as an fsspec file system."""
        return self.files("scratch")

    @property
    def lake(self) -> Files:
        """The lake's datasets, as an fsspec file system that nothing can be written to.

        Raises:
            InvalidInput: If the environment reads no lake.
        """
        return self.files("lake")

    def files(self, kind: str) -> Files:
        """Return objects of a kind as an fsspec file system; no call is made.

        Args:
            kind: `results`, `datasets`, `models`, `scratch` or `lake`.

        Raises:
            InvalidInput: If there is no such kind.
        """
        from terrarium.client.files import Files  # noqa: PLC0415 - 0.2 s, and some only want the database

        if kind not in self._files:
            self._files[kind] = Files(self.connection, kind, self.objects(kind))
        return self._files[kind]

    def objects(self, kind: str) -> ObjectStore:
        """Return objects of a kind as obstore's store, for bulk work; no call is made.

        Args:
            kind: As for `files`.

        Raises:
            InvalidInput: If there is no such kind.
        """
        bucket, prefix = self.location(kind)
        return objects.store(self.connection, bucket, prefix)

    def location(self, kind: str) -> tuple[str, str]:
        """Return the bucket of a kind, in S3 or Google Cloud Storage, and what every key begins with.

        Args:
            kind: As for `files`.

        Raises:
            InvalidInput: If there is no such kind.
        """
        where = self.connection.objects
        if kind in where.buckets:
            return where.buckets[kind], where.prefix
        if kind != "lake":
            raise InvalidInput(f"there is no kind `{kind}`; there are {', '.join(where.buckets)} and lake")
        if self.connection.lake is None:
            raise InvalidInput(
                f"environment {self.connection.environment} reads no lake: name one in its stack file under store.lake"
            )
        return self.connection.lake, ""

    @cached_property
    def database(self) -> Database:
        """The database; no call is made."""
        return Database(self.connection)

    def sql(self, statement: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement in the database; see `Database.sql`."""
        return self.database.sql(statement, params)

    def close(self) -> None:
        """Close what is open; whatever is used again opens anew."""
        self.database.close()
