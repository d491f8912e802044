"""Fenced blocks of Markdown pages, with what a page says about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w-]*)\s*$")
_EXEMPT = re.compile(r"^<!-- not run by tests: (?P<reason>.+) -->$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        page: The page, relative to the checkout.
        line: The line of its opening fence.
        language: What stands behind the fence.
        text: What stands inside.
        exempt: Why no test runs it, from the comment on the line above; None if it is run.
    """

    page: Path
    line: int
    language: str
    text: str
    exempt: str | None = None

    @property
    def at(self) -> str:
        """Where it is, for people."""
        return f"{self.page}:{self.line}"


def pages(root: Path) -> list[Path]:
    """Return the Markdown pages that people read, relative to the checkout, README.md first."""
    found = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    assert all(page.is_file() for page in found)
    return [page.relative_to(root) for page in found]


def blocks(root: Path, page: Path) -> list[Block]:
    """Return a page's fenced blocks in order.

    Raises:
        ValueError: If a fence is never closed, which would hide all blocks behind it.
    """
    return list(_blocks(page, (root / page).read_text(encoding="utf-8").splitlines()))


def _blocks(page: Path, lines: Sequence[str]) -> Iterator[Block]:
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if not opening:
            number += 1
            continue
        end = next((i for i in range(number + 1, len(lines)) if lines[i].rstrip() == opening["fence"]), None)
        if end is None:
            raise ValueError(f"{page}:{number + 1}: this block is never closed")
        above = _EXEMPT.match(lines[number - 1]) if number else None
        text = "\n".join(lines[number + 1 : end])
        yield Block(page, number + 1, opening["language"], text, above["reason"] if above else None)
        number = end + 1
