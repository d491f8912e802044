"""The environment's data store, written out: S3 buckets, a database, and who may use them with which keys."""

import configparser
import json
import os
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi_aws import iam, s3
from pulumi_kubernetes.core.v1 import Secret
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs

from benchmarks.flat.database import login, make_database
from benchmarks.flat.place import Place

CONNECTION = "terrarium-bench"
RBAC = "rbac.authorization.k8s.io"
# The bucket that each identity is limited to, and who may read its keys.
IDENTITIES: dict[str, tuple[str | None, list[tuple[str, str]]]] = {
    "rw": (None, [("Group", "churn-ci"), ("Group", "churn-team")]),
    "ro": (None, [("Group", "churn-ci"), ("Group", "churn-team"), ("Group", "security")]),
    "bucket-alice": ("alice", [("User", "alice@example.org")]),
}
READ = ["s3:GetObject", "s3:GetObjectTagging"]
WRITE = [
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]


def read(variable: str) -> configparser.RawConfigParser:
    """Read the file of connections that a variable names."""
    parser = configparser.RawConfigParser(delimiters=("=",))
    parser.read(os.environ[variable], encoding="utf-8")
    return parser


def policy(names: list[str], identity: str, prefix: str) -> str:
    """Return what an identity may do with its S3 buckets, as an IAM policy document."""
    buckets = [f"arn:aws:s3:::{name}" for name in names]
    reads_only = identity == "ro"
    sid = "ReadOnly" if reads_only else ""
    listing: dict[str, Any] = {
        "Sid": f"{sid}List",
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
        "Resource": buckets,
    }
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
    statements = [
        {
            "Sid": sid or "ReadWrite",
            "Effect": "Allow",
            "Action": [*READ, "s3:GetObjectVersion"] if reads_only else [*READ, *WRITE],
            "Resource": [f"{bucket}/{prefix}*" for bucket in buckets],
        },
        listing,
        {"Sid": f"{sid}Locate", "Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": buckets},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)


def store(place: Place) -> dict[str, Any]:
    """Make the store and return what is published of it."""
    config = read("AWS_CONFIG_FILE")
    region, services = config[f"profile {CONNECTION}"]["region"], config[f"services {CONNECTION}"]
    endpoint, iam_endpoint = (services[service].partition("=")[2].strip() for service in ("s3", "iam"))
    objects = aws.Provider(
        f"{place.name}-store-objects",
        profile=CONNECTION,
        region=region,
        endpoints=[aws.ProviderEndpointArgs(s3=endpoint, iam=iam_endpoint, sts=endpoint)],
        s3_use_path_style=True,
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_region_validation=True,
        skip_requesting_account_id=True,
        opts=pulumi.ResourceOptions(parent=place.parent),
    )
    buckets = s3_buckets(place, objects)
    own = {kind: bucket for kind, bucket in buckets.items() if kind != "backups"}
    database = make_database(place, read("PGSERVICEFILE")[CONNECTION])
    for identity, (bucket, readers) in IDENTITIES.items():
        prefix = f"buckets/{bucket}/" if bucket else ""
        description = {
            "version": 1,
            "environment": place.name,
            "identity": identity,
            "bucket": bucket,
            "objects": {"endpoint": endpoint, "region": region, "buckets": own, "prefix": prefix},
            "database": {**database.served, "schema": bucket or "public"},
            "lake": None,
        }
        files: dict[str, pulumi.Input[str]] = {
            "config": f"[default]\nregion = {region}\nservices = store\ns3 =\n    addressing_style = path\n\n"
            f"[services store]\ns3 =\n    endpoint_url = {endpoint}\n",
            "credentials": credentials(place, objects, identity, prefix, list(own.values())),
            "pg_service.conf": login(place, database, identity, bucket),
            "store.json": pulumi.Output.json_dumps(description, sort_keys=True),
        }
        secret(place, identity, files, readers)
    return {
        "objects": {"endpoint": endpoint, "region": region, "buckets": buckets},
        "database": database.served,
        "identities": {identity: {"secret": f"store-{identity}-1"} for identity in IDENTITIES},
        "buckets": ["alice"],
        "versioned": True,
        "protected": False,
        "recovery": {"rpo_minutes": 1440, "rto_minutes": 720, "keep_backups_days": 7},
        "lake": None,
    }


def s3_buckets(place: Place, provider: aws.Provider) -> dict[str, pulumi.Output[str]]:
    """Make the S3 buckets."""
    names = {}
    for kind in ("results", "datasets", "models", "scratch", "backups"):
        logical = f"{place.name}-store-{kind}"
        bucket = s3.Bucket(
            logical,
            bucket=place.called(kind),
            force_destroy=True,
            tags=place.labels,
            opts=place.under(provider, protect=True),
        )
        if kind not in ("scratch", "backups"):
            s3.BucketVersioning(
                f"{logical}-versioning",
                bucket=bucket.bucket,
                versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
                opts=place.under(provider),
            )
        names[kind] = bucket.bucket
    return names


def credentials(
    place: Place, provider: aws.Provider, identity: str, prefix: str, buckets: list[pulumi.Output[str]]
) -> pulumi.Output[str]:
    """Make an identity's IAM user and access key, and return the AWS credentials file."""
    logical, opts = f"{place.name}-store-{identity}", place.under(provider)
    user = iam.User(
        logical,
        name=place.called(identity),
        path=f"/terrarium/{place.name}/",
        force_destroy=True,
        tags=place.labels,
        opts=opts,
    )
    document = pulumi.Output.all(*buckets).apply(lambda names: policy(names, identity, prefix))
    iam.UserPolicy(f"{logical}-store", name="store", user=user.name, policy=document, opts=opts)
    key = iam.AccessKey(f"{logical}-key-1", user=user.name, opts=opts)
    return pulumi.Output.format("[default]\naws_access_key_id = {0}\naws_secret_access_key = {1}\n", key.id, key.secret)


def secret(place: Place, identity: str, files: dict[str, pulumi.Input[str]], readers: list[tuple[str, str]]) -> None:
    """Bring an identity's keys into the namespace, for those who may read them."""
    name, opts = f"store-{identity}", place.in_namespace

    def metadata(called: str) -> ObjectMetaArgs:
        return ObjectMetaArgs(name=called, namespace=place.namespace, labels=place.labels)

    Secret(f"{place.name}-{name}-1", metadata=metadata(f"{name}-1"), type="Opaque", string_data=files, opts=opts)
    rule = PolicyRuleArgs(api_groups=[""], resources=["secrets"], resource_names=[f"{name}-1"], verbs=["get"])
    role = Role(f"{place.name}-{name}-reader", metadata=metadata(name), rules=[rule], opts=opts)
    RoleBinding(
        f"{place.name}-{name}-reader-binding",
        metadata=metadata(name),
        role_ref=RoleRefArgs(api_group=RBAC, kind="Role", name=role.metadata.name),
        subjects=[SubjectArgs(api_group=RBAC, kind=kind, name=who) for kind, who in readers],
        opts=opts,
    )
