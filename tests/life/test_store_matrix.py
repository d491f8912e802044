"""Who may do what with whose data, as tables: every identity's own keys, tried on real servers by boto3 and psycopg.

Whatever a table does not allow must be refused, and for the reason that it is not allowed: a server that did not find
what was asked for, or could not be reached, proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from botocore.exceptions import ClientError
from kubernetes.client.exceptions import ApiException
from psycopg import errors
from psycopg.sql import SQL, Composed, Identifier

from tests.life.store_world import IDENTITIES, PLACES, World, brought_up
from tests.support.api import Person
from tests.support.stores import Keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="module")
def world(platform_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with brought_up(platform_home, tmp_path_factory.mktemp("matrix")) as world:
        yield world


# l list, r read, w write, d delete, v delete a version for good, p change the S3 bucket's policy, b delete the bucket.
# `!`: that server does not even know the key.
OBJECTS = """
            | dev      dev    dev   dev      | test     test    | fraud   | lake     | prod    prod
            | results  alice  bob   backups  | results  backups | results | datasets | results backups
  dev rw    | lrwd     lrwd   lrwd  -        | -        -       | -       | -        | !       !
  dev ro    | lr       lr     lr    -        | -        -       | -       | -        | !       !
  dev alice | -        lrwd   -     -        | -        -       | -       | -        | !       !
  dev bob   | -        -      lrwd  -        | -        -       | -       | -        | !       !
  test rw   | -        -      -     -        | lrwd     -       | -       | -        | !       !
  test ro   | -        -      -     -        | lr       -       | -       | -        | !       !
  fraud rw  | -        -      -     -        | -        -       | lrwd    | lr       | !       !
  fraud ro  | -        -      -     -        | -        -       | lr      | lr       | !       !
  lake rw   | -        -      -     -        | -        -       | -       | lrwd     | !       !
  prod rw   | !        !      !     !        | !        !       | !       | !        | lrwd    -
  prod ro   | !        !      !     !        | !        !       | !       | !        | lr      -
