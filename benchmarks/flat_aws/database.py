"""The environment's database, written out: its roles, what they may do, and the logins of its identities."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql
import pulumi_random as random

from benchmarks.flat_aws.place import NAME, Place
from benchmarks.flat_aws.server import Server

PREFIX = f"{NAME}-store-database"
READ = {"table": ["SELECT"], "sequence": ["SELECT"]}
CHANGE = {"table": ["DELETE", "INSERT", "SELECT", "UPDATE"], "sequence": ["SELECT", "UPDATE", "USAGE"]}


def role_name(uid: pulumi.Output[str], suffix: str = "") -> pulumi.Output[str]:
    """Return the name of a role, or without a suffix of the database."""
    return uid.apply(lambda uid: f"churn_aws_{uid}{suffix}")


@dataclass(frozen=True)
class Database:
    """The database, its group roles, what must be there before anybody logs in, and who makes logins."""

    parent: pulumi.Resource
    name: pulumi.Output[str]
    uid: pulumi.Output[str]
    groups: dict[str, postgresql.Role]
    ready: list[pulumi.Resource]
    logins: postgresql.Provider
    passwords: random.Provider
    instance: pulumi.Resource

    def login(self, identity: str, schema: str) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Make a login, and return its name and password."""
        group, called = self.groups[identity].name, identity.replace("-", "_")
        opts = pulumi.ResourceOptions(
            parent=self.parent, provider=self.logins, depends_on=self.ready, deleted_with=self.instance
        )
        password = random.RandomPassword(
            f"{PREFIX}-{identity}-1-password",
            length=40,
            special=False,
            opts=pulumi.ResourceOptions(parent=self.parent, provider=self.passwords),
        ).result
        role = postgresql.Role(
            f"{PREFIX}-{identity}-1",
            name=role_name(self.uid, f"_{called}_1"),
            login=True,
            password=password,
            roles=[group],
            assume_role=group,
            search_paths=[schema],
            opts=opts,
        )
        return role.name, password


def make_database(place: Place, server: Server, uid: pulumi.Output[str]) -> Database:
    """Make it."""
    passwords = random.Provider(f"{NAME}-store-passwords", opts=pulumi.ResourceOptions(parent=place.parent))
    provider = server.connected("database", "postgres")
    # What is in an instance goes with it.
    instance = server.instance
    opts = pulumi.ResourceOptions(parent=place.parent, provider=provider, deleted_with=instance)

    def group(name: str, suffix: str, *members_of: postgresql.Role) -> postgresql.Role:
        return postgresql.Role(
            f"{PREFIX}-{name}",
            name=role_name(uid, suffix),
            login=False,
            roles=[role.name for role in members_of],
            opts=opts,
        )

    owner, reports = group("owner", "_owner"), group("b-reports", "_b_reports")
    rw, ro = group("rw", "_rw", reports), group("ro", "_ro")
    database = postgresql.Database(
        PREFIX,
        name=role_name(uid),
        owner=owner.name,
        template="template0",
        encoding="UTF8",
        lc_collate="C",
        lc_ctype="C",
        opts=pulumi.ResourceOptions(
            parent=place.parent,
            provider=provider,
            protect=True,
            depends_on=[rw, ro, reports],
            deleted_with=instance,
        ),
    )
    inside = pulumi.ResourceOptions(parent=place.parent, provider=provider, deleted_with=database)
    groups = {"rw": rw, "ro": ro, "bucket-reports": reports}
    return Database(
        parent=place.parent,
        name=database.name,
        uid=uid,
        groups=groups,
        ready=grants(database, groups, inside),
        logins=server.connected("logins", database.name),
        passwords=passwords,
        instance=instance,
    )


def grants(
    database: postgresql.Database, groups: dict[str, postgresql.Role], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Make what the group roles may do, and what nobody else may."""

    def grant(
        name: str,
        role: pulumi.Input[str],
        kind: str,
        privileges: list[str],
        schema: pulumi.Input[str] | None = None,
        *,
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.Resource:
        return postgresql.Grant(
            f"{PREFIX}-{name}",
            database=database.name,
            role=role,
            object_type=kind,
            schema=schema,
            privileges=privileges,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after))),
        )

    def share(
        name: str,
        owner: postgresql.Role,
        other: postgresql.Role,
        schema: pulumi.Input[str],
        privileges: dict[str, list[str]],
    ) -> list[pulumi.Resource]:
        return [
            postgresql.DefaultPrivileges(
                f"{PREFIX}-{name}-shared-{kind}s",
                database=database.name,
                schema=schema,
                owner=owner.name,
                role=other.name,
                object_type=kind,
                privileges=allowed,
                opts=opts,
            )
            for kind, allowed in privileges.items()
        ]

    rw, ro, reports = groups["rw"], groups["ro"], groups["bucket-reports"]
    schema = postgresql.Schema(
        f"{PREFIX}-bucket-reports",
        name="reports",
        database=database.name,
        owner=reports.name,
        drop_cascade=False,
        opts=opts,
    ).name
    administrator = grant("administrator", "terrarium", "database", ["CONNECT"])
    return [
        administrator,
        grant("public-schema", "public", "schema", [], "public"),
        grant("public", "public", "database", [], after=[administrator]),
        grant("rw-database", rw.name, "database", ["CONNECT", "TEMPORARY"]),
        grant("ro-database", ro.name, "database", ["CONNECT"]),
        grant("rw-schema", rw.name, "schema", ["CREATE", "USAGE"], "public"),
        grant("ro-schema", ro.name, "schema", ["USAGE"], "public"),
        *share("rw", rw, ro, "public", READ),
        grant("bucket-reports-database", reports.name, "database", ["CONNECT", "TEMPORARY"]),
        grant("bucket-reports-ro-schema", ro.name, "schema", ["USAGE"], schema),
        *share("bucket-reports", reports, ro, schema, READ),
        *share("bucket-reports-rw", rw, reports, schema, CHANGE),
        *share("bucket-reports-rw-ro", rw, ro, schema, READ),
    ]
