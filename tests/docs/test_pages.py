"""What the pages say without commands: links resolve, stack files are valid, generated tables are fresh."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from components.settings.check import check_project
from policies.gates import book
from tests.docs.blocks import Block, blocks, pages

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NAMED = re.compile(r"^# (?P<file>\S+\.yaml)$", re.MULTILINE)


def _prose(page: Path) -> str:
    return _FENCED.sub("", (ROOT / page).read_text(encoding="utf-8"))


def _anchors(file: Path) -> Iterator[str]:
    for heading in _HEADING.findall(_FENCED.sub("", file.read_text(encoding="utf-8"))):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links() -> list[tuple[Path, str]]:
    """Return each page with each of its links that leads into the checkout."""
    found = [(page, target) for page in pages(ROOT) for target in _LINK.findall(_prose(page))]
    return [(page, target) for page, target in found if "://" not in target and not target.startswith("mailto:")]


def yaml_blocks() -> list[Block]:
    """Return every YAML block of every page."""
    return [block for page in pages(ROOT) for block in blocks(ROOT, page) if block.language == "yaml"]


def test_pages_lead_to_each_other() -> None:
    assert len(links()) >= 8
    linked = {
        (page.parent / target.partition("#")[0]).as_posix() for page, target in links() if page.name == "README.md"
    }
    orphans = [page for page in pages(ROOT) if page.name != "README.md" and page.as_posix() not in linked]
    assert not orphans, "README.md links to every page"


@pytest.mark.parametrize(("page", "target"), links(), ids=str)
def test_link_resolves(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (ROOT / page.parent / path) if path else ROOT / page
    assert file.exists(), f"{page} links to {target}, which is not there"
    if anchor:
        assert anchor in set(_anchors(file)), f"{page} links to {target}; the page has no such heading"


def test_yaml_blocks_are_found() -> None:
    assert len(yaml_blocks()) >= 2


@pytest.mark.parametrize("block", yaml_blocks(), ids=lambda block: block.at)
def test_yaml_is_what_terrarium_takes(tmp_path: Path, block: Block) -> None:
    named = _NAMED.search(block.text)
    assert named, f"{block.at}: begin the block with a comment that names its file, as `# Pulumi.fraud-dev.yaml`"
    assert isinstance(yaml.safe_load(block.text), dict), f"{block.at} is not a mapping"
    for file in [ROOT / "Pulumi.yaml", ROOT / "organisation.yaml", *ROOT.glob("Pulumi.*.yaml")]:
        shutil.copy(file, tmp_path)
    (tmp_path / named["file"]).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / named["file"]).write_text(block.text, encoding="utf-8")
    if Path(named["file"]).parent == book.FOLDER:
        # Read at the time of writing: these examples end some day, and must not fail then.
        book.read(tmp_path, date(2026, 12, 1))
        return
    report = check_project(tmp_path)
    assert named["file"] in report.checked, f"{block.at}: `{named['file']}` is no file that Terrarium reads"
    assert report.ok, "\n".join(map(str, report.problems))


def test_generated_tables_are_fresh() -> None:
    command = [sys.executable, "docs/reference.py", "--check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_stale_table_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page = tmp_path / "docs" / "tiers.md"
    page.write_text(page.read_text(encoding="utf-8").replace("| open | listed | listed |", "| open | open | open |"))
    command = [sys.executable, "docs/reference.py", "--check"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "docs/tiers.md" in ended.stderr
    assert "python docs/reference.py" in ended.stderr


def test_an_unclosed_block_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```sh\nmake up\n")
    with pytest.raises(ValueError, match="never closed"):
        blocks(tmp_path, Path("page.md"))
