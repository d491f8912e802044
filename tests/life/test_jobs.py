"""Jobs on a real node that dies under them, and the same image and command on this machine.

What a job does on a node that lives: tests/jobs/test_real_node.py.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rehearsal import debian
from rehearsal.images import base
from rehearsal.images.push import Registry
from rehearsal.platform import Platform
from rehearsal.platform.node.plan import tools
from rehearsal.progress import Silent
from terrarium.client.environment import Environment
from terrarium.client.sources import InCluster
from tests.support import nodes
from tests.support.checkout import ROOT, Checkout
from tests.support.cluster import kubectl
from tests.support.declared import environment, with_store
from tests.support.waiting import PATIENCE, until

POOL = {"labels": {"terrarium.dev/pool": "general"}, "cpu": 2, "memory": "4Gi", "max": 1}
FIRST_ROWS = 400


class World:
    """A platform with a real node and queues, and the environment churn-dev with its store."""

    def __init__(self, checkout: Checkout, platform: Platform) -> None:
        self.checkout, self.platform = checkout, platform

    def run(self, *arguments: str, code: int = 0) -> str:
        return self.checkout.terrarium("run", "-e", "dev", *arguments, code=code)

    def job(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.checkout.terrarium("run", "-e", "dev", "--json", *arguments, code=code))
        return found

    def store(self, *arguments: str) -> str:
        return self.checkout.terrarium("store", *arguments, "-e", "dev")

    def script(self, name: str, text: str) -> str:
        (self.checkout.folder / name).write_text(text, encoding="utf-8")
        return name

    @property
    def env(self) -> Environment:
        """The environment as a member of the team sees it."""
        kubeconfig = str(self.platform.client_certificate("ana", ["churn-team"]))
        source = InCluster("churn-dev", {"context": self.platform.context}, kubeconfig, self.checkout.folder)
        return Environment(source)

    def kept(self, job: str) -> list[str]:
        """Return everything that a job left in the store."""
        rows = self.checkout.answer("store", "ls", f"results:jobs/{job}/", "--recursive", "-e", "dev")
        return [str(row["name"]) for row in rows["objects"]]


@pytest.fixture(scope="module")
def world(platform_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    nodes.demand()
    platform = Platform("workers", platform_home, nodes=0, real_node=True, queues=True)
    try:
        platform.start()
        base.provide(Registry(platform.registry), Silent())
        checkout = Checkout(tmp_path_factory.mktemp("checkout"), {"experimentation": platform, "testing": platform})
        cluster = {"context": platform.context, "kueue": True}
        tiers = ["experimentation", "testing"]
        cloud = {"kubernetes": {**cluster, "pools": {"general": POOL}}}
        checkout.declare("platform", "platform", name="shared", tiers=tiers, cloud=cloud)
        own = {**with_store(platform), **cluster, "registry": "registry.internal/churn-dev"}
        checkout.declare("dev", "environment", **environment("churn", "dev", "experimentation", own))
        checkout.bring_up("platform")
        checkout.bring_up("dev")
        world = World(checkout, platform)
        _data(world)
        yield world
    finally:
        platform.reset()


def _data(world: World) -> None:
    chance = random.Random(7)  # noqa: S311 - data to learn from
    lines = ["calls,months,churned"]
    for _ in range(FIRST_ROWS):
        calls, months = chance.gauss(0, 1), chance.gauss(0, 1)
        lines.append(f"{calls:.3f},{months:.3f},{int(2 * calls - months + chance.gauss(0, 0.5) > 0)}")
    (world.checkout.folder / "churn.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    world.store("cp", "churn.csv", "datasets:churn.csv")
    shutil.copy(ROOT / "examples" / "train.py", world.checkout.folder / "train.py")


def test_the_same_image_and_command_run_on_this_machine(world: World, podman: None) -> None:
    del podman
    here = world.job("train.py", "--input", "datasets:churn.csv", "--local", "--", "churn.csv", "--epochs", "30")
    there = world.job("train.py", "--input", "datasets:churn.csv", "--", "churn.csv", "--epochs", "30")
    assert here["image"] == there["image"]
    [mine], [theirs] = (world.env.job(one["job"]).results for one in (here, there))
    assert mine.metrics
    assert mine.metrics == theirs.metrics
    fails = world.script("fails.py", "import sys\nprint('before the end')\nsys.exit(7)\n")
    assert "before the end" in world.run("--local", fails, code=7)
    seeds = ("--array", "0-2", "train.py", "--input", "datasets:churn.csv", "--", "churn.csv", "--seed", "{index}")
    results = world.env.job(world.job("--local", *seeds)["job"]).results
    assert [one.index for one in results] == [0, 1, 2]
    assert len({str(one.metrics) for one in results}) > 1


def test_a_node_that_dies_in_mid_job_repeats_it_and_doubles_nothing(world: World) -> None:
    world.script("slow.py", "import time, pathlib\npathlib.Path('out.txt').write_text('once')\ntime.sleep(8)\n")
    name = world.job("--detach", "slow.py")["job"]
    ask = world.platform.kubeconfig
    phase = (
        "-n",
        "churn-dev",
        "get",
        "pods",
        "-l",
        f"terrarium.dev/job={name}",
        "-o",
        "jsonpath={.items[*].status.phase}",
    )
    until(lambda: kubectl(ask, *phase) == "Running")
    time.sleep(2)
    [node] = [part for part in world.platform.status().parts if part.name == "node"]
    assert node.pid
    victim = psutil.Process(node.pid)
    victim.kill()
    victim.wait(PATIENCE)
    world.platform.start()
    world.checkout.terrarium("jobs", "logs", name, "-e", "dev", "--follow")
    outputs = [key for key in world.kept(name) if key.endswith("/out.txt")]
    assert len(outputs) == 1, outputs
    [result] = world.env.job(name).results
    assert set(result.files) == {"out.txt"}


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Debian's podman on PATH, unpacked, with all its state in a folder of the test's."""
    packages = ("podman", "conmon", "golang-github-containers-common", "golang-github-containers-image")
    found = debian.unpacked("podman", packages, Silent())
    home = tmp_path_factory.mktemp("podman")
    # podman takes no path of more than 50 characters here, and pytest's folders grow with the number of the run.
    short = tempfile.mkdtemp(prefix="podman-", dir="/tmp")
    policy = home / ".config" / "containers" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', encoding="utf-8")
    options = [
        *(f"--root={home / 'root'}", f"--runroot={short}", f"--tmpdir={home / 'tmp'}"),
        # Debian's crun knows no machine that has control groups of both versions.
        *(f"--conmon={found.program('conmon')}", f"--runtime={tools(Silent()).program('runc')}"),
        # The overlay driver leaves a mount behind.
        *("--cgroup-manager=cgroupfs", "--events-backend=none", "--storage-driver=vfs"),
    ]
    variables = found.variables() | {"HOME": str(home), "CONTAINERS_CONF": str(home / "containers.conf")}
    # podman asks for more than whoever runs it may have; on a machine that is a container itself, that is refused.
    own = [f"nofile={':'.join(map(str, resource.getrlimit(resource.RLIMIT_NOFILE)))}", "nproc=1024:1024"]
    settings = f"[containers]\ndefault_ulimits = {json.dumps(own)}\n"
    (home / "containers.conf").write_text(settings, encoding="utf-8")
    exports = [f"export {key}={shlex.quote(value)}" for key, value in variables.items()]
    program = home / "podman"
    line = f'exec {found.program("podman")} {shlex.join(options)} "$@"'
    program.write_text("\n".join(["#!/bin/sh", *exports, line, ""]), encoding="utf-8")
    program.chmod(0o755)
    patch = pytest.MonkeyPatch()
    patch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    yield
    patch.undo()
    shutil.rmtree(short, ignore_errors=True)
