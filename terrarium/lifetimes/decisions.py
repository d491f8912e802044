"""What is to be done about an environment's life: pure, so that every day of it can be tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from components.tiers import Tier
from terrarium.lifetimes.marks import Announcement, Marks

NOTICE = timedelta(days=7)
"""How long before its destruction an end is announced, at least."""


class Action(StrEnum):
    """What is done about an environment."""

    ANNOUNCE = "announce"
    """Note that its end was announced, from which day on the notice counts."""
    WITHDRAW = "withdraw"
    """Take back an announcement: the end was moved, or taken away."""
    SLEEP = "sleep"
    """Put it to sleep."""
    DESTROY = "destroy"
    """Destroy it."""


@dataclass(frozen=True)
class Known:
    """All that a decision needs.

    Args:
        tier: The environment's tier.
        expires: The last day on which it exists, as `last_day` has it; None for no end.
        idle_hours: Hours without use after which it is put to sleep; None for never.
        marks: What is noted on it.
        used: When it was last used; None if it is being used.
        runs: Whether it is noted as asleep, and something runs that sleep would have stopped.
    """

    tier: Tier
    expires: date | None
    idle_hours: int | None
    marks: Marks
    used: datetime | None
    runs: bool = False


def last_day(declared: date | None, deployed: date | None) -> date | None:
    """Return which of two ends counts: the later one, and no end is later than any.

    A checkout may be older than what it judges: an end that was moved on a branch and brought up is not on main yet.

    Args:
        declared: The end that the stack file declares; None for none.
        deployed: The end with which it was brought up; None for none.
    """
    return max(declared, deployed) if declared and deployed else None


def decide(known: Known, now: datetime, horizon: int) -> tuple[Action, ...]:
    """Return what is to be done, in order.

    Args:
        known: The environment.
        now: The present time.
        horizon: How many days before an end it is announced.
    """
    if known.tier is Tier.PRODUCTION:
        return ()
    ending = _ending(known, _day(now), horizon)
    if ending is Action.DESTROY:
        return (ending,)
    sleeping = (Action.SLEEP,) if _is_idle(known, now) else ()
    return (*((ending,) if ending else ()), *sleeping)


def destroyed_on(known: Known, now: datetime) -> date | None:
    """Return the first day on which the environment may be destroyed, if its end is announced now at the latest.

    Args:
        known: The environment.
        now: The present time.
    """
    if known.expires is None or known.tier is not Tier.EXPERIMENTATION:
        return None
    today = _day(now)
    announcement = _valid(known, today)
    noticed = announcement.on if announcement else today
    return max(known.expires + timedelta(days=1), noticed + NOTICE)


def _ending(known: Known, today: date, horizon: int) -> Action | None:
    announced = _valid(known, today)
    if known.tier is not Tier.EXPERIMENTATION or known.expires is None:
        return Action.WITHDRAW if known.marks.announcement else None
    if announced and today > known.expires and today >= announced.on + NOTICE:
        return Action.DESTROY
    if known.expires - today > timedelta(days=horizon):
        return Action.WITHDRAW if known.marks.announcement and not announced else None
    return None if announced else Action.ANNOUNCE


def _valid(known: Known, today: date) -> Announcement | None:
    """Return the announcement of this very end. One from the future is a clock's mistake, and was none."""
    found = known.marks.announcement
    return found if found and found.ends == known.expires and found.on <= today else None


def _is_idle(known: Known, now: datetime) -> bool:
    if known.idle_hours is None or known.used is None:
        return False
    # One that fell asleep half-way, or where somebody started something and left it, is put to sleep once more.
    if known.marks.sleep and not known.runs:
        return False
    return now - known.used >= timedelta(hours=known.idle_hours)


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
