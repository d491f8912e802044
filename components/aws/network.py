"""The network of a stack on AWS: the one provider of the account, what AWS would refuse, and a VPC, made or found.

Follows the provider's documentation (registry.terraform.io/providers/hashicorp/aws: "assume_role", "default_tags",
"allowed_account_ids").
"""

from __future__ import annotations

import pulumi
from pulumi_aws import Provider, ProviderAssumeRoleArgs, ProviderDefaultTagsArgs

from components.aws import preflight, regions, subnets
from components.aws.keys import Shop
from components.aws.place import Account, Vpc, owner_id, tags
from components.aws.preflight import Facts
from components.aws.questions import Questions
from components.aws.settings import AwsSettings, resolved
from components.aws.vpc import Made
from components.contract import NotReached
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.tiers import Tier


def network(name: str, settings: AnySettings, block: AwsSettings, opts: pulumi.ResourceOptions) -> Vpc:
    """Make the network, or find the one of the cluster to use.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.aws`.
        opts: Parent.

    Raises:
        NotReached: With everything that AWS would refuse.
    """
    known = regions.region(block.region)
    provider = _provider(name, settings, block, opts)
    facts = Questions(settings, block, provider).facts()
    found = preflight.problems(facts, settings, block)
    if found:
        raise NotReached("\n".join(found))
    account = Account(
        id=block.account,
        region=known.name,
        partition=known.partition,
        dns_suffix=known.dns_suffix,
        deployer=facts.deployer,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=provider)),
        tags=tags(settings),
    )
    shop = Shop(name, owner_id(settings), account, protected=protected(settings))
    if isinstance(settings, LakeSettings) or not preflight.makes_vpc(block):
        return _found(shop, settings, facts)
    return _made(shop, settings, block, facts)


def protected(settings: AnySettings) -> bool:
    """Tell whether what is lost for ever when it is deleted is protected: in all tiers but experimentation."""
    return isinstance(settings, LakeSettings) or settings.strictest is not Tier.EXPERIMENTATION


def _provider(name: str, settings: AnySettings, block: AwsSettings, opts: pulumi.ResourceOptions) -> Provider:
    roles = [ProviderAssumeRoleArgs(role_arn=block.role, session_name="terrarium")] if block.role else None
    return Provider(
        f"{name}-account",
        region=block.region,
        # Whatever credentials the shell has: nothing is made in another account.
        allowed_account_ids=[block.account],
        assume_roles=roles,
        default_tags=ProviderDefaultTagsArgs(tags=tags(settings)),
        opts=opts,
    )


def _data_key(shop: Shop, settings: AnySettings) -> pulumi.Output[str] | None:
    return None if isinstance(settings, PlatformSettings) else shop.key("data")


def _made(shop: Shop, settings: EnvironmentSettings | PlatformSettings, block: AwsSettings, facts: Facts) -> Vpc:
    cidr, zones = settings.network.cidr or "", facts.zones[: block.zones]
    plan, usual = subnets.plan(cidr, len(zones)), resolved(block, settings.strictest)
    logs_key = shop.key("cluster", logs=True)
    made = Made(shop, cidr, zones, plan)
    nodes, tables = made.node_subnets(usual.nat)
    data = made.data_subnets()
    made.endpoints(usual.endpoints, nodes, tables)
    made.flow_logs(block.flow_logs_days, logs_key)
    return Vpc(
        cidr=cidr,
        kind="VPC",
        account=shop.account,
        zones=zones,
        vpc_id=made.vpc.id,
        node_subnets=[subnet.id for subnet in nodes],
        data_subnets=[subnet.id for subnet in data],
        data_cidrs=[str(each) for each in plan.data],
        logs_key=logs_key,
        data_key=_data_key(shop, settings),
        services_cidr=str(plan.services),
        cores=facts.cores,
    )


def _found(shop: Shop, settings: AnySettings, facts: Facts) -> Vpc:
    makes_cluster = facts.cluster is None and not isinstance(settings, LakeSettings)
    return Vpc(
        cidr=facts.vpc_cidr if makes_cluster else None,
        kind="VPC" if makes_cluster else "network policies",
        account=shop.account,
        zones=sorted({subnet.zone for subnet in (*facts.node_subnets, *facts.data_subnets)}),
        vpc_id=facts.vpc or "",
        node_subnets=[subnet.id for subnet in facts.node_subnets],
        data_subnets=[subnet.id for subnet in facts.data_subnets],
        data_cidrs=[subnet.cidr for subnet in facts.data_subnets],
        logs_key=shop.key("cluster", logs=True) if makes_cluster else None,
        data_key=_data_key(shop, settings),
        services_cidr=subnets.services(facts.vpc_cidr) if makes_cluster and facts.vpc_cidr else "",
        cores=facts.cores,
        existing=facts.cluster,
    )
