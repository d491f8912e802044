"""The account: its provider, what it is asked before anything is made, its keys, roles and logs."""

from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi_aws import cloudwatch, ec2, iam, kms, rds, servicequotas

from benchmarks.flat_aws.place import ACCOUNT, BOUNDARY, NAME, REGION, ROLES, TAGS, Place, arn, document

MACHINES = ["g5.xlarge", "g6.xlarge", "m5.xlarge", "m6a.xlarge", "m6i.xlarge", "m7a.xlarge", "m7i.xlarge"]
# What all of it takes, with the code of the quota: cores of machines (on demand; with GPUs), addresses, VPCs.
CORES, GPU_CORES = ("L-1216C47A", 40), ("L-DB2E81BA", 8)
ADDRESSES, VPCS = ("L-0263D0A3", 3), ("L-F678F1CE", 1)


def account(parent: pulumi.Resource) -> Place:
    """Make the provider of the account, and see that the account has room."""
    provider = aws.Provider(
        f"{NAME}-account",
        region=REGION,
        allowed_account_ids=[ACCOUNT],
        default_tags=aws.ProviderDefaultTagsArgs(tags=TAGS),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    asked = pulumi.InvokeOptions(provider=provider)
    caller = aws.get_caller_identity(opts=asked)
    deployer = caller.arn
    if ":assumed-role/" in deployer:
        deployer = iam.get_session_context(arn=deployer, opts=asked).issuer_arn
    zones = aws.get_availability_zones(
        exclude_zone_ids=["use1-az3", "usw1-az2", "cac1-az3"],
        filters=[
            {"name": "zone-type", "values": ["availability-zone"]},
            {"name": "opt-in-status", "values": ["opt-in-not-required"]},
        ],
        opts=asked,
    )
    if caller.account_id != ACCOUNT or len(zones.names) < 3 or not _has_room(asked):
        raise pulumi.RunError("this account is another one, or has no room")
    return Place(parent, provider, deployer, sorted(zones.names)[:3])


def _has_room(asked: pulumi.InvokeOptions) -> bool:
    own = {"environment": NAME}
    vpcs = {*ec2.get_vpcs(opts=asked).ids} - {*ec2.get_vpcs(tags=own, opts=asked).ids}
    addresses = {*ec2.get_eips(opts=asked).allocation_ids} - {*ec2.get_eips(tags=own, opts=asked).allocation_ids}
    offered = ec2.get_instance_type_offerings(
        location_type="availability-zone", filters=[{"name": "instance-type", "values": MACHINES}], opts=asked
    )
    wanted = (
        ("ec2", *ADDRESSES, len(addresses)),
        ("ec2", *CORES, 0),
        ("ec2", *GPU_CORES, 0),
        ("vpc", *VPCS, len(vpcs)),
    )
    fits = [
        servicequotas.get_service_quota(service_code=service, quota_code=code, opts=asked).value >= more + taken
        for service, code, more, taken in wanted
    ]
    database = rds.get_orderable_db_instance(
        engine="postgres",
        instance_class="db.m7g.large",
        preferred_instance_classes=["db.m7g.large"],
        engine_latest_version=True,
        storage_type="gp3",
        vpc=True,
        opts=asked,
    )
    return all(fits) and bool(offered.instance_types) and database.multi_az_capable


def key(place: Place, purpose: str, *more: dict[str, Any]) -> pulumi.Output[str]:
    """Make a key, and return its ARN."""
    by_iam = {
        "Sid": "ByIam",
        "Effect": "Allow",
        "Principal": {"AWS": arn("iam", "root", "")},
        "Action": "kms:*",
        "Resource": "*",
    }
    made = kms.Key(
        f"{NAME}-{purpose}-key",
        description=f"{purpose} of {NAME}",
        enable_key_rotation=True,
        deletion_window_in_days=30,
        policy=document(by_iam, *more),
        opts=place.opts(protect=True),
    )
    kms.Alias(
        f"{NAME}-{purpose}-alias",
        name=f"alias/terrarium/{NAME}/{purpose}",
        target_key_id=made.key_id,
        opts=place.opts(),
    )
    return made.arn


def logs_key(place: Place) -> pulumi.Output[str]:
    """Make the key of logs and of the cluster's secrets, and return its ARN."""
    logs = {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{REGION}.amazonaws.com"},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn("logs", "log-group:*")}},
    }
    return key(place, "cluster", logs)


def role(place: Place, purpose: str, service: str, *, tags: bool = False, bounded: bool = True) -> iam.Role:
    """Make a role that a service takes."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"] if tags else ["sts:AssumeRole"],
    }
    return iam.Role(
        f"{NAME}-{purpose}-role",
        name=f"{NAME}-{purpose}",
        path=ROLES,
        assume_role_policy=document(trust),
        permissions_boundary=BOUNDARY if bounded else None,
        opts=place.opts(),
    )


def attach(place: Place, made: iam.Role, purpose: str, policy: str) -> pulumi.Resource:
    """Give a role one of AWS' policies."""
    return iam.RolePolicyAttachment(
        f"{NAME}-{purpose}-{policy}",
        role=made.name,
        policy_arn=arn("iam", f"policy/{policy}", "", "aws"),
        opts=place.opts(),
    )


def allow(place: Place, made: iam.Role, purpose: str, policy: pulumi.Input[str]) -> pulumi.Resource:
    """Give a role a policy of its own."""
    return iam.RolePolicy(f"{NAME}-{purpose}-policy", name=purpose, role=made.name, policy=policy, opts=place.opts())


def logs(place: Place, purpose: str, called: str, days: int, kms_key: pulumi.Input[str]) -> cloudwatch.LogGroup:
    """Make a group of logs."""
    return cloudwatch.LogGroup(
        f"{NAME}-{purpose}-logs", name=called, retention_in_days=days, kms_key_id=kms_key, opts=place.opts()
    )
