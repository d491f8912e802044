"""The protocol of a provider with resources, in plain values: a provider overrides a method for each operation."""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's.

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from rehearsal.errors import RehearsalError
from rehearsal.plugins.base import BaseProvider, Context, refuse
from rehearsal.plugins.changes import Change, diff_response
from rehearsal.plugins.hiding import redacted
from rehearsal.plugins.properties import Properties, from_struct, plain, to_struct
from rehearsal.plugins.serving import EngineLog, engine_address, serve


class ProviderError(RehearsalError):
    """What keeps a provider from its work; the message is for a person."""


class InputError(ProviderError):
    """Inputs that can't be used; `problems` tells for each property what is wrong."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


class PartlyDoneError(Exception):
    """The resource exists but is not as it should be: the engine must keep it in state, and say why.

    Args:
        identifier: its id.
        state: what state keeps of it.
        inputs: what it was made of.
        reasons: for a person.
    """

    def __init__(self, identifier: str, state: Properties, inputs: Properties, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.identifier = identifier
        self.state = state
        self.inputs = inputs
        self.reasons = reasons


@dataclass(frozen=True)
class Step:
    """One step of an operation.

    Attributes:
        urn: the resource.
        preview: nothing may be changed.
        timeout: seconds that the program allows; 0 when it does not say.
        ignore: paths of properties whose changes are ignored (`ignoreChanges`).
        given: inputs of last time, where the engine tells them: to `diff`.
    """

    urn: str
    preview: bool = False
    timeout: float = 0.0
    ignore: Sequence[str] = ()
    given: Properties = field(default_factory=dict)

    @property
    def token(self) -> str:
        """The resource's type, `package:module:name`."""
        return self.urn.split("::")[2].rsplit("$", 1)[-1]


Request = TypeVar("Request")
Response = TypeVar("Response")
# What is there: id, state and inputs.
Found = tuple[str, Properties, Properties]
Provider = TypeVar("Provider", bound="ResourceProvider")
Method = Callable[[Provider, Request, Context], Response]


def told(method: Method[Provider, Request, Response]) -> Method[Provider, Request, Response]:
    """Turn what a method raises into a message for a person, without secrets; a partly done change keeps its state."""

    @wraps(method)
    def call(self: Provider, request: Request, context: Context) -> Response:
        try:
            return method(self, request, context)
        except PartlyDoneError as error:
            secrets = self.with_secrets(error.inputs)
            return _partly_done(error, [redacted(reason, secrets) for reason in error.reasons], context)
        except RehearsalError as error:
            text = str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours, told in one line: its trace could quote secrets
            text = f"a fault of the stand-in {self.package} provider, {type(error).__name__}: {error}"
        return refuse(context, redacted(text, self.with_secrets(_given(request))))

    return call


