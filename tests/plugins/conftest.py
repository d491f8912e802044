from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from rehearsal.platform import Platform
from rehearsal.plugins import MODULES, install
from rehearsal.plugins.kubernetes.client import Client
from rehearsal.plugins.kubernetes.kubeconfig import load
from tests.support.checkout import binaries

from .project import NAMESPACE, Project


@pytest.fixture(scope="session")
def cluster(embedded_platform: Platform) -> Path:
    """The admin's kubeconfig of a running platform, in which these tests have a namespace."""
    kubeconfig = Path(embedded_platform.kubeconfig)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    Client(load(str(kubeconfig))).apply(space, "tests", force=True)
    return kubeconfig


@pytest.fixture
def api(cluster: Path) -> Client:
    return Client(load(str(cluster)))


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the engine and the stand-in plugins beside it, also where the official ones can be had."""
    folder = tmp_path_factory.mktemp("engine")
    for name in ("pulumi", "pulumi-language-python-exec"):
        source = (binaries() / name).resolve()
        try:
            os.link(source, folder / name)
        except OSError:
            shutil.copy2(source, folder / name)
    install(folder, Path(sys.executable), MODULES)
    return folder


@pytest.fixture
def project(engine: Path, tmp_path: Path) -> Project:
    """An empty Pulumi project with a stack and a state of its own."""
    return Project(engine, tmp_path)
