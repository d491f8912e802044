"""Which packets pass between environments and stores: sent from pods on real nodes, not read in policies.

The refused ones would pass without the policies: a pod of no environment sends some of them, and gets through.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rehearsal.platform import Platform
from tests.support import nodes, registry
from tests.support.checkout import Checkout
from tests.support.cluster import kubectl, try_kubectl
from tests.support.declared import environment, with_store
from tests.support.waiting import PATIENCE

PORT = 8080
SERVER, CLIENT = "server", "client"
# Seconds: refused connections are answered at once, unanswered ones count as refused after these.
_TRY = 5
# Seconds that kube-router may take to hold a new policy, or to know a new pod.
_SETTLING = 30.0


class World:
    """Two environments on one cluster, production on another; a server and a client in each, and a stranger beside."""

    def __init__(self, checkout: Checkout, shared: Platform, production: Platform) -> None:
        self.checkout, self.platforms = checkout, {"dev": shared, "fraud": shared, "prod": production}
        self.shared, self.production = shared, production
        self.images: dict[str, str] = {}

    def namespace(self, name: str) -> str:
        return {"dev": "churn-dev", "fraud": "fraud-dev", "prod": "churn-prod", "stranger": "default"}[name]

    def platform(self, name: str) -> Platform:
        return self.platforms.get(name, self.shared)

    def ask(self, name: str, *arguments: str) -> str:
        return kubectl(self.platform(name).kubeconfig, "-n", self.namespace(name), *arguments)

    def start(self, name: str) -> None:
        """Start the pods of one environment."""
        for pod in (SERVER, CLIENT):
            command = (
                ["busybox", "nc", "-ll", "-p", str(PORT), "-e", "true"]
                if pod == SERVER
                else ["busybox", "sleep", "86400"]
            )
            kubectl(self.platform(name).kubeconfig, "create", "-f", "-", manifest=self._pod(name, pod, command))
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVER, "namespace": self.namespace(name)},
            "spec": {"selector": {"app": SERVER}, "ports": [{"port": PORT}]},
        }
        kubectl(self.platform(name).kubeconfig, "create", "-f", "-", manifest=service)
        for pod in (SERVER, CLIENT):
            self.ask(name, "wait", f"pod/{pod}", "--for=condition=Ready", f"--timeout={PATIENCE}s")

    def _pod(self, name: str, pod: str, command: list[str]) -> Mapping[str, Any]:
        container = {
            "name": "main",
            "image": self.images["prod" if name == "prod" else "shared"],
            "command": command,
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        spec = {
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": self.namespace(name), "labels": {"app": pod}},
            "spec": spec,
        }

    def address(self, name: str) -> str:
        return self.ask(name, "get", "pod", SERVER, "-o", "jsonpath={.status.podIP}")

    def service(self, name: str) -> str:
        return f"{SERVER}.{self.namespace(name)}.svc.cluster.local"

    def store(self, name: str) -> Mapping[str, tuple[str, int]]:
        """Return address and port of an environment's objects and database, as pods are told."""
        tier = "production" if name == "prod" else "experimentation"
        stack = {"dev": "dev", "fraud": "fraud-dev", "prod": "prod"}[name]
        found = json.loads(self.checkout.pulumi("stack", "output", "--json", "--stack", stack, tier=tier))["store"]
        url = urlsplit(found["objects"]["endpoint"])
        assert url.hostname
        assert url.port
        return {
            "objects": (url.hostname, url.port),
            "database": (found["database"]["host"], int(found["database"]["port"])),
        }

    def passes(self, name: str, host: str, port: int) -> bool:
        """Tell whether a client's connection is taken."""
        words = ["exec", CLIENT, "--", "busybox", "nc", "-w", str(_TRY), host, str(port), "-e", "true"]
        kubeconfig = self.platform(name).kubeconfig
        return try_kubectl(kubeconfig, "-n", self.namespace(name), *words).returncode == 0

    def comes_through(self, name: str, host: str, port: int) -> bool:
        """Tell whether a connection is taken, now or as soon as the filter knows pods and policies."""
        deadline = time.monotonic() + _SETTLING
        while not self.passes(name, host, port):
            if time.monotonic() > deadline:
                return False
        return True


