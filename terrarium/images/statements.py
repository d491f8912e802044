"""What is stated of an image: where it comes from (SLSA provenance 1) and what a scan found, as in-toto statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from terrarium.images import scan
from terrarium.images.locking import Lock
from terrarium.images.registry import encoded
from terrarium.images.scan import Scan

MEDIA_TYPE = "application/vnd.in-toto+json"
PROVENANCE = "https://slsa.dev/provenance/v1"
SCAN = "https://terrarium.dev/scan/v1"
_BUILD_TYPE = "https://terrarium.dev/image-build/v1"


@dataclass(frozen=True)
class Provenance:
    """What a provenance says of an image.

    Args:
        predicate: All of it.
        base: What the image is built on, `host/path@sha256:…`; empty if it does not say.
        bill: Digest of the bill of materials; empty if it does not say.
    """

    predicate: Mapping[str, Any]
    base: str
    bill: str


def provenance(
    *,
    image: tuple[str, str],
    origin: Mapping[str, Any],
    base: str,
    lock: Lock,
    parameters: Mapping[str, Any],
    builder: str,
    times: tuple[datetime, datetime],
    byproducts: Mapping[str, str],
) -> bytes:
    """Return where an image comes from.

    Args:
        image: Its name, and its digest.
        origin: Where the code is from: `uri` and `digest`.
        base: What it is built on.
        lock: What it was locked to.
        parameters: What the person chose: platform, Python, the command.
        builder: Who built: a CI's run, or a person's machine.
        times: When it began and ended.
        byproducts: Digests of other papers, by name: whoever signs this vouches for them.
    """
    pins = [
        {"uri": f"pkg:pypi/{pin.name}@{pin.version}", "annotations": {"allowed": list(pin.hashes)}} for pin in lock.pins
    ]
    below, _, digest = base.partition("@sha256:")
    predicate = {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": {"source": origin["uri"], **parameters},
            "internalParameters": {"lock": Path(lock.origin).name},
            "resolvedDependencies": [
                {"name": "source", **origin},
                {"name": "base", "uri": f"oci://{below}", "digest": {"sha256": digest}},
                *pins,
            ],
        },
        "runDetails": {
            "builder": {"id": builder, "version": {"terrarium": version("terrarium")}},
            "metadata": {"startedOn": _time(times[0]), "finishedOn": _time(times[1])},
            "byproducts": [_named(name, digest) for name, digest in byproducts.items()],
        },
    }
    return _statement(image, PROVENANCE, predicate)


def read_provenance(predicate: Mapping[str, Any]) -> Provenance:
    """Return what a provenance says, whoever wrote it.

    Raises:
        KeyError: It is none.
        TypeError: As above.
        AttributeError: As above.
    """
    inputs = {one.get("name"): one for one in predicate["buildDefinition"]["resolvedDependencies"]}
    made = {one.get("name"): one for one in predicate["runDetails"].get("byproducts", [])}
    base, bill = inputs.get("base"), made.get("sbom")
    return Provenance(
        predicate=predicate,
        base=f"{str(base['uri']).removeprefix('oci://')}@{_digest(base)}" if base else "",
        bill=_digest(bill) if bill else "",
    )


def scanned(image: tuple[str, str], found: Scan, packages: int, made: datetime) -> bytes:
    """Return what a scan found.

    Args:
        image: Its name, and its digest.
        found: The scan.
        packages: How many packages were looked at.
        made: When.
    """
    return _statement(image, SCAN, {"scan": found.as_dict(), "packages": packages, "finishedOn": _time(made)})


def read_scan(predicate: Mapping[str, Any]) -> tuple[float, Scan]:
    """Return when a scan was made, in seconds since 1970, and what it found, whoever stated it.

    Raises:
        KeyError: It is none.
        TypeError: As above.
        ValueError: As above.
    """
    made = datetime.fromisoformat(predicate["finishedOn"])
    if made.tzinfo is None:
        raise ValueError("the time of the scan names no zone")
    return made.timestamp(), scan.read(predicate["scan"])


def subject(statement: Mapping[str, Any]) -> Sequence[str]:
    """Return the digests of what a statement is about, as `sha256:…`."""
    return [_digest(one) for one in statement.get("subject", [])]


def _statement(image: tuple[str, str], kind: str, predicate: Mapping[str, Any]) -> bytes:
    return encoded(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [_named(*image)],
            "predicateType": kind,
            "predicate": predicate,
        }
    )


def _named(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}


def _digest(named: Mapping[str, Any]) -> str:
    return f"sha256:{named['digest']['sha256']}"


def _time(moment: datetime) -> str:
    # To the microsecond: of two scans the later one counts, and one with a key may follow one without at once.
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
