"""Which changes the server can't make in place: from the official provider's table, else from the server's answer."""

from __future__ import annotations

import re
from collections.abc import Callable

from rehearsal.plugins.changes import Change, effective
from rehearsal.plugins.kubernetes.client import ApiError, Object
from rehearsal.plugins.resource import ProviderError

# The official provider's table (`forceNew`): changing these makes a new object, also in a preview with unknown values,
# when the server can't be asked.
_TABLE = """
apps/DaemonSet spec.selector
apps/Deployment spec.selector
apps/StatefulSet spec.podManagementPolicy spec.revisionHistoryLimit spec.selector spec.serviceName
apps/StatefulSet spec.volumeClaimTemplates
batch/Job spec.completions spec.parallelism spec.selector spec.template
/PersistentVolume spec.awsElasticBlockStore spec.azureDisk spec.azureFile spec.cephfs spec.cinder spec.csi spec.fc
/PersistentVolume spec.flexVolume spec.flocker spec.gcePersistentDisk spec.glusterfs spec.hostPath spec.iscsi
/PersistentVolume spec.local spec.nfs spec.photonPersistentDisk spec.portworxVolume spec.quobyte spec.rbd spec.scaleIO
/PersistentVolume spec.storageos spec.vsphereVolume
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
# Not in the table: a PriorityClass' value, a StorageClass' reclaim policy, more of a Job or StatefulSet, what the rules
# of a custom resource fix. There the official provider fails with the server's refusal, until the program has
# `replaceOnChanges`. Here the refusal replaces: what holds no data can be made anew without a person, and the plan says
# so. This is how the server puts it; there is no reason code.
_REFUSALS = re.compile(
    r"immutable|may not change|can(?:not|'t) (?:be )?change|forbidden: updates? to|may not be (?:changed|updated)", re.I
)

# With a definition, all its custom resources go.
_HOLD_DATA = {"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"}


def mark_fixed(found: list[Change], old_live: Object, obj: Object, mutable: set[str]) -> None:
    """Mark changes from `old_live` to `obj` that the official provider's table says need a new object.

    `mutable` are those of `Secret` and `ConfigMap` whose content the provider is told to change in place.
    """
    group, kind = _group(obj), str(obj.get("kind", ""))
    fixed = ["metadata.name", "metadata.namespace", "kind", *(row[1] for row in _FIXED if row[0] == f"{group}/{kind}")]
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

    Those the server calls immutable are marked as replacing; of objects that hold data they raise ProviderError. When
    it refuses for another reason, the update says which.
    """
    try:
        after = dry_run()
    except ApiError as error:
        causes = error.causes if error.code == 422 else []
        if causes and old_live["kind"] in _HOLD_DATA:
            hint = "undo the change, or make a new one under another name: a replacement would delete what it holds"
            raise ProviderError(f"{error}. This {old_live['kind']} can't be changed so: {hint}") from error
        for field in [cause.get("field", "") for cause in causes if _REFUSALS.search(cause.get("message", ""))]:
            for change in found:
                change.replace |= field in {"", "<nil>"} or change.touches(field)
        return found
    return effective(found, old_inputs, old_live, after)
