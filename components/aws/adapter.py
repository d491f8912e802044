"""The `aws` cloud: environments in an account of AWS, with a cluster of their own or as slices of a platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.aws import preflight
from components.aws.contradictions import contradictions
from components.aws.place import login, owner_id
from components.aws.settings import AwsSettings
from components.aws.workers import workers
from components.compute import Kueue, Workers
from components.contract import Administration, Cluster, Ground, LakeFacts, Network, Registry, Store
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings

if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True)
class AwsAdapter:
    """Environments, platforms and lakes on AWS; see `components.contract.CloudAdapter`.

    Every part is imported where it is asked for: `check` and `explain` need no SDK, and no stack pays for what it has
    not.
    """

    settings: AwsSettings
    name: str = "aws"

    @property
    def platform(self) -> str | None:
        """The platform whose slice the stack is; see the contract."""
        return self.settings.platform

    @property
    def cluster_id(self) -> str | None:
        """The adopted cluster; see the contract. A slice's is its platform's, of whose name it is sure anyway."""
        adopted = self.settings.adopt.cluster
        return f"EKS cluster {adopted} of {self.account} in {self.settings.region}" if adopted else None

    def access(self, settings: AnySettings) -> Mapping[str, str]:
        """Return the context that signing in makes; see the contract."""
        existing = self.settings.adopt.cluster or self.settings.platform
        return login(existing or owner_id(settings), self.settings.region)

    @property
    def account(self) -> str:
        """The account; see the contract."""
        return f"account {self.settings.account}"

    @property
    def kueue(self) -> Kueue:
        """Made with the cluster; see the contract. Of an adopted one's machines nothing is known to queue for."""
        wanted = self.settings.kueue
        return "made" if (not self.settings.adopt.cluster if wanted is None else wanted) else "none"

    def workers(self, settings: AnySettings) -> Sequence[Workers]:
        """Return the pools as jobs see them; see the contract."""
        return workers(preflight.pools(settings, self.settings), self.settings.machines)

    @property
    def places(self) -> Mapping[str, str]:
        """What it all stands on; see the contract. A cluster that it makes is in its account, as its store is."""
        account, region = self.account, self.settings.region
        return {"account": account, "cluster": self.cluster_id or account, "store": account, "region": region}

    def contradictions(self, settings: AnySettings) -> Iterator[tuple[str, str]]:
        """Yield what AWS would refuse; see the contract."""
        yield from contradictions(settings, self.settings)

    def network(self, name: str, settings: AnySettings, opts: pulumi.ResourceOptions) -> Network:
        """Make the VPC, or find the one of the cluster to use; see the contract."""
        from components.aws.network import network  # noqa: PLC0415 - see the class

        return network(name, settings, self.settings, opts)

    def cluster(self, name: str, settings: AnySettings, network: Network, opts: pulumi.ResourceOptions) -> Cluster:
        """Make the EKS cluster, or find the one to use; see the contract."""
        from components.aws.cluster import cluster  # noqa: PLC0415 - see the class

        return cluster(name, settings, self.settings, network, opts)

    def store(
        self,
        name: str,
        settings: EnvironmentSettings,
        uid: pulumi.Output[str],
        lake: LakeFacts | None,
        ground: Ground,
        *,
        opts: pulumi.ResourceOptions,
    ) -> Store | None:
        """Make the environment's S3 buckets, database and identities; see the contract."""
        from components.aws.store import Builder  # noqa: PLC0415 - see the class

        return Builder(self.settings, f"{name}-store", uid, ground, opts).environment(settings, lake)

    def lake(
        self, name: str, settings: LakeSettings, uid: pulumi.Output[str], ground: Ground, opts: pulumi.ResourceOptions
    ) -> Store:
        """Make a lake's S3 bucket and identity; see the contract."""
        from components.aws.store import Builder  # noqa: PLC0415 - see the class

        return Builder(self.settings, f"{name}-store", uid, ground, opts).lake(settings)

    def repository(self, settings: EnvironmentSettings) -> str | None:
        """Return the address of the ECR repository; see the contract."""
        from components.aws.data import repository_name  # noqa: PLC0415 - see the class

        region = self.settings.region
        # AWS China has a domain of its own.
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"{self.settings.account}.dkr.ecr.{region}.{domain}/{repository_name(settings.id)}"

    def registry(
        self, name: str, settings: EnvironmentSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Registry:
        """Make the environment's ECR repository; see the contract."""
        from components.aws.registry import registry  # noqa: PLC0415 - see the class

        return registry(self.settings, f"{name}-registry", settings, ground, opts)

    def governance(
        self, name: str, settings: EnvironmentSettings | PlatformSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Mapping[str, Any]:
        """Make the budget and the role that CI takes; see the contract."""
        if not (settings.budget or settings.ci):
            return {}
        from components.aws.governance import governance  # noqa: PLC0415 - see the class

        return governance(name, settings, ground, opts)

    def administration(self, variables: Mapping[str, str], outputs: Mapping[str, Any]) -> Administration | None:
        """Return how the store is administered; see the contract."""
        from components.aws.administration import administration  # noqa: PLC0415 - see the class

        return administration(self.settings, variables, outputs)


class AwsCloud:
    """The entry point of this package; see `components.contract.Cloud`."""

    settings = AwsSettings

    def adapter(self, settings: AwsSettings) -> AwsAdapter:
        """Return the adapter that holds these settings."""
        return AwsAdapter(settings)
