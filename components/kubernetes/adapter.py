"""The `kubernetes` cloud: an existing cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.contract import Cluster, Network
from components.settings.models import EnvironmentSettings, Line, NamespaceName, PlatformSettings, Settings

if TYPE_CHECKING:
    import pulumi


class KubernetesSettings(Settings):
    """The cluster to use."""

    context: Line
    """The kubeconfig context. The current context of a kubeconfig is never used: it changes under one's hands."""
    kubeconfig: Line | None = None
    """The kubeconfig's path; by default the one that KUBECONFIG names."""
    platform: NamespaceName | None = None
    """Name of the platform whose slice this environment is. Without it the environment owns the whole cluster."""


@dataclass(frozen=True)
class KubernetesAdapter:
    """Environments and platforms on an existing cluster; see `components.contract.CloudAdapter`."""

    settings: KubernetesSettings
    name: str = "kubernetes"

    @property
    def platform(self) -> str | None:
        """The platform whose slice the environment is; see the contract."""
        return self.settings.platform

    @property
    def cluster_id(self) -> str:
        """The context, and its kubeconfig if the stack names one: two files may call two clusters the same."""
        kubeconfig = self.settings.kubeconfig
        return f"context {self.settings.context}" + (f" of {kubeconfig}" if kubeconfig else "")

    @property
    def _access(self) -> dict[str, str]:
        kubeconfig = self.settings.kubeconfig
        return {"context": self.settings.context} | ({"kubeconfig": kubeconfig} if kubeconfig else {})

    def contradictions(self, settings: EnvironmentSettings | PlatformSettings) -> Iterator[tuple[str, str]]:
        """Yield what an existing cluster can't do; see the contract."""
        if isinstance(settings, PlatformSettings) and self.settings.platform:
            yield "cloud.kubernetes.platform", "a platform is not a slice of another platform; remove this key"
        if isinstance(settings, EnvironmentSettings) and settings.network.cidr:
            message = "an existing cluster has its own ranges, so an environment on it can't bring one; remove this key"
            yield "network.cidr", message

    def network(self, name: str, settings: EnvironmentSettings, opts: pulumi.ResourceOptions) -> Network:
        """Return the cluster's own network, in which policies keep environments apart."""
        del name, settings, opts
        return Network(cidr=None, kind="network policies")

    def cluster(
        self, name: str, settings: EnvironmentSettings | PlatformSettings, opts: pulumi.ResourceOptions
    ) -> Cluster:
        """Return the existing cluster behind one explicit provider."""
        del settings
        # Imported here: another cloud's stack must not pay for this SDK (0.4 s).
        from pulumi_kubernetes import Provider  # noqa: PLC0415

        provider = Provider(
            f"{name}-cluster",
            context=self.settings.context,
            kubeconfig=self.settings.kubeconfig,
            enable_server_side_apply=True,
            # What Terrarium declares keeps environments apart: whoever changed it by hand does not win.
            enable_patch_force=True,
            # Else a changed descriptor would be deleted and made anew, and be missing for a moment.
            enable_config_map_mutable=True,
            # An unreachable cluster must stop a stack, never empty its state (pulumi/pulumi#6468).
            delete_unreachable=False,
            opts=opts,
        )
        return Cluster(
            name=self.settings.context,
            provider=provider,
            platform=self.settings.platform,
            access=self._access,
        )


class KubernetesCloud:
    """The entry point of this package; see `components.contract.Cloud`."""

    settings = KubernetesSettings

    def adapter(self, settings: KubernetesSettings) -> KubernetesAdapter:
        """Return the adapter that holds these settings."""
        return KubernetesAdapter(settings)
