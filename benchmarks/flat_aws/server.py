"""The RDS instance, written out: who reaches it, how it is kept, and the providers that connect to it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_postgresql as postgresql
from pulumi_aws import ec2, rds, secretsmanager, vpc

from benchmarks.flat_aws.cluster import Cluster
from benchmarks.flat_aws.network import Network
from benchmarks.flat_aws.place import NAME, Place

NAME_OF = f"{NAME}-store"


@dataclass(frozen=True)
class Server:
    """The instance, its password's secret, the authorities' file, and what connects to a database of it."""

    instance: rds.Instance
    secret: pulumi.Output[str]
    authorities: Path
    connected: Callable[[str, pulumi.Input[str]], postgresql.Provider]


def server(
    place: Place, network: Network, cluster: Cluster, uid: pulumi.Output[str], key: pulumi.Output[str]
) -> Server:
    """Make it."""
    authorities = Path(pulumi.get_root_directory(), "rds.pem")
    instance = make_instance(place, network, cluster, uid, key)
    secret = instance.master_user_secrets.apply(lambda found: str(found[0].secret_arn))
    asked = pulumi.InvokeOptions(parent=place.parent, provider=place.provider)
    answer = secretsmanager.get_secret_version_output(secret_id=pulumi.Output.secret(secret), opts=asked)
    password = answer.apply(lambda found: str(json.loads(found.secret_string)["password"]))
    hidden: pulumi.Output[str] = pulumi.Output.secret(password)

    def connected(name: str, database: pulumi.Input[str]) -> postgresql.Provider:
        return postgresql.Provider(
            f"{NAME_OF}-{name}",
            host=instance.address,
            port=instance.port,
            username="terrarium",
            password=hidden,
            database=database,
            sslmode="verify-full",
            sslrootcert=os.path.relpath(authorities),
            superuser=False,
            opts=pulumi.ResourceOptions(parent=place.parent),
        )

    return Server(instance, secret, authorities, connected)


def make_instance(
    place: Place, network: Network, cluster: Cluster, uid: pulumi.Output[str], key: pulumi.Output[str]
) -> rds.Instance:
    """Make the instance, and what it is made with."""
    called = uid.apply(lambda uid: f"{NAME}-{uid}")
    subnets = rds.SubnetGroup(
        f"{NAME_OF}-server-subnets",
        name=called,
        description=f"database of {NAME}",
        subnet_ids=[subnet.id for subnet in network.data],
        opts=place.opts(),
    )
    parameters = rds.ParameterGroup(
        f"{NAME_OF}-server-parameters-17",
        name=called.apply(lambda name: f"{name}-17"),
        family="postgres17",
        description=f"database of {NAME}",
        parameters=[rds.ParameterGroupParameterArgs(name="rds.force_ssl", value="1", apply_method="pending-reboot")],
        opts=place.opts(),
    )
    group = ec2.SecurityGroup(
        f"{NAME_OF}-server",
        name=called.apply(lambda name: f"database-{name}"),
        description=f"database of {NAME}",
        vpc_id=network.vpc.id,
        opts=place.opts(),
    )
    vpc.SecurityGroupIngressRule(
        f"{NAME_OF}-server-from-cluster",
        security_group_id=group.id,
        referenced_security_group_id=cluster.group,
        ip_protocol="tcp",
        from_port=5432,
        to_port=5432,
        description="nodes and pods of the cluster",
        opts=place.opts(),
    )
    return rds.Instance(
        f"{NAME_OF}-server",
        identifier=called,
        engine="postgres",
        engine_version="17",
        allow_major_version_upgrade=True,
        auto_minor_version_upgrade=True,
        instance_class="db.m7g.large",
        storage_type="gp3",
        allocated_storage=50,
        storage_encrypted=True,
        kms_key_id=key,
        username="terrarium",
        manage_master_user_password=True,
        master_user_secret_kms_key_id=key,
        iam_database_authentication_enabled=True,
        db_subnet_group_name=subnets.name,
        vpc_security_group_ids=[group.id],
        publicly_accessible=False,
        port=5432,
        parameter_group_name=parameters.name,
        multi_az=True,
        backup_retention_period=35,
        copy_tags_to_snapshot=True,
        delete_automated_backups=False,
        deletion_protection=True,
        skip_final_snapshot=False,
        final_snapshot_identifier=called.apply(lambda name: f"{name}-final"),
        performance_insights_enabled=False,
        apply_immediately=True,
        opts=place.opts(protect=True),
    )
