"""A store's life on real servers: keys are rotated, what is protected stays, who goes takes nobody's data along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from kubernetes.client.exceptions import ApiException

from rehearsal.platform import Platform
from tests.support.api import Person
from tests.support.checkout import Checkout
from tests.support.declared import environment, with_store
from tests.support.stores import Keys, Servers

TEAM = {"alice": {"users": ["alice@example.org"]}}


class World:
    """Two neighbours that share servers and a lake, and production on servers of its own."""

    def __init__(self, checkout: Checkout, shared: Platform, production: Platform) -> None:
        self.checkout, self.shared, self.production = checkout, shared, production
        self.servers, self.production_servers = Servers(shared), Servers(production)
        self.before = self.servers.listing()
        self.production_before = self.production_servers.listing()
        tiers = ["experimentation", "testing"]
        cluster = {"kubernetes": {"context": shared.context}}
        lake = {"kubernetes": with_store(shared, database=False)}
        checkout.declare("platform", "platform", name="shared", tiers=tiers, cloud=cluster)
        checkout.declare("lake", "lake", name="shared", tiers=tiers, cloud=lake)
        self.declare("test", "testing", with_store(shared))
        self.declare_dev([1])
        self.declare_prod()

    def declare(self, stack: str, tier: str, cloud: dict[str, Any], **more: object) -> None:
        self.checkout.declare(stack, "environment", **environment("moves", stack, tier, cloud, **more))

    def declare_dev(self, generations: list[int]) -> None:
        store = {"lake": "shared", "generations": generations}
        self.declare("dev", "experimentation", with_store(self.shared), store=store, buckets=TEAM)

    def declare_prod(self, **store: object) -> None:
        cloud = with_store(self.production, shared=None)
        self.declare("prod", "production", cloud, **({"store": store} if store else {}))

    def keys(self, namespace: str, generation: int = 1, identity: str = "rw") -> Keys:
        """Return an identity's keys, read by the administrator of its cluster."""
        platform = self.production if namespace == "moves-prod" else self.shared
        return Keys.of(Person(platform), namespace, f"store-{identity}-{generation}")


@pytest.fixture(scope="module")
def world(
    new_checkout: Callable[[], Checkout], embedded_platform: Platform, production_platform: Platform
) -> Iterator[World]:
    world = World(new_checkout(), embedded_platform, production_platform)
    for stack in ("platform", "lake", "test"):
        world.checkout.bring_up(stack)
    yield world
    for stack, name in (("test", "moves-test"), ("lake", "shared"), ("platform", "shared")):
        if stack == "lake":
            world.servers.empty(world.keys("lake--shared").bucket("datasets"))
        world.checkout.terrarium("destroy", stack, "--yes", "--confirm", name)
    assert world.servers.listing() == world.before
    assert Person(embedded_platform).owned("app.kubernetes.io/managed-by", "terrarium") == set()


def fill(keys: Keys) -> None:
    """Leave an object in two versions, and a table."""
    for body in (b"first", b"second"):
        keys.s3().put_object(Bucket=keys.bucket("results"), Key="report", Body=body)
    with keys.connect() as connection:
        connection.execute("CREATE TABLE run (value int)")
        connection.execute("INSERT INTO run SELECT generate_series(1, 100)")


@pytest.fixture(scope="module")
def neighbours(world: World) -> Callable[[], object]:
    """Fill the lake and the neighbour; give a function that says what they hold, to every version and row."""
    lake, other = world.keys("lake--shared"), world.keys("moves-test")
    lake.s3().put_object(Bucket=lake.bucket("datasets"), Key="rain.csv", Body=b"day,mm\n1,3\n")
    fill(other)
    database = other.login["dbname"]

    def held() -> object:
        rows = world.servers.sql("SELECT md5(string_agg(value::text, ',' ORDER BY value)) FROM run", database)
        return [
            world.servers.objects(keys.bucket(kind)) for keys, kind in ((lake, "datasets"), (other, "results"))
        ], rows

    return held


@pytest.fixture(scope="module")
def dev(world: World, neighbours: Callable[[], object]) -> dict[str, set[str]]:
    """Bring dev up, beside neighbours that hold something; give what the servers listed before."""
    assert neighbours()
    before = world.servers.listing()
    world.checkout.terrarium("up", "dev")
    fill(world.keys("moves-dev"))
    return before