class ResourceProvider(BaseProvider, ABC):
    """A provider with resources; `log` shows lines to the person at the engine."""

    # Settings of the official provider that this one would ignore, each with the values that change nothing.
    without: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, log: EngineLog) -> None:
        self.log = log
        self.stopping = threading.Event()

    def check(self, step: Step, old_inputs: Properties, inputs: Properties, name: str) -> Properties:
        """Return the inputs completed; `name` is for a resource without one, empty where names may not be made up.

        Raises:
            InputError: they can't be used.
        """
        return inputs

    @abstractmethod
    def diff(self, step: Step, state: Properties, inputs: Properties) -> tuple[list[Change], bool]:
        """Return what changed, and whether a replaced resource is deleted before its successor is made."""

    @abstractmethod
    def create(self, step: Step, inputs: Properties) -> tuple[str, Properties]:
        """Make the resource and return its id and state; in a preview what is known of them."""

    def update(self, step: Step, state: Properties, inputs: Properties) -> Properties:
        """Change the resource and return its state; not for a provider that replaces on every change."""
        raise ProviderError("nothing of this resource can be changed in place")

    @abstractmethod
    def read(self, step: Step, identifier: str, state: Properties, inputs: Properties) -> Found | None:
        """Return the id, state and inputs of what is there, or None; without a state it is imported."""

    def delete(self, step: Step, state: Properties) -> None:
        """Delete the resource."""

    def with_secrets(self, inputs: Properties) -> Properties:
        """Mark what is secret by its nature in inputs, too; for providers with such properties."""
        return inputs

    def configure(self, settings: Mapping[str, str]) -> None:
        """Take the provider's settings."""

    def place(self, settings: Properties) -> Any:
        """Where a provider with these settings makes its resources: in another place they are made anew."""
        return None

    @told
    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        """See `configure`."""
        prefix = f"{self.package}:config:"
        self.configure({name.removeprefix(prefix): value for name, value in request.variables.items()})
        return super().Configure(request, context)

    def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        """Replace the provider, and all it made, when it points to another place."""
        olds, news = plain(from_struct(request.olds)), plain(from_struct(request.news))
        changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        moved = bool(changed) and self.place(olds) != self.place(news)
        kind = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(changes=kind, diffs=changed, replaces=changed if moved else [])

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Refuse settings that can't be met instead of ignoring them."""
        news = plain(from_struct(request.news))
        refused = [
            name for name, usual in self.without.items() if str(news.get(name) or "").lower() not in ("", *usual)
        ]
        reason = f"the stand-in {self.package} provider can't do this: leave it out"
        failures = [pb.CheckFailure(property=name, reason=reason) for name in refused]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def Cancel(self, request: Empty, context: Context) -> Empty:
        """End all waiting, so that the engine can save what is there."""
        self.stopping.set()
        return Empty()

    @told
    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """See `check`."""
        step, olds, news = Step(request.urn), from_struct(request.olds), from_struct(request.news)
        try:
            return pb.CheckResponse(inputs=to_struct(self.check(step, olds, news, _name(request))))
        except InputError as error:
            failures = [pb.CheckFailure(property=name, reason=problem) for name, problem in error.problems.items()]
            return pb.CheckResponse(inputs=request.news, failures=failures)

    @told
    def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        """See `diff`."""
        step = Step(request.urn, ignore=request.ignoreChanges, given=from_struct(request.old_inputs))
        found, delete_first = self.diff(step, from_struct(request.olds), from_struct(request.news))
        return diff_response(found, delete_first=delete_first)

    @told
    def Create(self, request: pb.CreateRequest, context: Context) -> pb.CreateResponse:
        """See `create`."""
        step = Step(request.urn, request.preview, request.timeout)
        identifier, state = self.create(step, from_struct(request.properties))
        return pb.CreateResponse(id="" if request.preview else identifier, properties=to_struct(state))

    @told
    def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        """See `update`."""
        step = Step(request.urn, request.preview, request.timeout, request.ignoreChanges)
        state = self.update(step, from_struct(request.olds), from_struct(request.news))
        return pb.UpdateResponse(properties=to_struct(state))

    @told
    def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        """See `read`."""
        state, inputs = from_struct(request.properties), from_struct(request.inputs)
        found = self.read(Step(request.urn), request.id, state, inputs)
        if found is None:
            return pb.ReadResponse()
        return pb.ReadResponse(id=found[0], properties=to_struct(found[1]), inputs=to_struct(found[2]))

    @told
    def Delete(self, request: pb.DeleteRequest, context: Context) -> Empty:
        """See `delete`."""
        self.delete(Step(request.urn, timeout=request.timeout), from_struct(request.properties))
        return Empty()


def _given(request: Any) -> Properties:
    """The inputs of a request, whose secrets no message may quote."""
    for name in ("news", "inputs", "properties"):
        if hasattr(request, name):
            return from_struct(getattr(request, name))
    return {}


def _name(request: pb.CheckRequest) -> str:
    """The name that the project's autonaming settings propose, else the resource's and eight random digits."""
    options = request.autonaming
    if request.HasField("autonaming") and options.mode == pb.CheckRequest.AutonamingOptions.DISABLE:
        return ""
    # The seed is the same in preview and update.
    made = f"{request.urn.split('::', 3)[3]}-{hashlib.sha256(request.randomSeed).hexdigest()[:8]}"
    return options.proposed_name or made


def _partly_done(error: PartlyDoneError, reasons: list[str], context: Context) -> NoReturn:
    """End the call with what the engine reads a partly made resource from."""
    state, inputs = to_struct(error.state), to_struct(error.inputs)
    detail = pb.ErrorResourceInitFailed(id=error.identifier, properties=state, inputs=inputs, reasons=reasons)
    packed = AnyMessage()
    packed.Pack(detail)
    message = "; ".join(reasons)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    refuse(context, message)


def run(provider: Callable[[EngineLog], ResourceProvider]) -> None:
    """Serve one engine, and end all waiting with it."""
    made = provider(EngineLog(engine_address()))
    serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(made, server), on_exit=made.stopping.set
    )
