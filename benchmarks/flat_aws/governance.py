"""What watches and binds the account, written out: images, a budget, and the role that CI takes."""

import json
from typing import Any

import pulumi
from pulumi_aws import budgets, ecr, iam

from benchmarks.flat_aws.account import allow, attach
from benchmarks.flat_aws.cluster import Cluster, administrator
from benchmarks.flat_aws.place import ACCOUNT, BOUNDARY, NAME, OWNER, ROLES, Place, arn, document

ISSUER = "token.actions.githubusercontent.com"
SUBJECT = "repo:example/churn:environment:production:ref:refs/heads/main"
DEPLOY = arn("iam", f"role{ROLES}{NAME}-deploy", "")


def registry(place: Place, key: pulumi.Output[str]) -> pulumi.Output[str]:
    """Make the repository of images, and return its URL."""
    made = ecr.Repository(
        f"{NAME}-registry",
        name=NAME,
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
        encryption_configurations=[ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key)],
        force_delete=False,
        opts=place.opts(),
    )
    selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}
    rule = {
        "rulePriority": 1,
        "description": "images that no tag names",
        "selection": selection,
        "action": {"type": "expire"},
    }
    ecr.LifecyclePolicy(
        f"{NAME}-registry-untagged",
        repository=made.name,
        policy=json.dumps({"rules": [rule]}, sort_keys=True),
        opts=place.opts(),
    )
    return made.repository_url


def governance(place: Place, cluster: Cluster) -> dict[str, Any]:
    """Make the budget and the role of CI, and return what is published of them."""
    alerts = [(50, "ACTUAL"), (80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED")]
    budgets.Budget(
        f"{NAME}-budget",
        account_id=ACCOUNT,
        name=NAME,
        budget_type="COST",
        time_unit="MONTHLY",
        limit_amount="5000",
        limit_unit="USD",
        cost_filters=[budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:environment${NAME}"])],
        notifications=[
            budgets.BudgetNotificationArgs(
                comparison_operator="GREATER_THAN",
                threshold=percent,
                threshold_type="PERCENTAGE",
                notification_type=kind,
                subscriber_email_addresses=[OWNER],
            )
            for percent, kind in alerts
        ],
        opts=place.opts(),
    )
    role = iam.Role(
        f"{NAME}-deploy-role",
        name=f"{NAME}-deploy",
        path=ROLES,
        description=f"What the CI of example/churn takes to deploy {NAME}",
        assume_role_policy=issuer(place).apply(trust),
        max_session_duration=14400,
        opts=place.opts(),
    )
    attach(place, role, "deploy", "PowerUserAccess")
    allow(place, role, "deploy", roles())
    administrator(place, cluster.name, DEPLOY, role)
    return {
        "budget": {"monthly": 5000, "currency": "USD", "notify": [OWNER]},
        "ci": {"role": role.arn, "issuer": f"https://{ISSUER}", "subject": SUBJECT},
    }


def issuer(place: Place) -> pulumi.Output[str]:
    """Return the ARN of the issuer's provider: the account's, or a new one."""
    known_as = arn("iam", f"oidc-provider/{ISSUER}", "")
    try:
        known = iam.get_open_id_connect_provider(arn=known_as, opts=pulumi.InvokeOptions(provider=place.provider))
        own = known.tags.get("environment") == NAME
    except Exception:  # noqa: BLE001 - AWS' answer that there is none is a plain exception
        own = True
    if not own:
        return pulumi.Output.from_input(known_as)
    return iam.OpenIdConnectProvider(
        f"{NAME}-issuer", url=f"https://{ISSUER}", client_id_lists=["sts.amazonaws.com"], opts=place.opts()
    ).arn


def trust(provider: str) -> str:
    """Return whose tokens open the role of CI."""
    said = {
        "aud": "sts.amazonaws.com",
        "sub": SUBJECT,
        "repository": "example/churn",
        "ref": "refs/heads/main",
        "environment": "production",
    }
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{ISSUER}:{claim}": value for claim, value in said.items()}},
        }
    )


def roles() -> str:
    """Return what CI may do with roles."""
    changes = [f"iam:{verb}Role" for verb in ("Create", "Delete", "Update")]
    changes += [f"iam:{verb}RolePolicy" for verb in ("Put", "Delete", "Attach", "Detach")]
    changes += ["iam:UpdateAssumeRolePolicy", "iam:UpdateRoleDescription"]
    reads = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"]
    reads += ["iam:ListRoleTags", "iam:ListInstanceProfilesForRole"]
    return document(
        {
            "Sid": "Roles",
            "Effect": "Allow",
            "Action": [*reads, "iam:PassRole", "iam:TagRole", "iam:UntagRole"],
            "Resource": arn("iam", f"role{ROLES}{NAME}-*", ""),
        },
        {
            "Sid": "BoundedRoles",
            "Effect": "Allow",
            "Action": changes,
            "Resource": arn("iam", f"role{ROLES}{NAME}-*", ""),
            "Condition": {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}},
        },
        {"Sid": "NotItself", "Effect": "Deny", "Action": [*changes, "iam:PassRole"], "Resource": DEPLOY},
        {
            "Sid": "Issuer",
            "Effect": "Allow",
            "Action": ["iam:GetOpenIDConnectProvider"],
            "Resource": arn("iam", "oidc-provider/*", ""),
        },
        {
            "Sid": "OwnIssuer",
            "Effect": "Allow",
            "Action": ["iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider"],
            "Resource": arn("iam", "oidc-provider/*", ""),
            "Condition": {"StringEquals": {"aws:ResourceTag/environment": NAME}},
        },
    )
