from __future__ import annotations

import configparser
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from rehearsal.plugins.postgresql import KINDS, Provider, Server
from rehearsal.plugins.resource import InputError, ProviderError, Step
from rehearsal.plugins.serving import EngineLog

from .project import Project

PROGRAM = """
import pulumi, pulumi_postgresql as pg
server = dict(host="{host}", port={port}, username="{user}", password="{password}", sslmode="disable", superuser=True)
provider = pg.Provider("p", **server)
to = pulumi.ResourceOptions(provider=provider)
owner = pg.Role("owner", name="plugin_owner", opts=to)
alice = pg.Role("alice", name="plugin_alice", opts=to)
ro = pg.Role("ro", name="plugin_ro", opts=to)
rw = pg.Role("rw", name="plugin-rw", roles=[alice.name, ro.name], opts=to)
database = pg.Database("database", name="plugin_db", owner=owner.name, template="template0", encoding="UTF8",
    lc_collate="C", lc_ctype="C", opts=to)
closed = pg.Grant("closed", database=database.name, role="public", object_type="database", privileges=[], opts=to)
connect = pg.Grant("connect", database=database.name, role=rw.name, object_type="database",
    privileges=["TEMPORARY", "CONNECT"], opts=to)
inside = pg.Provider("inside", **server, database=database.name)
login = pg.Role("login", name="plugin_login", login=True, password=pulumi.Output.secret("{word}"), roles=[rw.name],
    assume_role=rw.name, search_paths=[{paths}], opts=pulumi.ResourceOptions(provider=inside))
public = pg.Grant("public", database=database.name, role="public", schema="public", object_type="schema",
    privileges=[], opts=to)
schema = pg.Schema("schema", name="alice", database=database.name, owner=alice.name, drop_cascade=True, opts=to)
usage = pg.Grant("usage", database=database.name, role=ro.name, schema=schema.name, object_type="schema",
    privileges=["USAGE"], opts=to)
later = pg.DefaultPrivileges("later", database=database.name, role=ro.name, owner=alice.name, schema=schema.name,
    object_type="table", privileges=["SELECT"], opts=to)
shared = [pg.DefaultPrivileges(kind + "s", database=database.name, role=alice.name, owner=rw.name, schema=schema.name,
    object_type=kind, privileges=words, opts=to) for kind, words in (
        ("table", ["SELECT", "INSERT", "UPDATE", "DELETE"]), ("sequence", ["SELECT", "UPDATE", "USAGE"]))]
"""
BY_HAND = (
    "GRANT CONNECT ON DATABASE plugin_db TO PUBLIC",
    "ALTER ROLE plugin_login NOLOGIN",
    "ALTER ROLE plugin_login RESET role",
    'ALTER ROLE plugin_login SET search_path TO public, alice, "with space"',
    "ALTER DATABASE plugin_db OWNER TO plugin_alice",
    "ALTER SCHEMA alice OWNER TO plugin_ro",
    "REVOKE USAGE ON SCHEMA alice FROM plugin_ro",
    "ALTER DEFAULT PRIVILEGES FOR ROLE plugin_alice IN SCHEMA alice REVOKE SELECT ON TABLES FROM plugin_ro",
    'REVOKE plugin_ro FROM "plugin-rw"',
    "GRANT plugin_owner TO plugin_login",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
    'ALTER DEFAULT PRIVILEGES FOR ROLE "plugin-rw" IN SCHEMA alice REVOKE DELETE ON TABLES FROM plugin_alice',
    "CREATE TABLE public.stray ()",
    "ALTER TABLE public.stray OWNER TO plugin_login",
)


@pytest.fixture
def server(store: tuple[dict[str, str], str]) -> dict[str, str]:
    """The administrator's connection."""
    services = configparser.ConfigParser(interpolation=None)
    services.read_string(Path(store[0]["PGSERVICEFILE"]).read_text())
    return dict(services[store[1]])


@pytest.fixture
def values(server: dict[str, str]) -> dict[str, Any]:
    return {**server, "word": "it's a word", "paths": '"alice", "public"'}


