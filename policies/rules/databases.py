"""Databases: out of the internet's reach, encrypted, backed up, and hard to delete."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.model import EVERY_TIER, PRODUCTION, SHARED_TIERS, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import open_to_the_world, root

RDS = "aws:rds/instance:Instance"
AURORA = "aws:rds/cluster:Cluster"
CLOUD_SQL = "gcp:sql/databaseInstance:DatabaseInstance"
SCALEWAY = "scaleway:databases/instance:Instance"
_AURORA_INSTANCE = "aws:rds/clusterInstance:ClusterInstance"
_PARAMETERS = ("aws:rds/parameterGroup:ParameterGroup", "aws:rds/clusterParameterGroup:ClusterParameterGroup")
_SCALEWAY_ACL = "scaleway:databases/acl:Acl"
_TLS_MODES = ("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")
# A mistake on Friday is found on Monday of the week after; FSBP RDS.11 demands seven days as well.
_BACKUP_DAYS = 7


@rule(
    "db-not-public",
    title="Databases have no public address.",
    reason="A password is then all that stands between the internet and the data.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_17", "RDS.2", "CKV_GCP_11", "CKV_GCP_60"),
    remedy="RDS: publiclyAccessible false. Cloud SQL: ipv4Enabled false. Scaleway: privateNetwork, no loadBalancer.",
    types=(RDS, _AURORA_INSTANCE, CLOUD_SQL, SCALEWAY, _SCALEWAY_ACL),
    unknown=True,
)
def not_public(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """RDS is private unless told otherwise, Cloud SQL and Scaleway are public unless told otherwise."""
    node = root(resource)
    if resource.type in {RDS, _AURORA_INSTANCE}:
        yield from node.get("publiclyAccessible").must_not_be_true("gives it a public address")
    elif resource.type == CLOUD_SQL:
        reach = node.get("settings", "ipConfiguration")
        public = reach.get("ipv4Enabled")
        if not public.false:
            yield public.fault("is not false")
        yield from open_to_the_world(entry.get("value") for entry in reach.get("authorizedNetworks").entries())
    elif resource.type == SCALEWAY:
        yield from node.get("privateNetwork").must_be_given("is not set, which gives it a public address")
        if not node.get("loadBalancer").absent:
            yield node.get("loadBalancer").fault("gives it a public address")
    else:
        yield from open_to_the_world(entry.get("ip") for entry in node.get("aclRules").entries())


@rule(
    "db-encrypted",
    title="Databases are encrypted at rest.",
    reason="Disks and snapshots leave the database's own protection.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_16", "CKV_AWS_96", "RDS.3", "RDS.27"),
    remedy="RDS: storageEncrypted true. Scaleway: encryptionAtRest true. Neither can be turned on later.",
    types=(RDS, AURORA, SCALEWAY),
)
def encrypted(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """It is said: both clouds' default is not to. Cloud SQL always does."""
    key = "encryptionAtRest" if resource.type == SCALEWAY else "storageEncrypted"
    yield from root(resource).get(key).must_be_true("is not true")


