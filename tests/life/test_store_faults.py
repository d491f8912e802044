"""Bad input and bad luck at the store, on the real parts: a clear error, nothing lost, and a second call finishes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.platform import Platform
from tests.client.flaky import flaky
from tests.support.api import Person
from tests.support.checkout import ROOT, Checkout
from tests.support.declared import environment, with_store
from tests.support.stores import Keys, Servers

SEED = 20_261_121


@pytest.fixture(scope="module")
def platform(platform_home: Path) -> Iterator[Platform]:
    """A platform of these tests' own, to be broken."""
    platform = Platform("bad", platform_home, nodes=1)
    platform.start()
    yield platform
    platform.reset()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Checkout:
    return Checkout.with_shared_platform(tmp_path_factory.mktemp("bad"), platform)


def declare(checkout: Checkout, stack: str, cloud: dict[str, Any], project: str = "bad") -> None:
    buckets = {"buckets": {"alice": {"users": ["alice"]}}} if "store" in cloud else {}
    settings = environment(project, stack, "experimentation", cloud, **buckets)
    checkout.declare(stack, "environment", **settings)


def at(platform: Platform, **endpoints: str) -> dict[str, Any]:
    """Return the cloud with its store at other endpoints."""
    cloud = with_store(platform)
    cloud["store"]["objects"] |= endpoints
    return cloud


def finished(checkout: Checkout, platform: Platform, stack: str) -> None:
    """Prove that what is there is what is declared, that it works, and that there is no key beside those declared."""
    assert checkout.answer("preview", stack, "--expect-no-changes")["changes"] == {}
    keys = Keys.of(Person(platform), f"bad-{stack}", "store-rw-1")
    keys.s3().put_object(Bucket=keys.bucket("results"), Key="works", Body=b"1")
    with keys.connect() as connection:
        connection.execute("CREATE TABLE works ()")
    resources = checkout.state(stack)["resources"]
    known = {each["id"] for each in resources if each["type"] == "aws:iam/accessKey:AccessKey"}
    servers = Servers(platform)
    users = {name for name in servers.listing()["user"] if name.startswith(f"bad-{stack}-")}
    assert set().union(*(servers.keys(user) for user in users)) == known


def test_what_has_our_names_and_is_not_ours_is_left_alone(checkout: Checkout, platform: Platform) -> None:
    declare(checkout, "taken", {"context": platform.context, "platform": "shared"})
    checkout.bring_up("taken")
    uid = checkout.answer("status", "taken")["stacks"][0]["outputs"]["uid"]
    servers = Servers(platform)
    bucket, database = f"bad-taken-results-{uid}", f"bad_taken_{uid}"
    servers.s3.create_bucket(Bucket=bucket)
    servers.s3.put_object(Bucket=bucket, Key="theirs", Body=b"1")
    servers.sql(f"CREATE DATABASE {database}")
    servers.sql("CREATE TABLE theirs ()", database)

    declare(checkout, "taken", with_store(platform))
    said = [checkout.answer("up", "taken", code=1)["error"]]
    assert servers.objects(bucket)
    servers.empty(bucket)
    servers.s3.delete_bucket(Bucket=bucket)
    said.append(checkout.answer("up", "taken", code=1)["error"])
    assert servers.sql("SELECT * FROM theirs", database) == []
    servers.sql(f"DROP DATABASE {database}")
    checkout.terrarium("up", "taken")

    assert bucket in said[0]
    assert database in said[1]
    assert all("not this stack's" in each and "pulumi import" in each for each in said)
    finished(checkout, platform, "taken")


@pytest.mark.parametrize(("project", "service"), [("xn--a", "S3 bucket"), ("pg", "PostgreSQL")])
def test_a_name_that_a_service_refuses_is_told_by_check(
    checkout: Checkout, platform: Platform, project: str, service: str
) -> None:
    declare(checkout, "named", with_store(platform), project)
    try:
        said = checkout.terrarium("check", "named", code=2)
    finally:
        (checkout.folder / "Pulumi.named.yaml").unlink()
    assert "project" in said
    assert service in said


def test_a_store_that_fails_one_time_in_three_is_built_all_the_same(checkout: Checkout, platform: Platform) -> None:
    servers = Servers(platform)
    with (
        flaky(servers.s3.meta.endpoint_url, SEED) as (s3, failed),
        flaky(servers.iam.meta.endpoint_url, SEED) as (iam, refused),
    ):
        declare(checkout, "flaky", at(platform, endpoint=s3, iam_endpoint=iam))
        checkout.terrarium("up", "flaky")
        assert len(failed) > 5
        assert len(refused) > 5
    # The way is another again, and nothing but the way.
    declare(checkout, "flaky", with_store(platform))
    checkout.terrarium("up", "flaky")
    finished(checkout, platform, "flaky")


def test_a_store_that_does_not_run_is_said_to(checkout: Checkout, platform: Platform) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        cloud = at(platform, endpoint=f"http://127.0.0.1:{port}")
        cloud["store"]["database"]["port"] = port
        declare(checkout, "gone", cloud)
        said = checkout.answer("up", "gone", code=1)["error"]
    assert "gone-store-database-owner" in said
    assert f"http://127.0.0.1:{port}/bad-gone-results" in said
    assert "Is the store running?" in said
    declare(checkout, "gone", with_store(platform))
    checkout.terrarium("up", "gone")
    finished(checkout, platform, "gone")


# Mounted where nobody but the server sees it, so that it goes with it; `base` has the databases' tables, and a database
# is made as a copy of 7 MB, of which 2 are written at once. Not the objects' disk: versitygw v1.8.0 answers 507 to an
# object that does not fit, but 500 to a bucket, which every S3 client takes for passing, and asks again for minutes.
SMALL = """
set -e
cd "$1"
mkdir "$2"
mount -t tmpfs -o mode=0700,size=400m full "$2"
cp -a base/. "$2"
mount --move "$2" base
chown --reference=. base
mount -o remount,size=$(($(du -sk base | cut -f1) + 500))k base
cd /
shift 2
exec "$@"
"""
START = """
import sys
from pathlib import Path
from rehearsal.platform import Platform
Platform(sys.argv[1], Path(sys.argv[2]), nodes=1).start()
"""


@pytest.fixture
def full(platform: Platform, platform_home: Path, tmp_path: Path) -> Iterator[list[str]]:
    """The platform with its database on a full disk; gives the command that makes room."""
    unshare = shutil.which("unshare")
    private = [str(unshare), "--mount"]
    if not unshare or subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here without a right to")
    platform.stop()
    data = str(platform_home / platform.name / "postgresql")
    start = [sys.executable, "-c", START, platform.name, str(platform_home)]
    try:
        command = [*private, "sh", "-c", SMALL, "full", data, str(tmp_path / "new"), *start]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
        [server] = [part.pid for part in platform.status().parts if part.name == "postgresql"]
        yield ["nsenter", f"--mount=/proc/{server}/ns/mnt", "mount", "-o", "remount,size=400m", f"{data}/base"]
    finally:
        platform.stop()


def test_a_full_disk_is_said_to_be_and_with_room_it_goes_on(
    checkout: Checkout, platform: Platform, full: list[str]
) -> None:
    declare(checkout, "full", with_store(platform))
    said = checkout.answer("up", "full", code=1)["error"]
    assert "The store's disk is full" in said
    subprocess.run(full, check=True)
    checkout.terrarium("up", "full")
    finished(checkout, platform, "full")
