"""Names that Google Cloud's services take, beside those that `components.naming` knows."""

from __future__ import annotations

from collections.abc import Mapping

from components.gcp.settings import GcpSettings
from components.naming import NameRule
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.stores import layout
from components.tiers import Tier

_TEXT = "lower-case letters, digits and `-`, starting with a letter and not ending with `-`"
_PATTERN = r"[a-z]([-a-z0-9]*[a-z0-9])?"

CLUSTER = NameRule(
    service="a GKE cluster or node pool",
    longest=40,
    pattern=_PATTERN,
    alphabet=_TEXT,
    source="GKE API reference, projects.locations.clusters, `name`",
)
COMPUTE = NameRule(
    service="a resource of Compute Engine",
    longest=63,
    pattern=_PATTERN,
    alphabet=_TEXT,
    source="cloud.google.com/compute/docs/naming-resources",
)
SERVICE_ACCOUNT = NameRule(
    service="a service account",
    shortest=6,
    longest=30,
    pattern=_PATTERN,
    alphabet=_TEXT,
    source="cloud.google.com/iam/docs/service-accounts-create",
)
WORKLOAD_POOL = NameRule(
    service="a workload identity pool",
    shortest=4,
    longest=32,
    pattern=r"(?!gcp-)[a-z0-9-]+",
    alphabet="lower-case letters, digits and `-`, not beginning with gcp-",
    source="IAM API reference, projects.locations.workloadIdentityPools",
)
BUCKET = NameRule(
    service="a Cloud Storage bucket",
    shortest=3,
    longest=63,
    pattern=r"(?!goog)(?!.*google)(?!.*g00gle)[a-z0-9][-a-z0-9]*[a-z0-9]",
    alphabet="lower-case letters, digits and `-`; not beginning with goog, and without google in it",
    source="cloud.google.com/storage/docs/buckets#naming",
)
# Together with its project's id and a colon: cloud.google.com/sql/docs/postgres/create-instance.
DATABASE_LONGEST = 98


def database(project: str) -> NameRule:
    """Return the rule of a Cloud SQL instance's name.

    Args:
        project: The id of its project.
    """
    return NameRule(
        service="a Cloud SQL instance",
        longest=DATABASE_LONGEST - len(project) - 1,
        pattern=_PATTERN,
        alphabet=_TEXT,
        source="cloud.google.com/sql/docs/postgres/create-instance",
    )


def owner_id(settings: AnySettings) -> str:
    """Return what the names of a stack's things begin with."""
    if isinstance(settings, EnvironmentSettings):
        return settings.id
    return settings.name if isinstance(settings, PlatformSettings) else layout.lake_id(settings.name)


def is_google(name: str) -> bool:
    """Tell whether a group or user is Google's, which are mail addresses; another sign-in's gets no right in IAM."""
    return "@" in name


def called(settings: AnySettings, block: GcpSettings) -> str:
    """Return the cluster's name.

    Args:
        settings: The declaration.
        block: Its `cloud.gcp`.
    """
    own = settings.id if isinstance(settings, EnvironmentSettings) else settings.name
    return block.adopt.cluster or block.platform or own


def production(settings: AnySettings) -> bool:
    """Tell whether a cluster has production's rules: its API has a private address only."""
    tiers = settings.tiers if isinstance(settings, LakeSettings) else (settings.strictest,)
    return Tier.PRODUCTION in tiers


def login(cluster: str, project: str, region: str, *, private: bool = False) -> Mapping[str, str]:
    """Return how a person reaches a cluster: the context is called as gcloud calls it.

    Args:
        cluster: The cluster's name.
        project: The id of its project.
        region: Its region.
        private: Whether its API has a private address only.
    """
    command = f"gcloud container clusters get-credentials {cluster} --region {region} --project {project}"
    return {
        "context": f"gke_{project}_{region}_{cluster}",
        "login": f"{command} --internal-ip" if private else command,
    }
