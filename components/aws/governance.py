"""What watches and binds an account: a budget that warns, and the role that a stack's CI takes without a key.

Follows docs.aws.amazon.com: Cost Management user guide ("Managing your costs with AWS Budgets"; a tag is a filter once
it is activated as a cost allocation tag), IAM user guide ("OIDC federation", "Permissions boundaries for IAM
entities"), and of the provider's resources aws_budgets_budget, aws_iam_openid_connect_provider, aws_iam_role; data
source aws_iam_openid_connect_provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws import iam

from components import trust
from components.aws import access
from components.aws.keys import Shop, Statement, document
from components.aws.place import Account, Eks, Vpc, narrowed, owner_id, role_name, role_path
from components.contract import Ground
from components.settings.ci import CiSettings
from components.settings.models import EnvironmentSettings, PlatformSettings
from components.settings.money import BudgetSettings
from components.trust import Trust

AUDIENCE = "sts.amazonaws.com"
_SESSION = 4 * 3600  # seconds; a cluster and a database in two zones take an hour, and an upgrade longer
_CURRENCIES = {"aws-cn": "CNY"}  # of all other partitions: USD


def governance(
    name: str,
    settings: EnvironmentSettings | PlatformSettings,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> Mapping[str, Any]:
    """Make the budget and what lets CI deploy, as far as they are declared; return them for people.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        ground: What this cloud made or found before.
        opts: Parent.
    """
    account, cluster = narrowed(ground.network, Vpc).account, narrowed(ground.cluster, Eks)
    own = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=account.opts.provider))
    found: dict[str, Any] = {}
    if settings.budget:
        found["budget"] = _budget(name, owner_id(settings), settings.budget, account, own)
    if settings.ci:
        found["ci"] = _ci(name, settings, settings.ci, account, cluster=cluster, opts=own)
    return found


def _budget(
    name: str, owner: str, wanted: BudgetSettings, account: Account, opts: pulumi.ResourceOptions
) -> Mapping[str, Any]:
    # Imported here: without a budget nobody pays for this part of the SDK.
    from pulumi_aws import budgets  # noqa: PLC0415

    def told(percent: int, kind: str) -> budgets.BudgetNotificationArgs:
        return budgets.BudgetNotificationArgs(
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
            notification_type=kind,
            subscriber_email_addresses=list(wanted.notify),
        )

    currency = _CURRENCIES.get(account.partition, "USD")
    budgets.Budget(
        f"{name}-budget",
        account_id=account.id,
        name=owner,
        budget_type="COST",
        time_unit="MONTHLY",
        limit_amount=str(wanted.monthly),
        limit_unit=currency,
        # Every resource bears this tag, machines and disks too.
        cost_filters=[budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:environment${owner}"])],
        notifications=[*(told(percent, "ACTUAL") for percent in wanted.alert_at), told(100, "FORECASTED")],
        opts=opts,
    )
    return {"monthly": wanted.monthly, "currency": currency, "notify": list(wanted.notify)}


def _ci(
    name: str,
    settings: EnvironmentSettings | PlatformSettings,
    ci: CiSettings,
    account: Account,
    *,
    cluster: Eks,
    opts: pulumi.ResourceOptions,
) -> Mapping[str, Any]:
    owner, wanted = owner_id(settings), trust.trust(ci, settings.strictest, AUDIENCE)
    issuer = _issuer(name, owner, wanted, account, opts)
    role = iam.Role(
        f"{name}-deploy-role",
        name=role_name(owner, "deploy"),
        path=role_path(owner),
        description=f"What the CI of {ci.repository} takes to deploy {owner}",
        assume_role_policy=issuer.apply(lambda arn: trust.aws_document(wanted, arn)),
        max_session_duration=_SESSION,
        opts=opts,
    )
    shop = Shop(name, owner, account, protected=False)
    shop.attached(role, "deploy", "PowerUserAccess")
    shop.policy(role, "deploy", document(_roles(account, owner)))
    # Whoever makes namespaces and gives rights in them administers the cluster: Kubernetes gives nobody less for it.
    access.entry(
        name,
        cluster.cluster_name,
        access.deploy_role(account, owner),
        [],
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
        administers=True,
        partition=account.partition,
    )
    return {"role": role.arn, "issuer": wanted.issuer, "subject": wanted.subject}


def _issuer(name: str, owner: str, wanted: Trust, account: Account, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Return the ARN of the account's provider for the issuer: an account has one, whoever made it."""
    host = wanted.issuer.removeprefix("https://")
    arn = account.arn("iam", f"oidc-provider/{host}", region=False)
    try:
        known = iam.get_open_id_connect_provider(arn=arn, opts=pulumi.InvokeOptions(provider=account.opts.provider))
    except Exception:  # noqa: BLE001 - that there is none is an error like others; making it says what is wrong then
        known = None
    # The one that this stack made is declared again, or the engine would delete it.
    if known and known.tags.get("environment") != owner:
        return pulumi.Output.from_input(arn)
    made = iam.OpenIdConnectProvider(f"{name}-issuer", url=wanted.issuer, client_id_lists=[wanted.audience], opts=opts)
    return made.arn


def _roles(account: Account, owner: str) -> Sequence[Statement]:
    """Return what CI may do with roles, which PowerUserAccess leaves out: make and change those of its own stack.

    Each must have the boundary, and CI can't set, change or take off one: no role becomes wider than CI itself. That it
    has taken, and the cluster's, have none and are a person's.
    """
    roles = account.arn("iam", f"role{role_path(owner)}{owner}-*", region=False)
    own = access.deploy_role(account, owner)
    changes = [f"iam:{verb}Role" for verb in ("Create", "Delete", "Update")]
    changes += [f"iam:{verb}RolePolicy" for verb in ("Put", "Delete", "Attach", "Detach")]
    changes += ["iam:UpdateAssumeRolePolicy", "iam:UpdateRoleDescription"]
    reads = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"]
    reads += ["iam:ListRoleTags", "iam:ListInstanceProfilesForRole"]
    # Of its own role, too, and of an issuer that this stack made: else a new owner or cost centre in the stack file
    # would stop CI half-way.
    tags = ["iam:TagRole", "iam:UntagRole"]
    issuer_tags = ["iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider"]
    made_here = {"StringEquals": {"aws:ResourceTag/environment": owner}}
    providers = account.arn("iam", "oidc-provider/*", region=False)
    return [
        {"Sid": "Roles", "Effect": "Allow", "Action": [*reads, "iam:PassRole", *tags], "Resource": roles},
        {
            "Sid": "BoundedRoles",
            "Effect": "Allow",
            "Action": changes,
            "Resource": roles,
            "Condition": {"StringEquals": {"iam:PermissionsBoundary": account.boundary}},
        },
        {"Sid": "NotItself", "Effect": "Deny", "Action": [*changes, "iam:PassRole"], "Resource": own},
        {"Sid": "Issuer", "Effect": "Allow", "Action": ["iam:GetOpenIDConnectProvider"], "Resource": providers},
        {
            "Sid": "OwnIssuer",
            "Effect": "Allow",
            "Action": issuer_tags,
            "Resource": providers,
            "Condition": made_here,
        },
    ]
