"""Pulumi's resources as Kubernetes objects: names, checks, what is stored in state, what is secret in it."""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
from typing import Any

from rehearsal.plugins.kubernetes.client import Object
from rehearsal.plugins.properties import UNKNOWN, Properties, Secret, holds, plain, walk

ANNOTATION = "pulumi.com/"
AUTONAMED = ANNOTATION + "autonamed"
# Fields the server writes; never an input.
_READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_X = "x-kubernetes-"
_X_SDK = "x_kubernetes_"


def _to_api(key: str) -> str:
    """The API's name of a key: the SDK writes a definition's `x-kubernetes-…` with underscores."""
    return key.replace("_", "-") if key.startswith(_X_SDK) else key


def _to_sdk(key: str) -> str:
    return key.replace("-", "_") if key.startswith(_X) else key


def to_object(properties: Properties) -> Object:
    """The Kubernetes object of a resource's inputs: without secret marks, empty settings and read-only fields."""
    return normalized(plain(properties, _to_api))


def normalized(obj: Object) -> Object:
    """The object as the server stores it, where that is known without asking, so that equal things compare equal."""
    found: Object = _without_none(obj)
    meta = found.get("metadata")
    if isinstance(meta, dict):
        for key in _READ_ONLY:
            meta.pop(key, None)
    if found.get("kind") == "Secret" and found.get("apiVersion") == "v1":
        _encode_secret(found)
    if found.get("kind") == "CustomResourceDefinition":
        found.pop("status", None)
        if isinstance(found.get("spec"), dict) and found["spec"].get("preserveUnknownFields") is False:
            del found["spec"]["preserveUnknownFields"]
    return found


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _encode_secret(secret: Object) -> None:
    """Write `stringData` into `data`, as the server does; it never shows `stringData` again."""
    text = secret.get("stringData")
    if not isinstance(text, dict) or holds(text, type(UNKNOWN)):
        return
    data = dict(secret.get("data") or {})
    data |= {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
    del secret["stringData"]
    if data:
        secret["data"] = data


def annotation(obj: Object, name: str) -> str:
    """Value of the annotation `pulumi.com/<name>`, or empty."""
    meta = obj.get("metadata")
    annotations = meta.get("annotations") if isinstance(meta, dict) else None
    value = annotations.get(ANNOTATION + name) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def name_of(obj: Object) -> Any:
    """The object's name, `UNKNOWN`, or None without one."""
    meta = obj.get("metadata")
    return meta.get("name") if isinstance(meta, dict) else (UNKNOWN if meta is UNKNOWN else None)


def identifier(obj: Object) -> str:
    """The resource's id: `namespace/name`, or `name` outside namespaces."""
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def type_of(urn: str) -> tuple[str, str]:
    """The API version and kind that a resource's URN names, such as `apps/v1`, `Deployment`."""
    token = urn.split("::")[2].rsplit("$", 1)[-1]
    _, version, kind = token.split(":", 2)
    return version.removeprefix("core/"), kind


def is_patch(urn: str, kind: str) -> bool:
    """Whether a resource is of a Patch kind: some fields of an object that someone else made."""
    return type_of(urn)[1] == f"{kind}Patch"


def assign_name(inputs: Object, old_inputs: Object, urn_name: str, seed: bytes, proposed: str | None) -> str | None:
    """Give an unnamed object a name, the one it had or a new one, and annotate that it was given.

    Args:
        inputs: changed in place.
        old_inputs: of the last update; empty for a new object.
        urn_name: the resource's name in the program.
        seed: random bytes of the engine, the same in preview and update.
        proposed: the engine's own choice by the project's autonaming settings; None for ours, empty for none allowed.

    Returns:
        What is wrong, if no name can be given.
    """
    meta = inputs.setdefault("metadata", {})
    if not isinstance(meta, dict) or meta.get("name") is not None:
        return None
    if meta.get("generateName"):
        return "`.metadata.generateName` can't be used with server-side apply: set `.metadata.name`, or neither"
    annotations = meta.setdefault("annotations", {})
    if annotation(old_inputs, "autonamed") == "true":
        meta["name"] = old_inputs["metadata"]["name"]
    elif proposed == "":
        return "autonaming is switched off in this project: set `.metadata.name`"
    else:
        meta["name"] = proposed or f"{urn_name}-{hashlib.sha256(seed).hexdigest()[:8]}"
    if isinstance(annotations, dict):
        annotations[AUTONAMED] = "true"
    return None


def field_manager(obj: Object, state: Properties, urn: str) -> str:
    """The name this resource's fields are owned by: its annotation, the one in state, or a new one."""
    # One per resource: two resources that patch one object must not undo each other's fields.
    made = f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"
    return annotation(obj, "patchFieldManager") or plain(state.get("__fieldManager")) or made


def checkpoint(inputs: Properties, live: Object, manager: str) -> Properties:
    """What state keeps of an object: the live one, and beside it the inputs and the field manager."""
    stored: Properties = mark_secrets(plain(live, _to_sdk), inputs)
    stored["__inputs"] = mark_secrets(plain(inputs, _to_sdk), inputs)
    stored["__initialApiVersion"] = live.get("apiVersion", "")
    stored["__fieldManager"] = manager
    return stored


def from_checkpoint(state: Properties) -> tuple[Object, Object]:
    """The inputs and the live object of a stored state."""
    live = plain(state, _to_api)
    inputs = live.pop("__inputs", None) or {}
    live.pop("__initialApiVersion", None)
    live.pop("__fieldManager", None)
    return inputs, live


def mark_secrets(values: Properties, inputs: Properties) -> Properties:
    """Mark what is secret in a copy of `values`: what was in `inputs`, and the content of each Secret."""
    marked = dict(values)
    if marked.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if key in marked and not isinstance(marked[key], Secret):
                marked[key] = Secret(marked[key])
        return marked
    for key, given in inputs.items():
        value = marked.get(key)
        if value is None or isinstance(value, Secret):
            continue
        if isinstance(value, dict) and isinstance(given, dict):
            marked[key] = mark_secrets(value, given)
        elif holds(given, Secret):
            # A list, or a whole object: its parts may have moved, so all of it is hidden.
            marked[key] = Secret(value)
    return marked


def redacted(text: str, inputs: Properties) -> str:
    """A message without the secrets in `inputs`: the server quotes the value it refuses."""
    hidden: set[str] = set()
    for item in walk(mark_secrets(inputs, inputs)):
        if isinstance(item, Secret):
            hidden |= {str(part) for part in walk(item.value) if isinstance(part, (str, int, float))}
    for secret in list(hidden):
        # The server may quote a Secret's content as it was given or as it was meant.
        for convert in (_encoded, _decoded):
            if other := convert(secret):
                hidden.add(other)
    for secret in sorted((part for part in hidden if len(part) > 2), key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    return text


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def merged_inputs(old_inputs: Object, old_live: Object, live: Object) -> Object:
    """Inputs that would make the live object: the old ones, except where the object has changed since.

    Where the server writes an input in another form ("1000m" as "1"), the live value is the one it was, and the input
    stays as written; else each refresh would show a change nobody made.
    """
    merged = _merge(old_inputs, old_live, live)
    found: Object = merged if isinstance(merged, dict) else {}
    return found


_GONE = object()


def _merge(given: Any, before: Any, now: Any) -> Any:
    if now == before:
        return copy.deepcopy(given)
    if isinstance(given, dict) and isinstance(now, dict):
        was = before if isinstance(before, dict) else {}
        parts = {key: _merge(item, was.get(key, _GONE), now.get(key, _GONE)) for key, item in given.items()}
        return {key: item for key, item in parts.items() if item is not _GONE}
    if isinstance(given, list) and isinstance(now, list) and isinstance(before, list) and len(given) == len(now):
        if len(before) != len(now):
            return now
        return [_merge(*items) for items in zip(given, before, now, strict=True)]
    return now


def imported_inputs(live: Object) -> Object:
    """Inputs of an object that was made elsewhere: what it is, without what the server wrote."""
    inputs: Object = normalized({key: item for key, item in live.items() if key != "status"})
    annotations = inputs["metadata"].get("annotations") or {}
    for key in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"):
        annotations.pop(key, None)
    if not annotations:
        inputs["metadata"].pop("annotations", None)
    return inputs
