"""The regions of AWS, from the list that its own SDK carries. Pure: no call, and no import of that SDK.

botocore is found, not imported: importing it costs 0.2 s of every `check`, reading its list a millisecond.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_GLOBAL = "-global"  # the list's entries for services without regions


@dataclass(frozen=True)
class Region:
    """A region.

    Args:
        name: As `eu-central-1`.
        partition: What its ARNs begin with: `aws`, `aws-cn`, `aws-us-gov`, ...
        dns_suffix: What the names of its services end with: `amazonaws.com`, ...
    """

    name: str
    partition: str
    dns_suffix: str


@cache
def known() -> dict[str, Region]:
    """Return every region by name."""
    return {
        name: Region(name, partition["id"], partition["outputs"]["dnsSuffix"])
        for partition in _partitions()
        for name in partition["regions"]
        if not name.endswith(_GLOBAL)
    }


def region(name: str) -> Region:
    """Return a region.

    Raises:
        ValueError: If there is none of this name.
    """
    if name in known():
        return known()[name]
    for partition in _partitions():
        # Refused here although the pattern fits: a slip such as eu-central-9 would else fail at the first call.
        if re.match(partition["regionRegex"], name):
            near = ", ".join(sorted(other for other in known() if other.partition("-")[0] == name.partition("-")[0]))
            raise ValueError(f"AWS has no region {name}; there are {near}")
    raise ValueError(f"AWS has no region {name}; a region is called as eu-central-1 or us-east-1")


def _partitions() -> list[dict[str, Any]]:
    found = find_spec("botocore")
    folder = Path(next(iter(found.submodule_search_locations or ()), "")) if found else Path()
    partitions: list[dict[str, Any]] = json.loads((folder / "data/partitions.json").read_text("utf-8"))["partitions"]
    return partitions
