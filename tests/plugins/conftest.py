from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from rehearsal.build import build
from rehearsal.engine import OFFICIAL, STAND_IN, EngineParts, prepare
from rehearsal.paths import pulumi_home
from rehearsal.platform import Platform
from rehearsal.plugins import MODULES, install
from rehearsal.plugins.kubernetes.client import Client
from rehearsal.plugins.kubernetes.kubeconfig import load
from rehearsal.progress import Silent

from .project import NAMESPACE, Project

# The SDK's script that a language host starts programs with; some packages of Pulumi leave it out.
RUNNER = "pulumi-language-python-exec"


@pytest.fixture(scope="session")
def cluster(embedded_platform: Platform) -> Path:
    """The admin's kubeconfig of a running platform, in which these tests have a namespace."""
    kubeconfig = Path(embedded_platform.kubeconfig)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    Client(load(str(kubeconfig))).apply(space, "tests", force=True)
    return kubeconfig


@pytest.fixture(scope="session")
def store(embedded_platform: Platform) -> tuple[dict[str, str], str]:
    """The variables that lead to a running platform's data store, and its profile's and service's name there."""
    return embedded_platform.connections.variables(), embedded_platform.context


@pytest.fixture
def api(cluster: Path) -> Client:
    return Client(load(str(cluster)))


@pytest.fixture(scope="session")
def parts() -> EngineParts:
    """What the engine consists of on this machine."""
    return prepare(Silent())


@pytest.fixture(scope="session")
def engine(parts: EngineParts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the engine and the stand-in plugins beside it, also where the official ones can be had."""
    folder = tmp_path_factory.mktemp("engine")
    # Where the engine is the person's own, only a link to it stands in our folder; the rest is beside its target.
    pulumi = (parts.bin_dir / "pulumi").resolve()
    for name, source in (("pulumi", pulumi), (RUNNER, _runner(pulumi.parent))):
        try:
            os.link(source, folder / name)
        except OSError:
            shutil.copy2(source, folder / name)
    install(folder, Path(sys.executable), MODULES)
    return folder


def _runner(beside: Path) -> Path:
    found = beside / RUNNER
    return found if found.exists() else build(["pulumi"], Silent())["pulumi"] / RUNNER


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """An empty Pulumi project with a stack and a state of its own, on the stand-ins unless the test says otherwise."""
    if getattr(request, "param", STAND_IN) == STAND_IN:
        return Project(request.getfixturevalue("engine"), tmp_path)
    parts: EngineParts = request.getfixturevalue("parts")
    if parts.origins["kubernetes"] != OFFICIAL:
        pytest.skip("Pulumi's own kubernetes plugin is not installed here, and can't be had")
    return Project(parts.bin_dir, tmp_path, pulumi_home() / "plugins")
