"""Rights inside the environment's namespace: one Role per right, bound to the groups that the tier gives it to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs

from components.settings.models import EnvironmentSettings, PeopleSettings
from components.tiers import TIERS, Right, Tier
from components.workspace.scope import Scope

_RBAC = "rbac.authorization.k8s.io"
_SEE = ["get", "list", "watch"]
_CHANGE = ["create", "update", "patch", "delete", "deletecollection"]


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str]) -> PolicyRuleArgs:
    return PolicyRuleArgs(api_groups=[group], resources=list(resources), verbs=list(verbs))


_READ = (
    _rule(
        "",
        [
            *("pods", "pods/log", "pods/status", "services", "endpoints", "configmaps", "events"),
            *("persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "limitranges", "serviceaccounts"),
        ],
        _SEE,
    ),
    _rule("apps", ["deployments", "replicasets", "statefulsets", "daemonsets"], _SEE),
    _rule("batch", ["jobs", "cronjobs"], _SEE),
    _rule("networking.k8s.io", ["networkpolicies", "ingresses"], _SEE),
    _rule("events.k8s.io", ["events"], _SEE),
    # Why a job waits. Nobody changes one: a workload is Kueue's word that a job may run.
    _rule("kueue.x-k8s.io", ["localqueues", "workloads"], _SEE),
)
_DEPLOY = (
    *_READ,
    _rule("", ["services", "configmaps", "persistentvolumeclaims"], _CHANGE),
    _rule("apps", ["deployments", "deployments/scale", "statefulsets", "statefulsets/scale"], [*_SEE, *_CHANGE]),
    _rule("batch", ["jobs", "cronjobs"], _CHANGE),
)

# Nobody in an environment may change what keeps it apart: no right changes roles, bindings, quotas, limits, network
# policies, service accounts or the namespace itself.
RULES: Mapping[Right, Sequence[PolicyRuleArgs]] = {
    Right.READ: _READ,
    Right.LAUNCH: (*_READ, _rule("batch", ["jobs", "cronjobs"], ["create", "update", "patch", "delete"])),
    Right.DEPLOY: _DEPLOY,
    Right.WRITE: (
        *_DEPLOY,
        _rule("", ["pods", "secrets"], [*_SEE, *_CHANGE]),
        # `get` opens the older web socket form of these, which checked for no other verb until Kubernetes 1.35.
        _rule("", ["pods/exec", "pods/attach", "pods/portforward"], ["get", "create"]),
    ),
}


def runner(scope: Scope) -> ServiceAccount:
    """Make the identity under which workloads run: no rights in the cluster, and no token unless a pod asks for one."""
    return ServiceAccount(
        scope.logical("runner"),
        metadata=scope.metadata("runner"),
        automount_service_account_token=False,
        opts=scope.opts,
    )


def rights(scope: Scope, tier: Tier, people: PeopleSettings) -> list[RoleBinding]:
    """Make the roles that are used, and bind them.

    Args:
        scope: Where.
        tier: Says which right each kind of group gets.
        people: The groups.
    """
    return [_bind(scope, right, names) for right, names in _groups(tier, people).items()]


def everybody(tier: Tier, people: PeopleSettings) -> list[str]:
    """Return every group that has a right in an environment, in order.

    Args:
        tier: Says which kinds of groups have one.
        people: The groups.
    """
    return sorted({name for names in _groups(tier, people).values() for name in names})


def readers(settings: EnvironmentSettings) -> list[SubjectArgs]:
    """Return everybody who has a right in an environment, to its namespace or to a bucket of its store, in order."""
    buckets = settings.buckets.values()
    groups = {*everybody(settings.tier, settings.people), *(group for b in buckets for group in b.groups)}
    return subjects(sorted(groups), sorted({user for b in buckets for user in b.users}))


def subjects(groups: Sequence[str], users: Sequence[str] = ()) -> list[SubjectArgs]:
    """Return groups and users as a binding names them."""
    return [
        *(SubjectArgs(api_group=_RBAC, kind="Group", name=name) for name in groups),
        *(SubjectArgs(api_group=_RBAC, kind="User", name=name) for name in users),
    ]


def _groups(tier: Tier, people: PeopleSettings) -> dict[Right, list[str]]:
    groups: dict[Right, set[str]] = {}
    for kind, right in TIERS[tier].rights.items():
        groups.setdefault(right, set()).update(getattr(people, kind))
    return {right: sorted(names) for right, names in groups.items() if names}


def _bind(scope: Scope, right: Right, groups: Sequence[str]) -> RoleBinding:
    role = Role(
        scope.logical(right.value), metadata=scope.metadata(right.value), rules=list(RULES[right]), opts=scope.opts
    )
    return RoleBinding(
        scope.logical(f"{right.value}-binding"),
        metadata=scope.metadata(right.value),
        role_ref=RoleRefArgs(api_group=_RBAC, kind="Role", name=role.metadata.name),
        subjects=subjects(groups),
        opts=scope.opts,
    )
