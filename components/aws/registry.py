"""Where an environment's images are on AWS: a repository of ECR.

Follows docs.aws.amazon.com, ECR user guide: "Preventing image tags from being overwritten", "Scan images for OS
vulnerabilities", "Encryption at rest", "Automate the cleanup of images by using lifecycle policies".
"""

from __future__ import annotations

import json

import pulumi
from pulumi_aws import ecr

from components.aws.data import repository_name
from components.aws.place import Vpc, narrowed
from components.aws.settings import AwsSettings
from components.contract import Ground, Registry
from components.settings.models import EnvironmentSettings
from components.tiers import Tier

UNTAGGED_DAYS = 14
"""Days after which an image that no tag names goes: nobody deploys it, and each is paid for."""


def registry(
    settings: AwsSettings,
    name: str,
    declared: EnvironmentSettings,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> Registry:
    """Make the environment's repository of images; nodes of its cluster pull from it by their own role.

    Args:
        settings: The `cloud.aws` block.
        name: Prefix of the logical names.
        declared: The environment.
        ground: Where: the account and its key.
        opts: Parent.
    """
    del settings  # all that it says is in the network already
    network = narrowed(ground.network, Vpc)
    own = pulumi.ResourceOptions(parent=opts.parent, provider=network.account.opts.provider)
    made = ecr.Repository(
        name,
        name=repository_name(declared.id),
        # What a tag named once, it names always: else what was tested is not what runs.
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
        encryption_configurations=[
            ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=network.data_key)
        ],
        force_delete=declared.tier is not Tier.PRODUCTION,
        opts=own,
    )
    ecr.LifecyclePolicy(f"{name}-untagged", repository=made.name, policy=cleanup(), opts=own)
    return Registry(made.repository_url)


def cleanup() -> str:
    """Return the lifecycle policy of a repository: what no tag names goes."""
    rule = {
        "rulePriority": 1,
        "description": "images that no tag names",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]}, sort_keys=True)
