"""Proves: an `up` whose engine is killed at any point is taken to its end by the next `terrarium up`.

Complete: the next preview shows no change. No orphan, no duplicate: the cluster holds what the state holds.
"""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from rehearsal.platform import Platform
from tests.support.api import KINDS, Person
from tests.support.checkout import PATIENCE, Checkout
from tests.support.declared import with_store
from tests.support.stores import Keys, Servers

# Where the engine is killed, one after the other, by the type and logical name of what it makes then; `{}` is the
# environment's id. Each kind that the engine, a plugin or the recovery treats apart is among them: the stack, a
# provider, a component, what has nothing outside the state, what is found by its name, what may be made twice, and a
# key whose secret half is lost.
POINTS = (
    ("Stack::terrarium-{stack}", "RandomId::{}-identity", "Namespace::{}-namespace"),
    ("providers:kubernetes::{}-cluster", "Bucket::{}-store-results", "Secret::{}-store-rw-1"),
    ("index:Environment::{}", "User::{}-store-rw", "AccessKey::{}-store-rw-key-1"),
    (
        *("Role::{}-store-database-owner", "Database::{}-store-database"),
        *("Grant::{}-store-database-public", "Schema::{}-store-database-bucket-alice"),
    ),
)
SEED = 20_261_121


@pytest.fixture(scope="module")
def platform(platform_home: Path) -> Iterator[Platform]:
    """A platform of these tests' own: resetting it is quicker than twelve destroys, which are proved elsewhere."""
    platform = Platform("kill", platform_home, nodes=1)
    platform.start()
    yield platform
    platform.reset()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Checkout:
    return Checkout.with_shared_platform(tmp_path_factory.mktemp("kill"), platform)


def declare(checkout: Checkout, platform: Platform, name: str, *, store: bool = False) -> None:
    checkout.declare(
        name,
        "environment",
        project="kill",
        name=name,
        tier="experimentation",
        cloud={"kubernetes": with_store(platform) if store else {"context": platform.context, "platform": "shared"}},
        people={"members": ["team"], "readers": ["auditors"]},
        **({"buckets": {"alice": {"users": ["alice@example.org"]}}} if store else {}),
    )


def state_file(checkout: Checkout, stack: str) -> Path:
    return checkout.folder / f"state/shared/.pulumi/stacks/terrarium/{stack}.json"


def kill_engine(checkout: Checkout, stack: str, point: str, delay: float) -> None:
    """Kill the engine in mid-`up`: a moment after its state says that it makes, or has made, a resource."""
    path = state_file(checkout, stack)
    with checkout.start("up", stack) as running:
        end, read = time.monotonic() + PATIENCE, None
        while running.poll() is None and time.monotonic() < end:
            # Read only when it was written anew: reading it all a thousand times a second took a third of a core.
            written = path.stat()
            now = (written.st_ino, written.st_mtime_ns, written.st_size)
            if now != read and point in path.read_text():
                break
            read = now
            time.sleep(0.001)
        time.sleep(delay)
        children = psutil.Process(running.pid).children() if running.poll() is None else []
        engines = [each for each in children if each.name() == "pulumi"]
        for engine in engines:
            engine.kill()
        _, said = running.communicate(timeout=PATIENCE)
    assert engines, f"the up had ended before it was killed: {said}"
    assert running.returncode == 1, said
    assert "it goes on where this one ended" in said


def in_state(resources: list[dict[str, Any]]) -> set[str]:
    kinds = {
        f"kubernetes:{version}:{kind}".replace("kubernetes:v1:", "kubernetes:core/v1:"): kind for version, kind in KINDS
    }
    own = [resource for resource in resources if resource["type"] in kinds and not resource.get("external")]
    return {f"{kinds[resource['type']]} {resource['id']}" for resource in own}


STORED = {
    "aws:s3/bucket:Bucket": "bucket",
    "aws:iam/user:User": "user",
    "postgresql:index/database:Database": "database",
    "postgresql:index/role:Role": "role",
}


