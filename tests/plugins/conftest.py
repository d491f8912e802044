from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.plugins import MODULES, install

from .cluster import binaries, control_plane
from .project import Project


@pytest.fixture(scope="session")
def programs() -> Path:
    """Folder with pulumi, pulumi-language-python-exec, etcd, kube-apiserver and kube-controller-manager."""
    folder = binaries()
    if not (folder / "pulumi").exists():
        pytest.skip(f"no engine in {folder}: build it, or set TERRARIUM_BINARIES")
    return folder


@pytest.fixture(scope="session")
def cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The admin's kubeconfig of a running API server."""
    with control_plane(programs, tmp_path_factory.mktemp("cluster")) as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="session")
def engine(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the engine and the stand-in plugins beside it."""
    folder = tmp_path_factory.mktemp("engine")
    for name in ("pulumi", "pulumi-language-python-exec"):
        try:
            os.link((programs / name).resolve(), folder / name)
        except OSError:
            shutil.copy2(programs / name, folder / name)
    install(folder, Path(sys.executable), MODULES)
    return folder


@pytest.fixture
def project(engine: Path, tmp_path: Path) -> Project:
    """An empty Pulumi project with a stack and a state of its own."""
    return Project(engine, tmp_path)
