"""What each identity of a store is given: the files of one generation of keys, whatever cloud holds the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from components.contract import Identity
from components.stores import files, layout

if TYPE_CHECKING:  # a lake has no database, and needs none of that SDK
    from components.stores.postgresql import Login
    from components.stores.who import Key, Who


@dataclass(frozen=True)
class Known:
    """What every identity of a store is told.

    Args:
        owner: The environment's id, or the lake's name.
        objects: Where the objects are, as `Store.objects`.
        database: Where the database is, as `Store.database`; None for a lake.
        lake: Name and bucket of the lake whose datasets are read, if any.
        authorities: PEM of the certificate authorities that the servers are verified by; None for the system's.
        database_by_system: Whether the system's authorities vouch for the database all the same.
    """

    owner: str
    objects: Mapping[str, Any]
    database: Mapping[str, Any] | None
    lake: Mapping[str, Any] | None
    authorities: str | pulumi.Output[str] | None = None
    database_by_system: bool = False

    def to(self, who: Who, generation: int, key: Key, login: Login | None) -> Identity:
        """Return an identity with the files of one generation.

        Args:
            who: The identity.
            generation: The generation.
            key: What it reaches objects with.
            login: What it logs in to the database with; None for a lake.
        """
        content = {
            "environment": self.owner,
            "identity": who.name,
            "bucket": who.bucket,
            "objects": {**self.objects, **key.told, "prefix": layout.prefix(who.bucket)},
            "database": self.database and {**self.database, "schema": layout.schema(who.bucket)},
            "lake": self.lake,
        }
        made = {**key.files, files.DESCRIPTION: pulumi.Output.from_input(content).apply(files.description)}
        if self.authorities:
            made[files.AUTHORITIES] = pulumi.Output.from_input(self.authorities)
        if login and self.database:
            every = pulumi.Output.all(database=dict(self.database), user=login.user, password=login.password)
            own = bool(self.authorities) and not self.database_by_system
            made[files.SERVICE] = every.apply(
                lambda v: files.pg_service(v["database"], v["user"], v["password"], authorities=own)
            )
        return Identity(who.name, who.bucket, generation, made, key.service_account, key.audience)
