"""The commands of every page work, in order, in a fresh checkout, and print what the page says they print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks, pages
from tests.docs.clone import environment, processes

ROOT = Path(__file__).resolve().parents[2]
# Seconds for one page. A page that brings up three environments takes four minutes on two busy cores, and one that
# finds nothing built yet another ten.
PATIENCE = 1800
_SHELL = {"sh", "bash", "shell", "console"}
# The only block that no test can run.
EXEMPT = {("README.md", "make test")}
_MARK = "=== terrarium docs block {} ==="


@dataclass(frozen=True)
class Step:
    """A block of commands, and what the page shows as its output."""

    block: Block
    output: Block | None


def steps(page: Path) -> list[Step]:
    """Return a page's commands, each with the `text` block that comes next."""
    found = blocks(ROOT, page)
    following: Sequence[Block | None] = [*found[1:], None] if found else []
    return [
        Step(block, after if after and after.language == "text" else None)
        for block, after in zip(found, following, strict=True)
        if block.language in _SHELL and not block.exempt
    ]


WITH_COMMANDS = [page for page in pages(ROOT) if steps(page)]


def test_commands_are_found() -> None:
    assert Path("README.md") in WITH_COMMANDS
    assert len(steps(Path("README.md"))) >= 6


def test_only_what_would_start_itself_is_exempt() -> None:
    exempt = {(str(page), block.text) for page in pages(ROOT) for block in blocks(ROOT, page) if block.exempt}
    assert exempt == EXEMPT


def test_every_block_of_commands_is_recognised() -> None:
    languages = {block.language for page in pages(ROOT) for block in blocks(ROOT, page)}
    assert languages <= {"sh", "text", "yaml", "python", "toml"}, "write commands as ```sh, output as ```text"


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=str)
def test_commands_work(checkout: Path, page: Path) -> None:
    found = steps(page)
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _script(found)],
        cwd=checkout,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    printed = _by_block(ended.stdout, len(found))
    last = found[max(printed, default=0)].block
    assert ended.returncode == 0, f"{last.at} failed:\n{ended.stdout[-6000:]}"
    for number, step in enumerate(found):
        if step.output:
            missing = _missing(step.output.text, printed[number])
            assert missing is None, (
                f"{step.output.at} shows a line that was not printed:\n{missing}\nbut\n{printed[number]}"
            )


def test_nothing_runs_after_the_readme_was_followed(checkout: Path) -> None:
    # In the order of the file: the pages above have ended with `make reset`, or stopped what they started.
    subprocess.run(["make", "reset"], cwd=checkout, env=environment(), capture_output=True, check=True, timeout=120)
    assert not [process.cmdline() for process in processes(checkout)]


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("a  b", "a      b\n", None),
        ("a … c", "x\na whatever c\n", None),
        ("a\nc", "a\nb\nc\n", None),
        ("c\na", "a\nb\nc\n", "a"),
        ("a", "ab\n", "a"),
    ],
)
def test_output_is_compared(shown: str, printed: str, missing: str | None) -> None:
    assert _missing(shown, printed) == missing


def _script(found: Sequence[Step]) -> str:
    return "\n".join(f"echo '{_MARK.format(number)}'\n{step.block.text}" for number, step in enumerate(found))


def _by_block(output: str, count: int) -> dict[int, str]:
    found = {}
    for number in range(count):
        _, mark, rest = output.partition(_MARK.format(number) + "\n")
        if mark:
            found[number] = rest.partition(_MARK.format(number + 1))[0]
    return found


def _missing(shown: str, printed: str) -> str | None:
    """Return the first shown line that was not printed, in order; `…` stands for anything, spaces for any spaces."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in filter(str.strip, shown.splitlines()):
        pattern = re.compile(
            ".*".join(re.escape(" ".join(part.split())) for part in line.split("…")).replace(".*", " ?.* ?")
        )
        if not any(pattern.fullmatch(candidate) for candidate in lines):
            return line
    return None
