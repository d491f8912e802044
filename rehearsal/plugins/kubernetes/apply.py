"""Make and change objects by the rules of the official provider: who owns which field, and what a conflict means."""

from __future__ import annotations

import threading
from contextlib import suppress

from rehearsal.plugins.changes import kept
from rehearsal.plugins.kubernetes.client import ApiError, Client, MissingError, Object
from rehearsal.plugins.properties import union
from rehearsal.plugins.resource import ProviderError, Step
from rehearsal.plugins.serving import backoff

# A new object is made under this name, as by the official provider; its fields are then taken over.
CREATOR = "pulumi-kubernetes"
# Owners whose fields an update takes over without a conflict: by hand with kubectl, or this provider before.
_YIELDING = {
    "Update": ("kubectl", "before-first-apply", "pulumi-kubernetes", "pulumi-resource-kubernetes"),
    "Apply": ("kubectl",),
}
_ATTEMPTS = 5


def create(
    client: Client, obj: Object, manager: str, stop: threading.Event, *, upsert: bool, force: bool, preview: bool
) -> Object:
    """Make an object whose fields `manager` owns; a `preview` is a dry run, `stop` is set when the engine cancels.

    Tried again while its namespace or definition is missing, which another resource may be making. With `upsert` an
    existing object is changed instead of refused, with `force` also in fields that another manager owns.
    """
    pause = backoff(0.5, 8.0)
    for attempt in range(_ATTEMPTS):
        try:
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
        with suppress(ProviderError):
            made = _take_over(client, made, manager)
    return made


def update(client: Client, obj: Object, manager: str, step: Step, *, force: bool) -> Object | None:
    """Change an object to new inputs; fields set by kubectl, or when it was made, become the manager's.

    Returns:
        The live object; None where a preview can't tell, because fields would first be taken over.
    """
    try:
        live = client.get(obj)
    except MissingError as error:
        text = "it is no longer in the cluster: someone deleted it. Run `pulumi refresh`, then `up`"
        raise ProviderError(text) from error
    obj = kept(obj, live, step.ignore)
    owners = live["metadata"].get("managedFields") or []
    if step.preview and any(_yields(owner) for owner in owners):
        return None
    if not step.preview:
        _take_over(client, live, manager)
    return client.apply(obj, manager, force=force or not owners, dry_run=step.preview)


def _yields(owner: Object) -> bool:
    names = _YIELDING.get(owner["operation"], ())
    return not owner.get("subresource") and owner["manager"].startswith(names)


def _take_over(client: Client, live: Object, manager: str) -> Object:
    """Join the yielding owners' fields to the manager's, so that a field left out of the next apply is removed."""
    for _ in range(_ATTEMPTS):
        steps = _join(live["metadata"], manager)
        try:
            return client.json_patch(live, steps) if steps else live
        except ApiError as error:
            # A controller writes a new object's status at the same moment.
            if error.reason != "Conflict":
                raise
            live = client.get(live)
    raise ProviderError("others change the object all the time: its fields can't be taken over. Run `up` again")


def _join(meta: Object, manager: str) -> list[Object]:
    owners = meta.get("managedFields") or []
    yielding = [owner for owner in owners if _yields(owner)]
    if not yielding:
        return []
    mine = [owner for owner in owners if owner["manager"] == manager and owner["operation"] == "Apply"]
    fields: Object = {}
    for owner in [*mine, *yielding]:
        fields = union(fields, owner.get("fieldsV1") or {})
    joined = {**yielding[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    others = [owner for owner in owners if owner not in mine and owner not in yielding]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*others, joined]},
        # Fails if the object changed meanwhile, instead of writing back owners that are out of date.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
    ]
