"""Production environments as this program declares them on AWS and Google Cloud, judged as a preview would.

A rule that our own stacks can't obey is wrong, or they are. Only CI's word for what is deployed is missing here.
"""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.settings.declaration import Declaration, declare
from policies.gates import book
from policies.gates.facts import facts
from policies.gates.verdicts import Judge
from policies.rules import UNKNOWN, Options, Resource, Secret
from tests.clouds.aws_ground import AUTHORITIES
from tests.support.recording import Registration, record

ROOT = Path(__file__).resolve().parents[2]
# Whatever a production environment may also be made of.
ALL = {
    "budget": {"monthly": 5000, "notify": ["churn@example.org"]},
    "ci": {"issuer": "github", "repository": "example/churn"},
    "buckets": {"reports": {}},
    "pools": {
        "general": {"machine": "general", "cpu": "4", "memory": "16Gi", "min": 3, "max": 10},
        "training": {"machine": "gpu", "gpu": 1, "max": 2},
    },
}
BILLING = "012345-6789AB-CDEF01"
TODAY = datetime.now(UTC).date()
# Pulumi's wire format (sdk/proto, "Special signatures").
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET, _OUTPUT = "1b47061264138c4ac30d75fd1eb44270", "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_production_obeys(cloud: str, preview: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources, declaration = _declared(cloud, preview, tmp_path, monkeypatch)
    assert len(resources) > 100
    decided = book.read(ROOT, TODAY)
    backend = "s3://states-of-production"
    judge = Judge("x", facts(declaration, decided, TODAY, backend=backend), decided)
    # Providers are known before what they make.
    found = [verdict for one in resources for verdict in judge.resource(one)] + [*judge.whole(resources)]
    assert [verdict.message for verdict in found if verdict.denied] == []
    assert {verdict.violation.rule for verdict in found} == {"deploy-attested", "deploy-branch", "deploy-reviewed"}


def _declared(
    cloud: str, preview: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[tuple[Resource, ...], Declaration]:
    """Return what a production environment registers on a cloud, and its declaration."""
    declared, answers = (importlib.import_module(f"tests.clouds.{cloud}_{part}") for part in ("declared", "answers"))
    (folder / "stacks").mkdir()
    (folder / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (folder / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(folder / "stacks")
    block = declared.environment(
        "production", **ALL, **{"cloud": {"billing_account": BILLING}} if cloud == "gcp" else {}
    )
    recorded = record(folder, "x", {"environment": block}, preview=preview, made=answers.made, answer=answers.answer)
    return tuple(_resource(one) for one in recorded.registrations), declare(folder, "x")


def _resource(one: Registration) -> Resource:
    provider = one.provider.split("::")[-2] if "::" in one.provider else ""
    return Resource(one.kind, one.name, _plain(one.inputs), Options(protect=one.protect, provider=provider))


def _plain(value: Any) -> Any:
    """Return a wire value with the rules' two marks."""
    if value == _UNKNOWN:
        return UNKNOWN
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if value.get(_SIGNATURE) == _SECRET:
        return Secret(_plain(value.get("value")))
    if value.get(_SIGNATURE) == _OUTPUT:
        inner = _plain(value["value"]) if "value" in value else UNKNOWN
        return Secret(inner) if value.get("secret") else inner
    return {key: _plain(below) for key, below in value.items()}
