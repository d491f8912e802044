"""Networks: closed to the internet, not joined to another environment's, and watched."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.model import EVERY_TIER, PRODUCTION, SHARED_TIERS, STACK, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node, open_to_the_world, root

_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_FIREWALL = "gcp:compute/firewall:Firewall"
_SCALEWAY_ACL = "scaleway:network/acl:Acl"
_VPC = "aws:ec2/vpc:Vpc"
_FLOW_LOG = "aws:ec2/flowLog:FlowLog"
_SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
_DEFAULT_VPC = "aws:ec2/defaultVpc:DefaultVpc"
_DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
_PROJECT = "gcp:organizations/project:Project"
_NETWORK = "gcp:compute/network:Network"
# What joins two networks, and the properties that say which.
_LINKS = {
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": ("vpcId", "peerVpcId"),
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": ("vpcId", "transitGatewayId"),
    "gcp:compute/networkPeering:NetworkPeering": ("network", "peerNetwork"),
    "scaleway:network/connector:Connector": ("vpcId", "targetVpcId"),
}
# Subnetworks that hold no machine of ours have no flow logs to give.
_WITHOUT_LOGS = {"REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER"}


@rule(
    "ingress-closed",
    title="Nothing lets the internet in.",
    reason="What listens on any machine behind it is found within minutes.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_24", "CKV_AWS_25", "CKV_AWS_260", "CKV_AWS_277", "EC2.13", "EC2.18", "CKV2_GCP_12"),
    remedy="Name the ranges, security groups or service accounts that may come in.",
    types=(_GROUP, _GROUP_RULE, _INGRESS_RULE, _FIREWALL, _SCALEWAY_ACL),
)
def ingress_closed(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No range is the world, alone or together with its neighbours; a firewall without a source means everybody."""
    node = root(resource)
    if resource.type == _GROUP:
        for entry in node.get("ingress").entries():
            yield from open_to_the_world(_ranges(entry))
    elif resource.type == _GROUP_RULE:
        if node.get("type").text != "egress":
            yield from open_to_the_world(_ranges(node))
    elif resource.type == _INGRESS_RULE:
        given = [node.get("cidrIpv4"), node.get("cidrIpv6")]
        yield from open_to_the_world(one for one in given if not one.absent)
    elif resource.type == _FIREWALL:
        yield from _firewall(node)
    else:
        yield from _scaleway(node)


@rule(
    "no-cross-env-link",
    title="Networks are joined only within one environment.",
    reason="A peering makes two environments one: production's data is then within reach of a notebook.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV2_AWS_44", "EC2.23", "own"),
    remedy="Promote data instead; what both need is reached by its own listed address.",
    types=tuple(_LINKS),
    unknown=True,
)
def no_cross_env_link(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """Both ends are this environment's own networks."""
    for key in _LINKS[resource.type]:
        end = root(resource).get(key)
        if end.text not in facts.networks or not end.text:
            yield end.fault("is no network of this environment")


@rule(
    "no-default-network",
    title="Nobody uses the network that the cloud made.",
    reason="Default networks let everything in that is inside, and machines land there when nobody says where.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_148", "CKV2_AWS_12", "CKV_GCP_27"),
    remedy="AWS: no DefaultVpc, an empty DefaultSecurityGroup. Google Cloud: autoCreateNetwork false.",
    types=(_DEFAULT_VPC, _DEFAULT_GROUP, _PROJECT, _NETWORK),
)
def no_default_network(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Default networks are absent or empty; Google Cloud makes them unless told otherwise."""
    node = root(resource)
    if resource.type == _DEFAULT_VPC:
        yield Finding("", "takes the account's default network into use")
    elif resource.type == _DEFAULT_GROUP:
        for way in ("ingress", "egress"):
            for entry in node.get(way).entries():
                yield entry.fault("opens the group that machines get when nobody says which")
    else:
        made = node.get("autoCreateNetwork" if resource.type == _PROJECT else "autoCreateSubnetworks")
        if not made.false:
            yield made.fault("is not false")


@rule(
    "flow-logs",
    title="It is logged who talks to whom.",
    reason="After a break-in nothing else says where data went.",
    severity=Severity.LOW,
    tiers=PRODUCTION,
    sources=("CKV2_AWS_11", "EC2.6", "CKV_GCP_26"),
    remedy="Google Cloud: set logConfig on the subnetwork.",
    types=(_SUBNETWORK,),
)
def flow_logs(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each subnetwork that can has a logConfig."""
    node = root(resource)
    if node.get("purpose").text not in _WITHOUT_LOGS:
        yield from node.get("logConfig").must_be_given("is not set")


@rule(
    "flow-logs-present",
    title="Each VPC has a flow log.",
    reason="After a break-in nothing else says where data went.",
    severity=Severity.LOW,
    tiers=PRODUCTION,
    sources=("CKV2_AWS_11", "EC2.6"),
    remedy="Add an aws:ec2:FlowLog for the VPC.",
    types=(STACK,),
    about=(_VPC, _FLOW_LOG),
)
def flow_logs_present(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """There are as many logs of VPCs as VPCs: which is whose is known only after both are made."""
    logs = sum(not root(one).get("vpcId").absent for one in facts.resources if one.type == _FLOW_LOG)
    for vpc in [one for one in facts.resources if one.type == _VPC][logs:]:
        yield Finding("", "has no flow log", resource=vpc)


@rule(
    "network-firewalled",
    title="A Scaleway VPC that routes has an access list.",
    reason="Without one every private network of the VPC reaches every other.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("own",),
    remedy="Add a scaleway:network/acl:Acl with defaultPolicy drop.",
    types=(STACK,),
    about=("scaleway:network/vpc:Vpc", _SCALEWAY_ACL),
)
def firewalled(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """There are as many lists as VPCs that route between their private networks."""
    lists = sum(one.type == _SCALEWAY_ACL for one in facts.resources)
    routing = [one for one in facts.resources if one.type == "scaleway:network/vpc:Vpc" and _routes(root(one))]
    for vpc in routing[lists:]:
        yield Finding("", "routes between its networks and has no access list", resource=vpc)


def _routes(vpc: Node) -> bool:
    return not vpc.get("enableRouting").false


def _ranges(entry: Node) -> Iterator[Node]:
    yield from entry.get("cidrBlocks").entries()
    yield from entry.get("ipv6CidrBlocks").entries()


def _firewall(node: Node) -> Iterator[Finding]:
    if node.get("direction").text == "EGRESS" or node.get("disabled").true or node.get("allows").absent:
        return
    ranges = node.get("sourceRanges")
    if ranges.absent and node.get("sourceTags").absent and node.get("sourceServiceAccounts").absent:
        yield ranges.fault("is not set, which lets in 0.0.0.0/0")
    yield from open_to_the_world(ranges.entries())


def _scaleway(node: Node) -> Iterator[Finding]:
    yield from node.get("defaultPolicy").must_be_among(["drop"], "is not drop")
    accepting = [entry for entry in node.get("rules").entries() if entry.get("action").text != "drop"]
    for entry in accepting:
        if entry.get("source").absent:
            yield entry.get("source").fault("is not set, which lets in 0.0.0.0/0")
    sources = [entry.get("source") for entry in accepting]
    yield from open_to_the_world(source for source in sources if not source.absent)