"""


def table(text: str) -> dict[str, list[str]]:
    """Read a table: by identity, the cells of its row."""
    rows = [line.partition("|") for line in text.strip("\n").splitlines()]
    return {name.strip(): cells.replace("|", " ").split() for name, _, cells in rows if name.strip()}


def s3_letters(client: S3Client, identity: str, bucket: str, prefix: str, version: str) -> str:
    """Return what a client may do with the objects below a prefix; `version` is one of `seed` there."""
    mine = f"{prefix}of {identity}"
    document = '{"Version": "2012-10-17", "Statement": []}'
    return tried(
        {
            "l": lambda: client.list_objects_v2(Bucket=bucket, Prefix=prefix),
            "r": lambda: client.get_object(Bucket=bucket, Key=f"{prefix}seed"),
            "w": lambda: client.put_object(Bucket=bucket, Key=mine, Body=b"2"),
            "d": lambda: client.delete_object(Bucket=bucket, Key=mine),
            "v": lambda: client.delete_object(Bucket=bucket, Key=f"{prefix}seed", VersionId=version),
            "p": lambda: client.put_bucket_policy(Bucket=bucket, Policy=document),
            "b": lambda: client.delete_bucket(Bucket=bucket),
        }
    )


def tried(attempts: Mapping[str, Callable[[], object]]) -> str:
    """Return the letters of what succeeded: `-` for nothing, `!` if the server does not know who asks."""
    letters = ""
    for letter, attempt in attempts.items():
        try:
            attempt()
            letters += letter
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in {"AccessDenied", "InvalidAccessKeyId"}:
                raise
            letters += "" if code == "AccessDenied" else "!"
    return "!" if set(letters) == {"!"} else letters or "-"


@pytest.mark.parametrize("identity", IDENTITIES)
def test_objects_are_reached_by_those_the_table_names(world: World, identity: str) -> None:
    found = []
    for server, bucket, prefix in world.places.values():
        administrator = world.servers[server].s3
        versions = administrator.list_object_versions(Bucket=bucket, Prefix=f"{prefix}seed").get("Versions")
        version = versions[0]["VersionId"] if versions else "null"
        client = world.keys[identity].s3(administrator.meta.endpoint_url)
        found.append(s3_letters(client, identity, bucket, prefix, version))
    assert dict(zip(PLACES, found, strict=True)) == dict(zip(PLACES, table(OBJECTS)[identity], strict=True))


@pytest.mark.parametrize("identity", IDENTITIES)
def test_nobody_makes_s3_buckets_or_rules_over_users(world: World, identity: str) -> None:
    keys = world.keys[identity]
    server = world.servers["prod" if identity.startswith("prod") else "shared"]
    iam = keys.iam(server.iam.meta.endpoint_url)
    [me] = [name for name in server.listing()["user"] if name.startswith(_user(keys))]
    document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    allowed = tried(
        {
            "create a bucket": lambda: keys.s3().create_bucket(Bucket="mine-alone"),
            "create a user": lambda: iam.create_user(UserName="eve"),
            "list users": iam.list_users,
            "make a key": lambda: iam.create_access_key(UserName=me),
            "change one's policy": lambda: iam.put_user_policy(
                UserName=me, PolicyName="store", PolicyDocument=document
            ),
        }
    )
    assert allowed == "-"
    # A listing names what one may use; another environment's names are none of one's business.
    owned = {*keys.description["objects"]["buckets"].values()}
    with suppress(ClientError):
        assert {bucket["Name"] for bucket in keys.s3().list_buckets()["Buckets"]} <= owned


def _user(keys: Keys) -> str:
    owner = keys.description["environment"]
    return f"{'lake--' if owner == 'shared' else ''}{owner}-{keys.description['identity']}-"


# C connect, r read a table, w write to it, u update and d delete what is in it, a alter it, c create another beside it.
# `rw's`: what the writer of the whole environment made in alice's schema. The last two are databases of its own server,
# which every role may enter unless that is taken away.
SCHEMAS = (
    *("dev public", "dev alice", "dev alice rw's", "dev bob", "test public", "fraud public", "prod public"),
    *("own postgres", "own template1"),
)
ROWS = """
            | dev      dev      dev alice dev     | test    | fraud   | prod    | own      own
            | public   alice    rw's      bob     | public  | public  | public  | postgres template1
  dev rw    | Crwudac  Crwudac  Crwudac   Crwudac | -       | -       | !       | -        -
  dev ro    | Cr       Cr       Cr        Cr      | -       | -       | !       | -        -
  dev alice | C        Crwudac  Crwudc    C       | -       | -       | !       | -        -
  dev bob   | C        C        C         Crwudac | -       | -       | !       | -        -
  test rw   | -        -        -         -       | Crwudac | -       | !       | -        -
  test ro   | -        -        -         -       | Cr      | -       | !       | -        -
  fraud rw  | -        -        -         -       | -       | Crwudac | !       | -        -
  fraud ro  | -        -        -         -       | -       | Cr      | !       | -        -
  prod rw   | !        !        !         !       | !       | !       | Crwudac | -        -
  prod ro   | !        !        !         !       | !       | !       | Cr      | -        -
"""

COMMANDS: Mapping[str, LiteralString] = {
    "r": "SELECT * FROM {schema}.{table}",
    # By its sequence: who may write to a table needs that too.
    "w": "INSERT INTO {schema}.{table} DEFAULT VALUES",
    "u": "UPDATE {schema}.{table} SET value = 2",
    "d": "DELETE FROM {schema}.{table}",
    "a": "ALTER TABLE {schema}.{table} ADD COLUMN more int",
    "c": "CREATE TABLE {schema}.another ()",
}


def sql_letters(keys: Keys, world: World, target: str) -> str:
    """Return what an identity may do in a schema of an environment's database, or in a database of its server."""
    owner, schema, *made = target.split()
    there = {**keys.login, "dbname": schema} if owner == "own" else world.keys[f"{owner} rw"].login
    try:
        connection = keys.connect(**{word: there[word] for word in ("host", "port", "dbname")})
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            return "!"
        if f'permission denied for database "{there["dbname"]}"' not in str(error):
            raise
        return "-"
    with connection:
        words = {"schema": Identifier(schema), "table": Identifier("of_rw" if made else "seed")}
        attempts = {letter: SQL(command).format(**words) for letter, command in COMMANDS.items()}
        return "C" + "".join(letter for letter, command in attempts.items() if permitted(connection, command))