@rule(
    "db-tls",
    title="Databases take encrypted connections only.",
    reason="One client without TLS sends its password and the data in plain text.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV2_AWS_69", "CKV_GCP_6", "RDS.38"),
    remedy="RDS: a parameter group with rds.force_ssl 1. Cloud SQL: ipConfiguration.sslMode ENCRYPTED_ONLY.",
    types=(RDS, CLOUD_SQL, *_PARAMETERS),
)
def tls(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The server demands it; on RDS by a parameter group of one's own, as defaults differ between versions."""
    node = root(resource)
    if resource.type == RDS:
        yield from node.get("parameterGroupName").must_be_given("is not set: not every version's default demands TLS")
    elif resource.type == CLOUD_SQL:
        mode = node.get("settings", "ipConfiguration", "sslMode")
        yield from mode.must_be_among(_TLS_MODES, "is not ENCRYPTED_ONLY")
    elif "postgres" in node.get("family").text or not node.get("family").text:
        demanded = [p for p in node.get("parameters").entries() if p.get("name").text == "rds.force_ssl"]
        if not any(parameter.get("value").number == 1 for parameter in demanded):
            yield node.get("parameters").fault("does not set rds.force_ssl to 1")


@rule(
    "db-backup",
    title=f"Databases are backed up for at least {_BACKUP_DAYS} days.",
    reason="A mistake that is found a week later can't be undone.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("CKV_AWS_133", "RDS.11", "CKV_GCP_14"),
    remedy=f"RDS: backupRetentionPeriod {_BACKUP_DAYS}. Cloud SQL: backups and point-in-time recovery. Scaleway: leave "
    "backups on.",
    types=(RDS, AURORA, CLOUD_SQL, SCALEWAY),
)
def backup(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Backups are on and kept long enough; RDS keeps none by default, Scaleway seven days."""
    node = root(resource)
    if resource.type == CLOUD_SQL:
        kept = node.get("settings", "backupConfiguration")
        yield from kept.get("enabled").must_be_true("is not true")
        yield from kept.get("pointInTimeRecoveryEnabled").must_be_true("is not true")
        return
    if resource.type == SCALEWAY:
        yield from node.get("disableBackup").must_not_be_true("switches backups off")
    days = node.get("backupScheduleRetention" if resource.type == SCALEWAY else "backupRetentionPeriod")
    default = resource.type == SCALEWAY and days.absent
    if not default and (days.number or 0) < _BACKUP_DAYS:
        yield days.fault(f"is less than {_BACKUP_DAYS} days")


@rule(
    "db-deletion-protection",
    title="Databases refuse to be deleted.",
    reason="It holds against the console and other tools as well, where the engine's `protect` does not.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("CKV_AWS_139", "CKV_AWS_293", "RDS.7", "RDS.8", "AWS-0177", "own (Google Cloud)"),
    remedy="RDS: deletionProtection true. Cloud SQL: settings.deletionProtectionEnabled true.",
    types=(RDS, AURORA, CLOUD_SQL),
)
def deletion_protection(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The cloud's own lock is on; Cloud SQL's `deletionProtection` is the provider's alone."""
    node = root(resource)
    on = (
        node.get("settings", "deletionProtectionEnabled")
        if resource.type == CLOUD_SQL
        else node.get("deletionProtection")
    )
    yield from on.must_be_true("is not true")


@rule(
    "db-ha",
    title="Production's databases survive the loss of a zone.",
    reason="A zone fails about as often as anything else, and takes every job with it.",
    severity=Severity.MEDIUM,
    tiers=PRODUCTION,
    sources=("CKV_AWS_157", "RDS.5"),
    remedy="RDS: multiAz true. Cloud SQL: availabilityType REGIONAL. Scaleway: isHaCluster true.",
    types=(RDS, CLOUD_SQL, SCALEWAY),
)
def ha(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """There is a stand-by in another zone: no cloud makes one by default."""
    node = root(resource)
    if resource.type == CLOUD_SQL:
        yield from node.get("settings", "availabilityType").must_be_among(["REGIONAL"], "is not REGIONAL")
    else:
        yield from node.get("isHaCluster" if resource.type == SCALEWAY else "multiAz").must_be_true("is not true")


@rule(
    "db-iam-auth",
    title="Databases take the cloud's identities.",
    reason="Else every program needs a password that somebody must keep, rotate and lose.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("CKV_AWS_161", "CKV_AWS_162", "RDS.10"),
    remedy="RDS: iamDatabaseAuthenticationEnabled true. Cloud SQL: the flag cloudsql.iam_authentication on.",
    types=(RDS, AURORA, CLOUD_SQL),
)
def iam_auth(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """It is on: the default is off."""
    node = root(resource)
    if resource.type != CLOUD_SQL:
        yield from node.get("iamDatabaseAuthenticationEnabled").must_be_true("is not true")
        return
    flags = node.get("settings", "databaseFlags")
    asked = [flag for flag in flags.entries() if "iam_authentication" in flag.get("name").text]
    if not any(flag.get("value").text.lower() == "on" for flag in asked):
        yield flags.fault("does not set cloudsql.iam_authentication on")
