from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest_plugins = ["tests.support.cluster"]

ROOT = Path(__file__).parent
# What takes minutes begins first, longest first: one long file begun last kept a core idle for as long as it took.
LONG = (
    *("life/test_kill.py", "docs/test_commands.py", "conformance/test_life_aws.py", "conformance/test_life_gcp.py"),
    *(
        "life/test_store_faults.py",
        "backup",
        "jobs/test_real_node.py",
        "jobs/test_cluster.py",
        "life/test_store_life.py",
    ),
    *("life/test_store_matrix.py", "life/test_life.py", "platform/test_faults.py", "build", "benchmarks", "plugins"),
    "gates",
    "cloud_rehearsal",
)

# Tests start Python a thousand times. Where a shell forbids byte code, each start compiled half the product anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(file: Path) -> int:
    name = file.relative_to(ROOT).as_posix()
    return next((rank for rank, long in enumerate(LONG) if f"{name}/".startswith(f"{long}/")), len(LONG))
