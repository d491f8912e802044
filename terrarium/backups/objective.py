"""Whether a recovery point objective is kept, as far as it can be known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from terrarium.backups import moments


@dataclass(frozen=True)
class Archiving:
    """How a database server's log is archived, by the server itself.

    Args:
        on: Whether it is.
        timeout: Seconds after which a part of the log is archived that is not full; 0 for never.
        archived: When a part was archived last; None for never.
        failed: When archiving failed last; None for never.
        now: The time by the server's clock.
        waiting: Since when the oldest finished part waits; None if none does.
    """

    on: bool
    timeout: int
    archived: datetime | None
    failed: datetime | None
    now: datetime
    waiting: datetime | None

    def trouble(self, objective: timedelta) -> str | None:
        """Return why more than the objective may be lost; None if the log keeps it.

        A server that nobody writes to archives nothing, and nothing is lost: what counts is what waits.

        Args:
            objective: The recovery point objective.
        """
        if not self.on:
            return "the server archives no log"
        if self.failed is not None and (self.archived is None or self.failed > self.archived):
            return f"the server failed to archive its log, last {moments.written(self.failed)}"
        if self.waiting is not None and self.now - self.waiting > objective:
            return f"a part of the server's log waits to be archived since {moments.written(self.waiting)}"
        recent = self.archived is not None and self.now - self.archived <= objective
        if not recent and not 0 < self.timeout <= objective.total_seconds():
            return "the server's archive_timeout lets a part of the log wait longer than that"
        return None


@dataclass(frozen=True)
class Verdict:
    """What is known of a recovery point objective.

    Args:
        kept: Whether it is kept.
        reason: By what, or why not, for people.
    """

    kept: bool
    reason: str


def judge(
    objective: timedelta, *, log: bool, archiving: Archiving | None, unversioned: Sequence[str], age: float | None
) -> Verdict:
    """Return whether an objective is kept.

    Args:
        objective: What may be lost at most.
        log: Whether the stack file names a point_in_time command.
        archiving: How the log is archived; None if the server does not say.
        unversioned: Kinds of objects that keep no versions, scratch left out.
        age: Seconds since the newest backup that can be read; None if there is none.
    """
    lacks = [f"{', '.join(unversioned)} keep no versions"] if unversioned else []
    if not log:
        lacks.append("the stack file names no point_in_time command")
    elif archiving is None:
        lacks.append("not verified: the server does not show whether its log is archived")
    elif trouble := archiving.trouble(objective):
        lacks.append(trouble)
    if not lacks:
        return Verdict(True, "by versions and the server's log")
    fresh = age is not None and age <= objective.total_seconds()
    return Verdict(fresh, f"by the newest backup ({'; '.join(lacks)})" if fresh else "; ".join(lacks))
