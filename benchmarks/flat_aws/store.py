"""The environment's data store, written out: who may use its S3 buckets and its database, by roles and logins."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import ec2, eks, iam
from pulumi_kubernetes.core.v1 import Secret, ServiceAccount
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgs,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs

from benchmarks.flat_aws.cluster import Cluster
from benchmarks.flat_aws.database import make_database
from benchmarks.flat_aws.network import DATA, Network
from benchmarks.flat_aws.objects import buckets
from benchmarks.flat_aws.place import ACCOUNT, BOUNDARY, NAME, REGION, ROLES, Place, document
from benchmarks.flat_aws.server import server
from benchmarks.flat_aws.workspace import grant, metadata

# The bucket that each identity is limited to.
IDENTITIES = {"rw": None, "ro": None, "bucket-reports": "reports"}
READ = ["s3:GetObject", "s3:GetObjectTagging"]
WRITE = [
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]


@dataclass(frozen=True)
class Namespace:
    """The environment's namespace, and the options of what is made there."""

    name: pulumi.Output[str]
    opts: pulumi.ResourceOptions


def store(
    place: Place,
    network: Network,
    cluster: Cluster,
    uid: pulumi.Output[str],
    key: pulumi.Output[str],
    *,
    namespace: Namespace,
) -> dict[str, Any]:
    """Make the store and return what is published of it."""
    asked = pulumi.InvokeOptions(parent=place.parent, provider=place.provider)
    s3_ranges = ec2.get_prefix_list(name=f"com.amazonaws.{REGION}.s3", opts=asked).cidr_blocks
    made = buckets(place, uid, key)
    names = {kind: bucket.bucket for kind, bucket in made.items()}
    results = made["results"]
    endpoint = pulumi.Output.all(results.bucket, results.bucket_regional_domain_name).apply(
        lambda known: f"https://{known[1].removeprefix(known[0] + '.')}"
    )
    host = server(place, network, cluster, uid, key)
    database = make_database(place, host, uid)
    objects = {"protocol": "s3", "endpoint": endpoint, "region": REGION, "buckets": names}
    served = {"host": host.instance.address, "port": 5432, "name": database.name, "sslmode": "verify-full"}
    authorities = host.authorities.read_text(encoding="utf-8")
    for identity, bucket in IDENTITIES.items():
        schema = bucket or "public"
        user, password = database.login(identity, schema)
        known = pulumi.Output.all(buckets=list(names.values()), key=key)
        role = make_role(place, cluster, uid, identity, known)
        description = {
            "version": 1,
            "environment": NAME,
            "identity": identity,
            "bucket": bucket,
            "objects": {**objects, "role": role, "prefix": f"buckets/{bucket}/" if bucket else ""},
            "database": {**served, "schema": schema},
            "lake": None,
        }
        files: dict[str, pulumi.Input[str]] = {
            "config": endpoint.apply(aws_config),
            "store.json": pulumi.Output.from_input(description).apply(lambda d: json.dumps(d, sort_keys=True)),
            "pg_service.conf": pulumi.Output.format(
                "[store]\nhost={host}\nport={port}\ndbname={name}\nsslmode={sslmode}\nuser={user}\n"
                "password={password}\nsslrootcert=/var/run/terrarium/store/ca.crt\n",
                **served,
                user=user,
                password=password,
            ),
            "ca.crt": authorities,
        }
        keys(identity, files, namespace)
    rule = PolicyRuleArgs(api_groups=[""], resources=["secrets"], resource_names=["store-ro-1"], verbs=["get"])
    grant("store-ro-reader", "store-ro", [rule], "security", namespace=namespace.name, opts=namespace.opts)
    way(sorted(s3_ranges), namespace)
    return {
        "objects": objects,
        "database": {**served, "administrator": {"user": "terrarium", "secret": host.secret}},
        "identities": {
            identity: {"secret": f"store-{identity}-1", "serviceAccount": f"store-{identity}"}
            for identity in IDENTITIES
        },
        "buckets": ["reports"],
        "versioned": True,
        "protected": True,
        "recovery": {"rpo_minutes": 5, "rto_minutes": 60, "keep_backups_days": 90},
        "lake": None,
    }


