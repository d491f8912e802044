"""What an image costs: the first build of a script, and another of the same, each the command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.figures import Figure, Spread
from benchmarks.workshop import CommandFailedError
from rehearsal.images.loopback import BASE, Served, served
from rehearsal.paths import root
from rehearsal.progress import Report

TARGET = 2.0
"""Most seconds that a build of unchanged code may take, from the command's start to its end."""
_SCRIPT = '# /// script\n# dependencies = ["numpy"]\n# ///\nimport numpy\n\nprint(numpy.arange(3).sum())\n'


def measure(pairs: int, report: Report) -> list[Figure]:
    """Measure builds for a registry on loopback.

    Args:
        pairs: How many builds of unchanged code.
        report: Told of each.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "registry").mkdir()
        with served(place / "registry") as registry:
            project = _project(place / "project", registry)
            (project / "train.py").write_text(_SCRIPT, encoding="utf-8")
            report.step("Building an image for the first time")
            first = _build(project, registry)
            again = []
            for number in range(pairs):
                report.step(f"Building it again, unchanged: {number + 1} of {pairs}")
                again.append(_build(project, registry))
    return [
        Figure("image: first build of a script with numpy", "s", ours=Spread((first,)), target=None),
        Figure("image: another build of the same", "s", ours=Spread(tuple(again)), target=TARGET),
    ]


def _project(folder: Path, registry: Served) -> Path:
    """Return a checkout with one environment."""
    (folder / "policies" / "waivers").mkdir(parents=True)
    for name in ("Pulumi.yaml", "organisation.yaml"):
        (folder / name).write_bytes((root() / name).read_bytes())
    approved = {"registries": ["registry.internal"], "base_images": [BASE]}
    (folder / "policies" / "waivers" / "approved.yaml").write_text(yaml.safe_dump(approved), encoding="utf-8")
    environment = {
        "project": "churn",
        "name": "dev",
        "tier": "experimentation",
        "cloud": {"kubernetes": {"context": "none", "platform": "none", "registry": "registry.internal/churn-dev"}},
        "image": {"base": f"{BASE}@{registry.base}", "python": "3.11"},
    }
    stack = {"config": {"terrarium:environment": environment}}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(stack), encoding="utf-8")
    return folder


def _build(project: Path, registry: Served) -> float:
    command = [str(Path(sys.executable).with_name("terrarium")), "image", "build", "train.py", "-e", "dev"]
    own = {
        "CONTAINERS_REGISTRIES_CONF": str(registry.conf),
        "TERRARIUM_CACHE": str(registry.folder / "cache"),
        # Nobody's network is measured: whether it is scanned makes no difference to a second build.
        "TERRARIUM_ADVISORIES": "http://127.0.0.1:9/v1/query",
    }
    begun = time.monotonic()
    ended = subprocess.run(command, cwd=project, env=os.environ | own, capture_output=True, text=True, check=False)
    taken = time.monotonic() - begun
    if ended.returncode:
        raise CommandFailedError(f"terrarium image build failed:\n{ended.stderr}")
    return taken
