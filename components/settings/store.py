"""What a stack file can say of the data store, whatever the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StrictBool

from components.settings.fields import Days, Generation, Group, Minutes, Settings, ShortName, User

BACKUP_INTERVAL = 1440
"""Minutes between two backups: `terrarium backup` is run once a day (docs/store-recovery.md)."""


class RecoverySettings(Settings):
    """What a loss may cost, and for how long one can go back."""

    rpo_minutes: Minutes
    """Recovery point objective: the most work that a loss may cost, in minutes."""
    rto_minutes: Minutes
    """Recovery time objective: the longest that a restore may take, in minutes."""
    keep_backups_days: Days
    """Days that a backup is kept."""


class StoreSettings(Settings):
    """The environment's data store: objects by kind (results, datasets, models, scratch) and one database."""

    versioned: StrictBool
    """Whether an object that is overwritten or deleted can be brought back. Scratch never is."""
    keep_versions_days: Days
    """Days that an overwritten or deleted object can be brought back."""
    expire_scratch_days: Days
    """Days after which an object in scratch is deleted."""
    protected: StrictBool
    """Whether a store that holds data can't be destroyed with its environment."""
    generations: Annotated[tuple[Generation, ...], Field(min_length=1, max_length=2)] = (1,)
    """Generations of keys that are valid: one, or two while they are rotated. The last one is given out."""
    lake: ShortName | None = None
    """The lake whose datasets the environment reads, if any."""
    recovery: RecoverySettings
    """What a loss may cost."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for values that are right alone and wrong together."""
        generations = self.generations
        if len(generations) == 2 and generations[1] != generations[0] + 1:
            yield "store.generations", f"[{generations[0]}, {generations[1]}] do not follow each other; the next is +1"
        if not self.versioned and self.recovery.rpo_minutes < BACKUP_INTERVAL:
            yield (
                "store.versioned",
                f"false, and store.recovery.rpo_minutes promises {self.recovery.rpo_minutes} minutes: without versions "
                "objects are as old as the last backup, a day",
            )


class BucketSettings(Settings):
    """Who has a bucket: they read and write what is below it, and nothing else of the environment."""

    users: tuple[User, ...] = ()
    """Users, as the cluster's sign-in names them."""
    groups: tuple[Group, ...] = ()
    """Groups, as the cluster's sign-in names them."""


class LakeStoreSettings(Settings):
    """How long a lake keeps what."""

    keep_versions_days: Days = 90
    """Days that an overwritten or deleted object can be brought back."""
    writers: tuple[Group, ...] = ()
    """Groups that bring datasets in."""
    generations: Annotated[tuple[Generation, ...], Field(min_length=1, max_length=2)] = (1,)
    """Generations of the writers' keys that are valid."""
