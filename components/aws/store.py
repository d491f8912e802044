"""The data store of an environment, or of a lake, on AWS: S3, RDS, and roles in place of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import pulumi
from pulumi_aws import ec2, s3

from components.aws import database, identities
from components.aws.place import Account, Eks, Vpc, narrowed, owner_id
from components.aws.settings import AwsSettings
from components.contract import RW, Destination, Ground, Identity, LakeFacts, Store
from components.settings.models import EnvironmentSettings, LakeSettings
from components.settings.rights import groups_of
from components.stores import layout, objects, postgresql
from components.stores.given import Known
from components.stores.who import Who, everybody

# EKS user guide, "Set up the Amazon EKS Pod Identity Agent": where pods ask for their role's credentials.
_POD_IDENTITY = Destination("169.254.170.23/32", 80)
_HTTPS = 443


@dataclass(frozen=True)
class Builder:
    """Makes stores.

    Args:
        settings: The `cloud.aws` block.
        name: Prefix of the logical names.
        uid: The owner's uid.
        ground: What the store stands on: this cloud's network and cluster.
        opts: Parent.
    """

    settings: AwsSettings
    name: str
    uid: pulumi.Output[str]
    ground: Ground
    opts: pulumi.ResourceOptions

    def environment(self, settings: EnvironmentSettings, lake: LakeFacts | None) -> Store:
        """Make an environment's store; see the contract. There is no S3 bucket for backups: AWS keeps its own."""
        server = database.Server(self.settings, settings, self.name, self.uid, self._network, self._cluster, self._opts)
        # Before anything is made: what can't be reached is said, and nothing is left behind.
        authorities = server.authorities.read_text(encoding="utf-8")
        destinations = self._destinations()
        store = settings.store
        keeping = objects.Keeping(
            versioned=store.versioned,
            versions_days=store.keep_versions_days,
            scratch_days=store.expire_scratch_days,
            backups_days=0,
            protected=store.protected,
        )
        made = self._buckets(settings, layout.KINDS, keeping)
        where = server.place()
        inside = postgresql.database(where, sorted(settings.buckets))
        shared = self._lake(made, lake)
        by_tokens = server.declared.token_logins
        reach = self._reach(made, shared, server.resource_id if by_tokens else None)
        served = server.served(inside.name)
        known = Known(
            settings.id,
            self._public(made),
            served,
            {"name": lake.name, "bucket": shared} if lake else None,
            authorities,
        )
        place, people = self._identities(settings, made), groups_of(settings)
        found: list[Identity] = []
        for who in everybody(settings.buckets):
            tokens = None
            if by_tokens:
                tokens = postgresql.token_login(where, inside, who, database.TOKENS)
            key = identities.role(place, who, self._principals(people[who.name]), reach, tokens)
            logins = postgresql.logins(where, inside, who, store.generations)
            found += [known.to(who, number, key, logins[number]) for number in store.generations]
        # Whoever administers it finds its password there, by rights of their own.
        administrator = {"user": database.ADMINISTRATOR, "secret": server.secret}
        return Store(self._public(made), {**served, "administrator": administrator}, found, destinations)

    def lake(self, settings: LakeSettings) -> Store:
        """Make a lake's store; see the contract."""
        keeping = objects.Keeping(
            versioned=True,
            versions_days=settings.store.keep_versions_days,
            scratch_days=0,
            backups_days=0,
            protected=True,
        )
        made = self._buckets(settings, (layout.DATASETS,), keeping)
        who, reach = Who(RW), self._reach(made, None, None)
        key = identities.role(
            self._identities(settings, made), who, self._principals(settings.store.writers), reach, None
        )
        known = Known(settings.name, self._public(made), None, None)
        return Store(self._public(made), {}, [known.to(who, n, key, None) for n in settings.store.generations])

    # ------------------------------------------------------------------ where

    @cached_property
    def _network(self) -> Vpc:
        return narrowed(self.ground.network, Vpc)

    @cached_property
    def _cluster(self) -> Eks:
        return narrowed(self.ground.cluster, Eks)

    @property
    def _account(self) -> Account:
        return self._network.account

    @cached_property
    def _opts(self) -> pulumi.ResourceOptions:
        """Options of what is AWS's."""
        return pulumi.ResourceOptions(parent=self.opts.parent, provider=self._account.opts.provider)

    @cached_property
    def _asking(self) -> pulumi.InvokeOptions:
        return pulumi.InvokeOptions(parent=self.opts.parent, provider=self._account.opts.provider)

    def _destinations(self) -> Sequence[Destination]:
        """Return where pods must get through to; S3 by the ranges that AWS publishes for the region."""
        listed = ec2.get_prefix_list(name=f"com.amazonaws.{self._account.region}.s3", opts=self._asking)
        objects_at = [Destination(cidr, _HTTPS) for cidr in sorted(listed.cidr_blocks)]
        # What is not known yet is, once the policy is made: the workspace only hands it on.
        database_at = [Destination(cast("str", cidr), database.PORT) for cidr in self._network.data_cidrs]
        return [*objects_at, *database_at, _POD_IDENTITY]

    # ------------------------------------------------------------------ objects

    def _buckets(
        self, settings: EnvironmentSettings | LakeSettings, kinds: Sequence[str], keeping: objects.Keeping
    ) -> Mapping[str, Bucket]:
        """Return an S3 bucket for each kind: made, or adopted. An adopted one is its owner's: nothing of it is set."""
        adopted = self.settings.adopt.buckets
        place = objects.Place(
            name=self.name,
            owner=owner_id(settings),
            uid=self.uid,
            without=frozenset(),
            encrypted=True,
            # The provider puts them on everything.
            tags={},
            opts=self._opts,
            kms_key=self._network.data_key,
            partition=self._account.partition,
        )
        made = objects.buckets(place, [kind for kind in kinds if kind not in adopted], keeping)
        objects.bucket_policies(place, made)
        found = {
            kind: s3.get_bucket_output(bucket=adopted[kind], opts=self._asking) for kind in kinds if kind in adopted
        }
        return {
            kind: Bucket(found[kind].bucket, found[kind].bucket_regional_domain_name, adopted=True)
            if kind in adopted
            else Bucket(made[kind].bucket, made[kind].bucket_regional_domain_name)
            for kind in kinds
        }

    def _endpoint(self, made: Mapping[str, Bucket]) -> pulumi.Output[str]:
        """Return the URL of S3 there: what an S3 bucket's own address says after the bucket's name."""
        first = next(iter(made.values()))
        return pulumi.Output.all(first.name, first.address).apply(lambda known: endpoint(*known))

    def _public(self, made: Mapping[str, Bucket]) -> dict[str, Any]:
        return {
            "protocol": "s3",
            "endpoint": self._endpoint(made),
            "region": self._account.region,
            "buckets": {kind: bucket.name for kind, bucket in made.items()},
        }

    def _lake(self, made: Mapping[str, Bucket], lake: LakeFacts | None) -> pulumi.Output[str] | None:
        if lake is None:
            return None
        both = pulumi.Output.all(lake.bucket, lake.endpoint, self._endpoint(made))
        return both.apply(lambda known: _same_region(lake.name, *known))

    # ------------------------------------------------------------------ identities

    def _identities(self, settings: EnvironmentSettings | LakeSettings, made: Mapping[str, Bucket]) -> identities.Place:
        return identities.Place(
            name=self.name,
            owner=owner_id(settings),
            uid=self.uid,
            account=self._account,
            cluster=self._cluster,
            endpoint=self._endpoint(made),
            opts=self._opts,
        )

    def _principals(self, groups: Sequence[str]) -> list[str]:
        """Return who of these groups signs in by IAM; the others reach the store through pods alone."""
        return [self.settings.principals[group] for group in groups if group in self.settings.principals]

    def _reach(
        self, made: Mapping[str, Bucket], lake: pulumi.Output[str] | None, server: pulumi.Output[str] | None
    ) -> pulumi.Output[identities.Reach]:
        own = [bucket.name for bucket in made.values()]
        adopted = [bucket.name for bucket in made.values() if bucket.adopted]
        every = pulumi.Output.all(own=own, adopted=adopted, lake=lake, key=self._network.data_key, server=server)
        return every.apply(lambda known: identities.Reach(**known))


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket.

    Args:
        name: Its name.
        address: Its name in the domain name system, which begins with its name.
        adopted: Whether it existed already.
    """

    name: pulumi.Output[str]
    address: pulumi.Output[str]
    adopted: bool = False


def endpoint(bucket: str, address: str) -> str:
    """Return the URL of S3 where an S3 bucket is.

    Args:
        bucket: The S3 bucket's name.
        address: Its name in the domain name system: `<bucket>.s3.<region>.amazonaws.com`.
    """
    return f"https://{address.removeprefix(f'{bucket}.')}"


def _same_region(name: str, bucket: str, endpoint_of_lake: str, own: str) -> str:
    if endpoint_of_lake != own:
        raise pulumi.RunError(
            f"lake {name} is at {endpoint_of_lake}, this environment's store at {own}: a lake is read in its own region"
        )
    return bucket
