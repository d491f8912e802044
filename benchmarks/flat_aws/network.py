"""The VPC, written out: three zones, nodes behind NAT gateways, databases without any way out, private endpoints."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2

from benchmarks.flat_aws.account import allow, logs, role
from benchmarks.flat_aws.place import CIDR, NAME, REGION, Place, arn, document

NODES = ["10.64.0.0/18", "10.64.64.0/18", "10.64.128.0/18"]
DATA = ["10.64.192.0/21", "10.64.200.0/21", "10.64.208.0/21"]
PUBLIC = ["10.64.216.0/21", "10.64.224.0/21", "10.64.232.0/21"]


@dataclass(frozen=True)
class Network:
    """The VPC and its subnets."""

    vpc: ec2.Vpc
    nodes: list[ec2.Subnet]
    data: list[ec2.Subnet]


def network(place: Place, key: pulumi.Output[str]) -> Network:
    """Make it."""
    vpc = ec2.Vpc(
        f"{NAME}-vpc",
        cidr_block=CIDR,
        enable_dns_hostnames=True,
        enable_dns_support=True,
        tags=named("vpc"),
        opts=place.opts(),
    )
    ec2.DefaultSecurityGroup(f"{NAME}-default-group", vpc_id=vpc.id, opts=place.opts())
    nodes = subnets(place, vpc, "nodes", NODES, {"kubernetes.io/role/internal-elb": "1"})
    tables = [table(place, vpc, f"nodes-{zone}", {"": nodes[n]}) for n, zone in enumerate(place.letters)]
    for zone, way, gateway in zip(place.letters, tables, gateways(place, vpc), strict=True):
        ec2.Route(
            f"{NAME}-out-nodes-{zone}",
            route_table_id=way.id,
            destination_cidr_block="0.0.0.0/0",
            nat_gateway_id=gateway.id,
            opts=place.opts(),
        )
    data = subnets(place, vpc, "data", DATA)
    table(place, vpc, "data", {f"-{zone}": subnet for zone, subnet in zip(place.letters, data, strict=True)})
    endpoints(place, vpc, nodes, tables)
    flow_logs(place, vpc, key)
    return Network(vpc, nodes, data)


def named(what: str) -> dict[str, str]:
    """Return the tag by which AWS' console names things."""
    return {"Name": f"{NAME}-{what}"}


def subnets(
    place: Place, vpc: ec2.Vpc, kind: str, ranges: list[str], tags: dict[str, str] | None = None
) -> list[ec2.Subnet]:
    """Make a subnet in each zone."""
    return [
        ec2.Subnet(
            f"{NAME}-{kind}-{zone[-1]}",
            vpc_id=vpc.id,
            availability_zone=zone,
            cidr_block=cidr,
            tags={**named(f"{kind}-{zone[-1]}"), "terrarium.dev/subnets": kind, **(tags or {})},
            opts=place.opts(),
        )
        for zone, cidr in zip(place.zones, ranges, strict=True)
    ]


def table(place: Place, vpc: ec2.Vpc, what: str, members: dict[str, ec2.Subnet]) -> ec2.RouteTable:
    """Make a route table, for subnets by what ends the name of each association."""
    made = ec2.RouteTable(f"{NAME}-routes-{what}", vpc_id=vpc.id, tags=named(what), opts=place.opts())
    for suffix, subnet in members.items():
        ec2.RouteTableAssociation(
            f"{NAME}-routed-{what}{suffix}", route_table_id=made.id, subnet_id=subnet.id, opts=place.opts()
        )
    return made


def gateways(place: Place, vpc: ec2.Vpc) -> list[ec2.NatGateway]:
    """Make a NAT gateway in each zone."""
    internet = ec2.InternetGateway(f"{NAME}-internet", vpc_id=vpc.id, tags=named("internet"), opts=place.opts())
    found = []
    for zone, subnet in zip(place.letters, subnets(place, vpc, "public", PUBLIC), strict=True):
        way = table(place, vpc, f"public-{zone}", {"": subnet})
        ec2.Route(
            f"{NAME}-out-public-{zone}",
            route_table_id=way.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=internet.id,
            opts=place.opts(),
        )
        address = ec2.Eip(f"{NAME}-address-{zone}", domain="vpc", tags=named(f"nat-{zone}"), opts=place.opts())
        gateway = ec2.NatGateway(
            f"{NAME}-nat-{zone}",
            subnet_id=subnet.id,
            allocation_id=address.allocation_id,
            tags=named(f"nat-{zone}"),
            opts=place.opts(depends_on=[internet]),
        )
        found.append(gateway)
    return found


def endpoints(place: Place, vpc: ec2.Vpc, nodes: list[ec2.Subnet], tables: list[ec2.RouteTable]) -> None:
    """Make private ways to AWS' services."""
    ec2.VpcEndpoint(
        f"{NAME}-endpoint-s3",
        vpc_id=vpc.id,
        service_name=f"com.amazonaws.{REGION}.s3",
        vpc_endpoint_type="Gateway",
        route_table_ids=[way.id for way in tables],
        tags=named("s3"),
        opts=place.opts(),
    )
    group = ec2.SecurityGroup(
        f"{NAME}-endpoints-group",
        name=f"endpoints-{NAME}",
        description="Private endpoints of AWS services",
        vpc_id=vpc.id,
        ingress=[
            ec2.SecurityGroupIngressArgs(
                protocol="tcp", from_port=443, to_port=443, cidr_blocks=[CIDR], description="HTTPS from the VPC"
            )
        ],
        tags=named("endpoints"),
        opts=place.opts(),
    )
    for service in ("ecr.api", "ecr.dkr", "logs", "sts"):
        ec2.VpcEndpoint(
            f"{NAME}-endpoint-{service.replace('.', '-')}",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{REGION}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=[subnet.id for subnet in nodes],
            security_group_ids=[group.id],
            tags=named(service),
            opts=place.opts(),
        )


def flow_logs(place: Place, vpc: ec2.Vpc, key: pulumi.Output[str]) -> None:
    """Log who talks to whom."""
    called = f"/terrarium/{NAME}/flow-logs"
    group = logs(place, "flow", called, 30, key)
    own = arn("logs", f"log-group:{called}")
    writes = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    allowed = document(
        {"Effect": "Allow", "Action": writes, "Resource": [own, f"{own}:*"]},
        {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": "*"},
    )
    writer = role(place, "flow-logs", "vpc-flow-logs")
    rights = allow(place, writer, "flow-logs", allowed)
    ec2.FlowLog(
        f"{NAME}-flow-log",
        vpc_id=vpc.id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=writer.arn,
        tags=named("flow-log"),
        opts=place.opts(depends_on=[rights]),
    )
