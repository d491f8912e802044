"""The program run against a monitor that records all that it registers: parents, providers, protection, outputs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pulumi
import yaml
from google.protobuf import json_format
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks

from components.descriptor import KEY, PLATFORM_NAMESPACE
from stacks.program import build

ROOT = Path(__file__).parents[2]
_STACK = "pulumi:pulumi:Stack"

PLATFORM = {
    "contractVersion": 1,
    "kind": "platform",
    "name": "shared",
    "shared": True,
    "tiers": ["experimentation", "testing"],
    "priorityClasses": {"experimentation": "terrarium-experimentation", "testing": "terrarium-testing"},
}
POOL = {"name": "general", "labels": {"terrarium.dev/pool": "general"}, "cpu": "8", "memory": "32Gi", "max": 3}
GPUS = {
    **{"name": "training", "labels": {"terrarium.dev/pool": "training"}, "cpu": "4", "memory": "16Gi", "max": 2},
    **{"gpu": 1, "taints": [{"key": "nvidia.com/gpu", "value": "present"}]},
}
COMPUTE = {
    "queues": True,
    "priorities": {"low": "terrarium-low", "normal": "terrarium-normal", "high": "terrarium-high"},
    "everywhere": "terrarium.everywhere",
    "pools": [POOL, GPUS],
}


LAKE = {
    "contractVersion": 1,
    "kind": "lake",
    "tiers": ["experimentation", "testing"],
    "bucket": "lake--shared-datasets-0badcafe",
    "endpoint": "http://127.0.0.1:9000",
}


@dataclass(frozen=True)
class Registration:
    """One resource as the engine is asked for it."""

    kind: str
    name: str
    parent: str
    provider: str
    protect: bool
    custom: bool
    inputs: dict[str, Any]
    deleted_with: str = ""
    ignored: tuple[str, ...] = ()

    @property
    def in_kubernetes(self) -> bool:
        return self.kind.startswith("kubernetes:")

    @property
    def short(self) -> str:
        return self.kind.rpartition(":")[2]

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.inputs["metadata"])


@dataclass
class Recorded:
    """All that one run of the program asked for; `requests` are all that it sent, as it was sent and in that order."""

    requests: list[Any] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    registrations: list[Registration] = field(default_factory=list)
    reads: list[Registration] = field(default_factory=list)
    registered_outputs: set[str] = field(default_factory=set)
    components: dict[str, str] = field(default_factory=dict)

    @property
    def objects(self) -> list[Registration]:
        return [r for r in self.registrations if r.in_kubernetes]

    def of(self, short: str) -> dict[str, Registration]:
        return {r.name: r for r in self.registrations if r.short == short and r.in_kubernetes}


Made = Callable[[MockResourceArgs], Mapping[str, Any]]
"""What a cloud computes of a resource, beside its inputs."""
Answer = Callable[[MockCallArgs], Mapping[str, Any]]
"""What a cloud answers when it is asked; a LookupError is its refusal."""


def nothing_more(args: MockResourceArgs) -> Mapping[str, Any]:
    """Compute nothing."""
    del args
    return {}


def no_answer(args: MockCallArgs) -> Mapping[str, Any]:
    """Refuse questions: of a cloud that needs to ask none."""
    raise AssertionError(f"the program asks the cloud a question while it plans: {args.token}")


class _Cloud(Mocks):
    """Gives every resource an id and its own inputs back; answers reads with a platform for all but production."""

    def __init__(self, made: Made, answer: Answer, *, queues: bool) -> None:
        self._platform = {**PLATFORM, **({"compute": COMPUTE} if queues else {})}
        self._made = made
        self._answer = answer

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        published = {f"{PLATFORM_NAMESPACE}/terrarium": self._platform, f"{PLATFORM_NAMESPACE}/lake--shared": LAKE}
        if args.resource_id in published:
            return args.resource_id, {"data": {KEY: json.dumps(published[args.resource_id])}}
        made: dict[str, dict[str, str]] = {
            "random:index/randomId:RandomId": {"hex": "0badcafe"},
            "random:index/randomPassword:RandomPassword": {"result": f"password-of-{args.name}"},
            "aws:iam/accessKey:AccessKey": {"secret": f"secret-of-{args.name}"},
            "aws:iam/role:Role": {"arn": f"arn:aws:iam::000000000000:role/{args.inputs.get('name')}"},
        }
        return f"{args.name}-id", {**args.inputs, **made.get(args.typ, {}), **self._made(args)}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        try:
            return dict(self._answer(args)), []
        except LookupError as error:  # an answer, too: the cloud says no
            return {}, [("", str(error.args[0]))]


class _Monitor(MockMonitor):
    def __init__(self, cloud: Mocks, recorded: Recorded) -> None:
        super().__init__(cloud)
        self.recorded = recorded

    def Invoke(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.recorded.requests.append(request)
        return super().Invoke(request)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.recorded.requests.append(request)
        response = super().RegisterResource(request)
        if request.type != _STACK:
            self.recorded.registrations.append(_registration(request))
        if not request.custom and request.type != _STACK:
            self.recorded.components[response.urn] = request.name
        return response

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.recorded.requests.append(request)
        self.recorded.reads.append(
            Registration(request.type, request.name, request.parent, request.provider, False, True, {})
        )
        return super().ReadResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.recorded.requests.append(request)
        self.recorded.registered_outputs.add(request.urn)
        return super().RegisterResourceOutputs(request)


def _registration(request: Any) -> Registration:
    inputs = json_format.MessageToDict(request.object)
    return Registration(
        request.type,
        request.name,
        request.parent,
        request.provider,
        request.protect,
        request.custom,
        inputs,
        request.deletedWith,
        tuple(request.ignoreChanges),
    )


def record(
    folder: Path,
    stack: str,
    config: Mapping[str, Any],
    *,
    preview: bool = False,
    made: Made = nothing_more,
    answer: Answer = no_answer,
) -> Recorded:
    """Run a stack's program and return what it asked for.

    Args:
        folder: Gets the repository's stack files and organisation.yaml.
        stack: The stack's name; one without a file in the repository gets one that declares what `config` says.
        config: Blocks that replace the stack file's own, by kind (`environment`, `platform`, `lake`).
        preview: Whether outputs that only an update knows stay unknown.
        made: What the cloud computes.
        answer: What the cloud answers.
    """
    for file in [*ROOT.glob("Pulumi.*.yaml"), ROOT / "organisation.yaml"]:
        shutil.copy(file, folder)
    blocks = {f"terrarium:{kind}": block for kind, block in config.items()}
    own = folder / f"Pulumi.{stack}.yaml"
    if not own.exists():
        own.write_text(json.dumps({"config": {"pulumi:disable-default-providers": ["*"], **blocks}}), encoding="utf-8")
    declared = {**yaml.safe_load(own.read_text(encoding="utf-8"))["config"], **blocks}
    config = {key: json.dumps(block) for key, block in blocks.items()}

    def program() -> Mapping[str, Any]:
        return build(folder, stack, pulumi.Config("terrarium"))

    return record_program(program, stack, config, preview=preview, made=made, answer=answer, queues=_queues(declared))


def _queues(declared: Mapping[str, Any]) -> bool:
    """Tell whether a stack file counts on queues: its platform has them then."""
    clouds = [block["cloud"] for key, block in declared.items() if key.startswith("terrarium:") and "cloud" in block]
    usual = {"aws": True, "gcp": True}
    return any(
        (block or {}).get("kueue", usual.get(name, False)) for cloud in clouds for name, block in dict(cloud).items()
    )


def record_program(
    program: Callable[[], Mapping[str, Any]],
    stack: str = "x",
    config: Mapping[str, str] | None = None,
    *,
    preview: bool = False,
    made: Made = nothing_more,
    answer: Answer = no_answer,
    queues: bool = False,
) -> Recorded:
    """Run a program, a part of one for instance, and return what it asked for.

    Args:
        program: Registers resources and returns outputs.
        stack: The stack's name.
        config: What the engine would give.
        preview: As for `record`.
        made: As for `record`.
        answer: As for `record`.
        queues: Whether the platform that it reads has queues.
    """
    recorded, cloud = Recorded(), _Cloud(made, answer, queues=queues)
    pulumi.runtime.set_mocks(cloud, "terrarium", stack, preview=preview, monitor=_Monitor(cloud, recorded))
    pulumi.runtime.set_all_config(dict(config or {}))

    def run() -> pulumi.Output[None]:
        # Mocks hand nothing to transforms: what gate 2 does is tested on the real engine (tests/gates).
        with patch("stacks.program._gate", return_value=None):
            return pulumi.Output.all(**program()).apply(recorded.outputs.update)

    pulumi.runtime.test(run)()
    return recorded
