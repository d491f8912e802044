"""What changed between the stored object and new inputs, and which of it the server can't change in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rehearsal.plugins.kubernetes.client import ApiError, Object
from rehearsal.plugins.properties import UNKNOWN

Path = tuple[str | int, ...]
Verb = Literal["add", "delete", "update"]
_MISSING = object()


@dataclass
class Change:
    """One property that differs; `replace` when only a new object can have it."""

    path: Path
    verb: Verb
    replace: bool = False

    def __str__(self) -> str:
        """The path as Pulumi writes it: `spec.containers[0].image`, `metadata.labels["a/b"]`."""
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            elif re.fullmatch(r"[A-Za-z_$][\w$]*", part):
                text += f".{part}" if text else part
            else:
                text += '["' + part.replace('"', '\\"') + '"]'
        return text


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


def pruned(live: Any, shape: Any) -> Any:
    """The part of a live object that inputs once set: other managers' fields and defaults are no difference."""
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: pruned(live[key], item) for key, item in shape.items() if key in live}
    if isinstance(live, list) and isinstance(shape, list):
        tail = live[len(shape) :]
        return [pruned(one, other) for one, other in zip(live, shape, strict=False)] + tail
    return live


def changes(old_inputs: Object, old_live: Object, new_inputs: Object) -> list[Change]:
    """Properties in which new inputs differ from the stored object.

    Args:
        old_inputs: of the last update or refresh.
        old_live: the object as the server answered then.
        new_inputs: of the program now.
    """
    base = pruned(old_live, old_inputs)
    return [
        change
        for change in _compare((), base, new_inputs)
        # The server writes some inputs in another form ("1000m" as "1", no empty lists): what the program has not
        # changed, and no refresh found changed, is no change.
        if at(old_inputs, change.path) != at(new_inputs, change.path) or at(new_inputs, change.path) is UNKNOWN
    ]


def _compare(path: Path, old: Any, new: Any) -> Iterator[Change]:
    if new is UNKNOWN:
        yield Change(path, "update" if old is not _MISSING else "add")
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _compare((*path, key), old.get(key, _MISSING), new.get(key, _MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            one = old[index] if index < len(old) else _MISSING
            other = new[index] if index < len(new) else _MISSING
            yield from _compare((*path, index), one, other)
    elif old is _MISSING:
        yield Change(path, "add")
    elif new is _MISSING:
        yield Change(path, "delete")
    elif old != new:
        yield Change(path, "update")


def at(obj: Any, path: Path) -> Any:
    """The value at a path; a marker equal only to itself where there is none."""
    for part in path:
        listed = isinstance(obj, list) and isinstance(part, int) and part < len(obj)
        if not listed and not (isinstance(obj, dict) and part in obj):
            return UNKNOWN if obj is UNKNOWN else _MISSING
        obj = obj[part]
    return obj


def mark_fixed(
    found: list[Change], old_live: Object, obj: Object, *, secrets_mutable: bool, config_maps_mutable: bool
) -> None:
    """Mark changes that the official provider's table says need a new object.

    Args:
        found: changed in place.
        old_live: the stored object.
        obj: the new inputs.
        secrets_mutable: the provider's `enableSecretMutable`: a Secret's content is changed in place.
        config_maps_mutable: `enableConfigMapMutable`, likewise.
    """
    group, kind = _group(obj), str(obj.get("kind", ""))
    fixed = [*_IDENTITY, *(field for name, field in _FIXED if name == f"{group}/{kind}")]
    if _group(old_live) != group:
        # Another version is another view of the same object; another group is another object.
        fixed.append("apiVersion")
    immutable = obj.get("immutable") is True
    if (group, kind) == ("", "Secret") and (immutable or not secrets_mutable):
        fixed += ["data", "stringData"]
    if (group, kind) == ("", "ConfigMap") and (immutable or not config_maps_mutable):
        fixed += ["data", "binaryData"]
    for change in found:
        change.replace = change.replace or any(_within(change, field) for field in fixed)


def _group(obj: Object) -> str:
    return str(obj.get("apiVersion", "")).rpartition("/")[0]


def _within(change: Change, field: str) -> bool:
    return str(change) == field or str(change).startswith((field + ".", field + "["))


def settle(found: list[Change], old_inputs: Object, old_live: Object, dry_run: Callable[[], Object]) -> list[Change]:
    """Ask the server, by a dry run, what the changes come to.

    Args:
        found: changes between stored object and inputs.
        old_inputs: of the last update or refresh.
        old_live: the stored object.
        dry_run: applies the new inputs without effect; raises ApiError when refused.

    Returns:
        The changes that would change the object, those the server calls immutable marked as replacing. All of them when
        it refuses for another reason: the update then says which.
    """
    try:
        after = dry_run()
    except ApiError as error:
        for cause in error.causes:
            if error.code == 422 and _REFUSALS.search(cause.get("message", "")):
                _mark_refused(found, cause.get("field", ""))
        return found
    return [change for change in found if _matters(change, old_inputs, old_live, after)]


def _matters(change: Change, old_inputs: Object, old_live: Object, after: Object) -> bool:
    if change.verb == "delete" or at(after, change.path) != at(old_live, change.path):
        return True
    # Same value, but the program names the field for the first time: the update makes the field its own.
    return at(after, change.path) is not _MISSING and at(old_inputs, change.path) is _MISSING


def _mark_refused(found: list[Change], field: str) -> None:
    field = re.sub(r"\[(\D[^\]]*)\]", r'["\1"]', field)
    for change in found:
        if field in {"", "<nil>"} or _within(change, field) or field.startswith(str(change) + "."):
            change.replace = True


def ignored(found: list[Change], paths: list[str]) -> list[Change]:
    """The changes outside of the resource's `ignoreChanges`."""
    return [change for change in found if not any(_within(change, path) for path in paths)]
