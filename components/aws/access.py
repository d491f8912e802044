"""Who may call a cluster's API: access entries, in place of the ConfigMap aws-auth.

Follows docs.aws.amazon.com: EKS user guide ("Grant IAM users access to Kubernetes with EKS access entries": a principal
has one entry; groups that begin with system:, eks:, aws:, amazon: or iam: are not taken; "Review access policy
permissions"), and of the provider's resources aws_eks_access_entry, aws_eks_access_policy_association.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import eks

from components.aws.place import Account, role_name, role_path


def deploy_role(account: Account, owner: str) -> str:
    """Return the ARN of the role that a stack's CI takes; known before it is made.

    Args:
        account: The account.
        owner: What the stack's names begin with.
    """
    return account.arn("iam", f"role{role_path(owner)}{role_name(owner, 'deploy')}", region=False)


def by_principal(principals: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the groups of each principal, sorted: a principal has one entry, however many groups it is.

    Args:
        principals: ARN by group.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for group, arn in principals.items():
        found[arn].append(group)
    return {arn: sorted(groups) for arn, groups in sorted(found.items())}


def entry(
    name: str,
    cluster: pulumi.Input[str],
    principal: str,
    groups: Sequence[str],
    opts: pulumi.ResourceOptions,
    *,
    administers: bool = False,
    partition: str = "aws",
) -> pulumi.Resource:
    """Let a principal call the API, and return what is done last for it.

    Args:
        name: Prefix of the logical names.
        cluster: The cluster's name.
        principal: The principal's ARN.
        groups: Groups of Kubernetes that it is in.
        opts: Parent and provider.
        administers: Whether it administers the cluster.
        partition: Of the ARN of the policy that says so.
    """
    # Called after the principal and not after its part in the stack: an entry survives that its principal first is the
    # deploying person and then something else. Two entries for one principal AWS refuses.
    logical = f"{name}-access-{_called(principal)}"
    made = eks.AccessEntry(
        logical,
        cluster_name=cluster,
        principal_arn=principal,
        kubernetes_groups=list(groups) or None,
        opts=opts,
    )
    if not administers:
        return made
    return eks.AccessPolicyAssociation(
        f"{logical}-administers",
        cluster_name=cluster,
        principal_arn=made.principal_arn,
        policy_arn=f"arn:{partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
        opts=opts,
    )


def _called(principal: str) -> str:
    digest = hashlib.sha256(principal.encode()).hexdigest()[:8]
    return f"{principal.rpartition('/')[2]}-{digest}"