@pytest.fixture
def administrator(server: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(**server, autocommit=True)) as connection:  # type: ignore[arg-type] # libpq's names
        yield connection


def test_a_database_is_made_changed_mended_and_deleted(
    project: Project, server: dict[str, str], values: dict[str, Any], administrator: psycopg.Connection[Any]
) -> None:
    project.write(PROGRAM.format(**values))
    project.pulumi("preview")
    written = project.up()
    for text in (written, project.stored()):
        assert values["word"] not in text
    ids = {name: resource.get("id") for name, resource in project.resources().items()}
    assert ids["usage"] == "plugin_ro_plugin_db_alice_schema"
    assert ids["closed"] == "public_plugin_db_database"
    assert ids["schema"] == "plugin_db.alice"
    assert ids["public"] == "public_plugin_db_public_schema"
    assert ids["later"] == "plugin_ro_plugin_db_alice_plugin_alice_table"
    project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")

    project.write(PROGRAM.format(**values | {"word": "another", "paths": '"alice"'}))
    assert project.steps() == {"login": ("update", {"searchPaths[1]", "password"})}
    project.up()
    mine = {**server, "user": "plugin_login", "password": "another", "dbname": "plugin_db"}
    # A session that stays open must not keep the database from being deleted.
    with closing(psycopg.connect(**mine)) as session:  # type: ignore[arg-type] # libpq's names
        assert session.execute("SELECT current_user, current_schema").fetchone() == ("plugin-rw", "alice")
        # What the login itself owns goes to the administrator before it is dropped; so does the table made by hand.
        session.execute("SET ROLE NONE; SELECT lo_from_bytea(0, 'x')")
        session.commit()

        with closing(psycopg.connect(**{**server, "dbname": "plugin_db"}, autocommit=True)) as hand:  # type: ignore[arg-type] # libpq's names
            for statement in BY_HAND:
                hand.execute(statement.encode())
        project.up("--refresh")
        project.pulumi("preview", "--refresh", "--expect-no-changes")
        database = "SELECT datacl::text, pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'plugin_db'"
        acl, owner = administrator.execute(database).fetchone() or ("", "")
        assert owner == "plugin_owner"
        assert "{=" not in acl
        assert ",=" not in acl
        with closing(psycopg.connect(**{**server, "dbname": "plugin_db"})) as there:  # type: ignore[arg-type] # libpq's names
            acl = there.execute("SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'").fetchone() or ("",)
        assert ",=" not in acl[0]
        project.pulumi("destroy", "--yes", "--skip-preview")
    left = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'plugin%'"
    assert administrator.execute(left).fetchone() == (0,)


def test_a_refused_role_is_told_without_its_password(project: Project, values: dict[str, Any]) -> None:
    role = f'pg.Role("x", name="{values["user"]}", login=True, password=pulumi.Output.secret("a word"), opts=to)\n'
    project.write(PROGRAM.split("owner =", maxsplit=1)[0].format(**values) + role)
    written = project.up(fails=True)
    assert f'creating role {values["user"]}: role "{values["user"]}" already exists' in written
    for part in ("a word", "SCRAM-SHA-256", "Traceback"):
        assert part not in written


def test_what_would_lose_something_is_not_dropped_and_a_key_ends_all_the_same(
    project: Project, values: dict[str, Any], administrator: psycopg.Connection[Any]
) -> None:
    project.write(
        PROGRAM.split("owner =", maxsplit=1)[0].format(**values)
        + f's = pg.Schema("s", name="plugin_kept", database="postgres", owner="{values["user"]}", opts=to)\n'
        + 'inside = pulumi.ResourceOptions(provider=pg.Provider("inside", **server, database="template1"))\n'
        + 'r = pg.Role("r", name="plugin_busy", login=True, password=pulumi.Output.secret("x"), opts=inside)\n'
    )
    project.up()
    administrator.execute("CREATE TABLE plugin_kept.busy (); ALTER TABLE plugin_kept.busy OWNER TO plugin_busy")
    written = project.pulumi("destroy", "--yes", "--skip-preview", "--continue-on-error", fails=True)
    assert "cannot drop schema plugin_kept because other objects depend on it; table plugin_kept.busy" in written
    assert 'role "plugin_busy" cannot be dropped because some objects depend on it; 1 object in database' in written
    login = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'plugin_busy'"
    assert administrator.execute(login).fetchone() == (False,)
    administrator.execute("DROP TABLE plugin_kept.busy")
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert not administrator.execute(login).fetchall()


