"""The page of the clouds names every type of resource that they make, and what is behind it in the rehearsal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.cloud import aws, gcp
from rehearsal.cloud.table import Cloud

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clouds.md"
SECTIONS = {"### AWS": aws.CLOUD, "### Google Cloud": gcp.CLOUD}


def rows(heading: str) -> Iterator[tuple[list[str], str, str]]:
    """Yield of each row of a section's table the types, what ran on a real account, and what is rehearsed."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n{heading}\n")[1].split("\n##")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 5 and cells[0].startswith("`"):
            yield re.findall(r"`([^`]+)`", cells[0]), cells[3], cells[4]


def named(cloud: Cloud) -> dict[str, bool]:
    """Return a cloud's types as the page calls them, and whether something real is behind each."""
    return {f"{token.split('/')[0]}.{token.split(':')[1]}": bool(row.embedded) for token, row in cloud.types.items()}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_type_has_a_row(heading: str) -> None:
    listed = [name for types, _, _ in rows(heading) for name in types]
    assert sorted(listed) == sorted(named(SECTIONS[heading]))


@pytest.mark.parametrize("heading", SECTIONS)
def test_what_is_real_is_said_to_be(heading: str) -> None:
    known = named(SECTIONS[heading])
    for types, account, rehearsal in rows(heading):
        assert account, types
        assert [known[name] for name in types] == [rehearsal.startswith("real")] * len(types), types
