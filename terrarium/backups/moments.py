"""Times as people type them, as S3 lists them and as backups are named. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from terrarium.errors import InvalidInput

LATEST = "latest"
_NAME = "%Y%m%dT%H%M%S.%fZ"


def parse(text: str) -> datetime:
    """Return a time that somebody typed, in UTC.

    Args:
        text: RFC 3339 with a zone, such as `2026-11-21T14:30:00Z` or `2026-11-21T15:30:00+01:00`.

    Raises:
        InvalidInput: If it is none, or names no zone: an hour off is the wrong data, and nobody would see it.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"`{text}` is not a time: write it like 2026-11-21T14:30:00Z, or `{LATEST}`") from None
    if len(text) <= len("2026-11-21") or found.tzinfo is None:
        raise InvalidInput(f"`{text}` is in no time zone: add Z for UTC, or an offset such as +01:00")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"`{text}` is out of the range of dates") from None


def second(moment: datetime) -> datetime:
    """Return the second that a time lies in: S3 lists no finer time of change."""
    return moment.replace(microsecond=0)


def name(moment: datetime) -> str:
    """Return what a backup of this time is called: it sorts by time, and every store takes it."""
    return moment.astimezone(UTC).strftime(_NAME)


def named(text: str) -> datetime | None:
    """Return the time in a backup's name; None if it is not one."""
    try:
        return datetime.strptime(text, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def written(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with microseconds: what it says can be given as `--at` again."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def duration(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 2880 else f"{minutes / 1440:.0f} days"
