"""What watches and binds a project: a budget that warns, and the service account that a stack's CI acts as, keyless.

Follows cloud.google.com: Billing ("Create, edit, or delete budgets"), IAM ("Configure Workload Identity Federation with
deployment pipelines", "Set limits on granting roles"), GitHub's and GitLab's tokens as `components.trust` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_gcp import iam, projects, serviceaccount

from components import trust
from components.contract import Ground
from components.gcp.names import SERVICE_ACCOUNT, WORKLOAD_POOL
from components.gcp.place import Gke, Project, Vpc, narrowed
from components.gcp.settings import GcpSettings
from components.settings.ci import CiSettings
from components.settings.models import EnvironmentSettings, PlatformSettings
from components.settings.money import BudgetSettings
from components.tiers import Tier

# What the program makes, one role of each service; and no more than the project has. Of identities it makes and deletes
# accounts and reads the rest: who may act as which account, and whose tokens CI's pool takes, a person decides.
_ROLES = (
    *("artifactregistry.admin", "binaryauthorization.policyEditor", "browser", "cloudkms.admin", "cloudquotas.viewer"),
    *("cloudsql.admin", "compute.networkAdmin", "compute.viewer", "container.admin", "dns.admin"),
    *("iam.serviceAccountCreator", "iam.serviceAccountDeleter", "iam.serviceAccountUser", "iam.serviceAccountViewer"),
    "iam.workloadIdentityPoolViewer",
    *("monitoring.notificationChannelEditor", "servicenetworking.networksAdmin"),
    *("serviceusage.serviceUsageAdmin", "storage.admin"),
)
_GRANTING = "roles/resourcemanager.projectIamAdmin"
_NODES = "roles/container.defaultNodeServiceAccount"
_DEPLOYMENT = "deployment"


def governance(
    name: str, settings: EnvironmentSettings | PlatformSettings, block: GcpSettings, ground: Ground
) -> Mapping[str, Any]:
    """Make the budget and what lets CI deploy, as far as they are declared; return them for people.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.gcp`.
        ground: What this cloud made or found before.
    """
    project, cluster = narrowed(ground.network, Vpc).project, narrowed(ground.cluster, Gke)
    found: dict[str, Any] = {}
    account = billing_account(block)
    if settings.budget and account:
        found["budget"] = _budget(name, settings.budget, account, project, whole=cluster.owned)
    if settings.ci:
        found["ci"] = _ci(name, settings.ci, settings.strictest, project)
    return found


def billing_account(block: GcpSettings) -> str | None:
    """Return the billing account of the budget."""
    return block.billing_account or (block.create.billing_account if block.create else None)


def _budget(name: str, wanted: BudgetSettings, account: str, project: Project, *, whole: bool) -> Mapping[str, Any]:
    # Imported here: without a budget nobody pays for these parts of the SDK.
    from pulumi_gcp import billing, monitoring  # noqa: PLC0415

    channels = [
        monitoring.NotificationChannel(
            f"{name}-budget-mail-{address.replace('@', '-at-')}",
            display_name=f"Budget of {project.owner}",
            type="email",
            labels={"email_address": address},
            opts=project.opts,
        ).id
        for address in wanted.notify
    ]
    rules = [
        *(billing.BudgetThresholdRuleArgs(threshold_percent=each / 100) for each in wanted.alert_at),
        billing.BudgetThresholdRuleArgs(threshold_percent=1.0, spend_basis="FORECASTED_SPEND"),
    ]
    billing.Budget(
        f"{name}-budget",
        billing_account=account,
        display_name=f"{project.owner}"[:60],
        amount=billing.BudgetAmountArgs(
            # Without a currency it is the account's own.
            specified_amount=billing.BudgetAmountSpecifiedAmountArgs(units=str(wanted.monthly))
        ),
        budget_filter=billing.BudgetBudgetFilterArgs(
            projects=[pulumi.Output.concat("projects/", project.number)],
            # A slice shares its project with others; one label is all that a filter takes.
            labels=None if whole else {"environment": project.labels["environment"]},
            calendar_period="MONTH",
            credit_types_treatment="INCLUDE_ALL_CREDITS",
        ),
        threshold_rules=rules,
        all_updates_rule=billing.BudgetAllUpdatesRuleArgs(
            monitoring_notification_channels=channels, disable_default_iam_recipients=True
        ),
        opts=project.opts,
    )
    return {"monthly": wanted.monthly, "alertAt": list(wanted.alert_at), "notify": list(wanted.notify)}


def _ci(name: str, ci: CiSettings, tier: Tier, project: Project) -> Mapping[str, Any]:
    # Google takes tokens made for the provider itself, unless it is told otherwise.
    wanted = trust.trust(ci, tier, audience="")
    pool = iam.WorkloadIdentityPool(
        f"{name}-ci",
        # A deleted pool keeps its name for 30 days.
        workload_identity_pool_id=project.suffix.apply(lambda suffix: WORKLOAD_POOL.fit(project.owner, "ci", suffix)),
        display_name="CI",
        description=f"CI that deploys {project.owner}",
        opts=project.opts,
    )
    provider = iam.WorkloadIdentityPoolProvider(
        f"{name}-ci-tokens",
        workload_identity_pool_id=pool.workload_identity_pool_id,
        workload_identity_pool_provider_id=ci.issuer,
        display_name=ci.issuer,
        oidc=iam.WorkloadIdentityPoolProviderOidcArgs(issuer_uri=wanted.issuer),
        attribute_mapping={
            "google.subject": "assertion.sub",
            f"attribute.{_DEPLOYMENT}": trust.gcp_attribute(wanted),
        },
        # One repository, branch and deployment environment: all others of the issuer's are refused here.
        attribute_condition=trust.gcp_condition(wanted),
        opts=project.opts,
    )
    account = serviceaccount.Account(
        f"{name}-deploy",
        account_id=SERVICE_ACCOUNT.fit(project.owner, "deploy"),
        display_name=f"Deploys {project.owner}",
        opts=project.opts,
    )
    serviceaccount.IAMMember(
        f"{name}-deploy-ci",
        service_account_id=account.name,
        role="roles/iam.workloadIdentityUser",
        # Not whoever the pool lets in: a second provider in it or a loosened condition would open the account.
        member=pulumi.Output.concat(
            "principalSet://iam.googleapis.com/", pool.name, "/", trust.gcp_principal(wanted, _DEPLOYMENT)
        ),
        opts=project.opts,
    )
    _rights(name, account, project)
    return {"provider": provider.name, "serviceAccount": account.email, "repository": ci.repository}


def _rights(name: str, account: serviceaccount.Account, project: Project) -> None:
    for role in _ROLES:
        projects.IAMMember(
            f"{name}-deploy-{role.replace('.', '-')}",
            project=project.id,
            role=f"roles/{role}",
            member=account.member,
            opts=project.opts,
        )
    projects.IAMMember(
        f"{name}-deploy-granting",
        project=project.id,
        role=_GRANTING,
        member=account.member,
        # Else it could make itself the project's owner. What it has itself, a person gives it.
        condition=projects.IAMMemberConditionArgs(
            title="the role of machines alone",
            expression=f"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['{_NODES}'])",
        ),
        opts=project.opts,
    )
