"""An environment's PostgreSQL server on Google Cloud: a Cloud SQL instance by private address, and its administrator.

Follows cloud.google.com/sql/docs/postgres: "Configure private IP", "Configure SSL/TLS certificates" (verify-ca: the
instance's own authority names no host), "About instance editions" (custom machines are of Enterprise), "About high
availability", "Point-in-time recovery", "IAM authentication".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pulumi
import pulumi_postgresql as postgresql_sdk
import pulumi_random as random
from pulumi_gcp import sql

from components.gcp import names
from components.gcp.place import Vpc
from components.gcp.settings import DatabaseSettings
from components.settings.models import EnvironmentSettings
from components.settings.store import BACKUP_INTERVAL
from components.stores import postgresql
from components.tiers import Tier

PORT = 5432
ADMINISTRATOR = "terrarium"
SSLMODE = "verify-ca"
_MAINTENANCE = "postgres"
_PASSWORD = 40  # letters and digits: 238 bits
# Days that the log is kept: 7 at most in Enterprise, 35 in Enterprise Plus ("Point-in-time recovery").
_LOG_DAYS = {"ENTERPRISE": 7, "ENTERPRISE_PLUS": 35}
_BACKUPS = {Tier.EXPERIMENTATION: 7, Tier.TESTING: 7, Tier.PRODUCTION: 35}
_FINAL_DAYS = 30


@dataclass(frozen=True)
class Server:
    """Makes an environment's Cloud SQL instance, and gives what makes its database there.

    Args:
        settings: What the stack file says of it.
        environment: The environment.
        name: Prefix of the logical names.
        uid: The environment's uid.
        network: Where it gets its address.
        key: The key of its disk and backups.
        parent: Options with the parent alone, of what is not Google Cloud's.
    """

    settings: DatabaseSettings
    environment: EnvironmentSettings
    name: str
    uid: pulumi.Output[str]
    network: Vpc
    key: pulumi.Output[str]
    parent: pulumi.ResourceOptions

    @property
    def host(self) -> pulumi.Output[str]:
        """Its private address."""
        return self.instance.private_ip_address

    @property
    def authorities(self) -> pulumi.Output[str]:
        """PEM of its certificate authorities: two, while one takes over from the other."""
        return self.instance.server_ca_certs.apply(lambda found: "\n".join(str(each.cert).strip() for each in found))

    def served(self, database: pulumi.Output[str]) -> dict[str, Any]:
        """Return where its database is, as `Store.database`."""
        return {"host": self.host, "port": PORT, "name": database, "sslmode": SSLMODE}

    @cached_property
    def instance(self) -> sql.DatabaseInstance:
        """The instance. Deleting it deletes all that is in it; `terrarium destroy` lifts `protect` after asking."""
        project, rule = self.network.project, names.database(self.network.project.id)
        kept = self.environment.store.protected
        return sql.DatabaseInstance(
            f"{self.name}-server",
            # A name is not given again for a week: the uid makes each new one another.
            name=self.uid.apply(lambda uid: rule.fit(self.environment.id, uid)),
            region=project.region,
            database_version=self.settings.version,
            encryption_key_name=self.key,
            settings=self._settings(kept=kept),
            deletion_protection=kept,
            final_backup_description=f"Last backup of {self.environment.id}" if kept else None,
            opts=project.merged(pulumi.ResourceOptions(protect=True, depends_on=list(self.network.peered))),
        )

    def _settings(self, *, kept: bool) -> sql.DatabaseInstanceSettingsArgs:
        declared, tier, recovery = self.settings, self.environment.tier, self.environment.store.recovery
        edition = "ENTERPRISE_PLUS" if declared.tier.startswith("db-perf-optimized-") else "ENTERPRISE"
        return sql.DatabaseInstanceSettingsArgs(
            tier=declared.tier,
            # PostgreSQL 16 and later are else of Enterprise Plus, which has no custom machines.
            edition=edition,
            availability_type="REGIONAL" if tier is Tier.PRODUCTION else "ZONAL",
            disk_type="PD_SSD",
            disk_size=declared.storage_gb,
            disk_autoresize=declared.max_storage_gb is not None,
            disk_autoresize_limit=declared.max_storage_gb or 0,
            deletion_protection_enabled=kept,
            retain_backups_on_delete=kept,
            ip_configuration=sql.DatabaseInstanceSettingsIpConfigurationArgs(
                ipv4_enabled=False,
                private_network=self.network.network,
                allocated_ip_range=self.network.database_range,
                ssl_mode="ENCRYPTED_ONLY",
                server_ca_mode="GOOGLE_MANAGED_INTERNAL_CA",
            ),
            backup_configuration=sql.DatabaseInstanceSettingsBackupConfigurationArgs(
                enabled=True,
                start_time="02:00",
                location=self.network.project.region,
                point_in_time_recovery_enabled=recovery.rpo_minutes < BACKUP_INTERVAL or tier is Tier.PRODUCTION,
                transaction_log_retention_days=_LOG_DAYS[edition],
                backup_retention_settings=sql.DatabaseInstanceSettingsBackupConfigurationBackupRetentionSettingsArgs(
                    retained_backups=_BACKUPS[tier], retention_unit="COUNT"
                ),
            ),
            final_backup_config=sql.DatabaseInstanceSettingsFinalBackupConfigArgs(
                enabled=kept, retention_days=_FINAL_DAYS if kept else None
            ),
            database_flags=[
                sql.DatabaseInstanceSettingsDatabaseFlagArgs(name="cloudsql.iam_authentication", value="on"),
                sql.DatabaseInstanceSettingsDatabaseFlagArgs(name="log_connections", value="on"),
            ],
            maintenance_window=sql.DatabaseInstanceSettingsMaintenanceWindowArgs(
                day=7, hour=2, update_track="stable" if tier is Tier.PRODUCTION else "canary"
            ),
            user_labels=dict(self.network.project.labels),
        )

    @cached_property
    def _drawing(self) -> pulumi.ResourceOptions:
        provider = random.Provider(f"{self.name}-passwords", opts=self.parent)
        return pulumi.ResourceOptions.merge(self.parent, pulumi.ResourceOptions(provider=provider))

    @cached_property
    def _administrator(self) -> sql.User:
        """The administrator: no superuser, as on any Cloud SQL instance."""
        password = random.RandomPassword(
            f"{self.name}-administrator-password", length=_PASSWORD, special=False, opts=self._drawing
        )
        return sql.User(
            f"{self.name}-administrator",
            name=ADMINISTRATOR,
            instance=self.instance.name,
            password=password.result,
            # It goes with the server: PostgreSQL drops no role that has rights in a database, and these stay.
            deletion_policy="ABANDON",
            opts=self.network.project.opts,
        )

    @cached_property
    def _certificate(self) -> sql.SslCert:
        return sql.SslCert(
            f"{self.name}-administrator-certificate",
            common_name=ADMINISTRATOR,
            instance=self.instance.name,
            opts=self.network.project.opts,
        )

    def place(self) -> postgresql.Place:
        """Return where the environment's database is made: through this server's administrator."""
        return postgresql.Place(
            name=self.name,
            owner=self.environment.id,
            uid=self.uid,
            opts=self._by(self._connected("database", _MAINTENANCE)),
            random=self._drawing,
            administrator=ADMINISTRATOR,
            inside=lambda name: self._by(self._connected("logins", name)),
        )

    def _by(self, provider: postgresql_sdk.Provider) -> pulumi.ResourceOptions:
        # All of it goes with the server: dropped one by one before, the final backup would hold no data.
        own = pulumi.ResourceOptions(provider=provider, deleted_with=self.instance)
        return pulumi.ResourceOptions.merge(self.parent, own)

    def _connected(self, name: str, database: pulumi.Input[str]) -> postgresql_sdk.Provider:
        certificate = self._certificate
        return postgresql_sdk.Provider(
            f"{self.name}-{name}",
            host=self.host,
            port=PORT,
            username=self._administrator.name,
            password=self._administrator.password.apply(str),
            database=database,
            superuser=False,
            sslmode=SSLMODE,
            # As text: a file would be missing wherever the stack is next refreshed or destroyed. The provider takes an
            # authority as text only together with a client's certificate (cyrilgdn/terraform-provider-postgresql#342).
            sslrootcert=self.authorities,
            clientcert=postgresql_sdk.ProviderClientcertArgs(
                cert=certificate.cert, key=certificate.private_key, sslinline=True
            ),
            opts=self.parent,
        )
