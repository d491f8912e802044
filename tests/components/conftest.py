"""Stacks of the repository and variations of them, run against a monitor that records what they register."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.recording import Recorded, record

REFERENCE = ("platform", "lake", "dev", "test", "prod")
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
ca_bundle = {folder}/store.pem
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
[terrarium-shared-workloads]
host=127.0.0.1
port=5433
sslmode=disable
[terrarium-prod-workloads]
host=127.0.0.1
sslmode=disable
[pooler]
host=10.1.2.9
port=6432
[remote]
host=10.1.2.3
user=admin
password=hidden-superuser
""",
}


@pytest.fixture(autouse=True)
def _connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give administrators' connections, as `make up` writes them, and those of a store elsewhere."""
    (tmp_path / "store.pem").write_text("objects' own\n", encoding="utf-8")
    for variable, text in CONNECTIONS.items():
        file = tmp_path / variable.lower()
        file.write_text(text.replace("{folder}", str(tmp_path)), encoding="utf-8")
        monkeypatch.setenv(variable, str(file))


Run = Callable[..., Recorded]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs a stack's program and returns what it asked for.

    Its arguments: the stack's name; `block`, which replaces the stack file's own environment or platform block; and
    `preview`, whether outputs that only an update knows stay unknown.
    """

    def run_stack(stack: str, block: dict[str, Any] | None = None, *, preview: bool = False) -> Recorded:
        kind = stack if stack in {"platform", "lake"} else "environment"
        return record(tmp_path, stack, {} if block is None else {kind: block}, preview=preview)

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
