"""An environment's PostgreSQL server on AWS: an RDS instance that only its cluster reaches, and its administrator.

Follows docs.aws.amazon.com, RDS user guide: "Password management with Amazon RDS and AWS Secrets Manager", "IAM
database authentication", "Requiring an SSL/TLS connection to a PostgreSQL DB instance", "Introduction to backups".
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pulumi
import pulumi_postgresql as postgresql_sdk
import pulumi_random as random
from pulumi_aws import ec2, rds, secretsmanager, vpc

from components.aws import doors
from components.aws.data import RETENTION, instance_name
from components.aws.place import Eks, Vpc
from components.aws.settings import AwsSettings, DatabaseSettings, resolved
from components.contract import NotReached
from components.settings.models import EnvironmentSettings
from components.stores import postgresql
from components.tiers import Tier

PORT = 5432
ADMINISTRATOR = "terrarium"
"""The master user: no superuser, as on any RDS instance."""
TOKENS = "rds_iam"
"""The role whose members log in by IAM's tokens, and by nothing else.

From 16 on, PostgreSQL makes whoever makes a role a member of it: so the administrator, too, by each login that tokens
open. A PostgreSQL 16 that lets members of such a role in by nothing else refused it then; RDS was not tried.
"""
MAINTENANCE = "postgres"
"""The database that is always there."""
SSLMODE = "verify-full"

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def project() -> Path:
    """Return the project's folder, that of Pulumi.yaml: paths in stack files are relative to it."""
    # The engine knows it, and the current folder may be a link's end in another project. Where there is no engine the
    # SDK says a word that is no folder.
    known, here = Path(pulumi.get_root_directory()), Path.cwd()
    if known.is_absolute():
        return known
    return next((folder for folder in (here, *here.parents) if (folder / "Pulumi.yaml").exists()), here)


def authorities(settings: DatabaseSettings, root: Path | None = None) -> Path:
    """Return the file of the certificate authorities of RDS; it is there, and holds certificates.

    Args:
        settings: Names it.
        root: The project's folder; by default the one around the current folder.

    Raises:
        NotReached: If it can't be read, or holds something else.
    """
    path = (root or project()) / settings.authorities
    key = "cloud.aws.database.authorities"
    where = "AWS gives each region's out: RDS user guide, `Using SSL/TLS to encrypt a connection`"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotReached(f"{key}: {path} can't be read ({type(error).__name__}). {where}") from None
    if not _CERTIFICATE.search(text):
        raise NotReached(f"{key}: {path} holds no certificate in PEM form. {where}")
    return path


