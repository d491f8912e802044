"""The data store of a platform: what it remembers, whatever happens to it, and who does not see its keys."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform, keys, postgresql
from rehearsal.platform.layout import Layout
from tests.platform.conftest import Listener
from tests.platform.store import iam, remember, remembered, s3, sql
from tests.support.waiting import PATIENCE, until

PARTS = ("versitygw-iam", "versitygw", "postgresql")


@pytest.fixture(autouse=True)
def _own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    # Those of the shell may lead to real clouds.
    for name in list(os.environ):
        if name.startswith(("AWS_", "PG")):
            monkeypatch.delenv(name)


def pid(platform: Platform, part: str) -> int:
    found = next(each.pid for each in platform.status().parts if each.name == part)
    assert found
    return found


def kill(number: int) -> None:
    os.kill(number, signal.SIGKILL)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(number).wait(PATIENCE)


def test_the_store_is_that_of_the_connection_files(faulty: Platform) -> None:
    remember(faulty, "first")
    remember(faulty, "second")
    assert remembered(faulty) == {"second"}
    versions = s3(faulty).list_object_versions(Bucket="kept", Prefix="value")["Versions"]
    assert len(versions) >= 2
    assert sql(faulty, "SHOW server_version_num").startswith(postgresql.version()[1:].split(".")[0])
    assert sql(faulty, "SHOW server_encoding", "SHOW wal_level") == "UTF8\nreplica"
    for path in faulty.connections.variables().values():
        assert Path(path).stat().st_mode & 0o777 == 0o600
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_forgets_nothing(faulty: Platform, part: str) -> None:
    remember(faulty, f"before-{part}")
    kill(pid(faulty, part))
    assert not faulty.status().ready
    assert faulty.start().ready
    assert remembered(faulty) == {f"before-{part}"}
    remember(faulty, f"after-{part}")
    assert remembered(faulty) == {f"after-{part}"}


def open_to_all(platform: Platform) -> str:
    """Return the databases that every role may connect to."""
    return sql(
        platform,
        "SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege('public', oid, 'CONNECT')",
    )


def test_all_is_kept_over_stop_and_start_and_forgotten_by_reset(faulty: Platform) -> None:
    remember(faulty, "stopped")
    # As earlier versions left it.
    sql(faulty, "GRANT CONNECT ON DATABASE postgres, template1 TO PUBLIC")
    faulty.stop()
    faulty.start()
    assert remembered(faulty) == {"stopped"}
    assert open_to_all(faulty) == ""
    faulty.reset()
    faulty.start()
    assert open_to_all(faulty) == ""
    assert s3(faulty).list_buckets()["Buckets"] == []
    assert iam(faulty).list_users()["Users"] == []
    assert sql(faulty, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") == "0"


def test_stop_does_not_wait_for_clients(faulty: Platform) -> None:
    variables = {"PGSERVICEFILE": str(faulty.connections.pg_service), "PGSERVICE": faulty.context}
    psql = postgresql.programs() / "psql"
    with subprocess.Popen(
        [psql, "-Xq"], env=os.environ | variables, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as client:
        until(lambda: sql(faulty, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql'") == "2")
        faulty.stop()
        assert "received fast shutdown request" in (faulty.folder / "logs" / "postgresql.log").read_text()
        log = (faulty.folder / "logs" / "postgresql.log").read_text().splitlines()
        assert "database system is shut down" in log[-1]
        client.kill()


def test_a_server_whose_children_outlive_it_starts_again(faulty: Platform) -> None:
    remember(faulty, "busy")
    variables = {"PGSERVICEFILE": str(faulty.connections.pg_service), "PGSERVICE": faulty.context}
    # It looks at nothing but its numbers, and would go on for an hour.
    busy = "DO $$ BEGIN FOR i IN 1..2000000000 LOOP END LOOP; END $$"
    with subprocess.Popen(
        [postgresql.programs() / "psql", "-Xqc", busy], env=os.environ | variables, stderr=subprocess.DEVNULL
    ) as client:
        until(lambda: sql(faulty, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'") == "1")
        kill(pid(faulty, "postgresql"))
        assert faulty.start().ready
        assert client.wait(PATIENCE) != 0
    assert remembered(faulty) == {"busy"}


def test_a_lock_file_that_names_a_stranger_is_no_obstacle(faulty: Platform) -> None:
    remember(faulty, "stranger")
    kill(pid(faulty, "postgresql"))
    lock = faulty.folder / "postgresql" / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            lock.write_text("\n".join([str(stranger.pid), *lock.read_text().split("\n")[1:]]))
            assert faulty.start().ready
            assert stranger.poll() is None
        finally:
            stranger.kill()
    assert remembered(faulty) == {"stranger"}


def test_nobody_sees_the_keys(faulty: Platform) -> None:
    remember(faulty, "secret")
    kill(pid(faulty, "postgresql"))
    faulty.start()
    found = keys.read(Layout(faulty.folder))
    # Without `keys` in the text of an error, either.
    assert found.password not in repr(found)
    secrets = (found.secret_key, found.password)
    with pytest.raises(AssertionError, match='role "nobody" does not exist'):
        sql(faulty, f"ALTER ROLE nobody PASSWORD '{found.password}'")
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            assert not any(secret in word for word in process.cmdline() for secret in secrets)
    holding = {
        path.relative_to(faulty.folder).as_posix()
        for path in faulty.folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    }
    assert holding == {"config/store-keys.json", "connections/aws-credentials", "connections/pg-service.conf"}


@pytest.mark.parametrize("damage", ["", "{", '{"access_key": "x"}'])
def test_lost_keys_are_made_anew_and_nothing_else_is_lost(faulty: Platform, damage: str) -> None:
    remember(faulty, "keys")
    file = Layout(faulty.folder).keys
    before = file.read_text()
    file.write_text(damage)
    assert faulty.start().ready
    assert file.read_text() != before
    assert remembered(faulty) == {"keys"}


def test_a_port_that_moved_is_in_the_connections(faulty: Platform, listener: Listener) -> None:
    remember(faulty, "moved")
    ports = json.loads((faulty.folder / "ports.json").read_text())
    faulty.stop()
    with socket.socket() as one, socket.socket() as other, socket.socket() as third:
        for stranger, part in zip((one, other, third), PARTS, strict=True):
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(("127.0.0.1", ports[part]))
            stranger.listen()
        assert faulty.start(listener).ready
        assert len(listener.notes) == len(PARTS)
        assert remembered(faulty) == {"moved"}


def test_one_platforms_keys_open_no_other(faulty: Platform, platform_home: Path) -> None:
    other = Platform("next-door", platform_home, nodes=0)
    try:
        other.start()
        remember(faulty, "here")
        remember(other, "there")
        assert (remembered(faulty), remembered(other)) == ({"here"}, {"there"})
        theirs = other.connections.aws_credentials
        theirs.write_text(faulty.connections.aws_credentials.read_text().replace(faulty.context, other.context))
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            s3(other).list_buckets()
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            iam(other).list_users()
        service = other.connections.pg_service
        wrong = keys.read(Layout(faulty.folder)).password
        service.write_text(service.read_text().replace(keys.read(Layout(other.folder)).password, wrong))
        with pytest.raises(AssertionError, match="password authentication failed"):
            sql(other, "SELECT 1")
    finally:
        other.reset()


def test_root_without_setpriv_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(RehearsalError, match=r"refuses to run as root.*Install util-linux"):
        postgresql.through()
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert postgresql.through() == ()
    assert postgresql.owner() == 1000


def test_a_setup_that_fails_leaves_nothing_half_made(
    platform_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir(mode=0o755)
    for program in postgresql.programs().iterdir():
        (programs / program.name).symlink_to(program)
    (programs / "initdb").unlink()
    (programs / "initdb").write_text("#!/bin/sh\ntouch \"${1#--pgdata=}/half\"\necho 'no luck today' >&2\nexit 1\n")
    (programs / "initdb").chmod(0o755)
    platform = Platform("half-made", platform_home, nodes=0)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(postgresql, "programs", lambda: programs)
            with pytest.raises(RehearsalError, match=r"initdb failed\..*\nno luck today"):
                platform.start()
        assert not any(part.running for part in platform.status().parts)
        assert not list(platform.folder.glob("*postgresql.*"))
        assert platform.start().ready
    finally:
        platform.reset()
