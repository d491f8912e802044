"""A cloud that is no part of this repository passes the same suite, without a change to the core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.recording import ROOT

OUTSIDE = Path(__file__).parent / "outside"


def test_a_cloud_registered_from_outside_the_tree_passes_the_suite() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--harness=meadow_harness", "tests/conformance/test_contract.py"],
        cwd=ROOT,
        # As if it were installed beside: found by its entry point alone.
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(OUTSIDE), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_its_name_is_refused_with_those_that_there_are_where_it_is_not_installed() -> None:
    code = "from components import clouds; clouds.find('meadow')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "unknown cloud `meadow`" in done.stderr
