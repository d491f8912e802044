"""One database for each environment on a PostgreSQL server: who owns it, who may connect, what they may do there.

What the identities make belongs to group roles that nobody logs in as, so that a new generation of logins finds and may
change all that the one before made. Nobody but they may connect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql
import pulumi_random as random

from components.contract import RO, RW
from components.stores import layout
from components.stores.accounts import Who

_SERVER_LOCALE = "C"  # sorts the same on every machine and version; glibc's changed order between releases
_PASSWORD = 40  # letters and digits: 238 bits


@dataclass(frozen=True)
class Place:
    """Where a database is made.

    Args:
        name: Prefix of the logical names.
        owner: The environment's id.
        uid: The environment's uid.
        opts: Parent and provider.
        random: Options with the provider that draws passwords.
    """

    name: str
    owner: str
    uid: pulumi.Output[str]
    opts: pulumi.ResourceOptions
    random: pulumi.ResourceOptions

    def role(self, *suffix: str) -> pulumi.Output[str]:
        """Return the name of a role."""
        return self.uid.apply(lambda uid: layout.role(self.owner, uid, *suffix))


@dataclass(frozen=True)
class Login:
    """What an identity logs in with.

    Args:
        user: The login role.
        password: Its password, secret.
    """

    user: pulumi.Output[str]
    password: pulumi.Output[str]


@dataclass(frozen=True)
class Made:
    """A database and its group roles.

    Args:
        name: The database's name.
        groups: The group role of each identity.
        ready: What must be there before anybody logs in.
    """

    name: pulumi.Output[str]
    groups: Mapping[str, postgresql.Role]
    ready: Sequence[pulumi.Resource]


def database(place: Place, buckets: Sequence[str], *, protected: bool) -> Made:
    """Make the database, its roles, and what they may do.

    Args:
        place: Where.
        buckets: The environment's buckets; each has a schema.
        protected: Whether a bucket that is taken out of the declaration must be empty; else its tables go with it.
    """
    owner = _role(place, "owner")
    of_buckets = {bucket: _role(place, "b", bucket) for bucket in buckets}
    # Whoever writes the whole environment is a member of every bucket: what a bucket makes there, they may change.
    groups = {RW: _role(place, RW, members_of=list(of_buckets.values())), RO: _role(place, RO)}
    made = postgresql.Database(
        f"{place.name}-database",
        name=place.uid.apply(lambda uid: layout.database(place.owner, uid)),
        owner=owner.name,
        template="template0",
        encoding="UTF8",
        lc_collate=_SERVER_LOCALE,
        lc_ctype=_SERVER_LOCALE,
        # Dropping it drops all that is in it; `terrarium destroy` lifts this after asking.
        # After the roles, so that it goes before them: one that owns a table can't be dropped, which ended a destroy.
        opts=pulumi.ResourceOptions.merge(
            place.opts, pulumi.ResourceOptions(protect=True, depends_on=[*groups.values(), *of_buckets.values()])
        ),
    )
    ready: list[pulumi.Resource] = [_closed(place, made)]
    inside = _Inside(place, made)
    ready += [
        inside.grant(RW, groups[RW], "database", ["CONNECT", "TEMPORARY"]),
        inside.grant(RO, groups[RO], "database", ["CONNECT"]),
        inside.grant(RW, groups[RW], "schema", ["CREATE", "USAGE"], layout.PUBLIC),
        inside.grant(RO, groups[RO], "schema", ["USAGE"], layout.PUBLIC),
        *inside.readable(RW, groups[RW], groups[RO], layout.PUBLIC),
    ]
    for bucket, role in of_buckets.items():
        ready += inside.bucket(bucket, role, groups, keep=protected)
        groups[layout.bucket_identity(bucket)] = role
    return Made(made.name, groups, ready)


def logins(place: Place, made: Made, who: Who, generations: Sequence[int]) -> Mapping[int, Login]:
    """Make an identity's login roles, one for each generation.

    Args:
        place: Where.
        made: The database.
        who: The identity.
        generations: The generations of keys.
    """
    group = made.groups[who.name]
    return {number: _login(place, made, who, group, number) for number in generations}


def _login(place: Place, made: Made, who: Who, group: postgresql.Role, generation: int) -> Login:
    logical = f"{place.name}-database-{who.name}-{generation}"
    password = random.RandomPassword(f"{logical}-password", length=_PASSWORD, special=False, opts=place.random)
    role = postgresql.Role(
        logical,
        name=place.role(who.name, str(generation)),
        login=True,
        password=password.result,
        roles=[group.name],
        # What it makes then belongs to the group, and outlives this generation.
        assume_role=group.name,
        search_paths=[layout.schema(who.bucket)],
        # It owns nothing, and the official provider would need to own the roles to look.
        skip_reassign_owned=True,
        opts=pulumi.ResourceOptions.merge(place.opts, pulumi.ResourceOptions(depends_on=list(made.ready))),
    )
    return Login(role.name, pulumi.Output.secret(password.result))


def _role(place: Place, *suffix: str, members_of: Sequence[postgresql.Role] = ()) -> postgresql.Role:
    """Make a group role: nobody logs in as it."""
    return postgresql.Role(
        "-".join((place.name, "database", *suffix)),
        name=place.role(*suffix),
        login=False,
        roles=[role.name for role in members_of],
        opts=place.opts,
    )


def _closed(place: Place, database_: postgresql.Database) -> postgresql.Grant:
    # PostgreSQL lets every role of the server connect to a new database, and make temporary tables there.
    return postgresql.Grant(
        f"{place.name}-database-public",
        database=database_.name,
        role="public",
        object_type="database",
        privileges=[],
        opts=place.opts,
    )


@dataclass(frozen=True)
class _Inside:
    """What is made inside a database."""

    place: Place
    database: postgresql.Database

    def grant(
        self,
        name: str,
        role: postgresql.Role,
        kind: str,
        privileges: Sequence[str],
        schema: pulumi.Input[str] | None = None,
    ) -> postgresql.Grant:
        return postgresql.Grant(
            f"{self.place.name}-database-{name}-{kind}",
            database=self.database.name,
            role=role.name,
            object_type=kind,
            schema=schema,
            privileges=list(privileges),
            opts=self.place.opts,
        )

    def readable(
        self, name: str, owner: postgresql.Role, reader: postgresql.Role, schema: pulumi.Input[str]
    ) -> list[pulumi.Resource]:
        """Let a reader read what an owner will make."""
        return [
            postgresql.DefaultPrivileges(
                f"{self.place.name}-database-{name}-readable-{kind}s",
                database=self.database.name,
                schema=schema,
                owner=owner.name,
                role=reader.name,
                object_type=kind,
                privileges=["SELECT"],
                opts=self.place.opts,
            )
            for kind in ("table", "sequence")
        ]

    def bucket(
        self, bucket: str, role: postgresql.Role, groups: Mapping[str, postgresql.Role], *, keep: bool
    ) -> list[pulumi.Resource]:
        """Make a bucket's schema and let its role, and those of the whole environment, work there."""
        identity = layout.bucket_identity(bucket)
        logical = f"{self.place.name}-database-{identity}"
        schema = postgresql.Schema(
            logical,
            name=layout.schema(bucket),
            database=self.database.name,
            owner=role.name,
            drop_cascade=not keep,
            opts=self.place.opts,
        )
        return [
            self.grant(identity, role, "database", ["CONNECT", "TEMPORARY"]),
            self.grant(f"{identity}-{RO}", groups[RO], "schema", ["USAGE"], schema.name),
            *self.readable(identity, role, groups[RO], schema.name),
        ]
