"""An unchanged script on a real node: built, queued, run on data of the store, its model and metrics left there."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rehearsal.images import base
from rehearsal.images.push import Registry
from rehearsal.platform import Platform
from rehearsal.platform.layout import REGISTRY, Layout
from rehearsal.progress import Silent
from terrarium.client.environment import Environment
from terrarium.client.sources import InCluster
from tests.support import nodes
from tests.support.checkout import ROOT, Checkout
from tests.support.declared import environment, with_store

_GENERAL = {"labels": {"terrarium.dev/pool": "general"}, "cpu": 2, "memory": "4Gi", "max": 1}
_BASE = f"{REGISTRY}/{base.REPOSITORY}"
# Two cores do not run more at once; the rest of the machine wants some, too.
_SMALL = "cpu=250m,memory=256Mi"


@dataclass
class World:
    """A platform with a real node and queues, and an environment with a store; a table lies in its datasets."""

    checkout: Checkout
    platform: Platform

    @property
    def env(self) -> Environment:
        """The environment as a member of the team sees it."""
        kubeconfig = str(self.platform.client_certificate("ana", ["churn-team"]))
        source = InCluster("churn-dev", {"context": self.platform.context}, kubeconfig, self.checkout.folder)
        return Environment(source)

    def run(self, *words: str, code: int = 0) -> str:
        return self.checkout.terrarium("run", "-e", "dev", "--needs", _SMALL, *words, code=code)

    def answer(self, *words: str, arguments: tuple[str, ...] = (), code: int = 0) -> dict[str, Any]:
        said = self.checkout.terrarium(
            "run",
            "-e",
            "dev",
            "--json",
            "--needs",
            _SMALL,
            *words,
            *(("--", *arguments) if arguments else ()),
            code=code,
        )
        found: dict[str, Any] = json.loads(said)
        return found


@pytest.fixture(scope="module")
def world(platform_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    nodes.demand()
    platform = Platform("runs", platform_home, nodes=0, real_node=True, queues=True)
    try:
        platform.start()
        address = f"{Layout(platform.folder).host}:{platform.port('registry')}"
        digest = base.provide(Registry(address), Silent())
        tiers = ["experimentation", "testing"]
        checkout = Checkout(tmp_path_factory.mktemp("checkout"), dict.fromkeys(tiers, platform))
        checkout.amend("approved.yaml", registries=[REGISTRY], base_images=[_BASE])
        cloud = {"context": platform.context, "kueue": True}
        checkout.declare(
            "platform",
            "platform",
            name="shared",
            tiers=tiers,
            cloud={"kubernetes": {**cloud, "pools": {"general": _GENERAL}}},
        )
        own = with_store(platform) | {"kueue": True, "registry": f"{REGISTRY}/churn-dev"}
        image = {"base": f"{_BASE}@{digest}", "python": base.TAG}
        checkout.declare("dev", "environment", **environment("churn", "dev", "experimentation", own), image=image)
        checkout.bring_up("platform")
        checkout.bring_up("dev")
        shutil.copy(ROOT / "examples" / "train.py", checkout.folder)
        made = World(checkout, platform)
        made.env.store.datasets.pipe("churned.csv", _table())
        yield made
    finally:
        platform.reset()
    assert nodes.traces(platform.folder) == []


def _table() -> bytes:
    choice = random.Random(1)  # noqa: S311 - data of a test
    rows = [(choice.gauss(0, 1), choice.gauss(0, 1)) for _ in range(400)]
    lines = [f"{a:.3f},{b:.3f},{int(2 * a - b + choice.gauss(0, 0.3) > 0)}" for a, b in rows]
    return "\n".join(["visits,complaints,left", *lines]).encode() + b"\n"


INPUT = ("--input", "datasets:churned.csv")


def test_an_unchanged_script_trains_in_a_pod(world: World, tmp_path: Path) -> None:
    said = world.answer("train.py", *INPUT, arguments=("churned.csv", "--epochs", "100"))
    assert (said["exit"], said["pool"], said["queue"]) == (0, "general", "default")
    [result] = world.env.job(said["job"]).results
    assert set(result.files) == {"model.json", "metrics.json"}
    assert result.metrics is not None
    assert result.metrics["accuracy"] > 0.9
    assert "epoch 100: mean error" in result.log
    assert "epoch 100: mean error" in world.checkout.terrarium("jobs", "logs", said["job"], "-e", "dev")
    result.fetch(tmp_path)
    assert len(json.loads((tmp_path / "model.json").read_text())["weights"]) == 3


def test_its_words_are_seen_while_it_runs_and_its_exit_code_is_the_command_s(world: World) -> None:
    (world.checkout.folder / "fails.py").write_text("import sys\nprint('before the end')\nsys.exit(7)\n")
    assert "before the end" in world.run("fails.py", code=7)


def test_an_array_trains_each_index(world: World) -> None:
    said = world.answer("train.py", *INPUT, "--array", "0-19", arguments=("churned.csv", "--seed", "{index}"))
    results = world.env.job(said["job"]).results
    assert [result.index for result in results] == list(range(20))
    assert all(result.metrics and result.metrics["accuracy"] > 0.85 for result in results)
    assert len({json.dumps(result.metrics) for result in results}) > 1, "each index had a seed of its own"


def test_the_same_runs_from_python(world: World) -> None:
    script = world.checkout.folder / "train.py"
    job = world.env.run(script, ["churned.csv"], needs=_SMALL, inputs=["datasets:churned.csv"])
    assert job.wait(timeout=300) == 0
    assert [set(result.files) for result in job.results] == [{"model.json", "metrics.json"}]


def test_what_is_not_declared_is_not_there(world: World) -> None:
    (world.checkout.folder / "looks.py").write_text("import os\nprint('there:', os.listdir())\n")
    assert "there: []" in world.run("looks.py")
    assert "there: ['churned.csv']" in world.run("looks.py", *INPUT)


def test_a_pod_sees_its_own_store_and_no_key_in_a_variable(world: World) -> None:
    (world.checkout.folder / "sees.py").write_text(
        "import os, terrarium\n"
        "env = terrarium.connect()\n"
        "print(env.id, env.store.sql('select 1'), env.store.datasets.find(''))\n"
        "secret = open('/var/run/terrarium/store/credentials').read().split()[-1]\n"
        "print('keys in variables:', [k for k, v in os.environ.items() if secret in v])\n"
    )
    said = world.run("sees.py")
    assert "churn-dev [(1,)] ['churned.csv']" in said
    assert "keys in variables: []" in said


def test_a_cancelled_job_leaves_its_log(world: World) -> None:
    (world.checkout.folder / "sleeps.py").write_text("import time\nprint('asleep')\ntime.sleep(600)\n")
    said = world.answer("sleeps.py", "--detach")
    process = world.checkout.start("jobs", "logs", said["job"], "-e", "dev", "--follow")
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        world.checkout.terrarium("jobs", "cancel", said["job"], "-e", "dev")
        process.communicate(timeout=120)
    assert world.env.job(said["job"]).logs() == "asleep\n"
