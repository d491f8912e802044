"""Calls a provider as the engine does, by its protocol and without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, cast

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.cloud.table import Embedded, Thing
from rehearsal.plugins.properties import Properties, from_struct, to_struct
from rehearsal.plugins.resource import ProviderError, ResourceProvider


class RefusedError(Exception):
    """What the engine is told in place of an answer."""


class _Context:
    def abort(self, _code: grpc.StatusCode, message: str) -> NoReturn:
        raise RefusedError(message)

    def set_trailing_metadata(self, _metadata: object) -> None:
        """Carry nothing."""


class Driver:
    """One engine at work on one provider."""

    def __init__(self, provider: ResourceProvider) -> None:
        self.provider = provider
        self.package = provider.package
        self.context = cast(grpc.ServicerContext, _Context())

    def configure(self, **settings: str) -> None:
        variables = {f"{self.package}:config:{name}": value for name, value in settings.items()}
        self.provider.Configure(pb.ConfigureRequest(variables=variables), self.context)

    def urn(self, token: str, name: str) -> str:
        return f"urn:pulumi:dev::tests::{self.package}:{token}::{name}"

    def check(self, token: str, inputs: Properties, olds: Properties | None = None, name: str = "it") -> Properties:
        request = pb.CheckRequest(
            urn=self.urn(token, name), news=to_struct(inputs), olds=to_struct(olds or {}), randomSeed=b"seed"
        )
        answer = self.provider.Check(request, self.context)
        if answer.failures:
            raise RefusedError("; ".join(f"{one.property}: {one.reason}" for one in answer.failures))
        return from_struct(answer.inputs)

    def create(
        self, token: str, *, preview: bool = False, called: str = "it", **inputs: Any
    ) -> tuple[str, Properties, Properties]:
        """Check and create: the id, what state keeps, and the inputs."""
        given = self.check(token, inputs, name=called)
        request = pb.CreateRequest(urn=self.urn(token, called), properties=to_struct(given), preview=preview)
        answer = self.provider.Create(request, self.context)
        return answer.id, from_struct(answer.properties), given

    def diff(self, token: str, state: Properties, olds: Properties, news: Properties) -> tuple[dict[str, str], bool]:
        """What changes, each with its kind, and whether the old one is deleted first."""
        request = pb.DiffRequest(
            urn=self.urn(token, "it"), olds=to_struct(state), old_inputs=to_struct(olds), news=to_struct(news)
        )
        answer = self.provider.Diff(request, self.context)
        kinds = {path: pb.PropertyDiff.Kind.Name(one.kind) for path, one in answer.detailedDiff.items()}
        return kinds, answer.deleteBeforeReplace

    def update(self, token: str, state: Properties, news: Properties, *, preview: bool = False) -> Properties:
        request = pb.UpdateRequest(
            urn=self.urn(token, "it"), olds=to_struct(state), news=to_struct(news), preview=preview
        )
        return from_struct(self.provider.Update(request, self.context).properties)

    def read(self, token: str, identifier: str, state: Properties, inputs: Properties) -> tuple[Properties, Properties]:
        request = pb.ReadRequest(
            urn=self.urn(token, "it"), id=identifier, properties=to_struct(state), inputs=to_struct(inputs)
        )
        answer = self.provider.Read(request, self.context)
        return from_struct(answer.properties), from_struct(answer.inputs)

    def delete(self, token: str, state: Properties) -> None:
        request = pb.DeleteRequest(urn=self.urn(token, "it"), id=str(state["id"]), properties=to_struct(state))
        assert self.provider.Delete(request, self.context) == Empty()

    def invoke(self, token: str, **arguments: Any) -> Properties:
        request = pb.InvokeRequest(tok=f"{self.package}:{token}", args=to_struct(arguments))
        return from_struct(getattr(self.provider.Invoke(request, self.context), "return"))


class Imagined(Embedded):
    """A real part that is none: remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gone = False
        self.fails = False

    def create(self, thing: Thing, inputs: Mapping[str, Any]) -> Properties:
        self.calls.append(f"create {thing.type} {thing.id}")
        if self.fails:
            raise ProviderError("the part does not start")
        return {"endpoint": "https://127.0.0.1:1"} if "roleArn" in inputs else {}

    def update(self, thing: Thing, inputs: Mapping[str, Any]) -> Properties:
        self.calls.append(f"update {thing.type} {thing.id}")
        return {"status": "ACTIVE"} if "roleArn" in inputs else {}

    def read(self, thing: Thing) -> Properties | None:
        self.calls.append(f"read {thing.type} {thing.id}")
        return None if self.gone else {}

    def delete(self, thing: Thing) -> None:
        self.calls.append(f"delete {thing.type} {thing.id}")
