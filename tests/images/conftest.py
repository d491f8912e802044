"""A registry, a checkout that builds for it, and a cache of the run's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from rehearsal.images.loopback import BASE, Served, served

# A shared runner stalls now and then; a deadline would make that a failure. No database: a run depends on nothing old.
settings.register_profile("terrarium", deadline=None, database=None, derandomize=True)
settings.load_profile("terrarium")

ROOT = Path(__file__).resolve().parents[2]
Build = Callable[..., Any]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the run: the client's layer is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache_folder(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRARIUM_CACHE", str(shared_cache))
    return shared_cache / "images"


@pytest.fixture
def advisories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Advisories as files, of today: nothing asks the network who has holes."""
    folder = tmp_path / "advisories"
    folder.mkdir()
    today = datetime.now(UTC).date().isoformat()
    entry = {
        "id": "PYSEC-2099-1",
        "modified": f"{today}T00:00:00Z",
        "aliases": ["CVE-2099-0001"],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "six"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.16.0"}]}],
            }
        ],
    }
    (folder / "PYSEC-2099-1.yaml").write_text(yaml.safe_dump(entry))
    monkeypatch.setenv("TERRARIUM_ADVISORIES", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path, registry: Served, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> Path:
    """A checkout with one environment of each tier, whose images are in the registry."""
    folder = tmp_path / "project"
    (folder / "policies" / "waivers").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    (folder / "organisation.yaml").write_bytes((ROOT / "organisation.yaml").read_bytes())
    declare(folder, "dev", "experimentation", image={"base": f"{BASE}@{registry.base}", "python": "3.11"})
    declare(folder, "test", "testing", image={"base": f"{BASE}@{registry.base}", "python": "3.11"})
    approve(folder)
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(registry.conf))
    for name in ("TERRARIUM_SIGN_KEY", "TERRARIUM_SIGN_PUBLIC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    return folder


def declare(folder: Path, name: str, tier: str, **more: Any) -> None:
    """Declare an environment of the project churn."""
    cloud = {"kubernetes": {"context": "nowhere", "platform": "shared", "registry": f"registry.internal/churn-{name}"}}
    environment = {"project": "churn", "name": name, "tier": tier, "cloud": cloud, **more}
    text = yaml.safe_dump({"config": {"terrarium:environment": environment}})
    (folder / f"Pulumi.{name}.yaml").write_text(text)


def approve(folder: Path, **more: Any) -> None:
    """Write security's list."""
    approved = {"registries": ["registry.internal"], "base_images": [BASE], **more}
    (folder / "policies" / "waivers" / "approved.yaml").write_text(yaml.safe_dump(approved))


def script(folder: Path, body: str = "print('hello')\n", *dependencies: str, name: str = "train.py") -> Path:
    """Write a script, with its requirements inside if there are any."""
    head = ""
    if dependencies:
        listed = "".join(f'#   "{one}",\n' for one in dependencies)
        head = f"# /// script\n# dependencies = [\n{listed}# ]\n# ///\n"
    path = folder / name
    path.write_text(head + body)
    return path
