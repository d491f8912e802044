"""A real node: what runs on it really runs, whatever ends it leaves nothing behind, and it comes back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform, startup
from rehearsal.platform.layout import Layout
from rehearsal.platform.node import machine
from rehearsal.platform.processes import Running, spawn
from tests.support import nodes
from tests.support.cluster import kubectl
from tests.support.waiting import PATIENCE, until

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def _platform(platform_home: Path) -> Iterator[Platform]:
    nodes.demand()
    platform = Platform("machine", platform_home, nodes=0, real_node=True)
    yield platform
    platform.reset()
    assert nodes.traces(platform.folder) == []


@pytest.fixture
def platform(_platform: Platform) -> Platform:
    """A running platform whose only node is real; a test may break it in any way."""
    _platform.start()
    return _platform


@pytest.fixture
def ask(platform: Platform) -> Kubectl:
    return lambda *arguments: kubectl(platform.kubeconfig, *arguments)


def create(platform: Platform, content: dict[str, object]) -> None:
    platform.api().create("/apis/batch/v1/namespaces/default/jobs", content)


def keeper(platform: Platform) -> psutil.Process:
    [part] = [part for part in platform.status().parts if part.name == "node"]
    assert part.pid
    return psutil.Process(part.pid)


def inside(platform: Platform, program: str) -> psutil.Process:
    [found] = [p for p in keeper(platform).children(recursive=True) if Path((p.cmdline() or [""])[0]).name == program]
    return found


def uid(platform: Platform) -> str:
    node = platform.api().get(f"/api/v1/nodes/{Layout(platform.folder).node_name}")
    assert node
    return str(node["metadata"]["uid"])


def hello(platform: Platform, name: str) -> str:
    """Run a container to its end and return what it printed."""
    ask = platform.kubeconfig
    kubectl(ask, "delete", "job", name, "--ignore-not-found")
    create(platform, nodes.job(name))
    kubectl(ask, "wait", f"job/{name}", "--for=condition=Complete", f"--timeout={PATIENCE}s")
    return kubectl(ask, "logs", f"job/{name}")


def test_a_container_really_runs_and_its_words_are_read_through_the_api_server(platform: Platform) -> None:
    assert "CoreDNS-" in hello(platform, "hello")
    status = platform.status()
    assert (status.nodes, status.real_nodes) == (1, 1)


def test_a_failed_container_fails_its_job(platform: Platform, ask: Kubectl) -> None:
    create(platform, nodes.job("wrong", argument="-no-such-flag"))
    ask("wait", "job/wrong", "--for=condition=Failed", f"--timeout={PATIENCE}s")
    state = json.loads(ask("get", "pods", "-l", "job-name=wrong", "-o", "json"))["items"][0]["status"]
    assert state["containerStatuses"][0]["state"]["terminated"]["exitCode"] != 0


def test_the_servers_answer_on_the_bridge_and_on_no_address_of_the_machine(platform: Platform) -> None:
    layout = Layout(platform.folder)
    listening = {
        (found.laddr.ip, found.laddr.port)
        for part in platform.status().parts
        if part.pid and part.name != "node"
        for found in psutil.Process(part.pid).net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
    }
    assert {host for host, _ in listening} == {"127.0.0.1", layout.host}
    for part in ("kube-apiserver", "versitygw", "postgresql-tls", "registry"):
        assert (layout.host, platform.port(part)) in listening, part


def test_a_stopped_platform_leaves_nothing_and_starts_again(platform: Platform) -> None:
    platform.stop()
    assert nodes.traces(platform.folder) == []
    assert platform.start().ready
    assert "CoreDNS-" in hello(platform, "again")


def test_a_node_that_was_killed_leaves_nothing_once_its_platform_is_stopped(platform: Platform) -> None:
    victim = keeper(platform)
    victim.kill()
    victim.wait(PATIENCE)
    platform.stop()
    assert nodes.traces(platform.folder) == []


def test_a_killed_node_leaves_nothing_and_comes_back(
    platform: Platform, ask: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("delete", "job", "long", "--ignore-not-found")
    create(platform, nodes.waiting_job("long", retries=1))
    until(lambda: ask("get", "pods", "-l", "job-name=long", "-o", "jsonpath={.items[*].status.phase}") == "Running")
    first = ask("get", "pods", "-l", "job-name=long", "-o", "name")
    victim = keeper(platform)
    below = victim.children(recursive=True)
    victim.kill()
    victim.wait(PATIENCE)
    psutil.wait_procs(below, timeout=PATIENCE)
    assert not [process for process in below if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    # Its signs are still there, and must not pass for those of the one that is started.
    ready, before = Layout(platform.folder).node_ready, uid(platform)
    assert ready.is_file()
    there: list[bool] = []

    def spawned(*command: Any, **options: Any) -> Running:
        there.append(ready.exists())
        return spawn(*command, **options)

    monkeypatch.setattr(startup, "spawn", spawned)
    assert not platform.status().ready
    assert platform.start().ready
    assert there == [False]
    assert uid(platform) != before
    # The pod ended with its node; the Job makes another.
    until(lambda: ask("get", "pods", "-l", "job-name=long", "-o", "jsonpath={.items[*].status.phase}") == "Running")
    assert ask("get", "pods", "-l", "job-name=long", "-o", "name") != first
    ask("delete", "job", "long", "--cascade=foreground")


@pytest.mark.parametrize("program", ["containerd", "kubelet", "kube-proxy", "kube-router"])
def test_a_killed_program_of_the_node_is_started_again_and_containers_go_on(
    platform: Platform, ask: Kubectl, program: str
) -> None:
    def addresses() -> str:
        return ask(
            "-n", "kube-system", "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].containerID}"
        )

    before, victim = addresses(), inside(platform, program)
    victim.kill()
    victim.wait(PATIENCE)
    until(lambda: inside(platform, program).pid != victim.pid)
    assert "CoreDNS-" in hello(platform, f"after-{program}")
    assert addresses() == before


def test_a_node_whose_program_will_not_stay_ends_and_says_which(platform: Platform) -> None:
    settings = platform.folder / "node" / "kubelet.yaml"
    settings.write_text("kind: Nonsense\n", encoding="utf-8")
    node = keeper(platform)
    inside(platform, "kubelet").kill()
    node.wait(PATIENCE)
    log = (platform.folder / "logs" / "node.log").read_text(encoding="utf-8")
    assert "node: kubelet ended 5 times in a row. It said:\n  " in log
    # What it is told is written anew.
    assert platform.start().ready


def test_two_nodes_live_side_by_side(platform: Platform, platform_home: Path) -> None:
    other = Platform("other-machine", platform_home, nodes=0, real_node=True)
    try:
        other.start()
        assert "CoreDNS-" in hello(other, "there")
        assert "CoreDNS-" in hello(platform, "here")
        assert Layout(other.folder).host != Layout(platform.folder).host
        os.kill(keeper(other).pid, signal.SIGTERM)
        until(lambda: not other.status().ready)
        assert platform.status().ready
    finally:
        other.reset()
    assert nodes.traces(other.folder) == []


def test_simulated_nodes_stand_beside_a_real_one(platform_home: Path) -> None:
    nodes.demand()
    mixed = Platform("mixed", platform_home, nodes=2, real_node=True)
    try:
        status = mixed.start()
        assert (status.ready, status.nodes, status.real_nodes) == (True, 3, 1)
        # As any command asks, which does not know what it was made with.
        assert Platform("mixed", platform_home).status().ready
    finally:
        mixed.reset()


def test_where_no_real_node_can_run_the_reason_is_said_and_nothing_is_made(
    platform_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "ip", lambda: "")
    refused = Platform("refused", platform_home, nodes=0, real_node=True)
    with pytest.raises(RehearsalError, match="can have no real node here: `ip` is missing: install iproute2"):
        refused.start()
    assert not [path for path in platform_home.glob("refused/**/*") if path.is_file()]
