"""An environment with a data store: what is declared, what exists, and the administrator's way to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from components.contract import Administration, NotReached
from components.settings.check import check_project
from components.settings.declaration import Declaration
from components.settings.models import EnvironmentSettings
from components.settings.problems import InvalidSettings
from components.stores import layout
from terrarium.backups.database import Server
from terrarium.backups.objects import Objects
from terrarium.deployment import Deployment
from terrarium.engine import Say, outputs
from terrarium.errors import CommandFailed, InvalidInput, Refused
from terrarium.plan import Watch
from terrarium.site import Site, site


@dataclass(frozen=True)
class Declared:
    """A stack that declares an environment.

    Args:
        declaration: What it declares.
        settings: Its settings.
        site: Where it is worked on.
    """

    declaration: Declaration
    settings: EnvironmentSettings
    site: Site

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.declaration.stack


@dataclass(frozen=True)
class Environment:
    """An environment that exists, with a data store.

    Args:
        declared: What is declared.
        uid: Its uid.
        made: When it was made or imported, by the state; None if the state does not say it.
        buckets: Its S3 buckets by kind, that of backups included.
        database: Its database's name.
        administration: How its store is reached.
    """

    declared: Declared
    uid: str
    made: datetime | None
    buckets: Mapping[str, str]
    database: str
    administration: Administration

    @property
    def settings(self) -> EnvironmentSettings:
        """Its settings."""
        return self.declared.settings

    @property
    def id(self) -> str:
        """Its id."""
        return self.settings.id

    @property
    def backups(self) -> str:
        """The S3 bucket of its backups."""
        return self.buckets[layout.BACKUPS]

    @property
    def root(self) -> Path:
        """The folder of Pulumi.yaml."""
        return self.declared.site.root

    @cached_property
    def objects(self) -> Objects:
        """Its objects' store."""
        return Objects(self.administration)

    @property
    def server(self) -> Server:
        """Its database."""
        return Server({**self.administration.database, "dbname": self.database})

    def now(self, say: Say) -> datetime:
        """Return the present time by the database server's clock: backups and the server's log have theirs from it.

        Args:
            say: Told if the server does not answer, and the time is this machine's; a backup is restored without it.
        """
        try:
            return self.server.now()
        except CommandFailed as error:
            say(f"{error}; the time is taken from this machine's clock")
            return datetime.now(UTC)

    @property
    def schemas(self) -> Mapping[str, str]:
        """The role that owns each schema; the buckets first, because the environment's own views may read theirs."""
        roles = {
            layout.schema(bucket): layout.role(self.id, self.uid, "b", bucket)
            for bucket in sorted(self.settings.buckets)
        }
        return roles | {layout.PUBLIC: layout.role(self.id, self.uid, "rw")}


def declared(root: Path, stack: str) -> Declared:
    """Return what a stack declares, checked against the other stacks.

    Raises:
        InvalidSettings: If it is not valid.
        InvalidInput: If it is no environment.
    """
    report = check_project(root, [stack])
    if not report.ok:
        raise InvalidSettings(f"stack {stack}", report.problems)
    found = report.declarations[stack]
    if not isinstance(found.settings, EnvironmentSettings):
        raise InvalidInput(f"stack {stack} is a {found.kind}; only environments are backed up and restored")
    return Declared(found, found.settings, site(root, found.tiers))


def existing(stack: Declared, say: Say) -> Environment | None:
    """Return the environment of a stack; None if it is not up.

    Raises:
        InvalidInput: If it has no data store, or the way to it is not found.
        Refused: If its cloud keeps the backups of its store itself.
    """
    state = Deployment(stack.declaration, stack.site, say).engine.state()
    found = outputs(state)
    store: Mapping[str, Any] = found.get("store") or {}
    buckets = (store.get("objects") or {}).get("buckets") or {}
    if buckets and layout.BACKUPS not in buckets:
        raise _kept_by_its_cloud(stack)
    administration = _administration(stack, found)
    database = (store.get("database") or {}).get("name")
    if not found.get("uid") or layout.BACKUPS not in buckets or not database:
        return None
    return Environment(stack, found["uid"], _made(state), buckets, database, administration)


def up(stack: Declared, say: Say, watch: Watch) -> Environment:
    """Bring a stack up, and return its environment.

    Raises:
        Refused: As `Deployment.up`.
        EngineFailed: As `Deployment.up`.
    """
    Deployment(stack.declaration, stack.site, say).up(watch)
    found = existing(stack, say)
    if found is None:
        raise Refused(f"stack {stack.stack} is up and has no data store; say in its file where that is")
    return found


def _administration(stack: Declared, found_out: Mapping[str, Any]) -> Administration:
    try:
        found = stack.declaration.adapter.administration(stack.site.asking, found_out)
    except NotReached as error:
        raise InvalidInput(f"stack {stack.stack}: {error}") from None
    if found is None:
        raise InvalidInput(f"stack {stack.stack} declares no data store, so there is nothing to back up or restore")
    if found.endpoint is None:
        raise _kept_by_its_cloud(stack)
    return found


def _kept_by_its_cloud(stack: Declared) -> Refused:
    """Return the refusal to back up what a cloud keeps: by keys that end a copy is whole by luck only."""
    return Refused(
        f"stack {stack.stack}: backup and restore are for S3 and PostgreSQL servers of one's own, and cloud "
        f"{stack.declaration.adapter.name} keeps what this one needs. Nothing was done. Objects: bring back an earlier "
        "version of them (each is kept for store.keep_versions_days). Database: restore its server to a point in time "
        "beside it (RDS: `aws rds restore-db-instance-to-point-in-time`; Cloud SQL: `gcloud sql instances clone "
        "--point-in-time`), and copy from there what was lost (docs/store-recovery.md)"
    )


def _made(state: Mapping[str, Any]) -> datetime | None:
    """Return when the database was made, or imported into this state."""
    times = [
        datetime.fromisoformat(resource["created"]).astimezone(UTC)
        for resource in state.get("resources") or ()
        if resource["type"] == "postgresql:index/database:Database" and resource.get("created")
    ]
    return min(times, default=None)
