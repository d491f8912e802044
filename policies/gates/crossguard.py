"""Gate 1: the rules as a CrossGuard policy pack, for the engine's `--policy-pack`.

It speaks the engine's protocol for policy packs (pulumi/pulumi, proto/pulumi/analyzer.proto) itself. Pulumi's SDK for
it (pulumi-policy 1.21) drops what the engine says of the stack but its tags, so that no rule could know the tier; lets
any file of `--policy-pack-config` disable every policy (`{"all": "disabled"}`); and reads each resource anew for each
policy, without the marks of secrets: a preview of 300 resources then took 1.24 times as long as without a pack.
"""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from policies.gates import wire
from policies.rules import Options, Resource, Severity

if TYPE_CHECKING:  # 0.2 s that the engine need not wait for: see Pack
    from policies.gates.verdicts import Judge, Verdict

# The version that counts stands in PulumiPolicy.yaml.
_VERSION = "0.0.1"
_MESSAGE_SIZE = [("grpc.max_receive_message_length", 400 << 20)]
_SEVERITIES = {
    Severity.LOW: analyzer_pb2.POLICY_SEVERITY_LOW,
    Severity.MEDIUM: analyzer_pb2.POLICY_SEVERITY_MEDIUM,
    Severity.HIGH: analyzer_pb2.POLICY_SEVERITY_HIGH,
    Severity.CRITICAL: analyzer_pb2.POLICY_SEVERITY_CRITICAL,
}
_ROLLOUT = "how far a rule is rolled out stands in policies/waivers/rollout.yaml, and is security's to say"


@dataclass(frozen=True)
class Policy:
    """What the engine knows of our rules: it is told of four policies, where the catalogue has a hundred rules.

    Args:
        name: Its name.
        description: What it says, in a sentence.
        level: Whether it refuses.
        kind: Whether it is about a resource or the stack.
    """

    name: str
    description: str
    level: analyzer_pb2.EnforcementLevel.ValueType
    kind: analyzer_pb2.PolicyType.ValueType


_RESOURCE, _STACK = analyzer_pb2.POLICY_TYPE_RESOURCE, analyzer_pb2.POLICY_TYPE_STACK
_REFUSED, _REPORTED = analyzer_pb2.MANDATORY, analyzer_pb2.ADVISORY
POLICIES = (
    Policy("rules", "A resource breaks no rule.", _REFUSED, _RESOURCE),
    Policy("rules-reported", "A resource breaks no rule that is waived or only reported.", _REPORTED, _RESOURCE),
    Policy("stack-rules", "The stack breaks no rule.", _REFUSED, _STACK),
    Policy("stack-rules-reported", "The stack breaks no rule that is waived or only reported.", _REPORTED, _STACK),
)


@dataclass(frozen=True)
class Told:
    """What the engine says of a stack to its policy packs.

    Args:
        stack: The stack's name.
        config: Its configuration: text by full key.
    """

    stack: str
    config: Mapping[str, str]


class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    """Answers one engine about one stack.

    The judge is looked for while the engine goes on and starts program and providers: it waits for every pack alone.

    Args:
        appoint: Finds who judges, from what the engine says of the stack. What it raises refuses everything.
    """

    def __init__(self, appoint: Callable[[Told], Judge]) -> None:
        self._appoint = appoint
        self._appointing = futures.ThreadPoolExecutor(max_workers=1)
        self._judge: futures.Future[Judge] | None = None

    def GetAnalyzerInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> analyzer_pb2.AnalyzerInfo:
        """Say what policies there are."""
        listed = [
            analyzer_pb2.PolicyInfo(
                name=one.name, description=one.description, enforcementLevel=one.level, policy_type=one.kind
            )
            for one in POLICIES
        ]
        return analyzer_pb2.AnalyzerInfo(name="terrarium", version=_VERSION, supportsConfig=True, policies=listed)

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Say the version."""
        return plugin_pb2.PluginInfo(version=_VERSION)

    def ConfigureStack(
        self, request: analyzer_pb2.AnalyzerStackConfigureRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerStackConfigureResponse:
        """Begin to look for the judge."""
        self._judge = self._appointing.submit(self._appoint, Told(request.stack, dict(request.config)))
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Configure(
        self, request: analyzer_pb2.ConfigureAnalyzerRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Refuse every level and setting but the pack's own."""
        own = {policy.name: policy.level for policy in POLICIES}
        for name, given in request.policyConfig.items():
            if name not in own:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no policy is called {name}: {_ROLLOUT}")
            if given.enforcementLevel != own[name] or given.properties.fields:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{name} takes no configuration: {_ROLLOUT}")
        return empty_pb2.Empty()

    def Analyze(
        self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzeResponse:
        """Judge one resource."""
        return _answer(self._appointed(context).resource(_resource(request)), "rules")

    def AnalyzeStack(
        self, request: analyzer_pb2.AnalyzeStackRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzeResponse:
        """Judge the stack as a whole."""
        return _answer(self._appointed(context).whole(map(_resource, request.resources)), "stack-rules")

    def Remediate(
        self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.RemediateResponse:
        """Change nothing: what is declared is what is made, or it is refused."""
        return analyzer_pb2.RemediateResponse()

    def _appointed(self, context: grpc.ServicerContext) -> Judge:
        """Return the judge, or refuse: without one nothing may pass."""
        if self._judge is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the engine has not said which stack is judged")
        if error := self._judge.exception():
            # What is wrong in files is said; what went wrong in ours only by its kind, as it may quote anything.
            known = type(error).__name__ == "InvalidSettings"
            said = str(error) if known else f"the rules can't judge: a fault of theirs ({type(error).__name__})"
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, said)
        return self._judge.result()


def serve(pack: Pack) -> None:
    """Answer the engine until it ends this process.

    Args:
        pack: What answers.
    """
    # One at a time: the judge learns of providers before what they make.
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), options=_MESSAGE_SIZE)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(pack, server)
    # The engine reads the port from the first line.
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    server.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop(0)


def _resource(message: analyzer_pb2.AnalyzeRequest | analyzer_pb2.AnalyzerResource) -> Resource:
    options = Options(protect=message.options.protect, provider=message.provider.name, parent=message.options.parent)
    return Resource(message.type, message.name, wire.mapping(message.properties), options)


def _answer(verdicts: Iterable[Verdict], name: str) -> analyzer_pb2.AnalyzeResponse:
    """Return verdicts in the engine's form: the rule's id begins each message."""
    return analyzer_pb2.AnalyzeResponse(
        diagnostics=[
            analyzer_pb2.AnalyzeDiagnostic(
                policyName=name if verdict.denied else f"{name}-reported",
                policyPackName="terrarium",
                policyPackVersion=_VERSION,
                message=verdict.message,
                enforcementLevel=_REFUSED if verdict.denied else _REPORTED,
                severity=_SEVERITIES[verdict.violation.severity],
            )
            for verdict in verdicts
        ]
    )
