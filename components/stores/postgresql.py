"""One database for each environment on a PostgreSQL server: who owns it, who may connect, what they may do there.

What the identities make belongs to group roles that nobody logs in as, so that a new generation of logins finds and may
change all that the one before made. Nobody but they may connect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql
import pulumi_random as random

from components.contract import RO, RW
from components.stores import layout
from components.stores.who import Who

_SERVER_LOCALE = "C"  # sorts the same on every machine and version; glibc's changed order between releases
_READ: Mapping[str, Sequence[str]] = {"table": ["SELECT"], "sequence": ["SELECT"]}
_CHANGE: Mapping[str, Sequence[str]] = {
    "table": ["DELETE", "INSERT", "SELECT", "UPDATE"],
    "sequence": ["SELECT", "UPDATE", "USAGE"],
}
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
        administrator: Who makes it, if that is no superuser: then a right to connect must be given to them, too.
        inside: Returns options with a provider that is connected to a database of a given name.
    """

    name: str
    owner: str
    uid: pulumi.Output[str]
    opts: pulumi.ResourceOptions
    random: pulumi.ResourceOptions
    administrator: str | None
    inside: Callable[[pulumi.Output[str]], pulumi.ResourceOptions]

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
        opts: Parent and a provider that is connected to it.
    """

    name: pulumi.Output[str]
    groups: Mapping[str, postgresql.Role]
    ready: Sequence[pulumi.Resource]
    opts: pulumi.ResourceOptions


def database(place: Place, buckets: Sequence[str]) -> Made:
    """Make the database, its roles, and what they may do.

    Args:
        place: Where.
        buckets: The environment's buckets; each has a schema.
    """
    owner = _role(place, "owner")
    of_buckets = {bucket: _role(place, "b", bucket) for bucket in buckets}
    # Whoever writes the whole environment is a member of every bucket: what a bucket makes there, they may change.
    groups = {RW: _role(place, RW, members_of=list(of_buckets.values())), RO: _role(place, RO)}
    made = postgresql.Database(
        f"{place.name}-database",
        name=place.uid.apply(lambda uid: layout.database_name(place.owner, uid)),
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
    inside = _Inside(place, made)
    ready = [
        *inside.closed(),
        inside.grant(RW, groups[RW], "database", ["CONNECT", "TEMPORARY"]),
        inside.grant(RO, groups[RO], "database", ["CONNECT"]),
        inside.grant(RW, groups[RW], "schema", ["CREATE", "USAGE"], layout.PUBLIC),
        inside.grant(RO, groups[RO], "schema", ["USAGE"], layout.PUBLIC),
        *inside.shared(RW, groups[RW], groups[RO], layout.PUBLIC, _READ),
    ]
    for bucket, role in of_buckets.items():
        ready += inside.bucket(bucket, role, groups)
        groups[layout.bucket_identity(bucket)] = role
    return Made(made.name, groups, ready, place.inside(made.name))


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


def token_login(place: Place, made: Made, who: Who, granting: str) -> pulumi.Output[str]:
    """Make a login role that a cloud's own tokens open, and return its name.

    It is apart from the logins with passwords: whoever is a member of the role that lets tokens in is refused with a
    password (RDS user guide, "Creating a database account using IAM authentication").

    Args:
        place: Where.
        made: The database.
        who: The identity.
        granting: The server's role whose members log in by tokens: `rds_iam`.
    """
    group = made.groups[who.name]
    role = postgresql.Role(
        f"{place.name}-database-{who.name}-tokens",
        name=place.role(who.name, "iam"),
        login=True,
        roles=[group.name, granting],
        assume_role=group.name,
        search_paths=[layout.schema(who.bucket)],
        opts=pulumi.ResourceOptions.merge(made.opts, pulumi.ResourceOptions(depends_on=list(made.ready))),
    )
    return role.name


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
        # Through a connection to this very database. Whoever holds a key can go back to the login (SET ROLE NONE) and
        # make something of its own; elsewhere it would not be found, the login could not be dropped, and stay valid.
        opts=pulumi.ResourceOptions.merge(made.opts, pulumi.ResourceOptions(depends_on=list(made.ready))),
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


@dataclass(frozen=True)
class _Inside:
    """What is made inside a database. All of it goes when the database is dropped: nothing is deleted one by one."""

    place: Place
    database: postgresql.Database

    @property
    def opts(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self.place.opts, pulumi.ResourceOptions(deleted_with=self.database))

    def closed(self) -> list[pulumi.Resource]:
        """Take from everybody what PostgreSQL gives them: to connect, and to use (before 15: fill) `public`."""
        administrator = self.place.administrator
        kept = [self._grant("administrator", administrator, "database", ["CONNECT"])] if administrator else []
        public = "public"
        opts = pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(depends_on=kept))
        return [
            *kept,
            self._grant(f"{public}-schema", public, "schema", [], layout.PUBLIC),
            self._grant(public, public, "database", [], opts=opts),
        ]

    def grant(
        self,
        name: str,
        role: postgresql.Role,
        kind: str,
        privileges: Sequence[str],
        schema: pulumi.Input[str] | None = None,
    ) -> postgresql.Grant:
        """Let a role do something with the database or a schema of it."""
        return self._grant(f"{name}-{kind}", role.name, kind, privileges, schema)

    def _grant(
        self,
        name: str,
        role: pulumi.Input[str],
        kind: str,
        privileges: Sequence[str],
        schema: pulumi.Input[str] | None = None,
        *,
        opts: pulumi.ResourceOptions | None = None,
    ) -> postgresql.Grant:
        return postgresql.Grant(
            f"{self.place.name}-database-{name}",
            database=self.database.name,
            role=role,
            object_type=kind,
            schema=schema,
            privileges=list(privileges),
            opts=opts or self.opts,
        )

    def shared(
        self,
        name: str,
        owner: postgresql.Role,
        other: postgresql.Role,
        schema: pulumi.Input[str],
        privileges: Mapping[str, Sequence[str]],
    ) -> list[pulumi.Resource]:
        """Let another role use what an owner will make in a schema."""
        return [
            postgresql.DefaultPrivileges(
                f"{self.place.name}-database-{name}-shared-{kind}s",
                database=self.database.name,
                schema=schema,
                owner=owner.name,
                role=other.name,
                object_type=kind,
                privileges=list(allowed),
                opts=self.opts,
            )
            for kind, allowed in privileges.items()
        ]

    def bucket(
        self, bucket: str, role: postgresql.Role, groups: Mapping[str, postgresql.Role]
    ) -> list[pulumi.Resource]:
        """Make a bucket's schema and let its role, and those of the whole environment, work there."""
        identity = layout.bucket_identity(bucket)
        schema = postgresql.Schema(
            f"{self.place.name}-database-{identity}",
            name=layout.schema(bucket),
            database=self.database.name,
            owner=role.name,
            # A bucket that is taken out of the declaration must be empty: PostgreSQL refuses to drop it otherwise.
            drop_cascade=False,
            opts=self.opts,
        )
        rw, ro = groups[RW], groups[RO]
        return [
            self.grant(identity, role, "database", ["CONNECT", "TEMPORARY"]),
            self.grant(f"{identity}-{RO}", ro, "schema", ["USAGE"], schema.name),
            *self.shared(identity, role, ro, schema.name, _READ),
            # What the environment's writers make in a bucket is the bucket's to use, and everybody's who reads all.
            *self.shared(f"{identity}-{RW}", rw, role, schema.name, _CHANGE),
            *self.shared(f"{identity}-{RW}-{RO}", rw, ro, schema.name, _READ),
        ]
