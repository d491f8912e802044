"""What the architecture tests look at: the files of this checkout that are, or are about to be, committed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def committed(root: Path) -> Sequence[Path]:
    """Every file that git tracks or would add, relative to the checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    files = [Path(name) for name in listed.split("\0") if name and (root / name).is_file()]
    # A list that lost most of the checkout would let every test here pass.
    assert {Path("README.md"), Path("components/tiers.py"), Path("rehearsal/modules/pulumi/go.sum")} <= set(files)
    return sorted(files)
