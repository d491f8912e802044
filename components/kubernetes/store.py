"""The data store of an environment on an existing cluster: S3 and PostgreSQL servers that the stack file names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws
import pulumi_postgresql as postgresql_sdk
import pulumi_random as random

from components.contract import RW, Destination, Identity, LakeFacts, NotReached, Store
from components.kubernetes import connections
from components.kubernetes.settings import AccountSettings, DatabaseSettings, StoreConnections
from components.labels import environment_labels, ownership_labels
from components.settings.models import EnvironmentSettings, LakeSettings
from components.stores import accounts, layout, objects, postgresql
from components.stores.given import Known
from components.stores.who import Who, everybody

_KEY = "cloud.kubernetes.store"
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Builder:
    """Makes stores.

    Args:
        settings: Where.
        name: Prefix of the logical names.
        uid: The owner's uid.
        opts: Parent.
    """

    settings: StoreConnections
    name: str
    uid: pulumi.Output[str]
    opts: pulumi.ResourceOptions

    def environment(self, settings: EnvironmentSettings, lake: LakeFacts | None) -> Store:
        """Make an environment's store; see the contract."""
        store = settings.store
        keeping = objects.Keeping(
            versioned=store.versioned,
            versions_days=store.keep_versions_days,
            scratch_days=store.expire_scratch_days,
            backups_days=store.recovery.keep_backups_days,
            protected=store.protected,
        )
        who = everybody(settings.buckets)
        place = self._objects_place(settings.id, environment_labels(settings))
        made = objects.buckets(place, (*layout.KINDS, layout.BACKUPS), keeping)
        # The backups are none of a workload's business: its identities neither reach them nor know of them.
        own = {kind: made[kind] for kind in layout.KINDS}
        keys = self._keys(place, made, who, self._lake_bucket(lake))
        destinations = self._destinations()
        server = self._database_place(settings.id)
        database = postgresql.database(server, sorted(settings.buckets))
        served = {**self._server, "name": database.name}
        shared = {"name": lake.name, "bucket": lake.bucket} if lake else None
        by_system = self._database_authorities is None
        known = Known(settings.id, self._objects_public(own), served, shared, self._authorities, by_system)
        identities: list[Identity] = []
        for each in who:
            logins = postgresql.logins(server, database, each, store.generations)
            by_generation = keys(each, store.generations)
            identities += [known.to(each, n, by_generation[n], logins[n]) for n in store.generations]
        return Store(self._objects_public(made), served, identities, destinations)

    def lake(self, settings: LakeSettings) -> Store:
        """Make a lake's store; see the contract."""
        labels = ownership_labels(owner_kind="lake", owner=settings.name, cost_centre=settings.cost_centre)
        place = self._objects_place(layout.lake_id(settings.name), labels)
        keeping = objects.Keeping(
            versioned=True,
            versions_days=settings.store.keep_versions_days,
            scratch_days=0,
            backups_days=0,
            protected=True,
        )
        made = objects.buckets(place, (layout.DATASETS,), keeping)
        who, generations = Who(RW), settings.store.generations
        keys = self._keys(place, made, [who], None)(who, generations)
        known = Known(settings.name, self._objects_public(made), None, None, self._objects_authorities)
        return Store(self._objects_public(made), {}, [known.to(who, n, keys[n], None) for n in generations])

    # ------------------------------------------------------------------ objects

    @cached_property
    def _endpoints(self) -> connections.Endpoints:
        return connections.endpoints(self.settings.objects, os.environ)

    @cached_property
    def _endpoint(self) -> accounts.Endpoint:
        found = self._endpoints
        sts = found.sts if self.settings.objects.tokens else None
        return accounts.Endpoint(found.s3, found.region, sts, self._objects_authorities is not None)

    @cached_property
    def _objects_authorities(self) -> str | None:
        """The certificate authorities that vouch for the objects' servers, if they are not the system's."""
        return connections.authorities_in(self._endpoints.profile)

    @cached_property
    def _aws(self) -> aws.Provider:
        found = self._endpoints
        return aws.Provider(
            f"{self.name}-objects",
            profile=found.profile.name,
            region=found.region,
            endpoints=[aws.ProviderEndpointArgs(s3=found.s3, iam=found.iam, sts=found.sts)],
            custom_ca_bundle=found.profile.ca_bundle,
            s3_use_path_style=True,
            # A store that is not Amazon's has no metadata service, and no account to ask for.
            skip_credentials_validation=True,
            skip_metadata_api_check=True,
            skip_region_validation=True,
            skip_requesting_account_id=True,
            opts=self.opts,
        )

    def _objects_place(self, owner: str, tags: Mapping[str, str]) -> objects.Place:
        return objects.Place(
            name=self.name,
            owner=owner,
            uid=self.uid,
            without=frozenset(self.settings.objects.without),
            encrypted=self._endpoint.url.startswith("https://"),
            tags=tags,
            opts=pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(provider=self._aws)),
        )

    def _keys(
        self,
        place: objects.Place,
        made: Mapping[str, aws.s3.Bucket],
        who: Iterable[Who],
        lake: pulumi.Output[str | None] | None,
    ) -> accounts.Keys:
        names = pulumi.Output.all(*(bucket.bucket for kind, bucket in made.items() if kind != layout.BACKUPS))
        rights = accounts.Rights(names, lake or pulumi.Output.from_input(None))
        tokens, given = self.settings.objects.tokens, self.settings.objects.accounts
        if given:
            granted = {given[each.name].principal: rights.of(each) for each in who}
            objects.bucket_policies(place, made, pulumi.Output.all(**granted))
            return accounts.supplied(self._endpoint, {name: _account(item) for name, item in given.items()})
        objects.bucket_policies(place, made)
        if tokens:
            issuer = accounts.TokenIssuer(tokens.provider_arn, tokens.issuer, tokens.audience)
            return accounts.roles(place, self._endpoint, rights, issuer)
        return accounts.users(place, self._endpoint, rights)

    def _objects_public(self, made: Mapping[str, aws.s3.Bucket]) -> dict[str, Any]:
        buckets = {kind: bucket.bucket for kind, bucket in made.items()}
        return {"endpoint": self._endpoint.url, "region": self._endpoint.region, "buckets": buckets}

    def _lake_bucket(self, lake: LakeFacts | None) -> pulumi.Output[str | None] | None:
        if lake is None:
            return None
        own = self._endpoint.url
        return pulumi.Output.all(lake.bucket, lake.endpoint).apply(lambda pair: _same_store(lake.name, own, *pair))

    # ------------------------------------------------------------------ database

    @property
    def _database(self) -> DatabaseSettings:
        if self.settings.database is None:
            raise NotReached(f"{_KEY}.database names no PostgreSQL server")
        return self.settings.database

    @cached_property
    def _service(self) -> Mapping[str, str]:
        return connections.server(self._database, os.environ, f"{_KEY}.database")

    @cached_property
    def _for_workloads(self) -> Mapping[str, str]:
        return connections.for_workloads(self._database, os.environ, f"{_KEY}.database")

    @cached_property
    def _server(self) -> dict[str, Any]:
        found = self._for_workloads
        return {"host": found["host"], "port": int(found["port"]), "sslmode": found["sslmode"]}

    @cached_property
    def _database_authorities(self) -> str | None:
        """The certificate authorities that the server is verified by, if they are not the system's."""
        return connections.authorities(self._for_workloads)

    @property
    def _authorities(self) -> str | None:
        """All certificate authorities that are not the system's."""
        own = dict.fromkeys(filter(None, (self._objects_authorities, self._database_authorities)))
        return "".join(own) or None

    @cached_property
    def _postgresql(self) -> postgresql_sdk.Provider:
        return self._connected("database", self._service["dbname"])

    def _connected(self, name: str, database: pulumi.Input[str]) -> postgresql_sdk.Provider:
        found = self._service
        authorities = found.get("sslrootcert")
        return postgresql_sdk.Provider(
            f"{self.name}-{name}",
            host=found["host"],
            port=int(found["port"]),
            username=found["user"],
            password=pulumi.Output.secret(found["password"]),
            database=database,
            sslmode=found["sslmode"],
            # The provider takes the system's authorities when none are named, and libpq when they are called so.
            sslrootcert=None if authorities == connections.SYSTEM else authorities,
            superuser=self._database.superuser,
            opts=self.opts,
        )

    @cached_property
    def _random(self) -> random.Provider:
        return random.Provider(f"{self.name}-passwords", opts=self.opts)

    def _database_place(self, owner: str) -> postgresql.Place:
        merge = pulumi.ResourceOptions.merge
        return postgresql.Place(
            name=self.name,
            owner=owner,
            uid=self.uid,
            opts=merge(self.opts, pulumi.ResourceOptions(provider=self._postgresql)),
            random=merge(self.opts, pulumi.ResourceOptions(provider=self._random)),
            administrator=None if self._database.superuser else self._service["user"],
            inside=lambda name: merge(self.opts, pulumi.ResourceOptions(provider=self._connected("logins", name))),
        )

    # ------------------------------------------------------------------ network

    def _destinations(self) -> list[Destination]:
        """Return where pods must get through to; asked before anything is made."""
        written, server = self.settings.objects, self._server
        urls = [self._endpoint.url, *([self._endpoint.sts] if self._endpoint.sts else [])]
        found = set()
        for url in map(urlsplit, urls):
            cidrs = _cidrs(written.cidrs, url.hostname or "", f"{_KEY}.objects.cidrs")
            found |= {(cidr, url.port or _PORTS[url.scheme]) for cidr in cidrs}
        cidrs = _cidrs(self._database.cidrs, server["host"], f"{_KEY}.database.cidrs")
        found |= {(cidr, server["port"]) for cidr in cidrs}
        return [Destination(*pair) for pair in sorted(found)]


def _cidrs(written: Sequence[str], host: str, key: str) -> Sequence[str]:
    own = connections.address(host)
    if not written and own is None and not connections.is_here(host):
        raise NotReached(f"{key} is missing: network policies know addresses only, so say where {host} is")
    return written or ([own] if own else [])


def _account(given: AccountSettings) -> accounts.Account:
    found = connections.profile(given.profile, os.environ)
    return accounts.Account(given.principal, found.access_key, found.secret_key)


def _same_store(name: str, own: str, bucket: str, endpoint: str) -> str:
    if endpoint != own:
        raise pulumi.RunError(f"lake {name} is in the store at {endpoint}, this environment's at {own}: name one store")
    return bucket
