"""The provider's protocol: what the engine asks, answered from the other modules."""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's.

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from rehearsal.plugins.base import BaseProvider, Context, refuse
from rehearsal.plugins.kubernetes import apply, diff, objects, ready
from rehearsal.plugins.kubernetes.client import (
    ApiError,
    Client,
    MissingError,
    NoSuchKindError,
    Object,
    UnreachableError,
)
from rehearsal.plugins.kubernetes.kubeconfig import ConfigError, KubernetesError, load
from rehearsal.plugins.properties import UNKNOWN, Properties, Unknown, from_struct, holds, plain, to_struct
from rehearsal.plugins.serving import EngineLog, engine_address, serve

_PREFIX = "kubernetes:config:"
# Components of the official provider that are programs of their own, not objects.
_NOT_HERE = re.compile(r"^(helm\.sh|kustomize|yaml)(/|$)")
_HOLD_DATA = {"PersistentVolumeClaim", "PersistentVolume", "Namespace"}
_WHAT_TO_DO = (
    "If the cluster is gone for good, set PULUMI_K8S_DELETE_UNREACHABLE=true to drop its resources from the state"
)


# The provider's inputs that are true or false, all false unless told.
_FLAGS = (
    "deleteUnreachable",
    "skipUpdateUnreachable",
    "enablePatchForce",
    "upsertExistingObjects",
    "enableConfigMapMutable",
    "enableSecretMutable",
)


def _flags(variables: Mapping[str, str]) -> dict[str, bool]:
    """Read the flags from the provider's inputs, else from the environment, as the official provider does."""
    words = {
        name: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper().replace("CONFIG_MAP", "CONFIGMAP") for name in _FLAGS
    }
    return {
        name: variables.get(_PREFIX + name, os.environ.get(f"PULUMI_K8S_{word}")) == "true"
        for name, word in words.items()
    }


Servicer = TypeVar("Servicer", bound="Provider")
Request = TypeVar("Request")
Response = TypeVar("Response")
Method = Callable[[Servicer, Request, Context], Response]


def _told(method: Method[Servicer, Request, Response]) -> Method[Servicer, Request, Response]:
    """Turn what a method raises into a message for a person, without secrets; a partly done change keeps its state."""

    @wraps(method)
    def call(self: Servicer, request: Request, context: Context) -> Response:
        try:
            return method(self, request, context)
        except _PartlyDoneError as error:
            return error.tell(context)
        except KubernetesError as error:
            return refuse(context, objects.redacted(_message(error), _given(request)))
        except Exception as error:  # noqa: BLE001 - a fault of ours, told in one line: its trace could quote secrets
            text = f"a fault of the stand-in kubernetes provider, {type(error).__name__}: {error}"
            return refuse(context, objects.redacted(text, _given(request)))

    return call


def _message(error: KubernetesError) -> str:
    match error:
        case UnreachableError():
            return f"{error}. {_WHAT_TO_DO}"
        case ApiError():
            return apply.explain(error)
        case NoSuchKindError():
            return f"{error}. Is its custom resource definition installed, or made by this program before it?"
        case _:
            return str(error)