def test_keys_are_rotated_without_a_gap(world: World, dev: dict[str, set[str]]) -> None:
    old = {name: world.keys("moves-dev", 1, name) for name in ("rw", "ro", "bucket-alice")}
    with old["bucket-alice"].connect() as connection:
        connection.execute("CREATE TABLE hers (value int)")
    world.declare_dev([1, 2])
    world.checkout.terrarium("up", "dev")
    new = {name: world.keys("moves-dev", 2, name) for name in old}
    for keys in (old["rw"], new["rw"]):
        assert keys.s3().get_object(Bucket=keys.bucket("results"), Key="report")["Body"].read() == b"second"
        with keys.connect() as connection:
            connection.execute("INSERT INTO run VALUES (0)")
    with old["rw"].connect() as connection:
        # What a login made as itself must not keep it: nobody could end a key that was stolen.
        for statement in ("SET ROLE NONE", "CREATE TABLE public.stray ()", "SELECT lo_from_bytea(0, 'x')"):
            connection.execute(statement.encode())
    world.declare_dev([2])
    world.checkout.terrarium("up", "dev")

    for name, keys in old.items():
        with pytest.raises(ClientError) as refused:
            keys.s3().list_objects_v2(Bucket=keys.bucket("results"))
        assert refused.value.response["Error"]["Code"] == "InvalidAccessKeyId"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            keys.connect()
        with pytest.raises(ApiException) as gone:
            world.keys("moves-dev", 1, name)
        assert gone.value.status == 404
    # What the old generation made belongs to the group, and the new one may do all with it.
    for name, table in (("rw", "run"), ("bucket-alice", "hers")):
        with new[name].connect() as connection:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN note text".encode())
    with new["ro"].connect() as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (102,)
        connection.execute("SELECT * FROM alice.hers")
    assert world.checkout.answer("preview", "dev", "--expect-no-changes")["changes"] == {}


def test_destroying_dev_says_what_goes_and_takes_nothing_else_along(
    world: World, dev: dict[str, set[str]], neighbours: Callable[[], object]
) -> None:
    held = neighbours()
    said = world.checkout.answer("destroy", "dev", code=3)["error"]
    assert "1 object in results" in said
    assert "3 tables" in said
    there = world.servers.listing()
    assert there["database"] > dev["database"]
    world.checkout.terrarium("destroy", "dev", "--yes")
    assert world.servers.listing() == dev
    assert neighbours() == held


def protected(checkout: Checkout, stack: str) -> set[str]:
    resources = checkout.state(stack)["resources"]
    return {each["urn"].rsplit("::", 1)[-1] for each in resources if each.get("protect")}


def test_a_store_is_given_up_by_named_overrides_that_have_not_ended(world: World) -> None:
    checkout, today = world.checkout, datetime.now(UTC).date()

    def waive(names: Iterable[str], until: date) -> None:
        common = {"rule": "destructive-change", "stack": "test", "why": "Moved", "who": "security@example.org"}
        checkout.waive(*({**common, "resource": name, "until": until.isoformat()} for name in names))

    held = protected(checkout, "test")
    store = {name for name in held if name.startswith("moves-test-store")}
    assert len(store) >= 6
    world.declare("test", "testing", {"context": world.shared.context, "platform": "shared"})
    for names, until in ((store, today - timedelta(days=1)), ({"moves-test-store-results"}, today)):
        waive(names, until)
        said = checkout.answer("up", "test", code=3)
        assert "would be lost" in said["error"]
        assert "waiver of destructive-change" in said["error"]
        assert protected(checkout, "test") == held
    waive(store, today)
    assert f"Allowed until {today} by security@example.org: Moved" in checkout.terrarium("up", "test")
    assert protected(checkout, "test") == held - store
    assert not world.servers.listing()["database"] - world.before["database"]


def test_production_can_not_give_up_what_keeps_its_data(world: World) -> None:
    world.declare_prod(versioned=False, protected=False)
    try:
        said = world.checkout.terrarium("check", "prod", code=2)
        world.checkout.terrarium("up", "prod", code=2)
    finally:
        world.declare_prod()
    assert "store.versioned" in said
    assert "store.protected" in said
    assert said.count("tier production takes true") == 2


def test_production_with_data_is_not_destroyed_and_without_it_is(world: World) -> None:
    servers, confirm = world.production_servers, ("--yes", "--confirm", "moves-prod")
    world.checkout.terrarium("up", "prod")
    keys = world.keys("moves-prod")
    fill(keys)
    before = world.checkout.state("prod", "production"), servers.listing(), servers.objects(keys.bucket("results"))
    said = world.checkout.answer("destroy", "prod", *confirm, code=3)
    assert said["held"] == ["1 object in results", "1 table"]
    by_hand = world.checkout.pulumi("destroy", "--yes", "--stack", "prod", tier="production", fails=True)
    assert "protect" in by_hand
    after = world.checkout.state("prod", "production"), servers.listing(), servers.objects(keys.bucket("results"))
    assert after == before

    # A deleted object can be brought back, so it still is one.
    keys.s3().delete_object(Bucket=keys.bucket("results"), Key="report")
    with keys.connect() as connection:
        connection.execute("DROP TABLE run")
    assert world.checkout.answer("destroy", "prod", *confirm, code=3)["held"] == ["1 object in results"]
    for key, version in servers.objects(keys.bucket("results")):
        servers.s3.delete_object(Bucket=keys.bucket("results"), Key=key, VersionId=version)
    held = ["1 mark of deleted objects in results"]
    assert world.checkout.answer("destroy", "prod", *confirm, code=3)["held"] == held
    servers.empty(keys.bucket("results"))
    world.checkout.terrarium("destroy", "prod", *confirm)
    assert servers.listing() == world.production_before
    assert Person(world.production).owned("app.kubernetes.io/managed-by", "terrarium") == set()
