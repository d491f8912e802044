"""Make and change objects by the rules of the official provider: who owns which field, and what a conflict means."""

from __future__ import annotations

import contextlib
import copy
import threading

from rehearsal.plugins.kubernetes.client import ApiError, Client, MissingError, Object
from rehearsal.plugins.kubernetes.diff import Path, at
from rehearsal.plugins.kubernetes.kubeconfig import KubernetesError
from rehearsal.plugins.kubernetes.objects import annotation
from rehearsal.plugins.serving import backoff

# A new object is made under this name, as by the official provider; its fields are then taken over.
CREATOR = "pulumi-kubernetes"
# Owners whose fields an update takes over without a conflict: by hand with kubectl, or this provider before.
_YIELDING = (
    ("Update", ("kubectl", "before-first-apply", "pulumi-kubernetes", "pulumi-resource-kubernetes")),
    ("Apply", ("kubectl",)),
)
_ATTEMPTS = 5


class RefusedError(KubernetesError):
    """What can't be done; the message says why and what to do."""


def create(
    client: Client, obj: Object, manager: str, stop: threading.Event, *, upsert: bool, force: bool, preview: bool
) -> Object:
    """Make an object.

    Tried again while its namespace or definition is missing: another resource of the program may be making it.

    Args:
        client: the server.
        obj: the inputs.
        manager: owner of its fields.
        stop: set when the engine cancels.
        upsert: an existing object is changed instead of refused (Patch kinds, `upsertExistingObjects`).
        force: take fields that another manager owns.
        preview: a dry run, tried once.

    Raises:
        ApiError: refused.
        NoSuchKindError: no definition.
    """
    pause = backoff(0.5, 8.0)
    for attempt in range(_ATTEMPTS):
        try:
            client.kind(obj["apiVersion"], obj["kind"])
            if upsert:
                return client.apply(obj, manager, force=force or preview, dry_run=preview)
            made = client.create(obj, CREATOR, dry_run=preview)
            break
        except MissingError:
            if preview or attempt == _ATTEMPTS - 1 or pause(stop):
                raise
    if not preview:
        # At once, not at the first update as the official provider does: a dry run with two owners of a list shows the
        # old and the new item side by side. What fails here is done by the update.
        with contextlib.suppress(KubernetesError):
            made = _take_over(client, made, manager)
    return made


def update(
    client: Client,
    obj: Object,
    manager: str,
    *,
    ignore: list[Path],
    force: bool,
    take_over: bool,
    preview: bool,
) -> Object | None:
    """Change an object to new inputs.

    Args:
        client: the server.
        obj: the inputs.
        manager: owner of its fields.
        ignore: paths that keep their live value (`ignoreChanges`).
        force: take fields that another manager owns.
        take_over: fields set by kubectl, or when the object was made, become the manager's; not for Patch kinds.
        preview: a dry run.

    Returns:
        The live object; None where a preview can't tell, because fields would first be taken over.

    Raises:
        ApiError: refused.
        RefusedError: the object is gone.
    """
    try:
        live = client.get(obj)
    except MissingError as error:
        raise RefusedError(
            "it is no longer in the cluster: someone deleted it. Run `pulumi refresh`, then `up`"
        ) from error
    obj = _keep(obj, live, ignore)
    if obj["kind"] == "CustomResourceDefinition":
        # Replaced whole: a version taken out of the list must go, and applying would keep what others once added.
        version = live["metadata"]["resourceVersion"]
        return client.replace(
            {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}, manager, dry_run=preview
        )
    owners = live["metadata"].get("managedFields") or []
    if take_over and preview and any(_yields(owner) for owner in owners):
        return None
    if take_over and not preview:
        _take_over(client, live, manager)
    return client.apply(obj, manager, force=force or not owners, dry_run=preview)


def _keep(obj: Object, live: Object, ignore: list[Path]) -> Object:
    kept = copy.deepcopy(obj)
    for path in ignore:
        holder, value = at(kept, path[:-1]), at(live, path)
        if isinstance(holder, dict) and isinstance(value, (str, int, float, bool, dict, list)):
            holder[path[-1]] = value
    return kept


def _yields(owner: Object) -> bool:
    return not owner.get("subresource") and any(
        owner["operation"] == operation and owner["manager"].startswith(names) for operation, names in _YIELDING
    )


def _take_over(client: Client, live: Object, manager: str) -> Object:
    """Join the yielding owners' fields to the manager's, so that a field left out of the next apply is removed."""
    for attempt in range(_ATTEMPTS):
        steps = _join(live["metadata"], manager)
        try:
            return client.json_patch(live, steps) if steps else live
        except ApiError as error:
            # A controller writes a new object's status at the same moment.
            if error.reason != "Conflict" or attempt == _ATTEMPTS - 1:
                raise
            live = client.get(live)
    raise AssertionError("the last attempt returns or raises")


def _join(meta: Object, manager: str) -> list[Object]:
    owners = meta.get("managedFields") or []
    yielding = [owner for owner in owners if _yields(owner)]
    if not yielding:
        return []
    mine = [owner for owner in owners if owner["manager"] == manager and owner["operation"] == "Apply"]
    fields: Object = {}
    for owner in [*mine, *yielding]:
        fields = _union(fields, owner.get("fieldsV1") or {})
    joined = {**yielding[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    others = [owner for owner in owners if owner not in mine and owner not in yielding]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*others, joined]},
        # Fails if the object changed meanwhile, instead of writing back owners that are out of date.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
    ]


def _union(one: Object, other: Object) -> Object:
    joined = dict(one)
    for key, value in other.items():
        joined[key] = _union(joined.get(key, {}), value)
    return joined


def relinquish(client: Client, obj: Object, manager: str) -> None:
    """Give up all fields of a manager; those nobody else owns go back to their defaults."""
    meta = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
    client.apply({"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}, manager)


def forced(obj: Object, always: bool) -> bool:
    """Whether fields are taken from other managers: by annotation, or the provider's `enablePatchForce`."""
    return always or annotation(obj, "patchForce") == "true"


def explain(error: ApiError) -> str:
    """Why the server refused, and what to do."""
    conflicts = [cause for cause in error.causes if cause.get("reason") == "FieldManagerConflict"]
    if conflicts:
        owned = "; ".join(f"{cause['field']}: {cause['message']}" for cause in conflicts)
        return (
            f"another manager owns fields this resource sets ({owned}). Take them out of the program, or take them "
            'over with the annotation pulumi.com/patchForce: "true"'
        )
    if error.reason == "AlreadyExists":
        return (
            f"{error}. To manage it here: import it (`pulumi import`, or the option import_), give the old "
            "resource's name as an alias if it was renamed, or set upsertExistingObjects on the provider"
        )
    if error.code in {401, 403}:
        return f"{error}. The kubeconfig's user lacks this right"
    return str(error)
