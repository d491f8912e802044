"""A VPC of one's own: private subnets for nodes, isolated ones for databases, public ones for NAT gateways alone.

Follows docs.aws.amazon.com: VPC user guide ("NAT gateways", "Gateway endpoints", "Publish flow logs to CloudWatch
Logs", "Default security groups"), EKS best practices guide ("VPC and subnet considerations"), and of the provider's
resources aws_vpc, aws_subnet, aws_route_table, aws_route, aws_route_table_association, aws_internet_gateway, aws_eip,
aws_nat_gateway, aws_default_security_group, aws_security_group, aws_vpc_endpoint, aws_flow_log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import ec2

from components.aws.keys import Shop, Statement, document
from components.aws.place import SUBNETS
from components.aws.settings import Nat
from components.aws.subnets import Plan


@dataclass
class Made:
    """A VPC being made.

    Args:
        shop: Makes its role and logs, and says in which account.
        cidr: Its range.
        zones: Names of its zones, as many as the plan has.
        plan: Its subnets.
    """

    shop: Shop
    cidr: str
    zones: Sequence[str]
    plan: Plan
    vpc: ec2.Vpc = field(init=False)

    def __post_init__(self) -> None:
        self.vpc = ec2.Vpc(
            f"{self.shop.name}-vpc",
            cidr_block=self.cidr,
            # Both are needed for private endpoints and for EKS' private API.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._named("vpc"),
            opts=self._opts,
        )
        # Nobody uses it, and whatever is made without a group falls into it: it lets nothing through.
        ec2.DefaultSecurityGroup(f"{self.shop.name}-default-group", vpc_id=self.vpc.id, opts=self._opts)

    def node_subnets(self, nat: Nat) -> tuple[list[ec2.Subnet], list[ec2.RouteTable]]:
        """Make the nodes' subnets and the way out of each.

        Args:
            nat: How many NAT gateways.
        """
        # By this tag EKS finds where internal load balancers go.
        subnets = self._subnets("nodes", self.plan.nodes, {"kubernetes.io/role/internal-elb": "1"})
        gateways = self._gateways({"none": 0, "one": 1, "per-zone": len(self.zones)}[nat])
        tables = []
        for index, (zone, subnet) in enumerate(zip(self.zones, subnets, strict=True)):
            table = self._table(f"nodes-{self._letter(zone)}", [subnet])
            if gateways:
                gateway = gateways[min(index, len(gateways) - 1)]
                self._way_out(f"nodes-{self._letter(zone)}", table, nat_gateway_id=gateway.id)
            tables.append(table)
        return subnets, tables

    def data_subnets(self) -> list[ec2.Subnet]:
        """Make the subnets of databases: no way leads out of the VPC."""
        subnets = self._subnets("data", self.plan.data)
        self._table("data", subnets)
        return subnets

    def endpoints(self, services: Sequence[str], subnets: Sequence[ec2.Subnet], tables: list[ec2.RouteTable]) -> None:
        """Make private ways to AWS' services.

        Args:
            services: Those that cost by the hour; S3 costs nothing and is always there.
            subnets: The nodes' subnets.
            tables: Their route tables.
        """
        region = self.shop.account.region
        ec2.VpcEndpoint(
            f"{self.shop.name}-endpoint-s3",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=self._named("s3"),
            opts=self._opts,
        )
        if not services:
            return
        group = self._endpoints_group()
        for service in sorted(set(services)):
            ec2.VpcEndpoint(
                f"{self.shop.name}-endpoint-{service.replace('.', '-')}",
                vpc_id=self.vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in subnets],
                security_group_ids=[group.id],
                tags=self._named(service),
                opts=self._opts,
            )

    def flow_logs(self, days: int, key: pulumi.Input[str]) -> None:
        """Log who talks to whom.

        Args:
            days: Days that the logs are kept.
            key: ARN of the key of the logs.
        """
        shop = self.shop
        called = f"/terrarium/{shop.owner}/flow-logs"
        group = shop.logs("flow", called, days, key)
        writes = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        own = shop.account.arn("logs", f"log-group:{called}")
        allowed: list[Statement] = [
            {"Effect": "Allow", "Action": writes, "Resource": [own, f"{own}:*"]},
            {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": "*"},
        ]
        role = shop.role("flow-logs", "vpc-flow-logs", allowed=document(allowed))
        ec2.FlowLog(
            f"{shop.name}-flow-log",
            vpc_id=self.vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags=self._named("flow-log"),
            opts=pulumi.ResourceOptions.merge(self._opts, pulumi.ResourceOptions(depends_on=[*role.rights])),
        )

    # ------------------------------------------------------------------ parts

    @property
    def _opts(self) -> pulumi.ResourceOptions:
        return self.shop.account.opts

    def _named(self, what: str) -> dict[str, str]:
        return {"Name": f"{self.shop.owner}-{what}"}

    def _letter(self, zone: str) -> str:
        """Return what tells a zone from the region's others: a name that stays when zones come and go."""
        return zone.removeprefix(self.shop.account.region) or zone

    def _subnets(
        self, kind: str, ranges: Sequence[IPv4Network], tags: dict[str, str] | None = None
    ) -> list[ec2.Subnet]:
        return [
            ec2.Subnet(
                f"{self.shop.name}-{kind}-{self._letter(zone)}",
                vpc_id=self.vpc.id,
                availability_zone=zone,
                cidr_block=str(cidr),
                tags={**self._named(f"{kind}-{self._letter(zone)}"), SUBNETS: kind, **(tags or {})},
                opts=self._opts,
            )
            for zone, cidr in zip(self.zones, ranges, strict=False)
        ]

    def _table(self, what: str, subnets: Sequence[ec2.Subnet]) -> ec2.RouteTable:
        table = ec2.RouteTable(
            f"{self.shop.name}-routes-{what}", vpc_id=self.vpc.id, tags=self._named(what), opts=self._opts
        )
        for zone, subnet in zip(self.zones, subnets, strict=False):
            suffix = f"-{self._letter(zone)}" if len(subnets) > 1 else ""
            ec2.RouteTableAssociation(
                f"{self.shop.name}-routed-{what}{suffix}",
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=self._opts,
            )
        return table

    def _way_out(
        self,
        what: str,
        table: ec2.RouteTable,
        *,
        nat_gateway_id: pulumi.Input[str] | None = None,
        gateway_id: pulumi.Input[str] | None = None,
    ) -> None:
        ec2.Route(
            f"{self.shop.name}-out-{what}",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            nat_gateway_id=nat_gateway_id,
            gateway_id=gateway_id,
            opts=self._opts,
        )

    def _gateways(self, count: int) -> list[ec2.NatGateway]:
        if not count:
            return []
        internet = ec2.InternetGateway(
            f"{self.shop.name}-internet", vpc_id=self.vpc.id, tags=self._named("internet"), opts=self._opts
        )
        subnets = self._subnets("public", self.plan.public[:count])
        found = []
        for zone, subnet in zip(self.zones, subnets, strict=False):
            letter = self._letter(zone)
            table = self._table(f"public-{letter}", [subnet])
            self._way_out(f"public-{letter}", table, gateway_id=internet.id)
            address = ec2.Eip(
                f"{self.shop.name}-address-{letter}", domain="vpc", tags=self._named(f"nat-{letter}"), opts=self._opts
            )
            gateway = ec2.NatGateway(
                f"{self.shop.name}-nat-{letter}",
                subnet_id=subnet.id,
                allocation_id=address.allocation_id,
                tags=self._named(f"nat-{letter}"),
                # AWS makes no gateway in a VPC without a way to the internet.
                opts=pulumi.ResourceOptions.merge(self._opts, pulumi.ResourceOptions(depends_on=[internet])),
            )
            found.append(gateway)
        return found

    def _endpoints_group(self) -> ec2.SecurityGroup:
        https = ec2.SecurityGroupIngressArgs(
            protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_blocks=[self.cidr],
            description="HTTPS from the VPC",
        )
        return ec2.SecurityGroup(
            f"{self.shop.name}-endpoints-group",
            # EC2 takes no name that begins with sg-, and a project may be called so.
            name=f"endpoints-{self.shop.owner}",
            description="Private endpoints of AWS services",
            vpc_id=self.vpc.id,
            ingress=[https],
            tags=self._named("endpoints"),
            opts=self._opts,
        )
