"""The `gcp` cloud: environments in a project of Google Cloud, with their own cluster or as slices of a platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.compute import Kueue, Workers
from components.contract import Administration, Cluster, Ground, LakeFacts, Network, Registry, Store
from components.gcp.administration import administration
from components.gcp.contradictions import contradictions
from components.gcp.names import called, login, production
from components.gcp.settings import GOOGLE, GcpSettings
from components.gcp.workers import workers
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings

if TYPE_CHECKING:
    import pulumi


# Who runs a universe. S3NS' Cloud de Confiance is Google Cloud run by Thales.
_OPERATORS = {GOOGLE: "gcp", "s3nsapis.fr": "s3ns"}


@dataclass(frozen=True)
class GcpAdapter:
    """Environments, platforms and lakes on Google Cloud; see `components.contract.CloudAdapter`.

    Every part is imported where it is asked for: `check` and `explain` need no SDK, and no stack pays for a part that
    it has not.
    """

    settings: GcpSettings
    name: str = "gcp"

    @property
    def platform(self) -> str | None:
        """The platform whose slice the stack is; see the contract."""
        return self.settings.platform

    @property
    def cluster_id(self) -> str | None:
        """The adopted cluster; see the contract. A slice's is its platform's, of whose name it is sure anyway."""
        adopted = self.settings.adopt.cluster
        return f"GKE cluster {adopted} of {self.account} in {self.settings.region}" if adopted else None

    def access(self, settings: AnySettings) -> Mapping[str, str]:
        """Return the context that signing in makes; see the contract."""
        project, region = self.settings.project, self.settings.region
        return login(called(settings, self.settings), project, region, private=production(settings))

    @property
    def account(self) -> str:
        """The project; see the contract."""
        return f"project {self.settings.project}"

    @property
    def kueue(self) -> Kueue:
        """Made with the cluster; see the contract. Of an adopted one's machines nothing is known to queue for."""
        wanted = self.settings.kueue
        return "made" if (not self.settings.adopt.cluster if wanted is None else wanted) else "none"

    def workers(self, settings: AnySettings) -> Sequence[Workers]:
        """Return the pools as jobs see them; see the contract."""
        return workers(settings, self.settings)

    @property
    def places(self) -> Mapping[str, str]:
        """What it all stands on; see the contract. A cluster that it makes is in its account, as its store is."""
        account, region = self.account, self.settings.region
        operator = _OPERATORS.get(self.settings.universe_domain, self.settings.universe_domain)
        return {
            "account": account,
            "cluster": self.cluster_id or account,
            "store": account,
            "region": region,
            "operator": operator,
        }

    def contradictions(self, settings: AnySettings) -> Iterator[tuple[str, str]]:
        """Yield what Google Cloud would refuse; see the contract."""
        yield from contradictions(settings, self.settings)

    def network(self, name: str, settings: AnySettings, opts: pulumi.ResourceOptions) -> Network:
        """Make the project and its VPC network, or find those of the cluster to use; see the contract."""
        from components.gcp.network import network  # noqa: PLC0415 - see the class

        return network(name, settings, self.settings, opts)

    def cluster(self, name: str, settings: AnySettings, network: Network, opts: pulumi.ResourceOptions) -> Cluster:
        """Make the GKE cluster, or find the one to use; see the contract."""
        from components.gcp.cluster import cluster  # noqa: PLC0415 - see the class
        from components.gcp.place import Vpc, narrowed  # noqa: PLC0415 - see the class

        return cluster(name, settings, self.settings, narrowed(network, Vpc), opts)

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
        """Make the environment's buckets, database and rights; see the contract."""
        from components.gcp.store import Builder  # noqa: PLC0415 - see the class

        return Builder(self.settings, f"{name}-store", uid, ground, opts).environment(settings, lake)

    def lake(
        self, name: str, settings: LakeSettings, uid: pulumi.Output[str], ground: Ground, opts: pulumi.ResourceOptions
    ) -> Store:
        """Make a lake's bucket and rights; see the contract."""
        from components.gcp.store import Builder  # noqa: PLC0415 - see the class

        return Builder(self.settings, f"{name}-store", uid, ground, opts).lake(settings)

    def repository(self, settings: EnvironmentSettings) -> str | None:
        """Return the address of the repository in Artifact Registry; see the contract. Universes have their own."""
        if self.settings.universe_domain != GOOGLE:
            return None
        return f"{self.settings.region}-docker.pkg.dev/{self.settings.project}/{settings.id}"

    def registry(
        self, name: str, settings: EnvironmentSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Registry:
        """Make the environment's repository of images; see the contract."""
        from components.gcp.registry import registry  # noqa: PLC0415 - see the class

        del opts  # the project holds them
        return registry(f"{name}-registry", settings, ground)

    def governance(
        self, name: str, settings: EnvironmentSettings | PlatformSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Mapping[str, Any]:
        """Make the budget and the service account of CI; see the contract."""
        if not (settings.budget or settings.ci):
            return {}
        from components.gcp.governance import governance  # noqa: PLC0415 - see the class

        del opts  # the project holds them
        return governance(name, settings, self.settings, ground)

    def administration(self, variables: Mapping[str, str], outputs: Mapping[str, Any]) -> Administration | None:
        """Return how the store is administered; see the contract."""
        del variables, outputs
        return administration(self.settings)


class GcpCloud:
    """The entry point of this package; see `components.contract.Cloud`."""

    settings = GcpSettings

    def adapter(self, settings: GcpSettings) -> GcpAdapter:
        """Return the adapter that holds these settings."""
        return GcpAdapter(settings)
