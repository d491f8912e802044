"""docs/rules.md says what the catalogue says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from policies.rules import catalogue

ROOT = Path(__file__).resolve().parents[2]
CHECK = (sys.executable, "docs/catalogue.py", "--check")


def test_the_page_is_fresh() -> None:
    ended = subprocess.run(CHECK, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_stale_page_is_found_and_written(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page = tmp_path / "docs" / "rules.md"
    whole = page.read_text(encoding="utf-8")
    page.write_text(
        whole.replace("Images come from approved registries.", "Images come from anywhere."), encoding="utf-8"
    )
    ended = subprocess.run(CHECK, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "python docs/catalogue.py" in ended.stderr
    subprocess.run(CHECK[:2], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    assert page.read_text(encoding="utf-8") == whole


def test_every_rule_stands_on_the_page() -> None:
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert [rule.id for rule in catalogue() if f"\n#### {rule.id}\n" not in text] == []
