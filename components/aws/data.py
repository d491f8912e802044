"""What data on AWS can be called and promised, before anything is asked of AWS. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components import naming
from components.aws.settings import AwsSettings
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.stores import layout
from components.tiers import Tier

RETENTION: Mapping[Tier, int] = {Tier.EXPERIMENTATION: 1, Tier.TESTING: 7, Tier.PRODUCTION: 35}
"""Days that a database can be brought back to; 35 is RDS's most (RDS user guide, "Backup retention period")."""
RPO_MINUTES = 5
"""Minutes that RDS may lose: its log is kept every five (RDS user guide, "Point-in-time recovery")."""

_INSTANCE = naming.NameRule(
    service="an RDS instance",
    longest=63,
    pattern=r"[a-z](-?[a-z0-9])*",
    alphabet="lower-case letters, digits and `-`, starting with a letter, without two `-` in a row or one at the end",
    source="Amazon RDS API reference, CreateDBInstance, DBInstanceIdentifier",
)
_REPOSITORY = naming.NameRule(
    service="an ECR repository",
    shortest=2,
    longest=256,
    pattern=r"[a-z0-9]+([._-][a-z0-9]+)*",
    alphabet="lower-case letters, digits, and one `.`, `_` or `-` between them",
    source="Amazon ECR API reference, CreateRepository, repositoryName",
)


def instance_name(owner: str, uid: str) -> str:
    """Return the name of an environment's RDS instance.

    Args:
        owner: The environment's id.
        uid: Its uid.

    Raises:
        NameRefused: If RDS would not take it.
    """
    return _INSTANCE.fit(owner, uid)


def repository_name(owner: str) -> str:
    """Return the name of an environment's ECR repository: people type it, so it is never shortened.

    Raises:
        NameRefused: If ECR would not take it.
    """
    return _REPOSITORY.check(owner)


def contradictions(settings: AwsSettings, declared: AnySettings) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for what a declaration asks of its data and AWS would refuse.

    Args:
        settings: The `cloud.aws` block.
        declared: The declaration.
    """
    kinds = _kinds(declared)
    for kind in settings.adopt.buckets:
        if kind not in kinds:
            known = f"kinds here are {', '.join(kinds)}" if kinds else "a platform has no data; remove this key"
            yield f"cloud.aws.adopt.buckets.{kind}", f"is no kind of objects: {known}"
    if isinstance(declared, EnvironmentSettings):
        yield from _environment(settings, declared)
    elif settings.database:
        yield "cloud.aws.database", "only an environment has a database; remove this key"
    if isinstance(declared, LakeSettings):
        refused = layout.refusals(layout.lake_id(declared.name), database=False)
        yield from (("name", message) for message in refused)


def _kinds(declared: AnySettings) -> tuple[str, ...]:
    if isinstance(declared, PlatformSettings):
        return ()
    return layout.KINDS if isinstance(declared, EnvironmentSettings) else (layout.DATASETS,)


def _environment(settings: AwsSettings, declared: EnvironmentSettings) -> Iterator[tuple[str, str]]:
    refused = layout.refusals(declared.id)
    try:
        instance_name(declared.id, "00000000")
        repository_name(declared.id)
    except naming.NameRefused as error:
        refused.append(str(error))
    yield from (("project", message) for message in refused)
    if settings.database is None:
        yield "cloud.aws.database", "is missing: an environment has a database; name its authorities' file at least"
    elif (settings.database.max_storage_gb or settings.database.storage_gb) < settings.database.storage_gb:
        yield (
            "cloud.aws.database.max_storage_gb",
            f"{settings.database.max_storage_gb} is less than storage_gb, {settings.database.storage_gb}",
        )
    if declared.store.lake and not settings.platform:
        yield "store.lake", "a lake is found through a platform; an environment that owns its cluster has none"
    if len({layout.schema(bucket) for bucket in declared.buckets}) < len(declared.buckets):
        yield "buckets", "two buckets would share a schema of the database"
    if declared.store.recovery.rpo_minutes < RPO_MINUTES:
        yield "store.recovery.rpo_minutes", f"RDS promises {RPO_MINUTES} minutes; promise as many, or more"
