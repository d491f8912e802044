"""The network: made, adopted, or that of the cluster to use.

Follows cloud.google.com: VPC ("Configure Private Google Access": private.googleapis.com and its DNS), Cloud NAT ("IP
addresses", "Logs"), Cloud SQL ("Configure private services access").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

import pulumi
from pulumi_gcp import compute, dns, servicenetworking

from components.contract import NotReached
from components.gcp import account, preflight, questions, ranges
from components.gcp.facts import Facts
from components.gcp.names import COMPUTE
from components.gcp.place import Project, Vpc
from components.gcp.settings import GOOGLE, GcpSettings, resolved
from components.settings.models import AnySettings, LakeSettings

_PODS, _SERVICES_RANGE = "pods", "services"
_FIXED = 2  # a NAT address serves 64,512 ports; two let one be changed while the other serves
# Registries of Google's own, reached like its APIs: "Configure Private Google Access", domains.
_REGISTRIES = ("gcr.io", "pkg.dev")


def network(name: str, settings: AnySettings, block: GcpSettings, opts: pulumi.ResourceOptions) -> Vpc:
    """Ask Google Cloud what only it knows; then make the project and its network, or find them.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.gcp`.
        opts: Parent.

    Raises:
        NotReached: With every problem found.
    """
    own = account.provider(name, settings, block, opts)
    facts = questions.ask(settings, block, own)
    problems = preflight.problems(facts, settings, block)
    if problems:
        raise NotReached("\n".join(problems))
    through = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=own))
    project = account.project(name, settings, block, facts.number, through)
    if preflight.makes_network(settings, block):
        return _Builder(name, settings, block, facts, project).made()
    return _found(settings, block, facts, project)


def _found(settings: AnySettings, block: GcpSettings, facts: Facts, project: Project) -> Vpc:
    own = preflight.makes_cluster(settings, block)
    return Vpc(
        cidr=None,
        kind="VPC",
        project=project,
        zones=facts.zones[: block.zones],
        network=facts.network or "",
        subnetwork=facts.subnetwork if own else None,
        pods_range=block.adopt.pods_range if own else None,
        services_range=block.adopt.services_range if own else None,
        control_plane=None,
        database_range=facts.database.name if facts.database else None,
        database_cidr=facts.database.cidr if facts.database else None,
        peered=(),
        machines=preflight.offered(facts, settings, block),
        cluster=facts.cluster,
    )


@dataclass(frozen=True)
class _Builder:
    """Makes a network of its own."""

    name: str
    settings: AnySettings
    block: GcpSettings
    facts: Facts
    project: Project

    def made(self) -> Vpc:
        settings = self.settings
        cidr = None if isinstance(settings, LakeSettings) else settings.network.cidr
        if cidr is None:
            raise NotReached("network.cidr is missing")
        parts = ranges.plan(cidr)
        made = compute.Network(
            f"{self.name}-network",
            name=self._called("network"),
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            opts=self.project.protected(),
        )
        subnetwork = self._subnetwork(made, parts)
        self._nat(made, subnetwork)
        self._names(made)
        address, peering = self._database(made, parts)
        return Vpc(
            cidr=cidr,
            kind="VPC",
            project=self.project,
            zones=self.facts.zones[: self.block.zones],
            network=made.self_link,
            subnetwork=subnetwork.self_link,
            pods_range=_PODS,
            services_range=_SERVICES_RANGE,
            control_plane=str(parts.control_plane),
            database_range=address.name,
            database_cidr=str(parts.database),
            peered=[peering],
            machines=preflight.offered(self.facts, settings, self.block),
            cluster=None,
        )

    def _called(self, *parts: str) -> str:
        return COMPUTE.fit(self.project.owner, *parts)

    def _subnetwork(self, made: compute.Network, parts: ranges.Ranges) -> compute.Subnetwork:
        secondary = {_PODS: parts.pods, _SERVICES_RANGE: parts.services}
        return compute.Subnetwork(
            f"{self.name}-nodes",
            name=self._called("nodes"),
            network=made.id,
            region=self.block.region,
            ip_cidr_range=str(parts.nodes),
            secondary_ip_ranges=[
                compute.SubnetworkSecondaryIpRangeArgs(range_name=called, ip_cidr_range=str(cidr))
                for called, cidr in secondary.items()
            ],
            private_ip_google_access=True,
            log_config=compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_5_SEC", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
            ),
            opts=self.project.protected(),
        )

    def _nat(self, made: compute.Network, subnetwork: compute.Subnetwork) -> None:
        nat = resolved(self.block, account.strictest(self.settings)).nat
        if nat == "none":
            return
        router = compute.Router(
            f"{self.name}-router",
            name=self._called("router"),
            network=made.id,
            region=self.block.region,
            opts=self.project.opts,
        )
        fixed = [
            compute.Address(
                f"{self.name}-nat-address-{number}",
                name=self._called("nat", str(number)),
                region=self.block.region,
                address_type="EXTERNAL",
                opts=self.project.opts,
            ).self_link
            for number in range(1, _FIXED + 1 if nat == "fixed" else 1)
        ]
        compute.RouterNat(
            f"{self.name}-nat",
            name=self._called("nat"),
            router=router.name,
            region=self.block.region,
            nat_ip_allocate_option="MANUAL_ONLY" if fixed else "AUTO_ONLY",
            nat_ips=fixed or None,
            # No machine but the nodes has a way out.
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[
                compute.RouterNatSubnetworkArgs(name=subnetwork.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
            ],
            log_config=compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=self.project.opts,
        )

    def _names(self, made: compute.Network) -> None:
        """Let machines without a public address find the cloud's APIs and registries."""
        addresses = [str(each) for each in ip_network(self.block.private_access)]
        own = self.block.universe_domain
        entrance = f"private.{own}." if own == GOOGLE else f"{own}."
        hosts: Mapping[str, str] = {own: entrance} | {
            each: f"{each}." for each in (_REGISTRIES if own == GOOGLE else ())
        }
        for domain, target in hosts.items():
            called = domain.replace(".", "-")
            zone = dns.ManagedZone(
                f"{self.name}-dns-{called}",
                name=self._called(called),
                dns_name=f"{domain}.",
                description=f"{domain} by addresses that machines without a public one reach",
                visibility="private",
                private_visibility_config=dns.ManagedZonePrivateVisibilityConfigArgs(
                    networks=[dns.ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=made.id)]
                ),
                opts=self.project.opts,
            )
            self._record(zone, f"{self.name}-dns-{called}-entrance", target, "A", addresses)
            self._record(zone, f"{self.name}-dns-{called}-hosts", f"*.{domain}.", "CNAME", [target])

    def _record(self, zone: dns.ManagedZone, logical: str, called: str, kind: str, values: Sequence[str]) -> None:
        dns.RecordSet(
            logical,
            managed_zone=zone.name,
            name=called,
            type=kind,
            ttl=300,
            rrdatas=list(values),
            opts=self.project.opts,
        )

    def _database(
        self, made: compute.Network, parts: ranges.Ranges
    ) -> tuple[compute.GlobalAddress, servicenetworking.Connection]:
        """Peer the network with Cloud SQL's."""
        address = compute.GlobalAddress(
            f"{self.name}-private-services",
            name=questions.database_range(self.project.owner),
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            address=str(parts.database.network_address),
            prefix_length=parts.database.prefixlen,
            network=made.id,
            opts=self.project.opts,
        )
        peering = servicenetworking.Connection(
            f"{self.name}-private-services-peering",
            network=made.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[address.name],
            # One that somebody made before us for the same network is taken over.
            update_on_creation_fail=True,
            # Cloud SQL holds on to it for days after its last instance is gone, so it can't be deleted; what is left of
            # the peering would keep the network (hashicorp/terraform-provider-google#16275).
            deletion_policy="REMOVE_PEERING",
            opts=self.project.opts,
        )
        return address, peering