def test_databases_roles_and_schemas_are_imported(
    project: Project, values: dict[str, Any], server: dict[str, str], administrator: psycopg.Connection[Any]
) -> None:
    administrator.execute("CREATE ROLE plugin_old NOLOGIN")
    administrator.execute("CREATE DATABASE plugin_old OWNER plugin_old TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    start = PROGRAM.split("owner =", maxsplit=1)[0].format(**values)
    how = "opts=pulumi.ResourceOptions(provider=provider, import_="
    project.write(
        start
        + f'r = pg.Role("r", name="plugin_old", {how}"plugin_old"))\n'
        + 'd = pg.Database("d", name="plugin_old", owner=r.name, template="template0", encoding="UTF8", '
        + f'lc_collate="C", lc_ctype="C", {how}"plugin_old"))\n'
        + f's = pg.Schema("s", name="public", database=d.name, owner="pg_database_owner", {how}"plugin_old.public"))\n'
    )
    project.up()
    project.pulumi("preview", "--refresh", "--expect-no-changes")
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert not administrator.execute("SELECT FROM pg_database WHERE datname = 'plugin_old'").fetchall()


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    stopping = Event()
    stopping.set()
    # Port 1 is reserved: nobody listens there.
    server = Server({"host": "127.0.0.1", "port": "1", "password": "hidden"}, stopping)
    with pytest.raises(ProviderError, match=r"^creating role x: connection failed") as refused:
        server.do("creating role x", lambda _: [])
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("token", "inputs", "problems"),
    [
        ("grant:Grant", {"objectType": "view", "privileges": [], "database": "d", "role": "r"}, {"objectType"}),
        (
            "grant:Grant",
            {"objectType": "schema", "privileges": ["SELECT"], "database": "d", "role": "r"},
            {"privileges"},
        ),
        (
            "grant:Grant",
            {"objectType": "database", "privileges": [], "database": "d", "role": "r", "objects": ["x"]},
            {"objects"},
        ),
        ("role:Role", {"name": "r", "validUntil": "soon", "connectionLimit": 1}, {"validUntil", "connectionLimit"}),
        ("schema:Schema", {"name": "s", "database": "d", "owner": "o", "policies": []}, {"policies"}),
        (
            "defaultPrivileges:DefaultPrivileges",
            {"role": "r"},
            {"database", "objectType", "owner", "privileges", "schema"},
        ),
    ],
)
def test_every_input_that_cannot_be_used_is_named(token: str, inputs: dict[str, Any], problems: set[str]) -> None:
    with pytest.raises(InputError) as refused:
        Provider(EngineLog("")).check(Step(f"urn:pulumi:dev::tests::postgresql:index/{token}::b"), {}, inputs, "b-1")
    assert set(refused.value.problems) == problems


def test_every_kind_can_say_what_its_inputs_are() -> None:
    for token, kind in KINDS.items():
        assert {*kind.key, *(kind.fixed or ()), *kind.ordered} <= set(kind.inputs), token


def test_an_unknown_type_is_refused_with_what_exists() -> None:
    with pytest.raises(ProviderError, match=r"no index/grantRole:GrantRole; it has index/database:Database"):
        Provider(EngineLog("")).check(
            Step("urn:pulumi:dev::tests::postgresql:index/grantRole:GrantRole::b"), {}, {}, ""
        )


def test_a_moved_server_replaces_nothing() -> None:
    provider = Provider(EngineLog(""))
    assert provider.place({"port": "1"}) == provider.place({"port": "2"})
