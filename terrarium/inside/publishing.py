"""Keeps what an attempt left, and makes it the result of its index: see `layout` for why it can't be doubled."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrarium.client.objects import CONCURRENCY
from terrarium.inside.layout import ENDED as ENDED_FILE
from terrarium.inside.layout import LOG, METRICS, OUTPUTS, VERSION, Place
from terrarium.inside.orders import Orders
from terrarium.inside.outputs import Output
from terrarium.inside.shelf import Shelf

_MOST_METRICS = 1 << 20  # bytes; more is no measurement, and would be in every record


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Args:
        code: The command's exit code.
        started: When, as ISO 8601.
        ended: When, as ISO 8601.
    """

    code: int
    started: str
    ended: str


class ForeignResults(Exception):  # noqa: N818 - it says what is there
    """The store holds results of another job of the same name."""


def published(shelf: Shelf, orders: Orders) -> dict[str, Any] | None:
    """Return the marker of this index, if an earlier attempt succeeded.

    Raises:
        ForeignResults: If it is another job's.
        OSError: If the store fails.
    """
    found = _marker(shelf, Place(orders.job, orders.index))
    if found is not None and found.get("run") != orders.run:
        raise ForeignResults
    return found


def publish(shelf: Shelf, orders: Orders, how: Ended, log: Path, outputs: Sequence[Output]) -> bool:
    """Keep what an attempt left; of one that succeeded, make it the result of its index.

    Args:
        shelf: Where.
        orders: Which attempt it is.
        how: How it ended.
        log: What it printed.
        outputs: What it leaves.

    Returns:
        Whether it is the result: not if it failed, nor if another attempt was first.

    Raises:
        OSError: If the store fails. Then nothing of it counts.
    """
    place = Place(orders.job, orders.index)
    home = place.attempt(orders.attempt)
    shelf.put(f"{home}/{LOG}", log)
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        files = list(threads.map(lambda one: _keep(shelf, f"{home}/{OUTPUTS}/{one.path}", one), outputs))
    record = {
        "version": VERSION,
        "job": orders.job,
        "run": orders.run,
        "index": orders.index,
        "attempt": orders.attempt,
        "exit": how.code,
        "started": how.started,
        "ended": how.ended,
        "log": f"{home}/{LOG}",
        "files": files,
        "metrics": _metrics(outputs),
    }
    content = json.dumps(record, sort_keys=True, allow_nan=False).encode()
    shelf.put(f"{home}/{ENDED_FILE}", content)
    if how.code != 0:
        return False
    try:
        return shelf.create(place.done, content) or _counts(shelf, place, orders)
    except OSError:
        # It may be written, and the answer lost for good.
        if _counts(shelf, place, orders):
            return True
        raise


def _counts(shelf: Shelf, place: Place, orders: Orders) -> bool:
    """Return whether the marker is this attempt's: a request that was repeated finds what it wrote the first time."""
    marker = _marker(shelf, place)
    return marker is not None and marker.get("attempt") == orders.attempt


def _keep(shelf: Shelf, key: str, one: Output) -> dict[str, Any]:
    with one.file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = one.file.stat().st_size
    shelf.put(key, one.file)
    return {"path": one.path, "key": key, "size": size, "sha256": digest}


def _metrics(outputs: Sequence[Output]) -> dict[str, Any] | None:
    found = next((one for one in outputs if one.path in (METRICS, f"{OUTPUTS}/{METRICS}")), None)
    try:
        if found is None or found.file.stat().st_size > _MOST_METRICS:
            return None
        # A loss that is no number is an ordinary outcome. JSON has no word for it, though Python writes one.
        content = json.loads(found.file.read_bytes(), parse_constant=lambda _: None, parse_float=_finite)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _marker(shelf: Shelf, place: Place) -> dict[str, Any] | None:
    content = shelf.get(place.done)
    if content is None:
        return None
    try:
        found = json.loads(content)
    except ValueError:
        # Whoever writes to the store may have put anything there; it names no attempt of ours.
        return {}
    return found if isinstance(found, dict) else {}
