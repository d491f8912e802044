"""Which version of an object was current at a time, and which has had its days. Pure.

A listing of versions says less than it seems: times are whole seconds (some stores give markers finer ones), and
clients get objects and delete markers in two lists, each with the newest first, without the order between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from terrarium.backups.moments import second

# Crockford's alphabet; a ULID's first ten characters are milliseconds since 1970 (github.com/ulid/spec).
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(f"[0-7][{_DIGITS}]{{25}}")
# The year of that specification: an id that holds an earlier time is something else.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(2016, 1, 1, tzinfo=UTC)


def made(id_: str, modified: datetime, now: datetime) -> datetime:
    """Return when a version was made.

    versitygw gives as the time of an older version the one at which it was replaced, and as that of a marker the one
    of the object that it hides: everything deleted since would seem never to have been. Its ids are ULIDs, and true.

    Args:
        id_: The version's id.
        modified: The time of change that the store gives.
        now: The present time; an id that holds a later one is no ULID.
    """
    if not _ULID.fullmatch(id_):
        return modified
    milliseconds = 0
    for digit in id_[:10]:
        milliseconds = milliseconds * 32 + _DIGITS.index(digit)
    since = timedelta(milliseconds=milliseconds)
    # A minute for clocks that differ. Compared as durations: a ULID reaches beyond the last year that is a date.
    if not _FIRST - _EPOCH <= since <= now - _EPOCH + timedelta(minutes=1):
        return modified
    return _EPOCH + since


class OrderUnknown(Exception):  # noqa: N818 - it says what is so
    """An object was written and deleted within one second, and this listing does not say which came last."""


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of a listing of versions.

    Args:
        key: The object's key.
        id: The version's id.
        modified: When it was made, by the store's clock.
        latest: Whether it is the current one.
        marker: Whether it says that the object is deleted.
        size: Bytes; 0 for a marker.
        etag: The store's digest of the content, without quotes; empty for a marker.
    """

    key: str
    id: str
    modified: datetime
    latest: bool
    marker: bool = False
    size: int = 0
    etag: str = ""


def current(history: Iterable[Version], moment: datetime) -> Version | None:
    """Return the version of an object that was current at a time, None if there was none.

    What changed within the second of that time counts as before it.

    Args:
        history: All versions of one key: objects with the newest first, and markers with the newest first.
        moment: The time.

    Raises:
        OrderUnknown: If the two lists do not say it; `first` does, for a history in true order.
    """
    last = second(moment)
    before = [version for version in history if second(version.modified) <= last]
    # By the order of the listing, not by time: a large upload carries the time of its beginning.
    written = next((version for version in before if not version.marker), None)
    deleted = next((version for version in before if version.marker), None)
    if written is None or deleted is None:
        return written
    if written.latest or deleted.latest:
        return written if written.latest else None
    if second(written.modified) == second(deleted.modified):
        raise OrderUnknown
    return written if written.modified > deleted.modified else None


def first(history: Iterable[Version], moment: datetime) -> Version | None:
    """Return what `current` returns, of a history in true order, the newest version or marker first."""
    last = second(moment)
    for version in history:
        if second(version.modified) <= last:
            return None if version.marker else version
    return None


def expired(history: Sequence[Version], now: datetime, kept: timedelta) -> list[Version]:
    """Return the versions of an object that were overwritten or deleted at least so long ago.

    A marker that is current goes only if nothing else is left of the object: it hides the older versions, and without
    it the newest of them would be back.

    Args:
        history: All versions of one key.
        now: The present time.
        kept: How long an overwritten or deleted object can be brought back.
    """
    limit = now - kept
    if len(history) == 1 and history[0].marker and history[0].latest:
        return list(history) if history[0].modified < limit else []
    # Those of one second go together: a marker that went before the version it hides would bring that back.
    seconds = sorted({second(version.modified) for version in history})
    following = dict(pairwise(seconds))

    def replaced(version: Version) -> datetime:
        own = second(version.modified)
        return following.get(own, own)

    return [version for version in history if not version.latest and replaced(version) < limit]
