"""Whether an image's packages have known holes: asked of OSV by pip-audit, or of advisories given as files.

Where neither can be had, the image is not scanned, and that is said: nothing is ever passed in silence.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from terrarium.errors import Refused
from terrarium.images import cache
from terrarium.images.advisories import Hole, holes
from terrarium.images.layers import Package

VARIABLE = "TERRARIUM_ADVISORIES"
"""Names a folder or zip of advisories (OSV's), or the address of a service that answers as OSV's `v1/query`."""
_PUBLIC = "OSV"
# Seconds for one answer, and for all of them.
_PATIENCE, _LONGEST = 10, 300


@dataclass(frozen=True)
class Scan:
    """What a scan found.

    Args:
        source: Whose data, for people.
        tried: The day on which it was made or tried.
        day: The day of which its data is, which is how long ago it counts as; None if there was no data.
        why: Without data: the reason.
        holes: What was found.
    """

    source: str
    tried: str
    day: str | None = None
    why: str = ""
    holes: tuple[Hole, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether it was made, and found nothing."""
        return self.day is not None and not self.holes

    def __str__(self) -> str:
        if self.day is None:
            return f"not scanned: {self.why}"
        return f"{len(self.holes) or 'no'} known hole{'s' * (len(self.holes) != 1)}, by {self.source} of {self.day}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


# Of papers too, which anybody may have written.
_READER = TypeAdapter(Scan)


def read(told: Mapping[str, Any]) -> Scan:
    """Return a scan from what `as_dict` gave.

    Raises:
        ValueError: It is something else.
    """
    try:
        return _READER.validate_python(told)
    except ValidationError:
        raise ValueError("it is no scan") from None


def source(variables: Mapping[str, str]) -> str:
    """Return whose data is asked: a path, an address, or OSV's own service."""
    return variables.get(VARIABLE) or _PUBLIC


def scan(packages: Sequence[Package], variables: Mapping[str, str]) -> Scan:
    """Return what is known of packages.

    Args:
        packages: The packages.
        variables: Of the environment; see VARIABLE.

    Raises:
        InvalidInput: The advisories that VARIABLE names can't be read.
    """
    asked, today = source(variables), datetime.now(UTC).date().isoformat()
    versions = {one.name: one.version for one in packages}
    if asked == _PUBLIC or asked.startswith(("http://", "https://")):
        return _audited(versions, asked, today)
    found, newest = holes(Path(asked).expanduser(), versions)
    # Advisories of last month tell what was known last month, whenever they are read.
    return Scan(Path(asked).name, today, min(newest, today), "", tuple(found))


def fresh(known: Scan, variables: Mapping[str, str]) -> bool:
    """Tell whether a scan need not be made again today."""
    return known.tried == datetime.now(UTC).date().isoformat() and known.source in {
        source(variables),
        Path(source(variables)).name,
    }


def refuse(found: Scan, what: str) -> None:
    """End the build if there are known holes.

    Raises:
        Refused: With each of them.
    """
    if found.holes:
        listed = "\n".join(f"  {hole}" for hole in found.holes)
        raise Refused(
            f"{what} needs packages with known holes; nothing was pushed:\n{listed}\nRaise their versions in the "
            "requirements, and lock them anew (--upgrade)",
            holes=[asdict(hole) for hole in found.holes],
        )


def _audited(versions: Mapping[str, str], asked: str, today: str) -> Scan:
    if not versions:
        return Scan(asked, today, today)
    with cache.workbench() as folder:
        file = folder / "requirements.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
        what = ["--requirement", str(file), "--no-deps", "--disable-pip", "--vulnerability-service", "osv"]
        how = ["--format", "json", "--desc", "off", "--aliases", "on", "--progress-spinner", "off"]
        where = [] if asked == _PUBLIC else ["--osv-url", asked]
        command = [sys.executable, "-m", "pip_audit", *what, *how, *where, "--timeout", str(_PATIENCE)]
        try:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return Scan(asked, today, why=f"{asked} did not answer within {_LONGEST} s")
    try:
        answers = json.loads(ended.stdout)["dependencies"]
        skipped = [one["name"] for one in answers if "vulns" not in one]
        found = tuple(_hole(one, hole) for one in answers for hole in one.get("vulns", []))
    except (ValueError, KeyError, TypeError):
        return Scan(asked, today, why=f"{asked} can't be reached; {VARIABLE} may name advisories as files")
    if skipped or len(answers) < len(versions):
        missing = ", ".join(sorted(skipped)) or "some packages"
        return Scan(asked, today, why=f"{asked} said nothing of {missing}", holes=found)
    return Scan(asked, today, today, "", found)


def _hole(package: Mapping[str, Any], hole: Mapping[str, Any]) -> Hole:
    return Hole(package["name"], package["version"], hole["id"], tuple(hole["aliases"]), tuple(hole["fix_versions"]))
