"""A plugin for every provider: it accepts whatever the engine brings, makes nothing, and remembers what it was asked.

The engine finds it by PULUMI_DEBUG_PROVIDERS, so that one server in the tests' own process stands for all packages.
"""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

PACKAGES = ("aws", "gcp", "scaleway", "kubernetes", "postgresql")
FAILS = "fails-when-made"
"""A resource with this in its name can't be made."""


class Anything(provider_pb2_grpc.ResourceProviderServicer):
    """Accepts everything.

    Attributes:
        made: Names of the resources that were really made.
    """

    def __init__(self) -> None:
        self.made: list[str] = []

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Take the marks of secrets and of unknown values as they are."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_outputs=False)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Nothing is said to the engine."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Say some version."""
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Accept a provider's configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """See no change."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Accept secrets as such."""
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Accept a resource's inputs."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """See no change."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Say that a resource is as its inputs are."""
        name = request.urn.rpartition("::")[2]
        if FAILS in name and not request.preview:
            context.abort(grpc.StatusCode.UNKNOWN, "the cloud would not make it")
        if not request.preview:
            self.made.append(name)
        return provider_pb2.CreateResponse(id="" if request.preview else name, properties=request.properties)

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Find whatever is looked for."""
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """Answer nothing."""
        return provider_pb2.InvokeResponse()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Nothing is under way."""
        return empty_pb2.Empty()


@contextmanager
def serving(provider: Anything) -> Iterator[str]:
    """Serve it, and yield what PULUMI_DEBUG_PROVIDERS must say."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=[("grpc.so_reuseport", 0)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield ",".join(f"{package}:{port}" for package in PACKAGES)
    finally:
        server.stop(None).wait()
