"""The project and its network: made, adopted, or those of the cluster to use.

Follows cloud.google.com: VPC ("Configure Private Google Access": private.googleapis.com and its DNS), Cloud NAT ("IP
addresses", "Logs"), Cloud SQL ("Configure private services access").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

import pulumi
from pulumi_gcp import Provider, compute, dns, organizations, projects, servicenetworking
from pulumi_random import Provider as RandomProvider
from pulumi_random import RandomId

from components.contract import NotReached
from components.gcp import preflight, questions, ranges
from components.gcp.names import COMPUTE, owner_id
from components.gcp.place import Project, Vpc, labels
from components.gcp.preflight import Facts
from components.gcp.settings import GOOGLE, GcpSettings, resolved
from components.settings.models import AnySettings, LakeSettings
from components.tiers import Tier

_SERVICES = (
    *("artifactregistry", "binaryauthorization", "cloudkms", "cloudquotas", "cloudresourcemanager", "compute"),
    *("container", "dns", "iam", "iamcredentials", "logging", "monitoring", "servicenetworking", "serviceusage"),
    *("sqladmin", "storage", "sts", "billingbudgets"),
)
_PODS, _SERVICES_RANGE = "pods", "services"
_FIXED = 2  # a NAT address serves 64,512 ports; two let one be changed while the other serves
# Registries of Google's own, reached like its APIs: "Configure Private Google Access", domains.
_REGISTRIES = ("gcr.io", "pkg.dev")


def network(name: str, settings: AnySettings, block: GcpSettings, opts: pulumi.ResourceOptions) -> Vpc:
    """Ask Google Cloud what only it knows; then make the project and the network, or find them.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.gcp`.
        opts: Parent.

    Raises:
        NotReached: With every problem found.
    """
    provider = _provider(name, settings, block, opts)
    facts = questions.ask(settings, block, provider)
    problems = preflight.problems(facts, settings, block)
    if problems:
        raise NotReached("\n".join(problems))
    project = _project(name, settings, block, facts, pulumi.ResourceOptions.merge(opts, _through(provider)))
    if preflight.makes_network(settings, block):
        return _Builder(name, settings, block, facts, project).made()
    return _found(settings, block, facts, project)


def _through(provider: Provider) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(provider=provider)


def _provider(name: str, settings: AnySettings, block: GcpSettings, opts: pulumi.ResourceOptions) -> Provider:
    universe = None if block.universe_domain == GOOGLE else block.universe_domain
    return Provider(
        f"{name}-project",
        project=block.project,
        region=block.region,
        impersonate_service_account=block.impersonate,
        universe_domain=universe,
        default_labels=labels(settings),
        # Billing's and quotas' APIs refuse a person's credentials that name no project to count against.
        user_project_override=True,
        billing_project=block.create.seed if block.create else block.project,
        opts=opts,
    )


def _project(
    name: str, settings: AnySettings, block: GcpSettings, facts: Facts, opts: pulumi.ResourceOptions
) -> Project:
    """Return the project with its services enabled; a slice's are its platform's to enable."""
    tier = _strictest(settings)
    depends: list[pulumi.Resource] = []
    number: pulumi.Input[str] = facts.number or ""
    if block.create:
        made = _made_project(name, block, tier, opts)
        number, depends = made.number, [made]
    if preflight.makes_cluster(settings, block):
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=depends))
        depends = [
            projects.Service(
                f"{name}-service-{service}",
                project=block.project,
                service=f"{service}.googleapis.com",
                # Whatever else in the project uses it would stop.
                disable_on_destroy=False,
                opts=after,
            )
            for service in sorted(_SERVICES)
        ]
    waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=depends))
    own = pulumi.ResourceOptions(parent=opts.parent, provider=RandomProvider(f"{name}-names", opts=_parent(opts)))
    return Project(
        id=block.project,
        number=number,
        name=name,
        owner=owner_id(settings),
        region=block.region,
        universe=block.universe_domain,
        suffix=RandomId(f"{name}-suffix", byte_length=4, opts=own).hex,
        opts=waits,
        labels=labels(settings),
        kept=tier is not Tier.EXPERIMENTATION,
    )


def _parent(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=opts.parent)


def _strictest(settings: AnySettings) -> Tier:
    # A lake outlives environments of every tier.
    return Tier.PRODUCTION if isinstance(settings, LakeSettings) else settings.strictest


def _made_project(name: str, block: GcpSettings, tier: Tier, opts: pulumi.ResourceOptions) -> organizations.Project:
    create = block.create
    if create is None:
        raise NotReached("cloud.gcp.create is missing")
    return organizations.Project(
        f"{name}-own-project",
        project_id=block.project,
        name=block.project.rpartition(":")[2],
        org_id=create.organization,
        folder_id=create.folder,
        billing_account=create.billing_account,
        # The default network has rules that let the whole internet in by SSH.
        auto_create_network=False,
        deletion_policy="PREVENT" if tier is Tier.PRODUCTION else "DELETE",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=tier is not Tier.EXPERIMENTATION)),
    )


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
        nat = resolved(self.block, _strictest(self.settings)).nat
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
            opts=self.project.opts,
        )
        return address, peering
