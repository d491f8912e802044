"""The program run against a monitor that records all that it registers: parents, providers, protection, outputs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from google.protobuf import json_format
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks

from components.descriptor import KEY, PLATFORM_NAMESPACE
from stacks.program import build

ROOT = Path(__file__).parents[2]
REFERENCE = ("platform", "lake", "dev", "test", "prod")
PLATFORM_STACK = "platform"
_STACK = "pulumi:pulumi:Stack"


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
    """All that one run of the program asked for."""

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


class _Cloud(Mocks):
    """Gives every resource an id and its own inputs back; answers reads with a platform for all but production."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        published = {f"{PLATFORM_NAMESPACE}/terrarium": PLATFORM, f"{PLATFORM_NAMESPACE}/lake--shared": LAKE}
        if args.resource_id in published:
            return args.resource_id, {"data": {KEY: json.dumps(published[args.resource_id])}}
        made: dict[str, dict[str, str]] = {
            "random:index/randomId:RandomId": {"hex": "0badcafe"},
            "random:index/randomPassword:RandomPassword": {"result": f"password-of-{args.name}"},
            "aws:iam/accessKey:AccessKey": {"secret": f"secret-of-{args.name}"},
            "aws:iam/role:Role": {"arn": f"arn:aws:iam::000000000000:role/{args.inputs.get('name')}"},
        }
        return f"{args.name}-id", {**args.inputs, **made.get(args.typ, {})}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program asks the cloud a question while it plans: {args.token}")


PLATFORM = {
    "contractVersion": 1,
    "kind": "platform",
    "name": "shared",
    "shared": True,
    "tiers": ["experimentation", "testing"],
    "priorityClasses": {"experimentation": "terrarium-experimentation", "testing": "terrarium-testing"},
}


LAKE = {
    "contractVersion": 1,
    "kind": "lake",
    "tiers": ["experimentation", "testing"],
    "bucket": "lake--shared-datasets-0badcafe",
    "endpoint": "http://127.0.0.1:9000",
}
CONNECTIONS = {
    "AWS_CONFIG_FILE": """
[profile terrarium-shared]
region = eu-west-1
services = here
[profile terrarium-prod]
services = here
[services here]
s3 =
    endpoint_url = http://127.0.0.1:9000
iam =
    endpoint_url = http://127.0.0.1:9001
[profile remote]
endpoint_url = https://s3.example.org
ca_bundle = /etc/ssl/store.pem
[profile plain]
endpoint_url = http://s3.example.org
[profile account-rw]
[profile account-ro]
""",
    "AWS_SHARED_CREDENTIALS_FILE": "".join(
        f"[{name}]\naws_access_key_id = KEY-{name}\naws_secret_access_key = hidden-{name}\n"
        for name in ("terrarium-shared", "terrarium-prod", "remote", "plain", "account-rw", "account-ro")
    ),
    "PGSERVICEFILE": """
[terrarium-shared]
host=127.0.0.1
port=5433
user=terrarium
password=hidden-superuser
sslmode=disable
[terrarium-prod]
host=127.0.0.1
user=terrarium
password=hidden-superuser
sslmode=disable
[remote]
host=10.1.2.3
user=admin
password=hidden-superuser
""",
}


@pytest.fixture(autouse=True)
def _connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give administrators' connections, as `make up` writes them, and those of a store elsewhere."""
    for variable, text in CONNECTIONS.items():
        file = tmp_path / variable.lower()
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv(variable, str(file))


class _Monitor(MockMonitor):
    def __init__(self, recorded: Recorded) -> None:
        super().__init__(_Cloud())
        self.recorded = recorded

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        response = super().RegisterResource(request)
        if request.type != _STACK:
            self.recorded.registrations.append(_registration(request))
        if not request.custom and request.type != _STACK:
            self.recorded.components[response.urn] = request.name
        return response

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.recorded.reads.append(
            Registration(request.type, request.name, request.parent, request.provider, False, True, {})
        )
        return super().ReadResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.recorded.registered_outputs.add(request.urn)
        return super().RegisterResourceOutputs(request)


def _registration(request: Any) -> Registration:
    inputs = json_format.MessageToDict(request.object)
    return Registration(
        request.type, request.name, request.parent, request.provider, request.protect, request.custom, inputs
    )


Run = Callable[..., Recorded]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs a stack's program and returns what it asked for.

    Its arguments: the stack's name; `block`, which replaces the stack file's own environment or platform block; and
    `preview`, whether outputs that only an update knows stay unknown.
    """

    def run_stack(stack: str, block: dict[str, Any] | None = None, *, preview: bool = False) -> Recorded:
        for file in [*ROOT.glob("Pulumi.*.yaml"), ROOT / "organisation.yaml"]:
            shutil.copy(file, tmp_path)
        kind = stack if stack in {PLATFORM_STACK, "lake"} else "environment"
        config = {} if block is None else {f"terrarium:{kind}": json.dumps(block)}
        recorded = Recorded()
        pulumi.runtime.set_mocks(_Cloud(), "terrarium", stack, preview=preview, monitor=_Monitor(recorded))
        pulumi.runtime.set_all_config(config)

        def program() -> pulumi.Output[None]:
            outputs = build(tmp_path, stack, pulumi.Config("terrarium"))
            return pulumi.Output.all(**outputs).apply(recorded.outputs.update)

        pulumi.runtime.test(program)()
        return recorded

    return run_stack


@pytest.fixture(params=REFERENCE)
def reference(request: pytest.FixtureRequest, run: Run) -> Recorded:
    """Each stack of the repository, as an update registers it."""
    return run(request.param)


@pytest.fixture
def environment() -> Callable[..., dict[str, Any]]:
    """Return a function that makes the block of an environment on the platform `shared`."""

    def block(tier: str = "experimentation", **changes: Any) -> dict[str, Any]:
        own = {"kubernetes": {"context": "c"}}
        slice_ = {"kubernetes": {"context": "c", "platform": "shared"}}
        cloud = own if tier == "production" else slice_
        return {"project": "churn", "name": "x", "tier": tier, "cloud": cloud, **changes}

    return block
