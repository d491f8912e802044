"""The environments of the matrix: who has which identity's keys, and what lies in each place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rehearsal.platform import Platform
from tests.support.api import Person
from tests.support.checkout import Checkout
from tests.support.declared import environment, with_store
from tests.support.stores import Keys, Servers

TEAM = {"alice": {"users": ["alice@example.org"]}, "bob": {"users": ["bob@example.org"]}}
# Whose keys each identity's are: (namespace, Secret, user, group). Nobody may read those of production's writer: pods
# get them by mounting, and the tests as the cluster's administrator.
IDENTITIES: Mapping[str, tuple[str, str, str | None, str]] = {
    "dev rw": ("churn-dev", "rw", "ana", "churn-team"),
    "dev ro": ("churn-dev", "ro", "sue", "security"),
    "dev alice": ("churn-dev", "bucket-alice", "alice@example.org", "guests"),
    "dev bob": ("churn-dev", "bucket-bob", "bob@example.org", "guests"),
    "test rw": ("churn-test", "rw", "bot", "churn-ci"),
    "test ro": ("churn-test", "ro", "ana", "churn-team"),
    "fraud rw": ("fraud-dev", "rw", "tom", "fraud-team"),
    "fraud ro": ("fraud-dev", "ro", "sue", "security"),
    "lake rw": ("lake--shared", "rw", "eva", "stewards"),
    "prod rw": ("churn-prod", "rw", None, ""),
    "prod ro": ("churn-prod", "ro", "sue", "security"),
}

PLACES = (
    *("dev results", "dev alice", "dev bob", "dev backups"),
    *("test results", "test backups", "fraud results", "lake datasets", "prod results", "prod backups"),
)


class World:
    """Three slices of two projects and a lake on a shared platform; production on servers of its own."""

    def __init__(self, checkout: Checkout, shared: Platform, production: Platform) -> None:
        self.checkout, self.shared, self.production = checkout, shared, production
        self.servers = {"shared": Servers(shared), "prod": Servers(production)}
        own, tiers = with_store(shared), ["experimentation", "testing"]
        checkout.declare(
            "platform",
            "platform",
            name="shared",
            tiers=tiers,
            cloud={"kubernetes": {"context": shared.context}},
        )
        lake = {"kubernetes": with_store(shared, database=False)}
        checkout.declare("lake", "lake", name="shared", tiers=tiers, cloud=lake, store={"writers": ["stewards"]})
        self._declare("dev", "churn", "experimentation", own, buckets=TEAM)
        self._declare("test", "churn", "testing", own)
        self._declare("fraud-dev", "fraud", "experimentation", own, store={"lake": "shared"})
        self._declare("prod", "churn", "production", with_store(production, shared=None))

    def _declare(self, stack: str, project: str, tier: str, cloud: dict[str, Any], **more: object) -> None:
        folder = "environments/fraud" if project == "fraud" else "."
        settings = environment(project, stack.rpartition("-")[2], tier, cloud, **more)
        self.checkout.declare(stack, "environment", folder=folder, **settings)

    def platform(self, namespace: str) -> Platform:
        return self.production if namespace.endswith("-prod") else self.shared

    def read(self) -> None:
        """Read every identity's keys, and leave something in each place by the hand of whoever writes there."""
        self.keys = {name: self._keys(*where) for name, where in IDENTITIES.items()}
        for writer, kind in (("dev rw", "results"), ("test rw", "results"), ("fraud rw", "results")):
            self._leave(writer, kind, "")
        self._leave("lake rw", "datasets", "")
        self._leave("prod rw", "results", "")
        for bucket in TEAM:
            self._leave(f"dev {bucket}", "results", f"buckets/{bucket}/")
        for name in ("dev rw", "dev alice", "dev bob", "test rw", "fraud rw", "prod rw"):
            with self.keys[name].connect() as connection:
                connection.execute("CREATE TABLE seed (value serial)")
        with self.keys["dev rw"].connect() as connection:
            connection.execute("CREATE TABLE alice.of_rw (value serial)")
        self.places = {place: self._place(place) for place in PLACES}

    def _keys(self, namespace: str, identity: str, user: str | None, group: str) -> Keys:
        return Keys.of(Person(self.platform(namespace), user, [group]), namespace, f"store-{identity}-1")

    def _leave(self, writer: str, kind: str, prefix: str) -> None:
        keys = self.keys[writer]
        for name in ("seed", *(f"of {each}" for each in IDENTITIES)):
            keys.s3().put_object(Bucket=keys.bucket(kind), Key=f"{prefix}{name}", Body=b"1")

    def _place(self, place: str) -> tuple[str, str, str]:
        """Return server, S3 bucket and prefix of a place."""
        owner, _, what = place.partition(" ")
        server = "prod" if owner == "prod" else "shared"
        keys = self.keys[f"{owner} rw"]
        if what in TEAM:
            return server, keys.bucket("results"), f"buckets/{what}/"
        if what != "backups":
            return server, keys.bucket(what), ""
        stem = keys.bucket("results").replace("-results-", "-backups-")
        assert stem in self.servers[server].listing()["bucket"]
        return server, stem, ""


@contextmanager
def brought_up(home: Path, folder: Path) -> Iterator[World]:
    """Give the world, on platforms of its own: resetting them is quicker than six destroys, which are proved elsewhere.

    Args:
        home: A folder for platforms.
        folder: An empty folder for the checkout.
    """
    shared, production = (Platform(name, home, nodes=1) for name in ("matrix", "matrix-production"))
    try:
        for platform in (shared, production):
            platform.start()
        platforms = {"experimentation": shared, "testing": shared, "production": production}
        world = World(Checkout(folder, platforms), shared, production)
        for stack in ("platform", "lake", "dev", "test"):
            world.checkout.bring_up(stack)
        world.checkout.terrarium("up", "fraud-dev")
        world.checkout.bring_up("prod", "production")
        world.read()
        yield world
    finally:
        for platform in (shared, production):
            platform.reset()
