"""What people and machines do to a running platform: each time, `start` brings all of it back."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from rehearsal.build import build
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform, Status, parts
from rehearsal.platform import control as control_module
from tests.platform.conftest import Listener
from tests.support.cluster import kubectl
from tests.support.waiting import PATIENCE, until

PARTS = tuple(part.name for part in parts.PARTS)
PROGRAMS = sorted(part.program or part.name for part in parts.PARTS)


def pids(status: Status) -> dict[str, int | None]:
    return {part.name: part.pid for part in status.parts}


def processes_of(platform: Platform) -> list[str]:
    """Name every process that has the platform's folder in its command line, whatever the records say."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            f"{platform.folder}/" in word for word in command[1:]
        ):
            found.append(Path(command[0]).name)
    return sorted(found)


def ports_of(platform: Platform) -> list[int]:
    return list(json.loads((platform.folder / "ports.json").read_text()).values())


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def remember(platform: Platform, value: str) -> None:
    kubectl(platform.kubeconfig, "delete", "configmap", "kept", "--ignore-not-found")
    kubectl(platform.kubeconfig, "create", "configmap", "kept", f"--from-literal=value={value}")


def remembered(platform: Platform) -> str:
    return kubectl(platform.kubeconfig, "get", "configmap", "kept", "-o", "jsonpath={.data.value}")


def runs_pods(platform: Platform) -> bool:
    """Whether scheduler, controllers and nodes all do their work: a new Deployment becomes available."""
    name = f"probe-{secrets.token_hex(4)}"
    kubectl(platform.kubeconfig, "create", "deployment", name, "--image=registry.invalid/probe")
    kubectl(platform.kubeconfig, "wait", f"deployment/{name}", "--for=condition=Available", f"--timeout={PATIENCE}s")
    kubectl(platform.kubeconfig, "delete", "deployment", name)
    return True


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_alone_and_nothing_is_lost(faulty: Platform, part: str) -> None:
    remember(faulty, part)
    before = pids(faulty.status())
    victim = before[part]
    assert victim
    os.kill(victim, signal.SIGKILL)
    # Its memory is given back before it is gone.
    with suppress(psutil.NoSuchProcess):
        psutil.Process(victim).wait(PATIENCE)
    broken = faulty.status()
    assert not broken.ready
    assert not {found.name: found.running for found in broken.parts}[part]
    after = pids(faulty.start())
    assert {name for name in PARTS if before[name] != after[name]} == {part}
    assert remembered(faulty) == part
    assert runs_pods(faulty)


def test_all_parts_killed_at_once_come_back_and_nothing_is_lost(faulty: Platform) -> None:
    remember(faulty, "all")
    for pid in pids(faulty.status()).values():
        assert pid
        os.kill(pid, signal.SIGKILL)
    # At once, while they still die.
    assert faulty.start().ready
    assert remembered(faulty) == "all"
    assert runs_pods(faulty)


def test_a_second_start_changes_nothing(faulty: Platform) -> None:
    before = pids(faulty.status())
    assert pids(faulty.start()) == before


