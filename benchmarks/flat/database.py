"""The environment's database, written out: its roles, what they may do, and the logins of its identities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_postgresql as postgresql
import pulumi_random as random

from benchmarks.flat.place import Place


@dataclass(frozen=True)
class Database:
    """The database, where it is, its group roles, and what must be there before anybody logs in."""

    logins: postgresql.Provider
    passwords: random.Provider
    served: dict[str, Any]
    groups: dict[str, postgresql.Role]
    ready: list[pulumi.Resource]


def make_database(place: Place, service: Mapping[str, str]) -> Database:
    """Make the database on the server of a libpq service, its roles and schema, and what they may do."""
    where = {"host": service["host"], "port": int(service["port"]), "sslmode": service["sslmode"]}

    def connected(name: str, database: pulumi.Input[str]) -> postgresql.Provider:
        return postgresql.Provider(
            f"{place.name}-store-{name}",
            host=service["host"],
            port=int(service["port"]),
            sslmode=service["sslmode"],
            username=service["user"],
            password=pulumi.Output.secret(service["password"]),
            database=database,
            superuser=True,
            opts=pulumi.ResourceOptions(parent=place.parent),
        )

    provider = connected("database", service["dbname"])
    passwords = random.Provider(f"{place.name}-store-passwords", opts=pulumi.ResourceOptions(parent=place.parent))
    prefix, opts = f"{place.name}-store-database", place.under(provider)

    def group(suffix: str, *members_of: postgresql.Role) -> postgresql.Role:
        return postgresql.Role(
            f"{prefix}-{suffix}",
            name=place.role(f"_{suffix}"),
            login=False,
            roles=[role.name for role in members_of],
            opts=opts,
        )

    owner, alice = group("owner"), group("b-alice")
    rw, ro = group("rw", alice), group("ro")
    database = postgresql.Database(
        prefix,
        name=place.role(),
        owner=owner.name,
        template="template0",
        encoding="UTF8",
        lc_collate="C",
        lc_ctype="C",
        opts=pulumi.ResourceOptions(parent=place.parent, provider=provider, protect=True, depends_on=[rw, ro, alice]),
    )
    name = database.name
    inside = pulumi.ResourceOptions(parent=place.parent, provider=provider, deleted_with=database)
    schema = postgresql.Schema(
        f"{prefix}-bucket-alice", name="alice", database=name, owner=alice.name, drop_cascade=False, opts=inside
    ).name
    ready: list[pulumi.Resource] = [
        postgresql.Grant(
            f"{prefix}-{grant}",
            database=name,
            role=role,
            object_type=kind,
            schema=within,
            privileges=privileges,
            opts=inside,
        )
        for grant, role, kind, within, privileges in (
            ("public-schema", "public", "schema", "public", []),
            ("public", "public", "database", None, []),
            ("rw-database", rw.name, "database", None, ["CONNECT", "TEMPORARY"]),
            ("ro-database", ro.name, "database", None, ["CONNECT"]),
            ("rw-schema", rw.name, "schema", "public", ["CREATE", "USAGE"]),
            ("ro-schema", ro.name, "schema", "public", ["USAGE"]),
            ("bucket-alice-database", alice.name, "database", None, ["CONNECT", "TEMPORARY"]),
            ("bucket-alice-ro-schema", ro.name, "schema", schema, ["USAGE"]),
        )
    ]
    read = {"table": ["SELECT"], "sequence": ["SELECT"]}
    change = {"table": ["DELETE", "INSERT", "SELECT", "UPDATE"], "sequence": ["SELECT", "UPDATE", "USAGE"]}
    ready += [
        postgresql.DefaultPrivileges(
            f"{prefix}-{shared}-shared-{kind}s",
            database=name,
            schema=within,
            owner=maker.name,
            role=other.name,
            object_type=kind,
            privileges=allowed,
            opts=inside,
        )
        for shared, maker, other, within, privileges in (
            ("rw", rw, ro, "public", read),
            ("bucket-alice", alice, ro, schema, read),
            ("bucket-alice-rw", rw, alice, schema, change),
            ("bucket-alice-rw-ro", rw, ro, schema, read),
        )
        for kind, allowed in privileges.items()
    ]
    groups = {"rw": rw, "ro": ro, "bucket-alice": alice}
    return Database(connected("logins", name), passwords, {**where, "name": name}, groups, ready)


def login(place: Place, database: Database, identity: str, bucket: str | None) -> pulumi.Output[str]:
    """Make an identity's login role, and return the libpq service file."""
    logical = f"{place.name}-store-database-{identity}-1"
    password = random.RandomPassword(
        f"{logical}-password", length=40, special=False, opts=place.under(database.passwords)
    ).result
    group = database.groups[identity].name
    role = postgresql.Role(
        logical,
        name=place.role(f"_{identity}_1"),
        login=True,
        password=password,
        roles=[group],
        assume_role=group,
        search_paths=[bucket or "public"],
        opts=pulumi.ResourceOptions(parent=place.parent, provider=database.logins, depends_on=database.ready),
    )
    return pulumi.Output.format(
        "[store]\nhost={host}\nport={port}\ndbname={name}\nsslmode={sslmode}\nuser={user}\npassword={password}\n",
        **database.served,
        user=role.name,
        password=password,
    )