class _PartlyDoneError(Exception):
    """The object exists but is not up: the engine must keep it in state, and say why."""

    def __init__(self, identifier: str, state: Properties, inputs: Properties, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.detail = pb.ErrorResourceInitFailed(
            id=identifier,
            properties=to_struct(state),
            inputs=to_struct(inputs),
            reasons=[objects.redacted(reason, inputs) for reason in reasons],
        )

    def tell(self, context: Context) -> NoReturn:
        """End the call with what the engine reads a partly made object from."""
        packed = AnyMessage()
        packed.Pack(self.detail)
        message = "; ".join(self.detail.reasons)
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        refuse(context, message)


def _given(request: Any) -> Properties:
    """The inputs of a request, whose secrets no message may quote."""
    for name in ("news", "inputs", "properties"):
        if hasattr(request, name):
            return from_struct(getattr(request, name))
    return {}


class Provider(BaseProvider):
    """One configured provider: one server, one set of settings."""

    package = "kubernetes"

    def __init__(self, log: EngineLog) -> None:
        """Wait to be configured.

        Args:
            log: shows lines to the person at the engine.
        """
        self._log = log
        self._stop = threading.Event()
        self._flags = _flags({})
        self._client: Client | None = None
        self._unreachable: Exception = UnreachableError("the kubernetes provider was not configured")
        self._namespace = "default"

    def stop(self) -> None:
        """End all waiting."""
        self._stop.set()

    # --- the provider itself

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Refuse what this provider can't do instead of ignoring it."""
        news = plain(from_struct(request.news))
        failures = []
        if news.get("renderYamlToDirectory"):
            failures.append(_failure("renderYamlToDirectory", "the stand-in provider does not write YAML files"))
        if str(news.get("enableServerSideApply", "true")) == "false":
            failures.append(_failure("enableServerSideApply", "the stand-in provider only has server-side apply"))
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        """Replace the provider, and all it made, when it points to another cluster."""
        olds, news = plain(from_struct(request.olds)), plain(from_struct(request.news))
        changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        where = [key for key in changed if key in {"kubeconfig", "context", "cluster"}]
        if "clusterIdentifier" in olds and "clusterIdentifier" in news:
            replaces = [key for key in changed if key == "clusterIdentifier"]
        else:
            replaces = where if where and _server(olds) != _server(news) else []
        kind = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(changes=kind, diffs=changed, replaces=replaces)

    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        """Connect. A cluster that can't be reached is no failure yet: what needs it will say so."""
        variables = request.variables
        self._flags = _flags(variables)
        try:
            access = load(
                variables.get(_PREFIX + "kubeconfig"),
                variables.get(_PREFIX + "context"),
                variables.get(_PREFIX + "cluster"),
            )
            self._namespace = access.namespace = variables.get(_PREFIX + "namespace") or access.namespace
            client = Client(access)
            client.request("GET", "/version")
            self._client = client
        except (ConfigError, UnreachableError) as error:
            self._unreachable = error
        except ApiError as error:
            message = f"the Kubernetes API server {access.server} refuses the kubeconfig's user: {error}"
            self._unreachable = ConfigError(message)
        return super().Configure(request, context)

    def Cancel(self, request: Empty, context: Context) -> Empty:
        """End all waiting, so that the engine can save what is there."""
        self.stop()
        return Empty()

    # --- resources

    @_told
    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Fill in the name and the namespace."""
        if self._client is None and self._flags["skipUpdateUnreachable"]:
            return pb.CheckResponse(inputs=request.olds)
        version, kind = objects.type_of(request.urn)
        if _NOT_HERE.match(version):
            raise apply.RefusedError(
                f"the stand-in kubernetes provider has no {kind} of {version}: only objects of the API"
            )
        if kind.endswith("List") and ("." not in version or ".k8s.io/" in version):
            raise apply.RefusedError(f"{kind} is a list as the API answers it, no object: create its items one by one")
        given = from_struct(request.news)
        inputs, old_inputs = objects.to_object(given), objects.to_object(from_struct(request.olds))
        patch = objects.is_patch(request.urn, str(inputs.get("kind")))
        if patch and objects.name_of(inputs) is None:
            return _refused(request, "metadata.name", "a Patch resource needs the name of the object it changes")
        if problem := objects.assign_name(
            inputs, old_inputs, _name(request.urn), request.randomSeed, _proposed(request)
        ):
            return _refused(request, "metadata.name", problem)
        meta = inputs.get("metadata")
        if isinstance(meta, dict) and not meta.get("namespace") and self._namespaced(inputs, old_inputs):
            meta["namespace"] = self._namespace
        return pb.CheckResponse(inputs=to_struct(objects.mark_secrets(inputs, given)))

    @_told
    def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        """Compare with the stored object, and ask the server what a difference comes to."""
        state, given = from_struct(request.olds), from_struct(request.news)
        old_inputs, old_live = objects.from_checkpoint(state)
        old_inputs, inputs = objects.normalized(old_inputs), objects.to_object(given)
        client = self._connected()
        found = diff.ignored(diff.changes(old_inputs, old_live, inputs), list(request.ignoreChanges))
        patch = objects.is_patch(request.urn, str(inputs.get("kind")))
        if patch:
            for change in found:
                change.replace = str(change) in {"metadata.name", "metadata.namespace"}
        else:
            diff.mark_fixed(
                found,
                old_live,
                inputs,
                secrets_mutable=self._flags["enableSecretMutable"],
                config_maps_mutable=self._flags["enableConfigMapMutable"],
            )
        # A claim is never replaced because the server refuses a change: its data would go with it.
        fixed = any(change.replace for change in found) or inputs.get("kind") in _HOLD_DATA
        if found and not fixed and self._can_ask(inputs):
            manager = objects.field_manager(inputs, state, request.urn)
            found = diff.settle(
                found, old_inputs, old_live, lambda: client.apply(inputs, manager, force=True, dry_run=True)
            )
        return _diff_response(found, inputs, old_live)

    @_told
    def Create(self, request: pb.CreateRequest, context: Context) -> pb.CreateResponse:
        """Make the object and wait until it is up."""
        given = from_struct(request.properties)
        inputs = objects.to_object(given)
        patch = objects.is_patch(request.urn, str(inputs.get("kind")))
        if request.preview and self._client is None:
            self._log("warning", f"{self._unreachable}; the update will fail", request.urn)
        if request.preview and (patch or not self._can_ask(inputs)):
            return pb.CreateResponse(properties=request.properties)
        client, manager = self._connected(), objects.field_manager(inputs, {}, request.urn)
        try:
            live = apply.create(
                client,
                inputs,
                manager,
                self._stop,
                upsert=patch or self._flags["upsertExistingObjects"],
                force=apply.forced(inputs, self._flags["enablePatchForce"]),
                preview=request.preview,
            )
        except ApiError as error:
            # No namespace yet, the object to be replaced still there, or not allowed to try: the update will tell.
            if request.preview and error.reason in {"Forbidden", "NotFound", "AlreadyExists"}:
                return pb.CreateResponse(properties=request.properties)
            raise
        if request.preview:
            live.pop("status", None)
            return pb.CreateResponse(properties=to_struct(objects.checkpoint(given, live, manager)))
        live = self._awaited(client, given, live, manager, request.timeout)
        state = to_struct(objects.checkpoint(given, live, manager))
        return pb.CreateResponse(id=objects.identifier(live), properties=state)

    @_told
    def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        """Apply the new inputs and wait until the object is up again."""
        state, given = plain(from_struct(request.olds)), from_struct(request.news)
        inputs = objects.to_object(given)
        if request.preview and not self._can_ask(inputs):
            return pb.UpdateResponse(properties=request.news)
        client, manager = self._connected(), objects.field_manager(inputs, state, request.urn)
        live = apply.update(
            client,
            inputs,
            manager,
            ignore=[_path(text) for text in request.ignoreChanges],
            force=apply.forced(inputs, self._flags["enablePatchForce"]),
            take_over=not objects.is_patch(request.urn, str(inputs.get("kind"))),
            preview=request.preview,
        )
        if live is None:
            return pb.UpdateResponse(properties=request.news)
        if not request.preview:
            live = self._awaited(client, given, live, manager, request.timeout)
            before = state.get("__fieldManager")
            if before and before != manager:
                apply.relinquish(client, live, before)
        return pb.UpdateResponse(properties=to_struct(objects.checkpoint(given, live, manager)))

    @_told
    def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        """Read the live object, for a refresh, an import or a `get`; no id when it is gone."""
        if self._client is None and self._flags["deleteUnreachable"]:
            self._log("warning", f"{self._unreachable}; dropped from the state as asked", request.urn)
            return pb.ReadResponse()
        if self._client is None and self._flags["skipUpdateUnreachable"]:
            return pb.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        client = self._connected()
        given, state = from_struct(request.inputs), from_struct(request.properties)
        old_inputs, (_, old_live) = objects.to_object(given), objects.from_checkpoint(state)
        version, kind = objects.type_of(request.urn)
        if objects.is_patch(request.urn, str(old_inputs.get("kind", kind))):
            kind = str(old_inputs.get("kind", kind.removesuffix("Patch")))
        namespace, _, name = request.id.rpartition("/")
        known = old_inputs or old_live
        wanted = {"apiVersion": known.get("apiVersion", version), "kind": known.get("kind", kind)}
        try:
            live = client.get({**wanted, "metadata": {"name": name, "namespace": namespace or None}})
        except MissingError:
            return pb.ReadResponse()
        inputs = objects.merged_inputs(old_inputs, old_live, live) if old_inputs else objects.imported_inputs(live)
        marked = objects.mark_secrets(inputs, given)
        manager = objects.field_manager(live, state, request.urn)
        stored = objects.checkpoint(marked, live, manager)
        if old_inputs and kind in ready.CHECKED_ON_REFRESH and objects.annotation(inputs, "skipAwait") != "true":
            try:
                reasons = tuple(ready.hindrances(client, live, objects.annotation(inputs, "waitFor")))
            except ready.NotReadyError as error:
                reasons = error.reasons
            if reasons:
                raise _PartlyDoneError(request.id, stored, marked, reasons)
        return pb.ReadResponse(id=request.id, properties=to_struct(stored), inputs=to_struct(marked))

    @_told
    def Delete(self, request: pb.DeleteRequest, context: Context) -> Empty:
        """Delete the object and wait until it is gone; a Patch only gives its fields up."""
        if self._client is None and self._flags["deleteUnreachable"]:
            self._log("warning", f"{self._unreachable}; dropped from the state as asked", request.urn)
            return Empty()
        client, state = self._connected(), from_struct(request.properties)
        inputs, live = objects.from_checkpoint(state)
        try:
            if objects.is_patch(request.urn, live["kind"]):
                apply.relinquish(client, live, objects.field_manager(inputs, state, request.urn))
                return Empty()
            chosen = objects.annotation(inputs, "deletionPropagationPolicy").capitalize()
            client.delete(live, chosen if chosen in {"Orphan", "Background"} else "Foreground")
        except MissingError:
            return Empty()
        ready.wait_gone(client, inputs, live, ready.timeout_seconds(request.timeout, inputs), self._stop)
        return Empty()

    # --- helpers

    def _connected(self) -> Client:
        if self._client is None:
            raise self._unreachable
        return self._client

    def _namespaced(self, inputs: Object, old_inputs: Object) -> bool:
        if self._client is None:
            return "namespace" in (old_inputs.get("metadata") or {})
        try:
            return self._client.kind(inputs["apiVersion"], inputs["kind"]).namespaced
        except NoSuchKindError:
            # Its definition may be made by this very update. Most kinds are namespaced, and a namespace that a
            # cluster-scoped kind does not need is ignored by the server.
            return True

    def _can_ask(self, inputs: Object) -> bool:
        """Whether the server can say what the inputs come to: all known, and the kind is there."""
        if holds(inputs, Unknown) or self._client is None:
            return False
        try:
            self._client.kind(inputs["apiVersion"], inputs["kind"])
        except NoSuchKindError:
            return False
        return True

    def _awaited(self, client: Client, given: Properties, live: Object, manager: str, timeout: float) -> Object:
        inputs = objects.to_object(given)
        try:
            return ready.wait_ready(client, inputs, live, ready.timeout_seconds(timeout, inputs), self._stop)
        except ready.NotReadyError as error:
            live, reasons = error.live, error.reasons
        except KubernetesError as error:
            # The object is there; without this the engine would forget it, because the server went away meanwhile.
            reasons = (_message(error),)
        raise _PartlyDoneError(objects.identifier(live), objects.checkpoint(given, live, manager), given, reasons)


def _failure(name: str, reason: str) -> pb.CheckFailure:
    return pb.CheckFailure(property=name, reason=reason)


def _refused(request: pb.CheckRequest, name: str, reason: str) -> pb.CheckResponse:
    return pb.CheckResponse(inputs=request.news, failures=[_failure(name, reason)])


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _proposed(request: pb.CheckRequest) -> str | None:
    """The engine's choice of a name by the project's autonaming settings: empty for none, None when it leaves it."""
    if not request.HasField("autonaming"):
        return None
    options = request.autonaming
    return "" if options.mode == pb.CheckRequest.AutonamingOptions.DISABLE else options.proposed_name


def _path(text: str) -> diff.Path:
    parts = re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)', text)
    return tuple(int(index) if index else (quoted or name) for quoted, index, name in parts)


def _server(settings: Properties) -> Any:
    """The cluster that a provider's settings choose; unknown ones differ from all others."""
    chosen = [settings.get(key) for key in ("kubeconfig", "context", "cluster")]
    if UNKNOWN in chosen:
        return object()
    try:
        return load(*chosen).cluster
    except ConfigError:
        return chosen


def _diff_response(found: list[diff.Change], inputs: Object, old_live: Object) -> pb.DiffResponse:
    def entry(change: diff.Change) -> pb.PropertyDiff:
        return pb.PropertyDiff(kind=pb.PropertyDiff.Kind.Value(change.verb.upper() + "_REPLACE" * change.replace))

    replaces = [str(change) for change in found if change.replace]
    meta, old_meta = inputs.get("metadata") or {}, old_live.get("metadata") or {}
    # A name chosen by the program can't be held by the old and the new object at once.
    same_place = isinstance(meta, dict) and all(meta.get(key) == old_meta.get(key) for key in ("name", "namespace"))
    response = pb.DiffResponse
    return response(
        changes=response.DIFF_SOME if found else response.DIFF_NONE,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and same_place and objects.annotation(inputs, "autonamed") != "true",
        detailedDiff={str(change): entry(change) for change in found},
        diffs=sorted({str(change.path[0]) for change in found}),
        hasDetailedDiff=True,
    )


def main() -> None:
    """Serve one engine."""
    provider = Provider(EngineLog(engine_address()))
    serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server), on_exit=provider.stop
    )
