"""A policy pack as the engine talks to it: Pulumi's SDK, told which stack it judges and deaf to levels from outside.

The SDK's `PolicyPack` drops what the engine says of the stack but its tags (pulumi-policy 1.21, `ConfigureStack`), and
lets any file of `--policy-pack-config` disable every policy (`{"all": "disabled"}`). Two methods of its servicer mend
that.
"""

# ruff: noqa: N802 - the methods' names are the protocol's

from __future__ import annotations

import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

# In no public module, although PolicyPack is nothing but a server around it.
from pulumi_policy.policy import _GRPC_CHANNEL_OPTIONS, EnforcementLevel, _PolicyAnalyzerServicer

from components.settings.problems import InvalidSettings
from policies.gates.crossguard import Pack, Told

_ROLLOUT = "how far a rule is rolled out stands in policies/waivers/rollout.yaml, and is security's to say"


class _Servicer(_PolicyAnalyzerServicer):
    def __init__(self, name: str, pack: Pack) -> None:
        self._pack = pack
        self._levels = {
            policy.name: self._map_enforcement_level(policy.enforcement_level or EnforcementLevel.MANDATORY)
            for policy in pack.policies()
        }
        # The version that counts stands in PulumiPolicy.yaml; the SDK itself says this one.
        super().__init__(name, "0.0.1", pack.policies(), EnforcementLevel.MANDATORY)

    def ConfigureStack(
        self, request: analyzer_pb2.AnalyzerStackConfigureRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerStackConfigureResponse:
        """Appoint the judge, or refuse to begin: without one nothing may pass."""
        try:
            self._pack.begin(Told(request.stack, dict(request.config)))
        except InvalidSettings as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        answer: analyzer_pb2.AnalyzerStackConfigureResponse = super().ConfigureStack(request, context)
        return answer

    def Configure(
        self, request: analyzer_pb2.ConfigureAnalyzerRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Refuse every level and setting but the pack's own."""
        for name, given in request.policyConfig.items():
            if name not in self._levels:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no policy is called {name}: {_ROLLOUT}")
            if given.enforcementLevel != self._levels[name] or len(given.properties):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{name} takes no configuration: {_ROLLOUT}")
        return empty_pb2.Empty()


def serve(name: str, pack: Pack) -> None:
    """Answer the engine until it ends this process.

    Args:
        name: The pack's name, for messages.
        pack: Its policies.
    """
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(_Servicer(name, pack), server)
    # The engine reads the port from the first line.
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    server.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop(0)
