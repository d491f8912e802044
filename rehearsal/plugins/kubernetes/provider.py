"""The provider: what the engine asks, answered from the other modules."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.changes import Change, changes, kept, merged_inputs
from rehearsal.plugins.kubernetes import apply, diff, kubeconfig, objects, ready
from rehearsal.plugins.kubernetes.client import ApiError, Client, MissingError, NoSuchKindError, Object
from rehearsal.plugins.properties import UNKNOWN, Properties, Unknown, holds
from rehearsal.plugins.resource import InputError, PartlyDoneError, ProviderError, ResourceProvider, Step
from rehearsal.plugins.serving import EngineLog
from rehearsal.plugins.web import UnreachableError

# The provider's inputs that are true or false, and the variables that set them where the program does not.
_FLAGS = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
}
# Components of the official provider that are programs of their own; of the API's own kinds also lists and Patch kinds.
_NO_OBJECT = re.compile(r"(?:helm\.sh|kustomize|yaml)[/:]|(?:[^.]*|.*\.k8s\.io/.*):\w+(?:List|Patch)$")


class Provider(ResourceProvider):
    """One configured provider: one server, one set of settings."""

    package = "kubernetes"
    without = {  # noqa: RUF012 - never changed
        "cluster": (),
        "clusterIdentifier": (),
        "renderYamlToDirectory": (),
        "skipUpdateUnreachable": ("false",),
        "enableServerSideApply": ("true",),
    }

    def __init__(self, log: EngineLog) -> None:
        super().__init__(log)
        self._flags = dict.fromkeys(_FLAGS, False)
        self._client: Client | None = None
        self._unreachable: ProviderError = UnreachableError("the kubernetes provider was not configured")

    def with_secrets(self, inputs: Properties) -> Properties:
        """Mark a Secret's content, too."""
        return objects.mark_secrets(inputs, inputs)

    def place(self, settings: Properties) -> Any:
        """The cluster that a provider's settings choose; unknown ones differ from all others."""
        chosen = [settings.get("kubeconfig"), settings.get("context")]
        if UNKNOWN in chosen:
            return object()
        try:
            return kubeconfig.cluster(*chosen)
        except ProviderError:
            return chosen

    def configure(self, settings: Mapping[str, str]) -> None:
        """Connect. A cluster that can't be reached is no failure yet: what needs it will say so."""
        self._flags = {name: settings.get(name, os.environ.get(word)) == "true" for name, word in _FLAGS.items()}
        try:
            access = kubeconfig.load(settings.get("kubeconfig"), settings.get("context"))
            access.namespace = settings.get("namespace") or access.namespace
            client = Client(access)
            client.request("GET", "/version")
            self._client = client
        except ProviderError as error:
            refused = f"the Kubernetes API server refuses the kubeconfig's user: {error}"
            self._unreachable = ProviderError(refused) if isinstance(error, ApiError) else error

    def check(self, step: Step, old_inputs: Properties, inputs: Properties, name: str) -> Properties:
        """Fill in the name and the namespace."""
        kind = step.token.removeprefix("kubernetes:")
        if _NO_OBJECT.match(kind):
            raise ProviderError(f"the stand-in kubernetes provider has no {kind}: create whole objects, one by one")
        obj, old_obj = objects.to_object(inputs), objects.to_object(old_inputs)
        if problem := objects.assign_name(obj, old_obj, name):
            raise InputError({"metadata.name": problem})
        meta, old_meta = obj["metadata"], old_obj.get("metadata") or {}
        if isinstance(meta, dict) and not meta.get("namespace"):
            if self._client is None:
                meta |= {key: item for key, item in old_meta.items() if key == "namespace"}
            # A definition may be made by this very update. Most kinds are namespaced, and a namespace that a
            # cluster-scoped kind does not need is ignored by the server.
            elif not self._known(obj) or self._client.kind(obj).namespaced:
                meta["namespace"] = self._client.access.namespace
        return objects.mark_secrets(obj, inputs)

    def diff(self, step: Step, state: Properties, inputs: Properties) -> tuple[list[Change], bool]:
        """Compare with the stored object, and ask the server what a difference comes to."""
        old_obj, old_live = objects.from_checkpoint(state)
        obj = kept(objects.to_object(inputs), old_live, step.ignore)
        found = changes(old_obj, old_live, obj, step.ignore)
        if not found:
            return [], False
        client, manager = self._connected(), objects.field_manager(obj, state, step.urn)
        mutable = {kind for kind in ("Secret", "ConfigMap") if self._flags[f"enable{kind}Mutable"]}
        diff.mark_fixed(found, old_live, obj, mutable)
        if not any(change.replace for change in found) and self._can_ask(obj):
            found = diff.settle(found, old_obj, old_live, lambda: client.apply(obj, manager, force=True, dry_run=True))
        meta, old_meta = obj.get("metadata") or {}, old_live.get("metadata") or {}
        # A name chosen by the program can't be held by the old and the new object at once.
        same_place = isinstance(meta, dict) and all(meta.get(key) == old_meta.get(key) for key in ("name", "namespace"))
        return found, same_place and objects.annotation(obj, "autonamed") != "true"

    def create(self, step: Step, inputs: Properties) -> tuple[str, Properties]:
        """Make the object and wait until it is up."""
        obj = objects.to_object(inputs)
        if step.preview and self._client is None:
            self.log("warning", f"{self._unreachable}; the update will fail", step.urn)
        if step.preview and not self._can_ask(obj):
            return "", inputs
        client, manager = self._connected(), objects.field_manager(obj, {}, step.urn)
        upsert, force = self._flags["upsertExistingObjects"], self._forced(obj)
        try:
            live = apply.create(client, obj, manager, self.stopping, upsert=upsert, force=force, preview=step.preview)
        except ApiError as error:
            # No namespace yet, the object to be replaced still there, or not allowed to try: the update will tell.
            if step.preview and error.reason in {"Forbidden", "NotFound", "AlreadyExists"}:
                return "", inputs
            raise
        if step.preview:
            live.pop("status", None)
        else:
            live = self._awaited(client, step, inputs, live, manager)
        return objects.identifier(live), objects.checkpoint(inputs, live, manager)

    def update(self, step: Step, state: Properties, inputs: Properties) -> Properties:
        """Apply the new inputs and wait until the object is up again."""
        obj = objects.to_object(inputs)
        if step.preview and not self._can_ask(obj):
            return inputs
        client, manager = self._connected(), objects.field_manager(obj, state, step.urn)
        live = apply.update(client, obj, manager, step, force=self._forced(obj))
        if live is None:
            return inputs
        if not step.preview:
            live = self._awaited(client, step, inputs, live, manager)
        return objects.checkpoint(inputs, live, manager)

    def read(
        self, step: Step, identifier: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """Read the live object, for a refresh, an import or a `get`; their ids may be bare names."""
        if self._dropped(step):
            return None
        client, old_obj, (_, old_live) = self._connected(), objects.to_object(inputs), objects.from_checkpoint(state)
        version, kind = step.token.removeprefix("kubernetes:").removeprefix("core/").split(":")
        namespace, _, name = identifier.rpartition("/")
        known = {"apiVersion": version, "kind": kind} | old_live | old_obj
        try:
            live = client.get({**known, "metadata": {"name": name, "namespace": namespace}})
        except MissingError:
            return None
        found = merged_inputs(old_obj, old_live, live) if old_obj else objects.imported_inputs(live)
        marked, identifier = objects.mark_secrets(found, inputs), objects.identifier(live)
        stored = objects.checkpoint(marked, live, objects.field_manager(live, state, step.urn))
        try:
            rule = ready.rule_of(live, found) if old_obj and kind in ready.CHECKED_ON_REFRESH else None
            reasons = tuple(ready.hindrances(client, live, rule)) if rule else ()
        except ready.NotReadyError as error:
            reasons = error.reasons
        if reasons:
            raise PartlyDoneError(identifier, stored, marked, reasons)
        return identifier, stored, marked

    def delete(self, step: Step, state: Properties) -> None:
        """Delete the object and wait until it is gone."""
        if self._dropped(step):
            return
        client, (obj, live) = self._connected(), objects.from_checkpoint(state)
        chosen = objects.annotation(obj, "deletionPropagationPolicy").capitalize()
        try:
            going = client.delete(live, chosen if chosen in {"Orphan", "Background"} else "Foreground")
        except MissingError:
            return
        if going["kind"] != "Status":
            ready.wait_gone(client, obj, going, step.timeout, self.stopping)

    def _connected(self) -> Client:
        if self._client is None:
            raise self._unreachable
        return self._client

    def _dropped(self, step: Step) -> bool:
        """Whether a resource is given up because its cluster can't be reached, as the person asked."""
        dropped = self._client is None and self._flags["deleteUnreachable"]
        if dropped:
            self.log("warning", f"{self._unreachable}; dropped from the state as asked", step.urn)
        return dropped

    def _forced(self, obj: Object) -> bool:
        return self._flags["enablePatchForce"] or objects.annotation(obj, "patchForce") == "true"

    def _can_ask(self, obj: Object) -> bool:
        """Whether the server can say what the inputs come to: all known, and the kind is there."""
        return self._client is not None and not holds(obj, Unknown) and self._known(obj)

    def _known(self, obj: Object) -> bool:
        try:
            self._connected().kind(obj)
        except NoSuchKindError:
            return False
        return True

    def _awaited(self, client: Client, step: Step, inputs: Properties, live: Object, manager: str) -> Object:
        try:
            return ready.wait_ready(client, objects.to_object(inputs), live, step.timeout, self.stopping)
        except ready.NotReadyError as error:
            live, reasons = error.live, error.reasons
        except ProviderError as error:
            # The object is there; without this the engine would forget it, because the server went away meanwhile.
            reasons = (str(error),)
        raise PartlyDoneError(objects.identifier(live), objects.checkpoint(inputs, live, manager), inputs, reasons)
