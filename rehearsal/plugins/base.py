"""What every provider answers alike: who it is, what it can be sent, and no to what it does not have."""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's.

from __future__ import annotations

import json
from typing import NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2 as plugin
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc

from rehearsal.plugins.serving import sdk_version

Context = grpc.ServicerContext


class BaseProvider(provider_pb2_grpc.ResourceProviderServicer):
    """A provider without resources; `package` is its name, such as `random`."""

    package: str

    def Handshake(self, request: pb.ProviderHandshakeRequest, context: Context) -> pb.ProviderHandshakeResponse:
        """Agree on what both sides can send."""
        return pb.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def GetPluginInfo(self, request: Empty, context: Context) -> plugin.PluginInfo:
        """Say the version: that of the installed SDK, which is the one it asks for."""
        return plugin.PluginInfo(version=sdk_version(f"pulumi-{self.package}"))

    def GetSchema(self, request: pb.GetSchemaRequest, context: Context) -> pb.GetSchemaResponse:
        """Give a schema without types: the wheels carry none."""
        schema = {"name": self.package, "version": sdk_version(f"pulumi-{self.package}")}
        return pb.GetSchemaResponse(schema=json.dumps(schema))

    def GetMapping(self, request: pb.GetMappingRequest, context: Context) -> pb.GetMappingResponse:
        """Convert no other tool's programs."""
        return pb.GetMappingResponse()

    def GetMappings(self, request: pb.GetMappingsRequest, context: Context) -> pb.GetMappingsResponse:
        """Convert no other tool's programs."""
        return pb.GetMappingsResponse()

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Accept any settings."""
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        """Differ in nothing."""
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        """Start."""
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True)

    def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        """Refuse functions."""
        refuse(context, f"the stand-in {self.package} provider has no function {request.tok}")

    def Cancel(self, request: Empty, context: Context) -> Empty:
        """Have nothing to end."""
        return Empty()


def refuse(context: Context, message: str) -> NoReturn:
    """End the call with a sentence for a person."""
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort raises")
