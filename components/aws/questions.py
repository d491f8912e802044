"""What AWS is asked before anything is made: plain calls through the stack's own provider, so by its role and account.

Each call is one of the provider's data sources (registry.terraform.io/providers/hashicorp/aws): caller_identity,
iam_session_context, availability_zones, ec2_instance_type_offerings, ec2_instance_type, servicequotas_service_quota,
vpcs, vpc, subnet, subnets, eips, eks_cluster, rds_orderable_db_instance.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pulumi
from pulumi_aws import ec2, eks, get_availability_zones, get_caller_identity, iam, rds, servicequotas

from components.aws import machines
from components.aws.place import SUBNETS, owner_id
from components.aws.preflight import ADDRESSES, VPCS, Facts, Subnet, gateways, makes_vpc, pools
from components.aws.settings import AwsSettings, resolved
from components.contract import NotReached
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings

Answer = TypeVar("Answer")

# Zones in which EKS places no control plane: EKS user guide, "Amazon EKS networking requirements for VPC and subnets".
_NOT_FOR_EKS = ("use1-az3", "usw1-az2", "cac1-az3")
_ENGINE = re.compile(r"^invoke of \S+ failed: (invocation of \S+ returned an error: )?| \(\)$")


@dataclass
class Questions:
    """Asks AWS what a declaration depends on.

    Args:
        settings: The declaration.
        block: Its `cloud.aws`.
        provider: The stack's provider.
        refused: What could not be asked, or is not there.
    """

    settings: AnySettings
    block: AwsSettings
    provider: pulumi.ProviderResource
    refused: list[str] = field(default_factory=list)

    def facts(self) -> Facts:
        """Ask, and return what AWS answers.

        Raises:
            NotReached: If AWS does not take the credentials: nothing else can be asked then.
        """
        account, deployer = self._who()
        if account != self.block.account:
            return Facts(account, deployer)
        found: dict[str, Any] = {}
        if makes_vpc(self.block) and not isinstance(self.settings, LakeSettings):
            found |= self._region()
        else:
            found |= self._existing()
        if not isinstance(self.settings, LakeSettings):
            found |= self._machines(self.settings)
        if isinstance(self.settings, EnvironmentSettings):
            found["multi_az"] = self._database(self.settings)
        return Facts(account, deployer, **found, refused=tuple(self.refused))

    @property
    def _by(self) -> pulumi.InvokeOptions:
        return pulumi.InvokeOptions(provider=self.provider)

    def _asked(self, key: str, question: Callable[..., Answer], **arguments: Any) -> Answer | None:
        try:
            return question(**arguments, opts=self._by)
        except Exception as error:  # noqa: BLE001 - the engine raises plain exceptions for what a provider answers
            self.refused.append(f"{key}: AWS says: {_said(error)}")
            return None

    def _who(self) -> tuple[str, str]:
        try:
            identity = get_caller_identity(opts=self._by)
            deployer = self.block.role or identity.arn
            if ":assumed-role/" in deployer:
                # A session's ARN has lost the role's path, and access entries are of roles.
                deployer = iam.get_session_context(arn=deployer, opts=self._by).issuer_arn
        except Exception as error:  # noqa: BLE001 - see _asked
            role = f" and may assume {self.block.role}" if self.block.role else ""
            raise NotReached(
                f"cloud.aws.account: AWS does not let us in: {_said(error)}\n"
                f"  see that your credentials are of account {self.block.account}{role} (`aws sts get-caller-identity`)"
            ) from None
        return identity.account_id, deployer

    def _region(self) -> dict[str, Any]:
        zones = self._asked(
            "cloud.aws.region",
            get_availability_zones,
            # Whatever their state: a zone that is down for an hour must not move subnets to another one.
            exclude_zone_ids=list(_NOT_FOR_EKS),
            filters=[
                {"name": "zone-type", "values": ["availability-zone"]},
                {"name": "opt-in-status", "values": ["opt-in-not-required"]},
            ],
        )
        found: dict[str, Any] = {"zones": tuple(sorted(zones.names)) if zones else ()}
        own = {"environment": owner_id(self.settings)}
        every = self._asked("cloud.aws", ec2.get_vpcs)
        ours = self._asked("cloud.aws", ec2.get_vpcs, tags=own)
        found["vpcs"] = len(set(every.ids) - set(ours.ids)) if every and ours else 0
        if gateways(self.settings, self.block):
            taken = self._asked("cloud.aws.nat", ec2.get_eips)
            kept = self._asked("cloud.aws.nat", ec2.get_eips, tags=own)
            found["addresses"] = len(set(taken.allocation_ids) - set(kept.allocation_ids)) if taken and kept else 0
        return found

    def _existing(self) -> dict[str, Any]:
        adopt, found = self.block.adopt, dict[str, Any]()
        name = adopt.cluster or self.block.platform
        if name:
            key = "cloud.aws.adopt.cluster" if adopt.cluster else "cloud.aws.platform"
            cluster = self._asked(key, eks.get_cluster, name=name)
            found = {"cluster": cluster, "vpc": cluster.vpc_config.vpc_id} if cluster else {}
        elif adopt.vpc:
            found = {"vpc": adopt.vpc}
        vpc = found.get("vpc")
        if vpc:
            answer = self._asked("cloud.aws.adopt.vpc", ec2.get_vpc, id=vpc)
            found["vpc_cidr"] = answer.cidr_block if answer else None
        found["node_subnets"] = self._subnets("node_subnets", adopt.node_subnets)
        if isinstance(self.settings, EnvironmentSettings):
            ids = adopt.database_subnets or (self._of_platform(vpc) if vpc else ())
            found["data_subnets"] = self._subnets("database_subnets", ids)
        return found

    def _of_platform(self, vpc: str) -> Iterable[str]:
        """Return the subnets for databases that a platform of ours made in its VPC."""
        filters = [{"name": "vpc-id", "values": [vpc]}]
        answer = self._asked("cloud.aws.platform", ec2.get_subnets, filters=filters, tags={SUBNETS: "data"})
        return sorted(answer.ids) if answer else ()

    def _subnets(self, key: str, ids: Iterable[str]) -> tuple[Subnet, ...]:
        answers = {each: self._asked(f"cloud.aws.adopt.{key}", ec2.get_subnet, id=each) for each in ids}
        return tuple(
            Subnet(each, answer.vpc_id, answer.availability_zone, answer.cidr_block)
            for each, answer in answers.items()
            if answer
        )

    def _machines(self, settings: EnvironmentSettings | PlatformSettings) -> dict[str, Any]:
        wanted = pools(settings, self.block)
        if not wanted:
            return {}
        types = {name: machines.machine(pool).types for name, pool in wanted.items()}
        filters = [{"name": "instance-type", "values": sorted({each for some in types.values() for each in some})}]
        offers = self._asked(
            "pools", ec2.get_instance_type_offerings, filters=filters, location_type="availability-zone"
        )
        offered: dict[str, set[str]] = defaultdict(set)
        if offers:
            for each, zone in zip(offers.instance_types, offers.locations, strict=True):
                offered[each].add(zone)
        cores: dict[str, int] = {}
        for name, pool in wanted.items():
            if pool.size and pool.size in offered:
                kind = self._asked(f"pools.{name}.size", ec2.get_instance_type, instance_type=pool.size)
                cores |= {pool.size: int(kind.default_vcpus)} if kind else {}
        limits = {machines.quota(types[name][0], spot=pool.spot) for name, pool in wanted.items()}
        limits |= {VPCS} if makes_vpc(self.block) else set()
        limits |= {ADDRESSES} if gateways(settings, self.block) else set()
        return {
            "offered": {each: frozenset(zones) for each, zones in offered.items()},
            "cores": cores,
            "quotas": self._quotas(limit for limit in limits if limit),
        }

    def _quotas(self, limits: Iterable[machines.Quota]) -> dict[str, float]:
        answers = {
            limit.code: self._asked(
                f"quota {limit.code} ({limit.name})",
                servicequotas.get_service_quota,
                service_code=limit.service,
                quota_code=limit.code,
            )
            for limit in sorted(limits, key=lambda each: each.code)
        }
        return {code: answer.value for code, answer in answers.items() if answer}

    def _database(self, settings: EnvironmentSettings) -> bool | None:
        kind = resolved(self.block, settings.tier).instance_class
        answer = self._asked(
            "cloud.aws.database.instance_class",
            rds.get_orderable_db_instance,
            engine="postgres",
            instance_class=kind,
            # There is an answer for each version; the provider chooses one only if it is told to, by both of these.
            preferred_instance_classes=[kind],
            engine_latest_version=True,
            storage_type="gp3",
            vpc=True,
        )
        return answer.multi_az_capable if answer else None


def _said(error: Exception) -> str:
    """Return what AWS said, on one line and without the engine's own words around it."""
    return _ENGINE.sub("", " ".join(str(error).split()))[:400]