@pytest.fixture(scope="module")
def world(platform_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    nodes.demand()
    shared = Platform("wires-shared", platform_home, nodes=0, real_node=True)
    production = Platform("wires-prod", platform_home, nodes=0, real_node=True)
    try:
        shared.start()
        production.start()
        tiers = {"experimentation": shared, "testing": shared, "production": production}
        checkout = Checkout(tmp_path_factory.mktemp("checkout"), tiers)
        world = World(checkout, shared, production)
        _images(world, tmp_path_factory)
        _environments(world)
        for name in ("dev", "fraud", "prod", "stranger"):
            world.start(name)
        yield world
    finally:
        production.reset()
        shared.reset()
    assert nodes.traces(shared.folder) == []
    assert nodes.traces(production.folder) == []


def _images(world: World, scratch: pytest.TempPathFactory) -> None:
    world.images["shared"] = registry.probe(world.shared, scratch.mktemp("blobs"))
    world.images["prod"] = registry.probe(world.production, scratch.mktemp("blobs"))
    name, _, digest = world.images["prod"].partition("@")
    record = {
        "base": world.images["prod"],
        "scanned_on": datetime.now(UTC).date().isoformat(),
        "clean": True,
        "signed": True,
        "release": "test",
    }
    world.checkout.amend("approved.yaml", registries=[name], base_images=[name])
    world.checkout.amend("images.yaml", images={digest: record})


def _environments(world: World) -> None:
    checkout, shared = world.checkout, world.shared
    own = with_store(shared)
    cloud = {"kubernetes": {"context": shared.context}}
    checkout.declare("platform", "platform", name="shared", tiers=["experimentation", "testing"], cloud=cloud)
    checkout.declare("dev", "environment", **environment("churn", "dev", "experimentation", own))
    checkout.declare("fraud-dev", "environment", **environment("fraud", "dev", "experimentation", own))
    production = environment("churn", "prod", "production", with_store(world.production, shared=None))
    checkout.declare("prod", "environment", **production)
    checkout.bring_up("platform")
    for stack in ("dev", "fraud-dev"):
        checkout.bring_up(stack)
    checkout.bring_up("prod", tier="production")


Where = Callable[[World], tuple[str, int]]


@pytest.mark.parametrize("name", ["dev", "fraud", "prod"])
def test_within_an_environment_pods_reach_each_other_by_address_and_by_name(world: World, name: str) -> None:
    assert world.comes_through(name, world.address(name), PORT)
    assert world.comes_through(name, world.service(name), PORT)
    assert world.comes_through(name, SERVER, PORT)


@pytest.mark.parametrize("name", ["dev", "fraud", "prod"])
@pytest.mark.parametrize("part", ["objects", "database"])
def test_pods_reach_their_own_store(world: World, name: str, part: str) -> None:
    assert world.comes_through(name, *world.store(name)[part])


@pytest.mark.parametrize(
    ("source", "target"), [("dev", "fraud"), ("fraud", "dev"), ("stranger", "dev"), ("dev", "stranger")]
)
def test_pods_of_another_environment_are_reached_neither_by_address_nor_by_name(
    world: World, source: str, target: str
) -> None:
    # What is refused must be refused by the filter, and not because nobody listens.
    if target != "stranger":
        assert world.comes_through(target, world.address(target), PORT)
    assert not world.passes(source, world.address(target), PORT)
    assert not world.passes(source, world.service(target), PORT)


@pytest.mark.parametrize(("source", "target"), [("dev", "prod"), ("prod", "dev")])
@pytest.mark.parametrize("part", ["objects", "database"])
def test_another_tiers_store_is_beyond_reach(world: World, source: str, target: str, part: str) -> None:
    place = world.store(target)[part]
    assert world.comes_through(target, *place)
    assert not world.passes(source, *place)


def test_the_same_packets_pass_where_no_policy_stands(world: World) -> None:
    for part in ("objects", "database"):
        assert world.comes_through("stranger", *world.store("prod")[part])


def test_the_node_and_the_platforms_servers_are_closed_to_environments(world: World) -> None:
    server = urlsplit(world.shared.status().address)
    assert server.hostname
    assert server.port
    assert world.comes_through("stranger", server.hostname, server.port)
    for place in ((server.hostname, server.port), (server.hostname, world.shared.port("registry")), ("10.96.0.1", 443)):
        assert not world.passes("dev", *place)
        assert not world.passes("fraud", *place)
