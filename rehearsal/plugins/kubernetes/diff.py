"""Which changes the server can't make in place: from the official provider's table, else from the server's answer."""

from __future__ import annotations

import re
from collections.abc import Callable

from rehearsal.plugins.changes import Change, effective
from rehearsal.plugins.kubernetes.client import ApiError, Object

# The official provider's table: changing these makes a new object, also in a preview with unknown values, when the
# server can't be asked. What is not here is found by a dry run.
_TABLE = """
apps/DaemonSet spec.selector
apps/Deployment spec.selector
apps/StatefulSet spec.podManagementPolicy spec.revisionHistoryLimit spec.selector spec.serviceName
apps/StatefulSet spec.volumeClaimTemplates
batch/Job spec.completions spec.parallelism spec.selector spec.template
/PersistentVolumeClaim spec.accessModes spec.selector spec.storageClassName spec.volumeName
/Pod spec
/ResourceQuota spec.scopes
/Secret type
/Service spec.clusterIP
rbac.authorization.k8s.io/ClusterRoleBinding roleRef
rbac.authorization.k8s.io/RoleBinding roleRef
storage.k8s.io/StorageClass parameters provisioner
"""
_FIXED = [(kind, field) for kind, *fields in (line.split() for line in _TABLE.split("\n") if line) for field in fields]
_IDENTITY = ("metadata.name", "metadata.namespace", "kind")
# How the server says so; there is no reason code for it.
_REFUSALS = re.compile(
    r"immutable|may not change|can(?:not|'t) (?:be )?change|forbidden: updates? to|may not be (?:changed|updated)", re.I
)


def mark_fixed(found: list[Change], old_live: Object, obj: Object, mutable: set[str]) -> None:
    """Mark changes from `old_live` to `obj` that the official provider's table says need a new object.

    `mutable` are those of `Secret` and `ConfigMap` whose content the provider is told to change in place.
    """
    group, kind = _group(obj), str(obj.get("kind", ""))
    fixed = [*_IDENTITY, *(field for name, field in _FIXED if name == f"{group}/{kind}")]
    if _group(old_live) != group:
        # Another version is another view of the same object; another group is another object.
        fixed.append("apiVersion")
    if f"{group}/{kind}" in {"/Secret", "/ConfigMap"} and (obj.get("immutable") is True or kind not in mutable):
        fixed += ["data", "stringData", "binaryData"]
    for change in found:
        change.replace = any(change.within(field) for field in fixed)


def _group(obj: Object) -> str:
    return str(obj.get("apiVersion", "")).rpartition("/")[0]


def settle(found: list[Change], old_inputs: Object, old_live: Object, dry_run: Callable[[], Object]) -> list[Change]:
    """Ask the server, by a dry run of the new inputs, what the changes come to, and return those that matter.

    Those the server calls immutable are marked as replacing. When it refuses for another reason, the update says which.
    """
    try:
        after = dry_run()
    except ApiError as error:
        for cause in error.causes:
            if error.code == 422 and _REFUSALS.search(cause.get("message", "")):
                _mark_refused(found, cause.get("field", ""))
        return found
    return effective(found, old_inputs, old_live, after)


def _mark_refused(found: list[Change], field: str) -> None:
    field = re.sub(r"\[(\D[^\]]*)\]", r'["\1"]', field)
    for change in found:
        if field in {"", "<nil>"} or change.within(field) or field.startswith(str(change) + "."):
            change.replace = True
