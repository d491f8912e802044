"""Where all of it is made, and what it is called."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

NAME = "churn-aws"
OWNER = "churn@example.org"
ACCOUNT, REGION = "123456789012", "eu-central-1"
CIDR = "10.64.0.0/16"
ROLES = f"/terrarium/{NAME}/"
BOUNDARY = "arn:aws:iam::aws:policy/PowerUserAccess"
TAGS = {
    "project": "churn",
    "environment": NAME,
    "tier": "production",
    "owner": OWNER,
    "cost-centre": "marketing",
    "managed-by": "terrarium",
}
LABELS = {
    "app.kubernetes.io/managed-by": "terrarium",
    "terrarium.dev/environment": NAME,
    "terrarium.dev/cost-centre": "marketing",
    "terrarium.dev/project": "churn",
    "terrarium.dev/tier": "production",
}


@dataclass(frozen=True)
class Place:
    """The account's provider, below which component all stands, and the keys that encrypt."""

    parent: pulumi.Resource
    provider: aws.Provider
    deployer: str
    zones: list[str]

    def opts(self, **more: Any) -> pulumi.ResourceOptions:
        """Return the options of what is made on AWS."""
        return pulumi.ResourceOptions(parent=self.parent, provider=self.provider, **more)

    @property
    def letters(self) -> list[str]:
        """The last letters of the zones."""
        return [zone[-1] for zone in self.zones]


def arn(service: str, resource: str, region: str = REGION, account: str = ACCOUNT) -> str:
    """Return the ARN of what has a known name."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def document(*statements: dict[str, Any]) -> str:
    """Return an IAM policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)
