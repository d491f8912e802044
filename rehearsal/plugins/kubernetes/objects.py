"""Pulumi's resources as Kubernetes objects: names, checks, what is stored in state, what is secret in it."""

from __future__ import annotations

import base64
import hashlib

from rehearsal.plugins.hiding import hidden_as
from rehearsal.plugins.kubernetes.client import Object
from rehearsal.plugins.properties import Properties, Secret, Unknown, holds, plain, without_none

# Fields the server writes; never an input.
_READ_ONLY = {"creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "uid"}
# What state keeps beside the live object.
_BESIDE = ("__inputs", "__initialApiVersion", "__fieldManager")
# Annotations that others write; what is imported does not set them.
_OTHERS = ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")


def _to_api(key: str) -> str:
    """The API's name of a key: the SDK writes a definition's `x-kubernetes-…` with underscores."""
    return key.replace("_", "-") if key.startswith("x_kubernetes_") else key


def _to_sdk(key: str) -> str:
    return key.replace("-", "_") if key.startswith("x-kubernetes-") else key


def to_object(properties: Properties) -> Object:
    """The object of a resource's inputs as the server stores it, where that is known, so that equals compare equal."""
    found: Object = without_none(plain(properties, _to_api))
    meta = found.get("metadata")
    if isinstance(meta, dict):
        found["metadata"] = {key: item for key, item in meta.items() if key not in _READ_ONLY}
    if found.get("kind") == "Secret" and found.get("apiVersion") == "v1":
        _encode_secret(found)
    return found


def _encode_secret(secret: Object) -> None:
    """Write `stringData` into `data`, as the server does; it never shows `stringData` again."""
    text = secret.get("stringData")
    if not isinstance(text, dict) or holds(text, Unknown):
        return
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
    del secret["stringData"]
    if data := (secret.get("data") or {}) | encoded:
        secret["data"] = data


def annotation(obj: Object, name: str) -> str:
    """Value of the annotation `pulumi.com/<name>`, or empty."""
    meta = obj.get("metadata")
    annotations = meta.get("annotations") if isinstance(meta, dict) else None
    value = annotations.get(f"pulumi.com/{name}") if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def identifier(obj: Object) -> str:
    """The resource's id: `namespace/name`, or `name` outside namespaces."""
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def assign_name(inputs: Object, old_inputs: Object, made: str) -> str:
    """Give an unnamed object a name, the one it had or the one `made` for it, and annotate that it was given.

    Returns:
        What is wrong, if no name can be given; else empty.
    """
    meta = inputs.setdefault("metadata", {})
    if not isinstance(meta, dict) or meta.get("name") is not None:
        return ""
    if meta.get("generateName"):
        return "`.metadata.generateName` can't be used with server-side apply: set `.metadata.name`, or neither"
    had = old_inputs["metadata"]["name"] if annotation(old_inputs, "autonamed") == "true" else ""
    if not had and not made:
        return "autonaming is switched off in this project: set `.metadata.name`"
    meta["name"] = had or made
    annotations = meta.setdefault("annotations", {})
    if isinstance(annotations, dict):
        annotations["pulumi.com/autonamed"] = "true"
    return ""


def field_manager(obj: Object, state: Properties, urn: str) -> str:
    """The name this resource's fields are owned by: its annotation, the one in state, or a new one."""
    made = f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"
    return annotation(obj, "patchFieldManager") or plain(state.get("__fieldManager")) or made


def checkpoint(inputs: Properties, live: Object, manager: str) -> Properties:
    """What state keeps of an object: the live one, and beside it the inputs and the field manager."""
    stored = mark_secrets(plain(live, _to_sdk), inputs)
    beside = (mark_secrets(plain(inputs, _to_sdk), inputs), live.get("apiVersion", ""), manager)
    return stored | dict(zip(_BESIDE, beside, strict=True))


def from_checkpoint(state: Properties) -> tuple[Object, Object]:
    """The inputs and the live object of a stored state."""
    live = plain(state, _to_api)
    return to_object(live.get("__inputs") or {}), {key: item for key, item in live.items() if key not in _BESIDE}


def mark_secrets(values: Properties, inputs: Properties) -> Properties:
    """Mark what is secret in a copy of `values`: what was in `inputs`, and the content of each Secret."""
    marked = hidden_as(inputs, values)
    if marked.get("kind") == "Secret":
        marked |= {key: Secret(plain(marked[key])) for key in ("data", "stringData") if key in marked}
    return marked


def imported_inputs(live: Object) -> Object:
    """Inputs of an object that was made elsewhere: what it is, without what the server wrote."""
    inputs = to_object({key: item for key, item in live.items() if key != "status"})
    annotations = inputs["metadata"].pop("annotations", {})
    if kept := {key: item for key, item in annotations.items() if key not in _OTHERS}:
        inputs["metadata"]["annotations"] = kept
    return inputs
