"""Where the store is made, and what its parts are called."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Place:
    """Where the store is made: for which environment, below which component, and where its keys go."""

    name: str
    uid: pulumi.Output[str]
    labels: dict[str, str]
    parent: pulumi.Resource
    namespace: pulumi.Output[str]
    in_namespace: pulumi.ResourceOptions

    def under(self, provider: pulumi.ProviderResource, *, protect: bool | None = None) -> pulumi.ResourceOptions:
        """Return the options of what is made through a provider."""
        return pulumi.ResourceOptions(parent=self.parent, provider=provider, protect=protect)

    def called(self, what: str) -> pulumi.Output[str]:
        """Return the name of an S3 bucket or IAM user."""
        return self.uid.apply(lambda uid: f"{self.name}-{what}-{uid}")

    def role(self, suffix: str = "") -> pulumi.Output[str]:
        """Return the name of a database role, and without a suffix that of the database."""
        return self.uid.apply(lambda uid: f"{self.name}_{uid}{suffix}".replace("-", "_"))