def stored_in_state(resources: list[dict[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {kind: set() for kind in STORED.values()}
    for resource in resources:
        if kind := STORED.get(resource["type"]):
            found[kind].add(resource["id"])
    return found


def keys_in_state(resources: list[dict[str, Any]]) -> set[str]:
    return {resource["id"] for resource in resources if resource["type"] == "aws:iam/accessKey:AccessKey"}


@pytest.mark.parametrize("number", range(len(POINTS)))
def test_a_killed_up_is_taken_to_its_end(checkout: Checkout, platform: Platform, number: int) -> None:
    stack, servers = f"s{number}", Servers(platform)
    before = servers.listing()
    declare(checkout, platform, stack, store=True)
    checkout.pulumi("stack", "init", stack)
    chance = random.Random(SEED + number)  # noqa: S311 - a seed is the point
    for point in POINTS[number]:
        mark = f'{point.format(f"kill-{stack}", stack=stack)}"'
        # What the engine makes side by side may be there from the time before.
        if mark not in state_file(checkout, stack).read_text():
            kill_engine(checkout, stack, mark, chance.uniform(0, 0.05))

    checkout.terrarium("up", stack)

    state = checkout.state(stack)
    resources = state["resources"]
    assert not state.get("pending_operations")
    checkout.pulumi("preview", "--stack", stack, "--expect-no-changes")
    assert in_state(resources) == Person(platform).owned("terrarium.dev/environment", f"kill-{stack}")
    made = {kind: names - before[kind] for kind, names in servers.listing().items()}
    assert made == stored_in_state(resources)
    # Each key that IAM takes is in the state: what was made and never noted would be valid for ever.
    assert set().union(*(servers.keys(user) for user in made["user"])) == keys_in_state(resources)


def pending(checkout: Checkout, stack: str, logical: str) -> None:
    """Put the state back to where it was while the engine was making a resource that now exists.

    In the file itself: `pulumi stack import` drops what is unconfirmed.
    """
    path = state_file(checkout, stack)
    document = json.loads(path.read_text())
    deployment = document["checkpoint"]["latest"]
    [made] = [r for r in deployment["resources"] if r["urn"].endswith(f"::{logical}")]
    deployment["resources"].remove(made)
    for resource in deployment["resources"]:
        for needed in (
            resource,
            *({"dependencies": urns} for urns in resource.get("propertyDependencies", {}).values()),
        ):
            if made["urn"] in (needed.get("dependencies") or ()):
                needed["dependencies"].remove(made["urn"])
    unconfirmed = {key: value for key, value in made.items() if key not in {"id", "outputs"}}
    deployment["pending_operations"] = [{"resource": unconfirmed, "type": "creating"}]
    path.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def plain(checkout: Checkout, platform: Platform) -> str:
    """The stack of an environment without a store, which is up."""
    declare(checkout, platform, "plain")
    checkout.bring_up("plain")
    return "plain"


def test_what_was_made_but_not_confirmed_is_adopted(checkout: Checkout, platform: Platform, plain: str) -> None:
    before = Person(platform).core.read_namespaced_resource_quota("quota", "kill-plain").metadata.uid
    pending(checkout, plain, "kill-plain-quota")
    assert checkout.answer("up", plain)["changes"] == {}
    assert Person(platform).core.read_namespaced_resource_quota("quota", "kill-plain").metadata.uid == before


def test_a_key_whose_secret_was_lost_is_revoked_and_made_anew(checkout: Checkout, platform: Platform) -> None:
    declare(checkout, platform, "key", store=True)
    checkout.bring_up("key")
    user = iam_user(checkout, "key", "rw")
    [lost] = Servers(platform).keys(user)
    pending(checkout, "key", "kill-key-store-rw-key-1")
    said = checkout.terrarium("up", "key")
    [made] = Servers(platform).keys(user)
    assert made != lost
    assert f"revoked access key {lost}" in said
    keys = Keys.of(Person(platform), "kill-key", "store-rw-1")
    keys.s3().list_objects_v2(Bucket=keys.bucket("results"))


def iam_user(checkout: Checkout, stack: str, identity: str) -> str:
    users = stored_in_state(checkout.state(stack)["resources"])["user"]
    [name] = [name for name in users if name.startswith(f"kill-{stack}-{identity}-")]
    return name


def test_somebody_elses_object_of_the_same_name_is_not_adopted(checkout: Checkout, platform: Platform) -> None:
    declare(checkout, platform, "stranger")
    checkout.bring_up("stranger")
    core = Person(platform).core
    pending(checkout, "stranger", "kill-stranger-quota")
    core.delete_namespaced_resource_quota("quota", "kill-stranger")
    core.create_namespaced_resource_quota(
        "kill-stranger", {"metadata": {"name": "quota"}, "spec": {"hard": {"pods": "1"}}}
    )
    said = checkout.answer("up", "stranger", code=3)
    assert "kill-stranger-quota: an object of its name exists and is somebody else's" in said["error"]
    assert core.read_namespaced_resource_quota("quota", "kill-stranger").spec.hard == {"pods": "1"}


def test_an_interrupted_up_lets_the_engine_end_and_frees_the_stack(checkout: Checkout, platform: Platform) -> None:
    declare(checkout, platform, "interrupted")
    with checkout.start("up", "interrupted", "--json") as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "Namespace" in line:  # the first of many objects is made
                running.terminate()
                break
        out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130, err
    assert "goes on where this one ended" in json.loads(out)["error"]
    assert "Traceback" not in err
    locks = checkout.folder / "state/shared/.pulumi/locks/organization/terrarium/interrupted"
    assert not list(locks.glob("*.json"))
    checkout.terrarium("up", "interrupted")


@pytest.fixture
def locked(checkout: Checkout, plain: str) -> Iterator[Callable[[str, int, datetime], None]]:
    """Give a function that locks the stack `plain` as an engine on a host would."""
    file = checkout.folder / "state/shared/.pulumi/locks/organization/terrarium" / plain / "0b1c2d3e.json"

    def lock(host: str, pid: int, taken: datetime) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"pid": pid, "username": "ana", "hostname": host, "timestamp": taken.isoformat()}
        file.write_text(json.dumps(content))

    yield lock
    file.unlink(missing_ok=True)


def test_a_lock_of_another_host_is_left_and_named(
    checkout: Checkout, locked: Callable[[str, int, datetime], None]
) -> None:
    locked("laptop-of-ana", 1, datetime.now(UTC))
    said = checkout.terrarium("up", "plain", code=3)
    assert "ana@laptop-of-ana (process 1)" in said
    assert "pulumi cancel" in said


def test_a_lock_of_a_living_process_is_left_and_named(
    checkout: Checkout, locked: Callable[[str, int, datetime], None]
) -> None:
    locked(socket.gethostname(), os.getpid(), datetime.now(UTC))
    assert f"(process {os.getpid()})" in checkout.terrarium("up", "plain", code=3)


def test_a_process_that_took_the_number_of_a_dead_one_holds_no_lock(
    checkout: Checkout, locked: Callable[[str, int, datetime], None]
) -> None:
    """This test's own process is younger than the lock, so it can't have taken it."""
    locked(socket.gethostname(), os.getpid(), datetime(2020, 1, 1, tzinfo=UTC))
    said = checkout.terrarium("up", "plain")
    assert "cleared the lock" in said


def test_a_half_written_file_beside_the_state_is_mended(checkout: Checkout) -> None:
    """What v3.250.0 left when it was killed in a folder without `metadata=skip`: every command ended with EOF."""
    left = checkout.folder / "state/shared/.pulumi/stacks/terrarium/platform.json.attrs"
    left.touch()
    checkout.terrarium("preview", "platform", "--expect-no-changes")
    assert not left.exists()
