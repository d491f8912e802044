"""The project, behind its one provider: made or adopted, with the services that everything in it needs.

Follows cloud.google.com: Resource Manager ("Creating and managing projects"), Service Usage, and billing's and quotas'
need of a project to count against ("Set the quota project").
"""

from __future__ import annotations

import pulumi
from pulumi_gcp import Provider, organizations, projects
from pulumi_random import Provider as RandomProvider
from pulumi_random import RandomId

from components.gcp import preflight
from components.gcp.names import owner_id
from components.gcp.place import Project, labels
from components.gcp.settings import GOOGLE, CreateSettings, GcpSettings
from components.settings.models import AnySettings, LakeSettings
from components.tiers import Tier

_SERVICES = (
    *("artifactregistry", "billingbudgets", "binaryauthorization", "cloudkms", "cloudquotas", "cloudresourcemanager"),
    *("compute", "container", "dns", "iam", "iamcredentials", "logging", "monitoring", "servicenetworking"),
    *("serviceusage", "sqladmin", "storage", "sts"),
)


def provider(name: str, settings: AnySettings, block: GcpSettings, opts: pulumi.ResourceOptions) -> Provider:
    """Make the one provider of everything on Google Cloud.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.gcp`.
        opts: Parent.
    """
    return Provider(
        f"{name}-project",
        project=block.project,
        region=block.region,
        impersonate_service_account=block.impersonate,
        universe_domain=None if block.universe_domain == GOOGLE else block.universe_domain,
        default_labels=labels(settings),
        # Billing's and quotas' APIs refuse a person's credentials that name no project to count against.
        user_project_override=True,
        billing_project=block.create.seed if block.create else block.project,
        opts=opts,
    )


def strictest(settings: AnySettings) -> Tier:
    """Return the tier whose rules hold: a lake outlives environments of every tier."""
    return Tier.PRODUCTION if isinstance(settings, LakeSettings) else settings.strictest


def project(
    name: str, settings: AnySettings, block: GcpSettings, number: str | None, opts: pulumi.ResourceOptions
) -> Project:
    """Return the project with its services enabled; a slice's are its platform's to enable.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.gcp`.
        number: The project's number; None where it is made here.
        opts: Parent and provider.
    """
    kept = strictest(settings) is not Tier.EXPERIMENTATION
    depends: list[pulumi.Resource] = []
    numbered: pulumi.Input[str] = number or ""
    if block.create:
        own = _made(name, block.project, block.create, strictest(settings), opts)
        numbered, depends = own.number, [own]
    if preflight.makes_cluster(settings, block):
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=depends))
        depends = [
            projects.Service(
                f"{name}-service-{service}",
                project=block.project,
                service=f"{service}.googleapis.com",
                # Whatever else in the project uses it would stop.
                disable_on_destroy=False,
                opts=after,
            )
            for service in _SERVICES
        ]
    drawn = RandomProvider(f"{name}-names", opts=pulumi.ResourceOptions(parent=opts.parent))
    suffix = RandomId(f"{name}-suffix", byte_length=4, opts=pulumi.ResourceOptions(parent=opts.parent, provider=drawn))
    return Project(
        id=block.project,
        number=numbered,
        name=name,
        owner=owner_id(settings),
        region=block.region,
        universe=block.universe_domain,
        suffix=suffix.hex,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=depends)),
        labels=labels(settings),
        kept=kept,
    )


def _made(
    name: str, identifier: str, create: CreateSettings, tier: Tier, opts: pulumi.ResourceOptions
) -> organizations.Project:
    return organizations.Project(
        f"{name}-own-project",
        project_id=identifier,
        # A partner's prefix can't stand in a project's name.
        name=identifier.rpartition(":")[2],
        org_id=create.organization,
        folder_id=create.folder,
        billing_account=create.billing_account,
        # The default network has rules that let the whole internet in by SSH.
        auto_create_network=False,
        deletion_policy="PREVENT" if tier is Tier.PRODUCTION else "DELETE",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=tier is not Tier.EXPERIMENTATION)),
    )
