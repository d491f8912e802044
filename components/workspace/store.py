"""A store's keys inside the cluster: Secrets that pods mount as files, who may read them, and the way to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulumi_kubernetes.core.v1 import Secret, ServiceAccount
from pulumi_kubernetes.networking.v1 import NetworkPolicy
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs

from components.contract import Identity, Store
from components.settings.models import EnvironmentSettings
from components.settings.rights import groups_of
from components.settings.store import BucketSettings
from components.workspace.access import subjects
from components.workspace.network import to_destinations
from components.workspace.scope import Scope


def secrets(scope: Scope, store: Store) -> list[Secret]:
    """Make a Secret for each identity and generation of keys, and its service account if the store takes tokens.

    Args:
        scope: Where.
        store: The store.
    """
    accounts = {identity.service_account for identity in store.identities if identity.service_account}
    for account in sorted(accounts):
        ServiceAccount(
            scope.logical(account),
            metadata=scope.metadata(account),
            automount_service_account_token=False,
            opts=scope.opts,
        )
    return [_secret(scope, identity) for identity in store.identities]


def _secret(scope: Scope, identity: Identity) -> Secret:
    return Secret(
        scope.logical(identity.secret),
        metadata=scope.metadata(identity.secret),
        type="Opaque",
        # The provider hides what stands in a Secret, also what is no secret by itself.
        string_data=dict(identity.files),
        opts=scope.opts,
    )


def readable(scope: Scope, store: Store, settings: EnvironmentSettings) -> list[RoleBinding]:
    """Let people read the keys they may use, and no other Secret.

    Args:
        scope: Where.
        store: The store.
        settings: Says who has which right, and which bucket.
    """
    named = groups_of(settings)
    who = {identity.name: _who(identity, named, settings.buckets) for identity in store.identities}
    return readable_by(scope, store, who)


def readable_by(scope: Scope, store: Store, who: Mapping[str, Sequence[SubjectArgs]]) -> list[RoleBinding]:
    """Let somebody read an identity's keys, and no other Secret.

    Args:
        scope: Where.
        store: The store.
        who: By identity; nobody, for one that is not named.
    """
    names: dict[str, list[str]] = {}
    for identity in store.identities:
        names.setdefault(identity.name, []).append(identity.secret)
    return [_readable(scope, name, found, who[name]) for name, found in names.items() if who.get(name)]


def _who(
    identity: Identity, named: Mapping[str, Sequence[str]], buckets: Mapping[str, BucketSettings]
) -> list[SubjectArgs]:
    users = buckets[identity.bucket].users if identity.bucket else ()
    return subjects(named[identity.name], sorted(set(users)))


def _readable(scope: Scope, identity: str, names: Sequence[str], who: Sequence[SubjectArgs]) -> RoleBinding:
    name = f"store-{identity}"
    role = Role(
        scope.logical(f"{name}-reader"),
        metadata=scope.metadata(name),
        rules=[PolicyRuleArgs(api_groups=[""], resources=["secrets"], resource_names=list(names), verbs=["get"])],
        opts=scope.opts,
    )
    return RoleBinding(
        scope.logical(f"{name}-reader-binding"),
        metadata=scope.metadata(name),
        role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name),
        subjects=list(who),
        opts=scope.opts,
    )


def way(scope: Scope, store: Store) -> NetworkPolicy | None:
    """Let pods through to the store, whatever else they may reach.

    Args:
        scope: Where.
        store: The store; None is made if no network policy could stand between.
    """
    if not store.destinations:
        return None
    return to_destinations(scope, "allow-store", store.destinations, why="the environment's own data store")
