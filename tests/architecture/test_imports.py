"""import-linter's contracts hold, and each of them finds the import that it is there for."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

import pytest

PACKAGES = ("components", "policies", "stacks", "terrarium", "rehearsal")
PATIENCE = 120  # seconds; a whole run takes one or two

# The contract's id, the module that oversteps, and the line that does it.
FORBIDDEN = [
    ("layers", "components/naming.py", "import stacks.program"),
    ("layers", "components/platform.py", "import terrarium.guard"),
    ("layers", "stacks/program.py", "import terrarium.site"),
    ("product", "terrarium/site.py", "import rehearsal.paths"),
    ("product", "components/environment.py", "from rehearsal import versions"),
    ("product", "stacks/program.py", "def _late() -> None:\n    import rehearsal.engine"),
    ("rehearsal", "rehearsal/stacks.py", "from components.settings.declaration import declare"),
    ("rehearsal", "rehearsal/engine.py", "import terrarium.site"),
    ("clouds", "components/environment.py", "import components.kubernetes"),
    ("clouds", "stacks/program.py", "from components.kubernetes.adapter import KubernetesAdapter"),
    ("contract", "components/kubernetes/adapter.py", "import components.descriptor"),
    ("contract", "components/workspace/limits.py", "from components.settings.declaration import declare"),
    ("workspace", "components/kubernetes/adapter.py", "from components.workspace import Workspace"),
    ("workspace", "components/stores/accounts.py", "from components.workspace import Workspace"),
    ("stores", "components/stores/objects.py", "from components.kubernetes.settings import StoreConnections"),
    ("settings", "components/settings/models.py", "import pulumi"),
    ("settings", "components/stores/layout.py", "import pulumi"),
    ("settings", "components/naming.py", "import components.environment"),
    ("kubernetes-sdk", "components/environment.py", "from pulumi_kubernetes.core.v1 import Secret"),
    ("kubernetes-sdk", "terrarium/guard.py", "import pulumi_kubernetes"),
    ("random-sdk", "components/workspace/access.py", "from pulumi_random import RandomPassword"),
    ("store-sdks", "components/environment.py", "import pulumi_aws"),
    ("store-sdks", "components/workspace/store.py", "import pulumi_postgresql"),
    ("gcp-sdk", "components/environment.py", "import pulumi_gcp"),
    ("gcp-sdk", "components/aws/adapter.py", "from pulumi_gcp import storage"),
    ("kubernetes-client", "components/descriptor.py", "import kubernetes"),
    ("kubernetes-client", "terrarium/deployment.py", "from kubernetes import client"),
    ("rules", "policies/rules/model.py", "from components.tiers import Tier as Theirs"),
    ("rules", "policies/rules/images.py", "import pulumi"),
    ("rules", "policies/rules/checking.py", "import policies.cases"),
]


def test_contracts_hold(root: Path) -> None:
    ended = _lint(root)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_contract_is_tried(root: Path) -> None:
    assert {contract for contract, _, _ in FORBIDDEN} == set(_contracts(root))


@pytest.mark.parametrize(("contract", "file", "line"), FORBIDDEN)
def test_forbidden_import_is_found(copy: Path, contract: str, file: str, line: str) -> None:
    path = copy / file
    original = path.read_text(encoding="utf-8")
    path.write_text(f"{original}\n\n{line}\n", encoding="utf-8")
    try:
        ended = _lint(copy, "--contract", contract)
    finally:
        path.write_text(original, encoding="utf-8")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "BROKEN" in ended.stdout, ended.stdout
    assert file.removesuffix(".py").replace("/", ".") in ended.stdout.partition("Broken contracts")[2]


def test_every_cloud_of_ours_is_under_contract(root: Path) -> None:
    ours = {
        p.value.partition(":")[0] for p in entry_points(group="terrarium.clouds") if p.dist and _is_ours(p.dist.name)
    }
    assert ours, "no cloud is installed: the entry points of pyproject.toml are gone or were renamed"
    contracts = _contracts(root)
    for cloud in ours:
        for contract, key in (("clouds", "protected_modules"), ("contract", "source_modules")):
            assert cloud in contracts[contract][key].split(), f"add {cloud} to {key} of contract {contract}"


@pytest.fixture(scope="module")
def copy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and the contracts, to tamper with."""
    folder = tmp_path_factory.mktemp("tampered")
    for package in PACKAGES:
        shutil.copytree(root / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / ".importlinter", folder)
    # Without this a copy that is wrong by itself would pass every test of a forbidden import.
    ended = _lint(folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def _is_ours(distribution: str) -> bool:
    return distribution == "terrarium"


def _contracts(root: Path) -> dict[str, configparser.SectionProxy]:
    parser = configparser.ConfigParser()
    parser.read(root / ".importlinter", encoding="utf-8")
    prefix = "importlinter:contract:"
    return {name.removeprefix(prefix): parser[name] for name in parser.sections() if name.startswith(prefix)}


def _lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The packages of the folder it runs in go before those of the installed checkout.
    command: Sequence[str | Path] = (Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo")
    return subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
