"""The data store of an environment, or of a lake, on Google Cloud: Cloud Storage and Cloud SQL. No object key exists.

Follows cloud.google.com/storage/docs: "Uniform bucket-level access", "Public access prevention", "Object Versioning",
"Soft delete", "Object Lifecycle Management", "Customer-managed encryption keys"; GKE, "About Workload Identity
Federation for GKE", network policies: where pods ask for their credentials, with Dataplane V2 and without.
There is no bucket for backups: Google Cloud keeps versions and backups itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pulumi
from pulumi_gcp import storage

from components.contract import RW, Destination, Ground, Identity, LakeFacts, Store
from components.gcp.identities import Bucket, Rights, key
from components.gcp.names import BUCKET, is_google, owner_id
from components.gcp.place import Gke, Project, Vpc, narrowed
from components.gcp.settings import GcpSettings
from components.settings.models import EnvironmentSettings, LakeSettings
from components.settings.rights import groups_of
from components.stores import layout
from components.stores.given import Known
from components.stores.who import Who, everybody

_METADATA = (Destination("169.254.169.252/32", 988), Destination("169.254.169.254/32", 80))
_HTTPS, _DATABASE = 443, 5432
_DAY = 86_400  # seconds
_SOFT_DAYS = 7  # an identity that writes can also delete old versions: for a week even these come back
_UPLOAD_DAYS = 7


@dataclass(frozen=True)
class Keeping:
    """How long buckets keep what.

    Args:
        versioned: Whether what is overwritten or deleted can be brought back. Scratch never is.
        versions_days: Days for which it can.
        scratch_days: Days after which an object in scratch goes.
        protected: Whether deleting a bucket that holds objects fails.
    """

    versioned: bool
    versions_days: int
    scratch_days: int
    protected: bool


@dataclass(frozen=True)
class Builder:
    """Makes stores.

    Args:
        settings: The `cloud.gcp` block.
        name: Prefix of the logical names.
        uid: The owner's uid.
        ground: What the store stands on: this cloud's network and cluster.
        opts: Parent.
    """

    settings: GcpSettings
    name: str
    uid: pulumi.Output[str]
    ground: Ground
    opts: pulumi.ResourceOptions

    def environment(self, settings: EnvironmentSettings, lake: LakeFacts | None) -> Store:
        """Make an environment's store; see the contract."""
        # Imported here: a lake has no database, and needs none of these SDKs.
        from components.gcp import database  # noqa: PLC0415
        from components.stores import postgresql  # noqa: PLC0415

        store, members = settings.store, _members(settings)
        keeping = Keeping(store.versioned, store.keep_versions_days, store.expire_scratch_days, store.protected)
        encrypting = self._key({"sql": self._project.identity("sqladmin")})
        made = self._buckets(settings, layout.KINDS, keeping, encrypting)
        server = database.Server(
            self.settings.database, settings, self.name, self.uid, self._network, encrypting, self._parent
        )
        where = server.place()
        inside = postgresql.database(where, sorted(settings.buckets))
        served, shared = server.served(inside.name), self._lake_bucket(lake)
        known = Known(
            settings.id,
            self._public(made),
            served,
            {"name": lake.name, "bucket": shared} if lake else None,
            server.authorities,
        )
        rights = Rights(self.name, settings.id, self._project, self._cluster.made)
        found: list[Identity] = []
        for who in everybody(settings.buckets):
            rights.give(made, who, members[who.name])
            if shared is not None:
                rights.read(shared, who, members[who.name])
            logins = postgresql.logins(where, inside, who, store.generations)
            found += [known.to(who, number, key(who), logins[number]) for number in store.generations]
        return Store(self._public(made), served, found, self._destinations())

    def lake(self, settings: LakeSettings) -> Store:
        """Make a lake's store; see the contract."""
        keeping = Keeping(True, settings.store.keep_versions_days, 0, True)
        made = self._buckets(settings, (layout.DATASETS,), keeping, self._key({}))
        who = Who(RW)
        rights = Rights(self.name, owner_id(settings), self._project, self._cluster.made)
        rights.give(made, who, _named("group", settings.store.writers))
        known = Known(settings.name, self._public(made), None, None)
        generations = settings.store.generations
        return Store(self._public(made), {}, [known.to(who, number, key(who), None) for number in generations])

    # ------------------------------------------------------------------ where

    @cached_property
    def _network(self) -> Vpc:
        return narrowed(self.ground.network, Vpc)

    @property
    def _cluster(self) -> Gke:
        return narrowed(self.ground.cluster, Gke)

    @property
    def _project(self) -> Project:
        return self._network.project

    @property
    def _parent(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self.opts.parent)

    def _destinations(self) -> Sequence[Destination]:
        """Return where pods must get through to."""
        found = [Destination(self.settings.private_access, _HTTPS), *_METADATA]
        cidr = self._network.database_cidr
        return [*found, Destination(cidr, _DATABASE)] if cidr else found

    # ------------------------------------------------------------------ objects

    def _key(self, more: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
        opts = self._project.opts
        asking = pulumi.InvokeOutputOptions(parent=opts.parent, provider=opts.provider, depends_on=opts.depends_on)
        agent = storage.get_project_service_account_output(project=self._project.id, opts=asking)
        return self._project.key("store", {"storage": agent.member, **more})

    def _buckets(
        self,
        settings: EnvironmentSettings | LakeSettings,
        kinds: Sequence[str],
        keeping: Keeping,
        encrypting: pulumi.Output[str],
    ) -> Sequence[Bucket]:
        """Return a bucket for each kind: made, or adopted. An adopted one is its owner's: nothing of it is set."""
        adopted = self.settings.adopt.buckets
        return [
            Bucket(kind, adopted[kind], adopted=True)
            if kind in adopted
            else Bucket(kind, self._bucket(owner_id(settings), kind, keeping, encrypting).name, adopted=False)
            for kind in kinds
        ]

    def _bucket(self, owner: str, kind: str, keeping: Keeping, encrypting: pulumi.Output[str]) -> storage.Bucket:
        versioned = keeping.versioned and kind != layout.SCRATCH
        return storage.Bucket(
            f"{self.name}-{kind}",
            name=self.uid.apply(lambda uid: BUCKET.check(layout.s3_bucket(owner, kind, uid))),
            location=self._project.region.upper(),
            storage_class="STANDARD",
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning=storage.BucketVersioningArgs(enabled=versioned),
            soft_delete_policy=storage.BucketSoftDeletePolicyArgs(
                retention_duration_seconds=_SOFT_DAYS * _DAY if versioned else 0
            ),
            encryption=storage.BucketEncryptionArgs(default_kms_key_name=encrypting),
            lifecycle_rules=_rules(kind, keeping, versioned=versioned),
            force_destroy=not keeping.protected,
            # Deleting or replacing it deletes all that is in it; `terrarium destroy` lifts this after asking.
            opts=self._project.merged(pulumi.ResourceOptions(protect=True)),
        )

    def _public(self, made: Sequence[Bucket]) -> dict[str, Any]:
        return {
            "protocol": "gs",
            "endpoint": f"https://storage.{self._project.universe}",
            "region": self._project.region,
            "buckets": {bucket.kind: bucket.name for bucket in made},
        }

    def _lake_bucket(self, lake: LakeFacts | None) -> pulumi.Output[str] | None:
        if lake is None:
            return None
        own = f"https://storage.{self._project.universe}"
        return pulumi.Output.all(lake.bucket, lake.endpoint).apply(lambda found: _same_cloud(lake.name, own, *found))


def _same_cloud(name: str, own: str, bucket: str, endpoint: str) -> str:
    if endpoint != own:
        raise pulumi.RunError(f"lake {name} is in the store at {endpoint}, this environment's at {own}: name one store")
    return bucket


def _members(settings: EnvironmentSettings) -> Mapping[str, list[str]]:
    """Return the people who may use each identity, as IAM members."""
    found = {name: _named("group", groups) for name, groups in groups_of(settings).items()}
    for bucket, declared in settings.buckets.items():
        found[layout.bucket_identity(bucket)] += _named("user", declared.users)
    return found


def _named(kind: str, names: Iterable[str]) -> list[str]:
    return [f"{kind}:{name}" for name in sorted(set(names)) if is_google(name)]


def _rules(kind: str, keeping: Keeping, *, versioned: bool) -> list[storage.BucketLifecycleRuleArgs]:
    def rule(action: str, **condition: Any) -> storage.BucketLifecycleRuleArgs:
        return storage.BucketLifecycleRuleArgs(
            action=storage.BucketLifecycleRuleActionArgs(type=action),
            condition=storage.BucketLifecycleRuleConditionArgs(**condition),
        )

    rules = [rule("AbortIncompleteMultipartUpload", age=_UPLOAD_DAYS)]
    if kind == layout.SCRATCH and keeping.scratch_days:
        rules.append(rule("Delete", age=keeping.scratch_days))
    if versioned:
        rules.append(rule("Delete", days_since_noncurrent_time=keeping.versions_days, with_state="ARCHIVED"))
    return rules
