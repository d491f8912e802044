"""Proves: an `up` whose engine is killed at any point is taken to its end by the next `terrarium up`.

Complete: the next preview shows no change. No orphan, no duplicate: the cluster holds what the state holds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rehearsal.platform import Platform
from tests.support.api import KINDS, Person
from tests.support.checkout import Checkout

SEEDS = range(12)


@pytest.fixture(scope="module")
def platform(platform_home: Path) -> Iterator[Platform]:
    """A platform of these tests' own: resetting it is quicker than twelve destroys, which are proved elsewhere."""
    platform = Platform("kill", platform_home, nodes=1)
    platform.start()
    yield platform
    platform.reset()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("kill"), {"experimentation": platform, "testing": platform})
    cloud = {"kubernetes": {"context": platform.context}}
    checkout.declare("platform", "platform", name="shared", tiers=["experimentation", "testing"], cloud=cloud)
    checkout.terrarium("up", "platform")
    return checkout


def declare(checkout: Checkout, platform: Platform, name: str) -> None:
    checkout.declare(
        name,
        "environment",
        project="kill",
        name=name,
        tier="experimentation",
        cloud={"kubernetes": {"context": platform.context, "platform": "shared"}},
        people={"members": ["team"], "readers": ["auditors"]},
    )
    checkout.pulumi("stack", "init", name)


def kill_engine_during_up(checkout: Checkout, stack: str, seed: int) -> int:
    """Kill the engine after a number of its lines, and a little later, both drawn from the seed; return the lines."""
    draw = random.Random(seed)  # noqa: S311 - a seed is the point
    lines, delay = draw.randint(1, 45), draw.uniform(0, 0.15)
    command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", stack, "--non-interactive", "--color=never"]
    with subprocess.Popen(
        command, cwd=checkout.folder, env=checkout.environment("experimentation"), stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        for number, line in enumerate(engine.stdout, start=1):
            del line
            if number >= lines:
                time.sleep(delay)
                engine.send_signal(signal.SIGKILL)
                break
        engine.stdout.read()
    return lines


def in_state(checkout: Checkout, stack: str) -> set[str]:
    kinds = {
        f"kubernetes:{version}:{kind}".replace("kubernetes:v1:", "kubernetes:core/v1:"): kind for version, kind in KINDS
    }
    own = [r for r in checkout.state(stack)["resources"] if r["type"] in kinds and not r.get("external")]
    return {f"{kinds[resource['type']]} {resource['id']}" for resource in own}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_up_is_taken_to_its_end(checkout: Checkout, platform: Platform, seed: int) -> None:
    stack = f"s{seed}"
    declare(checkout, platform, stack)
    kill_engine_during_up(checkout, stack, seed)

    checkout.terrarium("up", stack)

    state = checkout.state(stack)
    assert not state.get("pending_operations")
    checkout.pulumi("preview", "--stack", stack, "--expect-no-changes")
    assert in_state(checkout, stack) == Person(platform).owned("terrarium.dev/environment", f"kill-{stack}")


@pytest.fixture
def locked(checkout: Checkout, platform: Platform) -> Callable[[str, int, datetime], None]:
    """Give a function that locks a stack as an engine on a host would."""
    declare(checkout, platform, "locked")

    def lock(host: str, pid: int, taken: datetime) -> None:
        folder = checkout.folder / "state/shared/.pulumi/locks/organization/terrarium/locked"
        folder.mkdir(parents=True, exist_ok=True)
        content = {"pid": pid, "username": "ana", "hostname": host, "timestamp": taken.isoformat()}
        (folder / "0b1c2d3e.json").write_text(json.dumps(content))

    return lock


@pytest.fixture(autouse=True)
def _clean_lock(checkout: Checkout) -> Iterator[None]:
    yield
    if (checkout.folder / "Pulumi.locked.yaml").exists():
        checkout.pulumi("cancel", "--yes", "--stack", "locked")
        checkout.pulumi("stack", "rm", "--yes", "--force", "--stack", "locked")


def test_a_lock_of_another_host_is_left_and_named(
    checkout: Checkout, locked: Callable[[str, int, datetime], None]
) -> None:
    locked("laptop-of-ana", 1, datetime.now(UTC))
    said = checkout.terrarium("up", "locked", code=3)
    assert "ana@laptop-of-ana (process 1)" in said
    assert "pulumi cancel" in said


def test_a_lock_of_a_living_process_is_left_and_named(
    checkout: Checkout, locked: Callable[[str, int, datetime], None]
) -> None:
    locked(socket.gethostname(), os.getpid(), datetime.now(UTC))
    assert f"(process {os.getpid()})" in checkout.terrarium("up", "locked", code=3)


def test_a_process_that_took_the_number_of_a_dead_one_holds_no_lock(
    checkout: Checkout, locked: Callable[[str, int, datetime], None]
) -> None:
    """This test's own process is younger than the lock, so it can't have taken it."""
    locked(socket.gethostname(), os.getpid(), datetime(2020, 1, 1, tzinfo=UTC))
    said = checkout.terrarium("up", "locked")
    assert "cleared the lock" in said


def test_a_half_written_file_beside_the_state_is_mended(checkout: Checkout) -> None:
    """What v3.250.0 left when it was killed in a folder without `metadata=skip`: every command ended with EOF."""
    left = checkout.folder / "state/shared/.pulumi/stacks/terrarium/platform.json.attrs"
    left.touch()
    checkout.terrarium("preview", "platform", "--expect-no-changes")
    assert not left.exists()