def make_role(
    place: Place, cluster: Cluster, uid: pulumi.Output[str], identity: str, known: pulumi.Output[dict[str, Any]]
) -> pulumi.Output[str]:
    """Make an identity's role, for the pods of its service account, and return its ARN."""
    logical = f"{NAME}-store-{identity}"
    role = iam.Role(
        logical,
        name=uid.apply(lambda uid: f"{NAME}-{identity}-{uid}"),
        path=ROLES,
        description=f"{identity} of the data store of {NAME}",
        assume_role_policy=cluster.arn.apply(lambda arn: trust(arn, identity)),
        permissions_boundary=BOUNDARY,
        opts=place.opts(),
    )
    allowed = known.apply(lambda k: policy(identity, k["buckets"], k["key"]))
    iam.RolePolicy(f"{logical}-store", name="store", role=role.name, policy=allowed, opts=place.opts())
    eks.PodIdentityAssociation(
        f"{logical}-pods",
        cluster_name=cluster.name,
        namespace=NAME,
        service_account=f"store-{identity}",
        role_arn=role.arn,
        opts=place.opts(),
    )
    return role.arn


def trust(cluster: str, identity: str) -> str:
    """Return who may take an identity's role."""
    where = {
        "aws:SourceAccount": ACCOUNT,
        "aws:RequestTag/eks-cluster-arn": cluster,
        "aws:RequestTag/kubernetes-namespace": NAME,
        "aws:RequestTag/kubernetes-service-account": f"store-{identity}",
    }
    return document(
        {
            "Sid": "Pods",
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": where},
        }
    )


def policy(identity: str, names: list[str], key: str) -> str:
    """Return what an identity may do."""
    own = [f"arn:aws:s3:::{name}" for name in names]
    reads_only, bucket = identity == "ro", IDENTITIES[identity]
    sid, prefix = "ReadOnly" if reads_only else "", f"buckets/{bucket}/" if bucket else ""
    listing: dict[str, Any] = {
        "Sid": f"{sid}List",
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
        "Resource": own,
    }
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
    return document(
        {
            "Sid": sid or "ReadWrite",
            "Effect": "Allow",
            "Action": [*READ, "s3:GetObjectVersion"] if reads_only else [*READ, *WRITE],
            "Resource": [f"{bucket}/{prefix}*" for bucket in own],
        },
        listing,
        {"Sid": f"{sid}Locate", "Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": own},
        {
            "Sid": "Key",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"] if reads_only else ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": [key],
            "Condition": {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
        },
    )


def aws_config(endpoint: str) -> str:
    """Return an AWS config file."""
    return (
        f"[default]\nregion = {REGION}\nservices = store\ns3 =\n    addressing_style = path\n\n"
        f"[services store]\ns3 =\n    endpoint_url = {endpoint}\n"
    )


def keys(identity: str, files: dict[str, pulumi.Input[str]], namespace: Namespace) -> None:
    """Bring an identity's files into the namespace, with its service account."""
    name = f"store-{identity}"
    ServiceAccount(
        f"{NAME}-{name}",
        metadata=metadata(name, namespace.name),
        automount_service_account_token=False,
        opts=namespace.opts,
    )
    Secret(
        f"{NAME}-{name}-1",
        metadata=metadata(f"{name}-1", namespace.name),
        type="Opaque",
        string_data=files,
        opts=namespace.opts,
    )


def way(s3_ranges: list[str], namespace: Namespace) -> None:
    """Let pods through to the store."""
    ways = [*((cidr, 443) for cidr in s3_ranges), *((cidr, 5432) for cidr in DATA), ("169.254.170.23/32", 80)]
    NetworkPolicy(
        f"{NAME}-allow-store",
        metadata=metadata("allow-store", namespace.name, "the environment's own data store"),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(),
            policy_types=["Egress"],
            egress=[
                NetworkPolicyEgressRuleArgs(
                    to=[NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=cidr))],
                    ports=[NetworkPolicyPortArgs(port=port, protocol="TCP")],
                )
                for cidr, port in ways
            ],
        ),
        opts=namespace.opts,
    )
