"""Who may use a store on AWS: an IAM role for each identity, that its service account and its people take. No keys.

Follows docs.aws.amazon.com: EKS user guide ("Create IAM role with trust policy required by EKS Pod Identity", "Grant
Pods access to AWS resources based on tags"), KMS developer guide ("kms:ViaService", "kms:EncryptionContext"), RDS user
guide ("Creating and using an IAM policy for IAM database access"). The documents are made by pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import eks, iam

from components.aws.place import Account, Eks
from components.stores import accounts, files, layout, policies
from components.stores.accounts import Key, Who
from components.stores.policies import Statement

_USE = ("kms:Decrypt", "kms:GenerateDataKey")
_READ = ("kms:Decrypt",)


@dataclass(frozen=True)
class Reach:
    """What the policies of a store's identities name, once it is known.

    Args:
        own: The store's S3 buckets, the adopted ones included.
        adopted: Those that exist already, whose encryption is their owner's.
        lake: The S3 bucket of the lake's datasets, or None.
        key: ARN of the KMS key of the buckets that the store made.
        server: Resource id of the RDS instance; None where tokens open no login.
    """

    own: Sequence[str]
    adopted: Sequence[str]
    lake: str | None
    key: str
    server: str | None


def service_account(who: Who) -> str:
    """Return the name of an identity's service account."""
    return f"store-{who.name}"


def trust(account: Account, cluster: str, namespace: str, who: Who, principals: Sequence[str]) -> str:
    """Return the trust document of an identity's role.

    Args:
        account: The account.
        cluster: ARN of the EKS cluster.
        namespace: The namespace of the service account.
        who: The identity.
        principals: ARNs of the IAM roles and users of people who may use it.
    """
    # EKS names no cluster as the caller, but tags each session with whose it is. `aws:SourceArn` is left out: it names
    # the association, which needs the role's ARN to be made.
    where = {
        "aws:SourceAccount": account.id,
        "aws:RequestTag/eks-cluster-arn": cluster,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": service_account(who),
    }
    pods: Statement = {
        "Sid": "Pods",
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": where},
    }
    people: Statement = {
        "Sid": "People",
        "Effect": "Allow",
        "Principal": {"AWS": sorted(set(principals))},
        "Action": ["sts:AssumeRole"],
    }
    return policies.document([pods, people] if principals else [pods])


def policy(account: Account, who: Who, reach: Reach, login: str | None) -> str:
    """Return the policy of an identity's role.

    Args:
        account: The account.
        who: The identity.
        reach: What it names.
        login: The database role that its tokens open, or None.
    """
    statements = accounts.statements(who, reach.own, reach.lake)
    through = {"kms:ViaService": f"s3.{account.region}.{account.dns_suffix}"}
    if len(reach.adopted) < len(reach.own):
        statements.append(_key("Key", who, [reach.key], {"StringEquals": through}))
    if reach.adopted:
        statements.append(_foreign_keys("AdoptedKeys", account, who, reach.adopted, through))
    if reach.lake:
        statements.append(_foreign_keys("LakeKey", account, Who(who.name, writes=False), [reach.lake], through))
    if reach.server and login:
        user = account.arn("rds-db", f"dbuser:{reach.server}/{login}")
        statements.append({"Sid": "Login", "Effect": "Allow", "Action": ["rds-db:connect"], "Resource": [user]})
    return policies.document(statements, account.partition)


def _key(sid: str, who: Who, resources: Sequence[str], condition: Mapping[str, Mapping[str, object]]) -> Statement:
    actions = list(_USE if who.writes else _READ)
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": list(resources), "Condition": condition}


def _foreign_keys(
    sid: str, account: Account, who: Who, buckets: Sequence[str], through: Mapping[str, object]
) -> Statement:
    # Whose key an S3 bucket of somebody else has is not known, and may change. S3 names bucket or object with each use
    # of a key: so any key of the account, for what is in these S3 buckets alone.
    arns = [f"arn:{account.partition}:s3:::{bucket}" for bucket in buckets]
    within = {"kms:EncryptionContext:aws:s3:arn": [*arns, *(f"{arn}/*" for arn in arns)]}
    return _key(sid, who, [account.arn("kms", "key/*")], {"StringEquals": through, "StringLike": within})


@dataclass(frozen=True)
class Place:
    """Where identities are made.

    Args:
        name: Prefix of the logical names.
        owner: The environment's id, or the lake's: also the namespace of the service accounts.
        uid: The owner's uid.
        account: The account.
        cluster: The cluster whose service accounts take the roles.
        endpoint: URL of S3, for the files.
        opts: Parent and provider.
    """

    name: str
    owner: str
    uid: pulumi.Output[str]
    account: Account
    cluster: Eks
    endpoint: pulumi.Output[str]
    opts: pulumi.ResourceOptions


def role(
    place: Place,
    who: Who,
    principals: Sequence[str],
    reach: pulumi.Output[Reach],
    login: pulumi.Output[str] | None,
) -> Key:
    """Make an identity's role, and let its service account take it. All generations share it: it has no key.

    Args:
        place: Where.
        who: The identity.
        principals: ARNs of the IAM roles and users of people who may use it.
        reach: What it may reach.
        login: The database role that its tokens open, or None.
    """
    logical, account, allowed = f"{place.name}-{who.name}", place.account, list(principals)
    made = iam.Role(
        logical,
        name=place.uid.apply(lambda uid: layout.iam_user(place.owner, who.name, uid)),
        path=f"/terrarium/{place.owner}/",
        description=f"{who.name} of the data store of {place.owner}",
        assume_role_policy=place.cluster.arn.apply(lambda arn: trust(account, arn, place.owner, who, allowed)),
        permissions_boundary=account.boundary,
        opts=place.opts,
    )
    document = pulumi.Output.all(reach=reach, login=login).apply(
        lambda known: policy(account, who, known["reach"], known["login"])
    )
    iam.RolePolicy(f"{logical}-store", name="store", role=made.name, policy=document, opts=place.opts)
    eks.PodIdentityAssociation(
        f"{logical}-pods",
        cluster_name=place.cluster.cluster_name,
        namespace=place.owner,
        service_account=service_account(who),
        role_arn=made.arn,
        opts=place.opts,
    )
    config = place.endpoint.apply(lambda url: files.aws_config(url, account.region))
    return Key({files.CONFIG: config}, service_account(who), {"role": made.arn})
