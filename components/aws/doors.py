"""Where Terrarium itself comes in: to the private address of a cluster's API, and to a database that it fills.

Follows docs.aws.amazon.com, EKS user guide: "Cluster API server endpoint" (a private address is reached from connected
networks if the cluster's security group lets them in), and of the provider's resource
aws_vpc_security_group_ingress_rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_aws import vpc


def opened(
    name: str, group: pulumi.Input[str], port: int, cidrs: Sequence[str], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Let ranges through to a port, and return what does.

    Args:
        name: Prefix of the logical names.
        group: Id of the security group.
        port: TCP port.
        cidrs: Private ranges.
        opts: Parent and provider.
    """
    return [
        vpc.SecurityGroupIngressRule(
            f"{name}-from-{cidr.replace('/', '-')}",
            security_group_id=group,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description="who deploys",
            opts=opts,
        )
        for cidr in cidrs
    ]
