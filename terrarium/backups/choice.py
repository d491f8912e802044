"""Where the data as of a time is taken from: versions and the server's log, or a backup. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.settings.store import StoreSettings
from terrarium.backups import moments
from terrarium.backups.manifest import Manifest
from terrarium.errors import InvalidInput, Refused

MARGIN = timedelta(days=1)
"""How much sooner than versions go no restore begins to read them: it takes its time, and may be interrupted."""


@dataclass(frozen=True)
class Possible:
    """What an environment can be restored from.

    Args:
        point_in_time: Whether its database server can be read as of any time.
        unversioned: Kinds of objects that keep no versions, scratch left out.
        backup: The newest backup of the time or before, if there is one.
    """

    point_in_time: bool
    unversioned: Sequence[str]
    backup: Manifest | None


@dataclass(frozen=True)
class Choice:
    """What a restore takes.

    Args:
        backup: The backup that it needs; None if it needs none.
        database: Whether the database is from that backup; else from the server's log.
        kinds: Kinds of objects that are from that backup; the others are from their versions.
        whole: Whether everything is, because older versions have had their days.
    """

    backup: Manifest | None
    database: bool
    kinds: Sequence[str]
    whole: bool

    def sentences(self, moment: datetime) -> Iterator[str]:
        """Yield, for people, as of when what will be."""
        wanted = moments.written(moment)
        if self.backup is None or not self.database:
            yield f"database: as of {wanted}, from the server's log"
        if self.backup is None:
            yield f"objects: as of {wanted}, to the second, from their versions"
            return
        lag = moments.duration((moment - self.backup.moment).total_seconds())
        what = [*(["the database"] if self.database else []), *self.kinds]
        if what:
            named = "everything" if self.whole else ", ".join(what)
            yield f"{named}: as of {self.backup.time}, when the backup was taken, {lag} before {wanted}"
        if not self.whole:
            yield f"objects of other kinds: as of {wanted}, to the second, from their versions"


def within(moment: datetime, now: datetime) -> None:
    """Refuse a time that is still to come.

    Raises:
        InvalidInput: If it is.
    """
    if moment > now:
        raise InvalidInput(f"{moments.written(moment)} is in the future; it is {moments.written(now)}")


def doubt(moment: datetime, made: datetime | None, oldest: datetime | None) -> str | None:
    """Return, for people, why there may be nothing as of a time; None if there is something.

    Args:
        moment: The time.
        made: When the environment was made, by its state. After an import into a new state it is the import's time: to
            refuse all before would refuse what is still there.
        oldest: The time of the oldest backup; None if there is none.
    """
    if made is None or moment >= made or (oldest is not None and oldest <= moment):
        return None
    return (
        f"{moments.written(moment)} is before the environment was made or imported, {moments.written(made)}, and no "
        "backup is as old"
    )


def reachable(moment: datetime, now: datetime, store: StoreSettings, versions: Sequence[str]) -> None:
    """Refuse to go on with a restore whose versions have had their days: what is missing would not be missed.

    Args:
        moment: The time that is restored to.
        now: The present time.
        store: The environment's settings.
        versions: Kinds that are taken from versions.

    Raises:
        Refused: If it is too late.
    """
    if versions and moment < now - timedelta(days=store.keep_versions_days):
        raise Refused(
            f"this restore to {moments.written(moment)} was interrupted for too long: versions are kept for "
            f"{store.keep_versions_days} days, so parts of {', '.join(versions)} may be gone; restore into a new stack"
        )


def choose(moment: datetime, now: datetime, store: StoreSettings, possible: Possible, *, accept_older: bool) -> Choice:
    """Return what a restore takes.

    Args:
        moment: The time to restore to.
        now: The present time.
        store: The environment's settings.
        possible: What there is.
        accept_older: Whether a backup may be older than the recovery point objective allows.

    Raises:
        Refused: If nothing reaches that time.
    """
    # What was current then was overwritten later, and is kept for so many days from then.
    whole = moment < now - timedelta(days=store.keep_versions_days) + MARGIN
    from_log = possible.point_in_time and not whole
    if from_log and not possible.unversioned:
        return Choice(None, database=False, kinds=(), whole=False)
    reason = _reason(store, possible, whole=whole)
    backup = possible.backup
    if backup is None:
        raise Refused(
            f"there is no backup of {moments.written(moment)} or before, and one is needed: {reason}. "
            "`terrarium backup STACK --list` shows those there are"
        )
    limit = timedelta(minutes=store.recovery.rpo_minutes)
    if moment - backup.moment > limit and not accept_older:
        lag = moments.duration((moment - backup.moment).total_seconds())
        raise Refused(
            f"the newest backup before {moments.written(moment)} is of {backup.time}, {lag} earlier, and "
            f"store.recovery.rpo_minutes promises {store.recovery.rpo_minutes} minutes; a backup is needed: {reason}. "
            "To take it all the same: --accept-older",
            backup=backup.time,
        )
    kinds = tuple(backup.objects) if whole else tuple(possible.unversioned)
    return Choice(backup, database=not from_log, kinds=kinds, whole=whole)


def _reason(store: StoreSettings, possible: Possible, *, whole: bool) -> str:
    if whole:
        return f"versions are kept for {store.keep_versions_days} days, and a restore needs the last of them to end"
    if not possible.point_in_time:
        return "the stack file names no point_in_time command, so the database is as old as its backup"
    return f"{', '.join(possible.unversioned)} are not versioned"