def permitted(connection: psycopg.Connection, command: Composed) -> bool:
    """Try a command, take it back, and tell whether it was permitted."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(command)
    except errors.InsufficientPrivilege:
        return False
    return True


@pytest.mark.parametrize("identity", [name for name in IDENTITIES if name != "lake rw"])
def test_rows_are_reached_by_those_the_table_names(world: World, identity: str) -> None:
    found = [sql_letters(world.keys[identity], world, target) for target in SCHEMAS]
    assert dict(zip(SCHEMAS, found, strict=True)) == dict(zip(SCHEMAS, table(ROWS)[identity], strict=True))


# Nobody may: by each of these somebody could make rights that nobody declared. {own} and {group} are the identity's
# database and group role, {stranger} and {theirs} another environment's group role and database.
REFUSED: tuple[LiteralString, ...] = (
    "CREATE SCHEMA mine",
    "CREATE FOREIGN DATA WRAPPER mine",
    "DROP SCHEMA public CASCADE",
    "ALTER SCHEMA public OWNER TO {group}",
    "ALTER DATABASE {own} OWNER TO {group}",
    "ALTER DATABASE {own} SET search_path = pg_temp",
    "GRANT {group} TO {stranger}",
    "GRANT {stranger} TO {group}",
    "SET ROLE {stranger}",
    "SET ROLE {superuser}",
    "ALTER ROLE {group} SUPERUSER",
    "ALTER ROLE {group} LOGIN",
    "CREATE ROLE eve LOGIN",
    "GRANT CONNECT ON DATABASE {theirs} TO {group}",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/never'",
)


@pytest.mark.parametrize("identity", [name for name in IDENTITIES if name != "lake rw"])
def test_nobody_makes_rights_of_their_own(world: World, identity: str) -> None:
    keys = world.keys[identity]
    owner = identity.partition(" ")[0]
    neighbour = {"dev": "fraud", "test": "dev", "fraud": "test", "prod": "prod"}[owner]
    server = world.servers["prod" if owner == "prod" else "shared"]
    with keys.connect() as connection:
        row = connection.execute("SELECT current_database(), current_user").fetchone()
        assert row
        theirs = world.keys[f"{neighbour} rw"].login["dbname"]
        words = {
            **{"own": row[0], "group": row[1], "theirs": theirs},
            **{"stranger": f"{theirs}_owner", "superuser": server.service["user"]},
        }
        called = {word: Identifier(name) for word, name in words.items()}
        # Production has no neighbour on its server.
        tries = [text for text in REFUSED if owner != "prod" or "{theirs}" not in text]
        assert [text for text in tries if permitted(connection, SQL(text).format(**called))] == []
        # Of databases PostgreSQL decides outside of transactions.
        for text in ("CREATE DATABASE mine", "DROP DATABASE {theirs}"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(SQL(text).format(**called))
        # No error but a warning, where one has the right and not that to pass it on.
        with suppress(errors.InsufficientPrivilege):
            connection.execute(SQL("GRANT CONNECT ON DATABASE {own} TO {stranger}").format(**called))
    if owner != "prod":
        assert server.sql(f"SELECT has_database_privilege('{words['stranger']}', '{row[0]}', 'CONNECT')") == [(False,)]


# Who reads which keys, by the kind of group that the stack file names them in; each by a real request. A member of dev
# sees every Secret there, as they see what runs with it (tiers.md).
SECRETS = """
                          | churn-dev                 | churn-test | churn-prod | lake
                          | rw ro bucket-alice bucket-bob | rw ro  | rw ro      | rw
  ana churn-team          | 1  1  1            1          | 0  1   | 0  0       | 0
  sue security            | 0  1  0            0          | 0  1   | 0  1       | 0
  bot churn-ci            | 1  1  0            0          | 1  1   | 0  0       | 0
  lea churn-leads         | 0  0  0            0          | 0  0   | 0  0       | 0
  alice@example.org guests| 0  0  1            0          | 0  0   | 0  0       | 0
  bob@example.org guests  | 0  0  0            1          | 0  0   | 0  0       | 0
  tom fraud-team          | 0  0  0            0          | 0  0   | 0  0       | 0
  eva stewards            | 0  0  0            0          | 0  0   | 0  0       | 1
  oscar nobody            | 0  0  0            0          | 0  0   | 0  0       | 0
"""
ASKED = (
    *(("churn-dev", name) for name in ("rw", "ro", "bucket-alice", "bucket-bob")),
    *((namespace, name) for namespace in ("churn-test", "churn-prod") for name in ("rw", "ro")),
    ("lake--shared", "rw"),
)


@pytest.mark.parametrize("person", [name for name in table(SECRETS) if name])
def test_keys_are_read_by_those_the_table_names(world: World, person: str) -> None:
    user, group = person.split()
    found = []
    for namespace, identity in ASKED:
        somebody = Person(world.platform(namespace), user, [group])
        try:
            Keys.of(somebody, namespace, f"store-{identity}-1")
            found.append("1")
        except ApiException as error:
            if error.status != 403:
                raise
            found.append("0")
    assert found == table(SECRETS)[person]
