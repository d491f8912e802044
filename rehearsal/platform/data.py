"""Buckets and database servers, as a cloud hands them out, in the data store of one platform.

Its database servers are one PostgreSQL: logins of one name on two servers are one role, with one password, until the
last of them goes.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509 import load_pem_x509_certificate

from rehearsal.errors import RehearsalError
from rehearsal.files import read_json, write_json
from rehearsal.locks import locked
from rehearsal.platform import keys
from rehearsal.platform.certificates import Authority, Pair
from rehearsal.platform.control import Platform
from rehearsal.platform.layout import AUTHORITY, Layout
from rehearsal.platform.ports import LOOPBACK

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_s3 import S3Client

_PATIENCE = 20  # seconds for one connection
# Roles that a role has made, those that they made, and so on, itself among them; predefined ones have lower numbers.
_OWN = """
WITH RECURSIVE own(oid) AS (
    SELECT oid FROM pg_roles WHERE rolname = %(user)s
    UNION
    SELECT given.roleid FROM pg_auth_members given JOIN own ON given.member = own.oid
    JOIN pg_roles role ON role.oid = given.roleid
    WHERE given.admin_option AND given.roleid >= 16384 AND NOT role.rolname = ANY(%(kept)s)
)
SELECT rolname FROM pg_roles JOIN own USING (oid)
"""
_OWNED = "SELECT datname FROM pg_database JOIN pg_roles ON datdba = pg_roles.oid WHERE rolname = ANY(%s)"


@dataclass(frozen=True, repr=False)
class Login:
    """How a database server's administrator gets in: by TLS, with the certificate of the account's platform.

    Attributes:
        host: Address.
        port: Port.
        user: Role; no superuser, as on the services.
        password: Its password.
    """

    host: str
    port: int
    user: str
    password: str


class Data:
    """The buckets and database servers of one platform, which runs."""

    def __init__(self, platform: Platform, roles: Sequence[str] = ()) -> None:
        """Name a platform.

        Args:
            platform: It was started.
            roles: What the service of the database servers has in each, and an administrator may give to others; they
                are members of the first.
        """
        self._platform = platform
        self._layout = Layout(platform.folder)
        self._roles = tuple(roles)

    def make_bucket(self, name: str) -> None:
        """Make a bucket, unless it is there.

        Raises:
            RehearsalError: S3 refused.
        """
        if not self.has_bucket(name):
            with self._s3() as s3:
                s3.create_bucket(Bucket=name)

    def has_bucket(self, name: str) -> bool:
        """Return whether a bucket is there."""
        with self._s3() as s3:
            return any(bucket["Name"] == name for bucket in s3.list_buckets()["Buckets"])

    def keep_versions(self, name: str, *, on: bool) -> None:
        """Set whether a bucket keeps the versions of its objects; once begun it can only be suspended."""
        with self._s3() as s3:
            if on or s3.get_bucket_versioning(Bucket=name).get("Status"):
                status = "Enabled" if on else "Suspended"
                s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})  # type: ignore[typeddict-item]  # the name is one of the two

    def remove_bucket(self, name: str, *, force: bool) -> None:
        """Delete a bucket; nothing happens if there is none.

        Args:
            name: Its name.
            force: Whether with all that is in it.

        Raises:
            RehearsalError: It is not empty.
        """
        if not self.has_bucket(name):
            return
        with self._s3() as s3:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=name) if force else ():
                for kept in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                    s3.delete_object(Bucket=name, Key=kept["Key"], VersionId=kept["VersionId"])
            s3.delete_bucket(Bucket=name)

    def make_login(self, server: str, user: str, password: str | None = None) -> Login:
        """Make an administrator of a database server, or set their password.

        Args:
            server: Name of the server.
            user: The role's name.
            password: What to set; by default it stays, or is made up the first time.

        Raises:
            RehearsalError: The name is that of the platform's own superuser.
        """
        if user == self._layout.superuser:
            raise RehearsalError(f"the database server's own superuser is named {user}; choose another name")
        with self._known() as logins:
            shared = {one: word for users in logins.values() for one, word in users.items()}
            chosen = password or shared.get(user) or secrets.token_urlsafe(24)
            for users in logins.values():
                users.update({user: chosen} if user in users else {})
            logins.setdefault(server, {})[user] = chosen
            # Noted before it is made: a login that is half made is found again.
            self._note(logins)
            with self._sql() as sql:
                self._administrator(sql, user, chosen)
        host, port = self.database_place()
        return Login(host, port, user, chosen)

    def database_place(self) -> tuple[str, int]:
        """Return address and port of the account's database servers, by TLS."""
        own = self._layout.address
        return (own, 5432) if own else (LOOPBACK, self._platform.port("postgresql-tls"))

    def password(self, server: str, user: str) -> str | None:
        """Return the password of a login; None if there is no such login."""
        with self._known() as logins:
            return logins.get(server, {}).get(user)

    def remove_logins(self, server: str, user: str = "") -> None:
        """Delete logins of a server, with the roles and databases that they made; nothing happens if there are none.

        Args:
            server: Name of the server.
            user: Only this one; by default all.
        """
        with self._known() as logins:
            going = [one for one in logins.get(server, {}) if user in ("", one)]
            left = {one for name, users in logins.items() for one in users if name != server}
            with self._sql() as sql:
                for one in going:
                    if one not in left:
                        self._drop(sql, one)
                    del logins[server][one]
            if not logins.get(server):
                logins.pop(server, None)
            self._note(logins)

    def authority(self) -> str:
        """Return the PEM of the authority that vouches for the database servers."""
        return self._layout.authority.certificate.read_text(encoding="ascii")

    def client_certificate(self, server: str, user: str) -> dict[str, str]:
        """Issue a certificate for clients of a database server, or return the one there is, as Cloud SQL tells it.

        Args:
            server: Name of the server.
            user: Common name.
        """
        pair = Pair.at(self._layout.certificates / "clients" / server, hashlib.sha256(user.encode()).hexdigest()[:10])
        Authority(self._layout.certificates, AUTHORITY).issue(pair, user)
        made = load_pem_x509_certificate(pair.certificate.read_bytes())
        return {
            "cert": pair.certificate.read_text(encoding="ascii"),
            "privateKey": pair.key.read_text(encoding="ascii"),
            "serverCaCert": self.authority(),
            "certSerialNumber": str(made.serial_number),
            "sha1Fingerprint": made.fingerprint(SHA1()).hex(),  # noqa: S303 - Cloud SQL's own name for a certificate
            "expirationTime": made.not_valid_after_utc.isoformat(),
        }

    def _administrator(self, sql: psycopg.Connection[Any], user: str, password: str) -> None:
        from psycopg.sql import SQL, Identifier, Literal  # noqa: PLC0415 - see _sql

        power = SQL("LOGIN NOSUPERUSER CREATEDB CREATEROLE PASSWORD {}").format(Literal(password))
        for role in (*self._roles, user):
            if not sql.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                sql.execute(SQL("CREATE ROLE {} NOLOGIN").format(Identifier(role)))
        sql.execute(SQL("ALTER ROLE {} {}").format(Identifier(user), power))
        # Whoever makes a role may become it: the official provider gives itself each role for the moment that it needs
        # it, and the stand-in does not.
        sql.execute(SQL("ALTER ROLE {} SET createrole_self_grant = 'set, inherit'").format(Identifier(user)))
        main, *others = map(Identifier, self._roles)
        for predefined in map(Identifier, ("pg_monitor", "pg_signal_backend")):
            sql.execute(SQL("GRANT {} TO {} WITH ADMIN OPTION").format(predefined, main))
        sql.execute(SQL("GRANT {} TO {}").format(main, Identifier(user)))
        for other in others:
            # To give to others; a member of it would have to sign in by IAM.
            sql.execute(SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE").format(other, Identifier(user)))
        sql.execute(SQL("GRANT CONNECT, TEMPORARY ON DATABASE postgres TO {}").format(Identifier(user)))

    def _drop(self, sql: psycopg.Connection[Any], user: str) -> None:
        from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - see _sql

        roles = [name for (name,) in sql.execute(_OWN, {"user": user, "kept": list(self._roles)})]
        for (name,) in sql.execute(_OWNED, [roles]).fetchall():
            sql.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
            for name in roles:
                sql.execute(SQL(statement).format(Identifier(name)))

    @property
    def _record(self) -> Path:
        return self._layout.folder / "config" / "logins.json"

    @contextmanager
    def _known(self) -> Iterator[dict[str, dict[str, str]]]:
        """Give the passwords by server and user; nobody else changes them meanwhile."""
        with locked(self._record.with_suffix(".lock")):
            yield read_json(self._record) or {}

    def _note(self, logins: dict[str, dict[str, str]]) -> None:
        write_json(self._record, logins)

    @contextmanager
    def _sql(self) -> Iterator[psycopg.Connection[Any]]:
        # Imported here: most of what a plugin is asked concerns no database.
        import psycopg  # noqa: PLC0415

        try:
            with psycopg.connect(
                host=LOOPBACK,
                port=self._platform.port("postgresql"),
                user=self._layout.superuser,
                password=keys.read(self._layout).password,
                dbname="postgres",
                sslmode="disable",
                connect_timeout=_PATIENCE,
                autocommit=True,
            ) as connection:
                yield connection
        except psycopg.Error as error:
            # The first line only: others may quote a statement, and it a password.
            raise RehearsalError(f"the embedded database refused: {str(error).splitlines()[0]}") from None

    @contextmanager
    def _s3(self) -> Iterator[S3Client]:
        import boto3  # noqa: PLC0415 - see _sql
        from botocore.config import Config  # noqa: PLC0415 - see _sql
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see _sql

        found = keys.read(self._layout)
        # A session of its own: one of the process's would take a profile of the shell's.
        session = boto3.Session(found.access_key, found.secret_key, region_name=self._layout.region)
        endpoint = f"http://{LOOPBACK}:{self._platform.port('versitygw')}"
        config = Config(s3={"addressing_style": "path"}, connect_timeout=_PATIENCE, proxies={})
        try:
            yield session.client("s3", endpoint_url=endpoint, config=config)
        except ClientError as error:
            said = error.response["Error"]
            raise RehearsalError(f"{said.get('Code')}: {said.get('Message')}") from None
        except BotoCoreError as error:
            raise RehearsalError(f"the embedded S3 does not answer: {type(error).__name__}") from None
