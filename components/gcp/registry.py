"""Where an environment's images are on Google Cloud: a repository of Artifact Registry.

Follows cloud.google.com/artifact-registry/docs: "Repository overview", "Container image tags" (immutable), "Configure
cleanup policies", "Enable customer-managed encryption keys". Images are scanned where the project has scanning on.
"""

from __future__ import annotations

import pulumi
from pulumi_gcp import artifactregistry

from components.contract import Ground, Registry
from components.gcp.place import Gke, Vpc, narrowed
from components.settings.models import EnvironmentSettings

_UNTAGGED = f"{14 * 86_400}s"  # nobody deploys an image that no tag names, and each is paid for


def registry(name: str, settings: EnvironmentSettings, ground: Ground) -> Registry:
    """Make the environment's repository of images; its cluster's machines may pull from it.

    Args:
        name: Prefix of the logical names.
        settings: The environment.
        ground: What this cloud made before.
    """
    project, cluster = narrowed(ground.network, Vpc).project, narrowed(ground.cluster, Gke)
    made = artifactregistry.Repository(
        f"{name}-images",
        repository_id=settings.id,
        location=project.region,
        format="DOCKER",
        description=f"Images of {settings.id}",
        kms_key_name=project.key("images", {"registry": project.identity("artifactregistry")}),
        # What a tag named once, it names always: else what was tested is not what runs.
        docker_config=artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
        cleanup_policies=[
            artifactregistry.RepositoryCleanupPolicyArgs(
                id="untagged",
                action="DELETE",
                condition=artifactregistry.RepositoryCleanupPolicyConditionArgs(
                    tag_state="UNTAGGED", older_than=_UNTAGGED
                ),
            )
        ],
        opts=project.protected(),
    )
    for called, account in cluster.nodes.items():
        artifactregistry.RepositoryIamMember(
            f"{name}-images-{called}",
            repository=made.name,
            location=project.region,
            role="roles/artifactregistry.reader",
            member=pulumi.Output.concat("serviceAccount:", account),
            opts=project.opts,
        )
    return Registry(made.registry_uri)