@dataclass(frozen=True)
class Server:
    """Makes an environment's RDS instance, and gives what makes its database there.

    Args:
        settings: The `cloud.aws` block.
        environment: The environment.
        name: Prefix of the logical names.
        uid: The environment's uid.
        network: Whose data subnets it is in.
        cluster: Whose nodes and pods reach it.
        opts: Parent and provider.
    """

    settings: AwsSettings
    environment: EnvironmentSettings
    name: str
    uid: pulumi.Output[str]
    network: Vpc
    cluster: Eks
    opts: pulumi.ResourceOptions

    @cached_property
    def declared(self) -> DatabaseSettings:
        """What the stack file says of it.

        Raises:
            NotReached: If it says nothing.
        """
        if self.settings.database is None:
            raise NotReached("cloud.aws.database is missing: an environment has a database")
        return self.settings.database

    @cached_property
    def authorities(self) -> Path:
        """The file of its certificate authorities; errors as of `authorities`."""
        return authorities(self.declared)

    @property
    def host(self) -> pulumi.Output[str]:
        """Its address."""
        return self.instance.address

    @property
    def port(self) -> pulumi.Output[int]:
        """Its port, as AWS says it."""
        return self.instance.port.apply(int)

    @property
    def resource_id(self) -> pulumi.Output[str]:
        """What IAM policies call it."""
        return self.instance.resource_id

    @property
    def secret(self) -> pulumi.Output[str]:
        """ARN of the secret that holds the master user's password, which AWS draws and changes."""
        return self.instance.master_user_secrets.apply(lambda found: str(found[0].secret_arn))

    def served(self, database: pulumi.Output[str]) -> dict[str, Any]:
        """Return where its database is, as `Store.database`."""
        return {"host": self.host, "port": self.port, "name": database, "sslmode": SSLMODE}

    @cached_property
    def instance(self) -> rds.Instance:
        """The instance. Deleting it deletes all that is in it; `terrarium destroy` lifts `protect` after asking."""
        declared, kept = self.declared, self.environment.store.protected
        tier = self.environment.tier
        return rds.Instance(
            f"{self.name}-server",
            identifier=self._called,
            engine="postgres",
            engine_version=declared.version,
            # The stack file names the major version, and whoever changes it there means it.
            allow_major_version_upgrade=True,
            auto_minor_version_upgrade=True,
            instance_class=resolved(self.settings, tier).instance_class,
            storage_type="gp3",
            allocated_storage=declared.storage_gb,
            max_allocated_storage=declared.max_storage_gb,
            storage_encrypted=True,
            kms_key_id=self.network.data_key,
            username=ADMINISTRATOR,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=self.network.data_key,
            iam_database_authentication_enabled=True,
            db_subnet_group_name=self._subnets.name,
            vpc_security_group_ids=[self._security_group.id],
            publicly_accessible=False,
            port=PORT,
            parameter_group_name=self._parameters.name,
            multi_az=tier is Tier.PRODUCTION,
            backup_retention_period=RETENTION[tier],
            copy_tags_to_snapshot=True,
            delete_automated_backups=not kept,
            deletion_protection=kept,
            skip_final_snapshot=not kept,
            final_snapshot_identifier=self._called.apply(lambda name: f"{name}-final") if kept else None,
            performance_insights_enabled=False,
            # What is declared is what is: else it would wait for a window that no plan shows.
            apply_immediately=True,
            opts=pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(protect=True)),
        )

    def place(self) -> postgresql.Place:
        """Return where the environment's database is made: through this server's administrator."""
        drawing = random.Provider(f"{self.name}-passwords", opts=self._bare)
        return postgresql.Place(
            name=self.name,
            owner=self.environment.id,
            uid=self.uid,
            opts=self._by(self._connected("database", MAINTENANCE)),
            random=pulumi.ResourceOptions.merge(self._bare, pulumi.ResourceOptions(provider=drawing)),
            administrator=ADMINISTRATOR,
            inside=lambda name: self._by(self._connected("logins", name)),
        )

    def _by(self, provider: postgresql_sdk.Provider) -> pulumi.ResourceOptions:
        # All of it goes with the server: dropped one by one before, the final snapshot would hold no data.
        own = pulumi.ResourceOptions(provider=provider, deleted_with=self.instance)
        return pulumi.ResourceOptions.merge(self._bare, own)

    @cached_property
    def _called(self) -> pulumi.Output[str]:
        return self.uid.apply(lambda uid: instance_name(self.environment.id, uid))

    @cached_property
    def _bare(self) -> pulumi.ResourceOptions:
        """Options of what is not AWS's."""
        return pulumi.ResourceOptions(parent=self.opts.parent)

    @cached_property
    def _subnets(self) -> rds.SubnetGroup:
        return rds.SubnetGroup(
            f"{self.name}-server-subnets",
            name=self._called,
            description=f"database of {self.environment.id}",
            subnet_ids=list(self.network.data_subnets),
            opts=self.opts,
        )

    @cached_property
    def _parameters(self) -> rds.ParameterGroup:
        major = self.declared.version.partition(".")[0]
        return rds.ParameterGroup(
            # By the version: the next one's is made before the instance lets go of this one.
            f"{self.name}-server-parameters-{major}",
            name=self._called.apply(lambda name: f"{name}-{major}"),
            family=f"postgres{major}",
            description=f"database of {self.environment.id}",
            # As RDS notes it. "immediate", which the SDK says by itself, is refused up to 14, where the parameter is a
            # static one, and forgotten from 15 on, where this is its default: each refresh would find a change.
            parameters=[
                rds.ParameterGroupParameterArgs(name="rds.force_ssl", value="1", apply_method="pending-reboot")
            ],
            opts=self.opts,
        )

    @cached_property
    def _security_group(self) -> ec2.SecurityGroup:
        made = ec2.SecurityGroup(
            f"{self.name}-server",
            # What it is comes first: EC2 takes no name that begins with sg-, and a project may be called so.
            name=self._called.apply(lambda name: f"database-{name}"),
            description=f"database of {self.environment.id}",
            vpc_id=self.network.vpc_id,
            opts=self.opts,
        )
        vpc.SecurityGroupIngressRule(
            f"{self.name}-server-from-cluster",
            security_group_id=made.id,
            referenced_security_group_id=self.cluster.security_group,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            description="nodes and pods of the cluster",
            opts=self.opts,
        )
        doors.opened(f"{self.name}-server", made.id, PORT, self.settings.deploy_from, self.opts)
        return made

    @cached_property
    def _password(self) -> pulumi.Output[str]:
        # Secret before it is asked for: nothing that is made of it can lose that.
        found = secretsmanager.get_secret_version_output(
            secret_id=pulumi.Output.secret(self.secret),
            opts=pulumi.InvokeOptions(parent=self.opts.parent, provider=self.opts.provider),
        )
        known = found.apply(lambda secret: str(json.loads(secret.secret_string)["password"]))
        return pulumi.Output.secret(known)

    def _connected(self, name: str, database: pulumi.Input[str]) -> postgresql_sdk.Provider:
        return postgresql_sdk.Provider(
            f"{self.name}-{name}",
            host=self.host,
            port=self.port,
            username=ADMINISTRATOR,
            password=self._password,
            database=database,
            sslmode=SSLMODE,
            # Relative, as the plugin runs where the program does: else every other checkout would plan a change.
            sslrootcert=os.path.relpath(self.authorities),
            superuser=False,
            opts=self._bare,
        )
