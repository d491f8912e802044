"""The same questions to every cloud: those that are installed, or the one that `--harness` names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components import clouds
from tests.conformance.changes import CHANGES
from tests.conformance.harness import Harness, load
from tests.support.recording import Recorded, record

Declared = Callable[..., dict[str, Any]]
Run = Callable[..., Recorded]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--harness", help="module that tells the conformance suite of a cloud from elsewhere")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "harness" in metafunc.fixturenames:
        named = metafunc.config.getoption("--harness")
        # Every installed cloud: one without a harness fails, it is not left out.
        modules = [named] if named else [f"tests.conformance.clouds.{cloud}" for cloud in clouds.installed()]
        if "change" in metafunc.fixturenames:
            # Asked only of clouds that offer what is changed: a test that returns early would pass for nothing.
            asked = [(m, c) for m in modules for c in CHANGES if c.of <= load(m).offers]
            ids = [f"{m.rpartition('.')[2]}-{c.what}" for m, c in asked]
            metafunc.parametrize(("module", "change"), asked, ids=ids, scope="session")
        else:
            metafunc.parametrize("module", modules, ids=[m.rpartition(".")[2] for m in modules], scope="session")


@pytest.fixture(scope="session")
def harness(module: str) -> Harness:
    return load(module)


@pytest.fixture
def declared(harness: Harness) -> Declared:
    """Return a function that makes the block of an environment on the cloud; keys replace those of the harness."""

    def block(
        tier: str = "experimentation", name: str = "x", *, shared: bool = False, **changes: Any
    ) -> dict[str, Any]:
        return {"project": "sales", "name": name, "tier": tier, **harness.block(tier, shared=shared), **changes}

    return block


@pytest.fixture
def run(harness: Harness, tmp_path: Path) -> Run:
    """Return a function that runs a declaration on the cloud and returns what it asked for."""

    def run_block(block: dict[str, Any], kind: str = "environment", *, preview: bool = False) -> Recorded:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return record(folder, "conformance", {kind: block}, preview=preview, made=harness.made, answer=harness.answer)

    return run_block