def test_settings_of_etcd_in_the_shell_are_not_taken(faulty: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("ETCD_LISTEN_METRICS_URLS", f"http://0.0.0.0:{port}")
    faulty.stop()
    assert faulty.start().ready
    assert not listening(port)


def test_ready_means_all_the_nodes_that_were_asked_for(faulty: Platform) -> None:
    assert faulty.status().ready
    assert not Platform(faulty.name, faulty.folder.parent, nodes=2).status().ready
    kubectl(faulty.kubeconfig, "delete", "nodes", "--all")
    assert not faulty.status().ready
    # It comes back by the next start.
    assert faulty.start().ready


def test_a_port_taken_meanwhile_moves_with_a_note_and_people_can_still_log_in(
    faulty: Platform, listener: Listener
) -> None:
    remember(faulty, "moved")
    person = faulty.client_certificate("ana", ["team"])
    old = faulty.status().address
    faulty.stop()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", int(old.rsplit(":", 1)[1])))
        stranger.listen()
        status = faulty.start(listener)
        assert status.ready
        assert status.address != old
        assert any("kube-apiserver is taken" in note and "moved to" in note for note in listener.notes)
        assert remembered(faulty) == "moved"
        assert kubectl(person, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == "ana"


def test_a_port_lost_between_choice_and_start_is_chosen_again(
    faulty: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty.stop()
    taken = ports_of(faulty)[0]
    from rehearsal.platform import ports  # noqa: PLC0415 - patched where it is looked up

    real = ports.free
    asked: list[int] = []

    def blind_once(port: int, hosts: Collection[str]) -> bool:
        asked.append(port)
        return True if port == taken and asked.count(port) == 1 else real(port, hosts)

    monkeypatch.setattr(ports, "free", blind_once)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", taken))
        stranger.listen()
        assert faulty.start().ready
        assert taken not in ports_of(faulty)


def test_stop_leaves_no_process_and_no_port_and_keeps_the_data(faulty: Platform) -> None:
    remember(faulty, "stopped")
    faulty.stop()
    assert processes_of(faulty) == []
    assert not any(listening(port) for port in ports_of(faulty))
    status = faulty.status()
    assert not status.ready
    assert not any(part.running for part in status.parts)
    assert status.memory == 0
    faulty.stop()
    faulty.start()
    assert remembered(faulty) == "stopped"


def test_reset_leaves_no_file_and_the_next_start_is_empty(faulty: Platform) -> None:
    remember(faulty, "wiped")
    faulty.reset()
    assert processes_of(faulty) == []
    assert not faulty.folder.exists()
    faulty.reset()
    faulty.start()
    assert kubectl(faulty.kubeconfig, "get", "configmap", "kept", "--ignore-not-found") == ""


def test_two_platforms_live_side_by_side(faulty: Platform, platform_home: Path) -> None:
    other = Platform("beside", platform_home, nodes=1)
    try:
        other.start()
        remember(faulty, "here")
        remember(other, "there")
        assert (remembered(faulty), remembered(other)) == ("here", "there")
        assert not set(ports_of(faulty)) & set(ports_of(other))
        faulty.stop()
        assert other.status().ready
    finally:
        other.reset()
    assert faulty.start().ready


def test_a_record_with_a_strangers_pid_harms_nobody(faulty: Platform) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            faulty.stop()
            record = faulty.folder / "run" / "kwok.json"
            # As after a reboot: the pid is in use, by somebody else.
            record.write_text(json.dumps({"pid": stranger.pid, "started": 1, "command": ["kwok"]}))
            faulty.start()
            # As a forged record: all of it is true, of a process that is not ours.
            begun = int(Path(f"/proc/{stranger.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
            faulty.stop()
            record.write_text(json.dumps({"pid": stranger.pid, "started": begun, "command": ["sleep", "60"]}))
            assert not any(part.running for part in faulty.status().parts)
            faulty.stop()
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_damaged_record_costs_nothing(faulty: Platform) -> None:
    before = pids(faulty.status())
    for damage in (b"", b"{", b"[]", b'{"pid": "x"}', b'{"pid": -1, "started": 0, "command": []}', b"\xff"):
        for part in PARTS:
            (faulty.folder / "run" / f"{part}.json").write_bytes(damage)
        assert pids(faulty.start()) == before
    assert processes_of(faulty) == PROGRAMS


@pytest.mark.parametrize("damage", [b"{", b'{"etcd": "x", "kube-apiserver": 99999999}'])
def test_a_damaged_ports_file_is_made_anew_and_nothing_is_lost(faulty: Platform, damage: bytes) -> None:
    remember(faulty, "ports")
    (faulty.folder / "ports.json").write_bytes(damage)
    faulty.status()
    assert faulty.start().ready
    assert remembered(faulty) == "ports"
    assert processes_of(faulty) == PROGRAMS


@pytest.mark.parametrize("name", ["terrarium-cluster.crt", "service-accounts.key"])
def test_a_damaged_certificate_is_made_anew_and_nothing_is_lost(faulty: Platform, name: str) -> None:
    remember(faulty, name)
    (faulty.folder / "certificates" / name).write_text("-----BEGIN")
    faulty.status()
    assert faulty.start().ready
    assert remembered(faulty) == name


def test_processes_whose_folder_was_deleted_are_still_ended(platform_home: Path) -> None:
    platform = Platform("orphaned", platform_home, nodes=0)
    platform.start()
    subprocess.run(["rm", "-rf", platform.folder], check=True)
    platform.reset()
    assert processes_of(platform) == []
    assert not platform.folder.exists()


def test_a_start_that_is_killed_half_way_is_completed_by_the_next(faulty: Platform) -> None:
    remember(faulty, "half")
    script = (
        "import sys; from pathlib import Path; from rehearsal.platform import Platform; "
        "Platform(sys.argv[1], Path(sys.argv[2]), nodes=1).start()"
    )
    # When the first part has just begun to run, and when some do.
    for part in ("etcd", "kube-scheduler"):
        faulty.stop()
        starter = subprocess.Popen([sys.executable, "-c", script, faulty.name, str(faulty.folder.parent)])
        try:
            until((faulty.folder / "run" / f"{part}.json").exists)
        finally:
            starter.kill()
            starter.wait()
        assert faulty.start().ready
        assert processes_of(faulty) == PROGRAMS
    assert remembered(faulty) == "half"


def test_two_starts_at_once_start_one_platform(faulty: Platform) -> None:
    faulty.stop()
    script = (
        "import sys; from pathlib import Path; from rehearsal.platform import Platform; "
        "assert Platform(sys.argv[1], Path(sys.argv[2]), nodes=1).start().ready"
    )
    command = [sys.executable, "-c", script, faulty.name, str(faulty.folder.parent)]
    starters = [subprocess.Popen(command) for _ in range(2)]
    assert [starter.wait(2 * PATIENCE) for starter in starters] == [0, 0]
    assert processes_of(faulty) == PROGRAMS


def test_a_failing_part_is_named_with_its_last_words_and_the_rest_is_ended(
    platform_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(control_module.BUILT, Listener())
    for program in built["kubernetes"].iterdir():
        (tmp_path / program.name).symlink_to(program)
    (tmp_path / "kube-scheduler").unlink()
    broken = tmp_path / "kube-scheduler"
    broken.write_text("#!/bin/sh\necho 'the scheduler has no luck today' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(control_module, "build", lambda *_: {**built, "kubernetes": tmp_path})
    platform = Platform("failing", platform_home, nodes=1)
    try:
        with pytest.raises(RehearsalError) as raised:
            platform.start()
        text = str(raised.value)
        assert "kube-scheduler ended by itself" in text
        assert "the scheduler has no luck today" in text
        assert "reset" in text
        assert "Traceback" not in text
        assert processes_of(platform) == []
        assert not any(listening(port) for port in ports_of(platform))
    finally:
        platform.reset()


def test_kubeconfigs_hold_no_key_and_nobody_else_reads_them(faulty: Platform) -> None:
    person = faulty.client_certificate("bob", ["team", "other"])
    for path in (faulty.kubeconfig, person):
        user = yaml.safe_load(path.read_text())["users"][0]["user"]
        assert set(user) == {"client-certificate", "client-key"}
        assert Path(user["client-key"]).stat().st_mode & 0o777 == 0o600
    for path in faulty.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0, path
