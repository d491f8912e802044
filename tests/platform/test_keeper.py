"""The keeper of a real node, without the node: whom it waits for, and what it does when they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import PATIENCE

# Its first lines in a process of its own, where it may fork and wait for whatever there is.
BEGIN = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from rehearsal.platform.node import cgroups, keeper

plan = json.loads(Path(sys.argv[2]).read_text())
"""
# No namespaces: they need rights, and these tests are of what is around them.
KEEPER = """
cgroups.make, cgroups.remove = lambda name: "", lambda name: None

class Kernel:
    prctl = staticmethod(lambda *_: 0)
    unshare = staticmethod(lambda what: 0 if what == keeper._NEWPID else REFUSED)

keeper._libc = Kernel
"""


def run(tmp_path: Path, script: str, **plan: object) -> tuple[int, str]:
    """Run a script on a plan to the end of all its processes; return its exit code and all that was said."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"ready": str(tmp_path / "ready"), "cgroup": "none", **plan}), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", script, "--plan", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        # Until the last one that could write has ended.
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_keeper_says_so_and_ends_where_there_are_no_namespaces(tmp_path: Path) -> None:
    code, said = run(tmp_path, BEGIN + KEEPER.replace("REFUSED", "-1") + "keeper.main()")
    assert code == 1
    assert "the node can't have namespaces" in said
    assert "the node's namespaces could not be made; the lines above say why" in said


def test_a_node_whose_keeper_was_killed_at_once_ends_too(tmp_path: Path) -> None:
    # Before the node could ask the kernel to end with it.
    killed = "keeper._wire = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\nkeeper.main()"
    code, _ = run(tmp_path, BEGIN + KEEPER.replace("REFUSED", "0") + killed)
    assert code == -signal.SIGKILL


def test_control_groups_that_can_not_be_made_are_one_sentence(tmp_path: Path) -> None:
    refused = "cgroups.make = lambda name: 'no groups here'\nkeeper.main()"
    assert run(tmp_path, BEGIN + KEEPER.replace("REFUSED", "0") + refused) == (1, "no groups here\n")


def programs(tmp_path: Path, *commands: list[str]) -> list[dict[str, object]]:
    named = zip(("containerd", "kubelet"), commands, strict=False)
    return [{"name": name, "command": command, "log": str(tmp_path / f"{name}.log")} for name, command in named]


def test_parts_that_end_together_are_both_started_again(tmp_path: Path) -> None:
    script = """
inside = keeper.Inside(plan)
for program in plan["programs"]:
    inside._start(program)
for pid in inside._running:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
# As the start of the first one is, or `ctr`'s, before the others are looked at.
subprocess.run(["true"])
inside._bury()
print({name: len(started) for name, started in inside._started.items()})
"""
    # The second ones stay.
    both = programs(
        tmp_path,
        *(["sh", "-c", f"[ -e {tmp_path / name} ] && exec sleep 60; touch {tmp_path / name}"] for name in "ab"),
    )
    assert run(tmp_path, BEGIN + script, programs=both, variables=dict(os.environ)) == (
        0,
        "{'containerd': 2, 'kubelet': 2}\n",
    )


def test_a_containerd_that_ends_while_it_starts_is_started_again(tmp_path: Path) -> None:
    script = """
inside = keeper.Inside(plan)
inside._start(plan["programs"][0])
inside._await_containers()
print(len(inside._started["containerd"]))
"""
    # The second one stays, and answers.
    mark = tmp_path / "mark"
    starts = programs(tmp_path, ["sh", "-c", f"[ -e {mark} ] && touch {mark}.2; touch {mark}"])
    ctr = ["sh", "-c", f"test -e {mark}.2"]
    assert run(tmp_path, BEGIN + script, programs=starts, ctr=ctr, variables=dict(os.environ)) == (0, "2\n")


def test_a_containerd_that_will_not_stay_is_not_waited_for_and_its_words_are_repeated(tmp_path: Path) -> None:
    script = """
inside = keeper.Inside(plan)
inside._start(plan["programs"][0])
inside._await_containers()
"""
    starts = programs(tmp_path, ["sh", "-c", "echo no overlay here"])
    code, said = run(tmp_path, BEGIN + script, programs=starts, ctr=["false"], variables=dict(os.environ))
    assert code == 1
    assert said.startswith("containerd does not answer. It said:\n  no overlay here\n")
