"""What is stated of an image: where it comes from (SLSA provenance 1) and what a scan found, as in-toto statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from terrarium.images.locking import Lock
from terrarium.images.registry import encoded
from terrarium.images.scan import Scan

MEDIA_TYPE = "application/vnd.in-toto+json"
PROVENANCE = "https://slsa.dev/provenance/v1"
SCAN = "https://terrarium.dev/scan/v1"
_BUILD_TYPE = "https://terrarium.dev/image-build/v1"


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


def scanned(image: tuple[str, str], found: Scan, packages: int, made: datetime) -> bytes:
    """Return what a scan found.

    Args:
        image: Its name, and its digest.
        found: The scan.
        packages: How many packages were looked at.
        made: When.
    """
    return _statement(image, SCAN, {"scan": found.as_dict(), "packages": packages, "finishedOn": _time(made)})


def subject(statement: Mapping[str, Any]) -> Sequence[str]:
    """Return the digests of what a statement is about, as `sha256:…`."""
    return [f"sha256:{one['digest']['sha256']}" for one in statement.get("subject", [])]


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


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
