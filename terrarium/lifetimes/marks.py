"""What the commands note on an environment in its cluster: an announced end, sleep and waking, its last use.

They stand on the namespace, which nobody who works in the environment may change, and once more on the descriptor,
which everybody who works there may read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from components.labels import LABEL
from terrarium.client.sources import DESCRIPTOR_NAMESPACE
from terrarium.errors import CommandFailed
from terrarium.lifetimes.objects import Object, Objects

ENDS = f"{LABEL}/ends"
"""Annotation: `{"ends": "2027-01-31", "announced": "2027-01-20"}`."""
ASLEEP = f"{LABEL}/asleep"
"""Annotation: `{"since": "2027-01-20T03:00:00Z", "because": "..."}`. It is there from the first step of falling asleep
to the last of waking."""
AWOKE = f"{LABEL}/awoke"
"""Annotation: the time of the last waking."""
USED = f"{LABEL}/used"
"""Annotation: `{"at": "2027-01-19T17:20:00Z", "by": "job train"}`, the last use that a round saw. The cluster
forgets it when what was used is deleted, as ended jobs are after a day."""


@dataclass(frozen=True)
class Announcement:
    """That an environment's end was announced.

    Args:
        ends: The last day on which it exists, as it was announced.
        on: The day on which it was first announced.
    """

    ends: date
    on: date


@dataclass(frozen=True)
class Sleep:
    """That an environment sleeps.

    Args:
        since: When it was put to sleep; empty if that can't be read.
        because: Why.
    """

    since: str
    because: str


@dataclass(frozen=True)
class Used:
    """That an environment was used.

    Args:
        at: When.
        by: What used it.
    """

    at: datetime
    by: str


@dataclass(frozen=True)
class Marks:
    """All that is noted on an environment.

    Args:
        announcement: That its end was announced; one that can't be read was none.
        sleep: That it sleeps, or is on the way there or back.
        awoke: When it last woke.
        used: The last use that was seen; one that can't be read was none.
    """

    announcement: Announcement | None = None
    sleep: Sleep | None = None
    awoke: datetime | None = None
    used: Used | None = None


def of(annotations: Mapping[str, str]) -> Marks:
    """Return what annotations say. What can't be read counts as what is safe: not announced, and asleep.

    Args:
        annotations: A namespace's.
    """
    return Marks(
        _announcement(annotations.get(ENDS)),
        sleep(annotations),
        moment(annotations.get(AWOKE)),
        _used(annotations.get(USED)),
    )


def announced(announcement: Announcement) -> str:
    """Return the text of the annotation ENDS."""
    return json.dumps({"ends": announcement.ends.isoformat(), "announced": announcement.on.isoformat()})


def asleep(now: datetime, because: str) -> str:
    """Return the text of the annotation ASLEEP."""
    return json.dumps({"since": written(now), "because": because})


def used(use: Used) -> str:
    """Return the text of the annotation USED."""
    return json.dumps({"at": written(use.at), "by": use.by})


def note(objects: Objects, environment: str, marks: Mapping[str, str | None]) -> None:
    """Note something on an environment, or take it away.

    Args:
        objects: The cluster's.
        environment: The environment's id, its namespace's name and its descriptor's.
        marks: Texts by annotation; None takes one away.
    """

    def write(found: Object) -> bool:
        before = dict(found["metadata"].get("annotations") or {})
        after = {key: text for key, text in {**before, **marks}.items() if text is not None}
        found["metadata"]["annotations"] = after
        return after != before

    # The namespace's counts, so it is last: what was killed in between is done once more.
    objects.change(f"/api/v1/namespaces/{DESCRIPTOR_NAMESPACE}/configmaps/{environment}", write)
    objects.change(f"/api/v1/namespaces/{environment}", write)


def read(objects: Objects, environment: str) -> tuple[Marks, datetime]:
    """Return what is noted on an environment, and when its namespace was made.

    Raises:
        CommandFailed: If its namespace is not there.
    """
    found = objects.get(f"/api/v1/namespaces/{environment}")
    if found is None:
        raise CommandFailed(
            f"namespace {environment} is gone and the stack's state is not: was a destroy interrupted? Finish it with "
            "`terrarium destroy`, or make it again with `terrarium up`"
        )
    metadata = found["metadata"]
    made = moment(metadata["creationTimestamp"])
    return of(metadata.get("annotations") or {}), made or datetime.now(UTC)


def moment(text: Any) -> datetime | None:
    """Return the time that Kubernetes has written, or None if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def written(moment: datetime) -> str:
    """Return a time as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _announcement(text: str | None) -> Announcement | None:
    try:
        found = json.loads(text or "")
        return Announcement(date.fromisoformat(found["ends"]), date.fromisoformat(found["announced"]))
    except (ValueError, TypeError, KeyError):
        return None


def _used(text: str | None) -> Used | None:
    try:
        found = json.loads(text or "")
        at, by = moment(found["at"]), str(found["by"])
    except (ValueError, TypeError, KeyError):
        return None
    return Used(at, by) if at else None


def sleep(annotations: Mapping[str, str]) -> Sleep | None:
    """Return what annotations of an environment's namespace, or its descriptor, say of its sleep; None if it is awake.

    Args:
        annotations: The annotations.
    """
    text = annotations.get(ASLEEP)
    if text is None:
        return None
    try:
        found = json.loads(text)
        return Sleep(str(found["since"]), str(found["because"]))
    except (ValueError, TypeError, KeyError):
        return Sleep("", "")
