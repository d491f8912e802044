"""Production environments as this program declares them on AWS and Google Cloud, judged as a preview would.

A rule that our own stacks can't obey is wrong, or they are: what is left is listed, each with its reason.
"""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest

from policies.cases import production
from policies.rules import UNKNOWN, Options, Resource, Secret, check, stack_of
from tests.clouds.aws_ground import AUTHORITIES
from tests.support.recording import Registration, record

# Pulumi's wire format (sdk/proto, "Special signatures").
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET, _OUTPUT = "1b47061264138c4ac30d75fd1eb44270", "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

# Rule, and how the resource's name ends.
LEFT = {
    # Scratch is for what nobody misses; versions of it would be paid for.
    ("bucket-versioned", "-store-scratch"),
    ("bucket-versioning-present", "-store-scratch"),
    # The platform's descriptor is read by whoever has an account of the cluster, and no pod runs in its namespace.
    ("no-anonymous", "-platform-descriptor-reader-binding"),
    ("default-deny-netpol", "-platform-namespace"),
}


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_production_obeys(cloud: str, preview: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources, region = _declared(cloud, preview, tmp_path, monkeypatch)
    assert len(resources) > 100
    # What the gate reads of providers' default tags is the gate's own matter.
    tags = {one.name: frozenset({"project", "environment"}) for one in resources if one.type.startswith("pulumi:prov")}
    facts = dataclasses.replace(
        production(), resources=resources, default_tags=tags, regions={cloud: frozenset({region})}
    )
    found = [violation for one in (*resources, stack_of("x")) for violation in check(one, facts)]
    left = [v for v in found if not any(v.rule == rule and v.name.endswith(name) for rule, name in LEFT)]
    assert [violation.message for violation in left] == []


def _declared(
    cloud: str, preview: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[tuple[Resource, ...], str]:
    """Return what a production environment registers on a cloud, and the region it is in."""
    declared, answers = (importlib.import_module(f"tests.clouds.{cloud}_{part}") for part in ("declared", "answers"))
    (folder / "stacks").mkdir()
    (folder / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    (folder / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(folder / "stacks")
    block = declared.environment("production")
    recorded = record(folder, "x", {"environment": block}, preview=preview, made=answers.made, answer=answers.answer)
    return tuple(_resource(one) for one in recorded.registrations), answers.REGION


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
