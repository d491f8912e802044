"""What Google Cloud is asked before anything is made: through the stack's own provider, so with its rights."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, TypeVar

import pulumi
from pulumi_gcp import Provider

from components.gcp import machines, preflight
from components.gcp.facts import Facts, FoundCluster, FoundRange, Offer
from components.gcp.names import COMPUTE
from components.gcp.settings import GcpSettings
from components.settings.models import AnySettings, EnvironmentSettings
from components.settings.problems import suggestion

Answer = TypeVar("Answer")


def ask(settings: AnySettings, block: GcpSettings, provider: Provider) -> Facts:
    """Ask all that the declaration depends on.

    Args:
        settings: The declaration.
        block: Its `cloud.gcp`.
        provider: The one provider.
    """
    return _Asker(settings, block, pulumi.InvokeOptions(provider=provider)).facts()


def database_range(owner: str) -> str:
    """Return the name of the range for private services access that a stack makes.

    Args:
        owner: What the stack's names begin with.
    """
    return COMPUTE.fit(owner, "private-services")


@dataclass
class _Asker:
    settings: AnySettings
    block: GcpSettings
    opts: pulumi.InvokeOptions
    refused: list[str] = field(default_factory=list)

    def facts(self) -> Facts:
        number = None if self.block.create else self._number()
        if not self.block.create and number is None:
            return Facts(None, refused=tuple(self.refused))
        cluster = self._cluster()
        network, subnetwork, ranges = self._network(cluster)
        database = self._database() if network else None
        found = Facts(
            number=number,
            cluster=cluster,
            network=network,
            subnetwork=subnetwork,
            ranges=ranges,
            database=database,
            refused=tuple(self.refused),
        )
        self._buckets()
        self._overrides()
        regions, zones, offers = self._catalogue()
        found = Facts(**{**vars(found), "regions": regions, "zones": zones, "offers": offers})
        return Facts(**{**vars(found), "quotas": self._quotas(found), "refused": tuple(self.refused)})

    @property
    def _where(self) -> str:
        """The project that is asked for the catalogue: one that exists."""
        return self.block.create.seed if self.block.create else self.block.project

    def _asked(self, what: str, question: Callable[[], Answer]) -> Answer | None:
        """Return an answer; None if there was none, which is then among the problems."""
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - the SDK raises nothing narrower when a question fails
            self.refused.append(f"{what}: Google Cloud does not tell it ({_reason(error)})")
            return None

    def _number(self) -> str | None:
        from pulumi_gcp import organizations  # noqa: PLC0415 - a stack that makes its project asks nothing of it

        project = self.block.project
        what = f"cloud.gcp.project: {project}"
        found = self._asked(what, lambda: organizations.get_project(project_id=project, opts=self.opts))
        if found is not None and not found.number:
            self.refused.append(f"{what}: there is no such project, or the credentials do not see it")
        return str(found.number) if found and found.number else None

    def _cluster(self) -> FoundCluster | None:
        name = self.block.adopt.cluster or self.block.platform
        if not name:
            return None
        from pulumi_gcp import container  # noqa: PLC0415 - only for a cluster that is used

        block = self.block
        what = f"cloud.gcp.{'adopt.cluster' if block.adopt.cluster else 'platform'}: cluster {name}"
        found = self._asked(
            what,
            lambda: container.get_cluster(name=name, location=block.region, project=block.project, opts=self.opts),
        )
        if found is None or not found.endpoint:
            if found is not None:
                self.refused.append(f"{what}: there is none of this name in {block.region} of project {block.project}")
            return None
        nodes = [node.service_account for pool in found.node_pools or [] for node in pool.node_configs or []]
        authority = next((auth.cluster_ca_certificate for auth in found.master_auths or []), "")
        accounts = tuple(sorted({account for account in nodes if account and account != "default"}))
        return FoundCluster(name, found.endpoint, authority, found.network, accounts)

    def _network(self, cluster: FoundCluster | None) -> tuple[str | None, str | None, dict[str, str]]:
        adopt, block = self.block.adopt, self.block
        if cluster or not adopt.network or not adopt.subnetwork:
            return (cluster.network if cluster else None), None, {}
        from pulumi_gcp import compute  # noqa: PLC0415 - see _cluster

        host, name = _host(adopt.network, block.project)
        network = self._asked(
            f"cloud.gcp.adopt.network: {adopt.network}",
            lambda: compute.get_network(name=name, project=host, opts=self.opts),
        )
        of_subnetwork, subnetwork_name = _host(adopt.subnetwork, host)
        subnetwork = self._asked(
            f"cloud.gcp.adopt.subnetwork: {adopt.subnetwork}",
            lambda: compute.get_subnetwork(
                name=subnetwork_name, region=block.region, project=of_subnetwork, opts=self.opts
            ),
        )
        secondary = subnetwork.secondary_ip_ranges or [] if subnetwork else []
        ranges = {each.range_name: each.ip_cidr_range for each in secondary}
        return (
            network.self_link if network else None,
            subnetwork.self_link if subnetwork else None,
            ranges,
        )

    def _database(self) -> FoundRange | None:
        """Return the range in which Cloud SQL gets an address, in a network that is not this stack's."""
        block = self.block
        if not isinstance(self.settings, EnvironmentSettings):
            return None
        name = block.adopt.database_range or (database_range(block.platform) if block.platform else None)
        if not name:
            return None
        from pulumi_gcp import compute  # noqa: PLC0415 - see _cluster

        project = _host(block.adopt.network, block.project)[0] if block.adopt.network else block.project
        found = self._asked(
            f"cloud.gcp.adopt.database_range: {name}",
            lambda: compute.get_global_address(name=name, project=project, opts=self.opts),
        )
        if found is None or not found.address:
            return None
        return FoundRange(name, str(ip_network(f"{found.address}/{found.prefix_length}", strict=False)))

    def _buckets(self) -> None:
        if not self.block.adopt.buckets:
            return
        from pulumi_gcp import storage  # noqa: PLC0415 - see _cluster

        for kind, name in sorted(self.block.adopt.buckets.items()):
            what = f"cloud.gcp.adopt.buckets.{kind}: {name}"
            found = self._asked(what, lambda name=name: storage.get_bucket(name=name, opts=self.opts))  # type: ignore[misc]  # mypy can't type a default of a lambda
            if found is not None and found.location.lower() != self.block.region:
                self.refused.append(f"{what} is in {found.location}, the environment in {self.block.region}")

    def _overrides(self) -> None:
        """Compare what the stack file puts over machines' configuration with what the SDK knows."""
        wanted = set(self.block.machines) & set(preflight.pools(self.settings, self.block))
        if not wanted:
            return
        from pulumi_gcp.container import NodePoolNodeConfigArgs  # noqa: PLC0415 - see _cluster

        known = sorted(set(inspect.signature(NodePoolNodeConfigArgs.__init__).parameters) - {"self", "__self__"})
        for name in sorted(wanted):
            for key in sorted(set(self.block.machines[name]) - set(known)):
                problem = f"node_config has no such field; {suggestion(key, known)}"
                self.refused.append(f"cloud.gcp.machines.{name}.{key}: {problem}")

    def _catalogue(self) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, dict[str, Offer]]]:
        """Return the regions, the region's zones, and what these offer of the machine types that are wanted."""
        from pulumi_gcp import compute  # noqa: PLC0415 - see _cluster

        block, where = self.block, self._where
        what = "cloud.gcp.region"
        regions = self._asked(what, lambda: compute.get_regions(project=where, opts=self.opts))
        names = tuple(sorted(regions.names)) if regions else ()
        if block.region not in names or not preflight.makes_cluster(self.settings, block):
            return names, (), {}
        # Whatever their state: a zone that is down for an hour must not move machines to another one, or stop a stack.
        found = self._asked(what, lambda: compute.get_zones(project=where, region=block.region, opts=self.opts))
        zones = tuple(sorted(found.names)) if found else ()
        wanted = preflight.wanted_types(self.settings, block)
        offers: dict[str, dict[str, Offer]] = {name: {} for name in wanted}
        for zone in zones:
            for name, offer in self._offers(compute, zone, wanted):
                offers[name][zone] = offer
        return names, zones, offers

    def _offers(self, compute: Any, zone: str, wanted: Iterable[str]) -> list[tuple[str, Offer]]:
        # The whole catalogue of a zone is some 400 types.
        among = " OR ".join(f"(name = {json.dumps(name)})" for name in wanted)
        found = self._asked(
            f"pools: machine types in {zone}",
            lambda: compute.get_machine_types(project=self._where, zone=zone, filter=among, opts=self.opts),
        )
        offers = []
        for each in found.machine_types or [] if found else []:
            if each.name in wanted:
                gpus = next(iter(each.accelerators or []), None)
                kind, count = (gpus.guest_accelerator_type, gpus.guest_accelerator_count) if gpus else (None, 0)
                offers.append((each.name, Offer(int(each.guest_cpus), kind, int(count))))
        return offers

    def _quotas(self, facts: Facts) -> dict[str, int]:
        wanted = set(preflight.wanted_quotas(facts, self.settings, self.block))
        # A project that is made here has none yet.
        if not wanted or self.block.create:
            return {}
        wanted |= {machines.spot_quota(quota) for quota in preflight.spot_only(facts, self.settings, self.block)}
        found: dict[str, int] = {}
        untold: list[str] = []
        for quota in sorted(wanted, key=lambda each: each.id):
            try:
                limit = self._quota(quota.id)
            except Exception as error:  # noqa: BLE001 - see _asked
                # The API may not be enabled yet, and a family may have no quota of its own: no reason to refuse.
                untold.append(f"{quota.id} ({_reason(error)})")
                continue
            if limit is not None:
                found[quota.id] = limit
        if untold:
            pulumi.log.warn(f"quotas of {self.block.project} that can't be asked for: {'; '.join(untold)}")
        return found

    def _quota(self, identifier: str) -> int | None:
        from pulumi_gcp import cloudquota  # noqa: PLC0415 - see _cluster

        block = self.block
        info = cloudquota.get_s_quota_info(
            parent=f"projects/{block.project}", service="compute.googleapis.com", quota_id=identifier, opts=self.opts
        )
        everywhere = None
        for each in info.dimensions_infos or []:
            value = next((int(detail.value) for detail in each.details or [] if detail.value), None)
            if (each.dimensions or {}).get("region") == block.region or block.region in (
                each.applicable_locations or []
            ):
                return value
            if not each.dimensions:
                everywhere = value
        return everywhere


def _host(resource: str, project: str) -> tuple[str, str]:
    """Return the project and the name of a network or subnetwork, which may be of another project (shared VPC)."""
    parts = resource.split("/")
    return (parts[1] if len(parts) > 1 else project), parts[-1]


def _reason(error: Exception) -> str:
    """Return why a question failed, in one line: the SDK puts its own words in front."""
    return str(error).strip().splitlines()[0].rpartition("failed: ")[2][:300] if str(error).strip() else "no reason"
