"""A hello-world on a real node, from the command to its exit code: `terrarium run` against a bare Job by kubectl.

Both run the same image, which the node has. The bare Job stands in a namespace that no environment, queue or policy
knows, and runs the script without what `terrarium run` puts around it: checks, the queue, log and results in the store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import workshop
from benchmarks.figures import Figure, Spread
from benchmarks.fresh import bring_up
from benchmarks.workshop import CommandFailedError
from rehearsal.build import build
from rehearsal.platform.node import machine
from rehearsal.progress import Report

TARGET = 1.3
"""Most that `terrarium run` may take, as a factor of the bare Job."""
_NAMESPACE = "bare"


def measure(pairs: int, report: Report) -> list[Figure]:
    """Run both, taking turns in being first.

    Args:
        pairs: How many pairs.
        report: Told of each.

    Raises:
        CommandFailedError: If no real node can run here, or a command fails.
    """
    if reason := machine.why_not():
        raise CommandFailedError(f"jobs are measured on a real node: {reason}")
    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    with workshop.workshop() as folder:
        report.step("Bringing up an environment with a real node")
        copy = bring_up(folder)
        jobs = _Jobs(copy, report)
        ways: dict[str, Callable[[int], None]] = {"ours": jobs.ours, "bare": jobs.bare}
        for number in range(-1, pairs):
            report.step(f"A hello-world by both ways: {number + 1} of {pairs}")
            for name in ("ours", "bare") if number % 2 else ("bare", "ours"):
                begun = time.perf_counter()
                ways[name](number)
                # The first of each brings the image to the node.
                if number >= 0:
                    taken[name].append(time.perf_counter() - begun)
        workshop.reset_clone(folder)
    ours, bare = Spread(tuple(taken["ours"])), Spread(tuple(taken["bare"]))
    return [Figure("hello-world on a real node, to its exit code", "s", ours=ours, reference=bare, target=TARGET)]


class _Jobs:
    """Runs the script in a checkout whose `dev` is up."""

    def __init__(self, copy: Path, report: Report) -> None:
        self._copy = copy
        # The one of the platform's own build: no other need be on this machine.
        self._kubectl: list[str | Path] = [build(["kubernetes"], report)["kubernetes"] / "kubectl", "--kubeconfig"]
        self._kubectl += [copy / ".terrarium" / "platforms" / "shared" / "kubeconfig", "--namespace", _NAMESPACE]
        (copy / "hello.py").write_text("print('hello')\n", encoding="utf-8")
        built = self._run([self._terrarium, "image", "build", "hello.py", "-e", "dev", "--json"])
        self._image = str(json.loads(built)["reference"])
        self._run([*self._kubectl, "create", "namespace", _NAMESPACE])

    @property
    def _terrarium(self) -> Path:
        return self._copy / ".venv" / "bin" / "terrarium"

    def ours(self, _: int) -> None:
        self._run([self._terrarium, "run", "-e", "dev", "hello.py"])

    def bare(self, number: int) -> None:
        name = f"hello-{number + 1}"
        command = ["create", "job", name, f"--image={self._image}", "--", "python3", "/app/hello.py"]
        self._run([*self._kubectl, *command])
        self._run([*self._kubectl, "wait", f"job/{name}", "--for=condition=Complete", "--timeout=120s"])

    def _run(self, command: list[str | Path]) -> str:
        return workshop.run(command, self._copy, workshop.bare_environment())
