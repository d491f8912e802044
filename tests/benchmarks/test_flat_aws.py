"""The flat program for AWS asks for what ours does, word for word; a change of one must be made in the other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from google.protobuf import json_format

from benchmarks import programs
from benchmarks.flat_aws.environment import environment
from stacks.program import build
from tests.clouds import aws_answers
from tests.clouds.aws_declared import AUTHORITIES
from tests.support.recording import ROOT, Recorded, record_program

REFERENCE = ROOT / "benchmarks" / "reference"
RESOURCES, QUESTIONS = 210, 15


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in REFERENCE.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "rds.pem").write_text(AUTHORITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    # The engine would say so.
    monkeypatch.setattr(pulumi, "get_root_directory", lambda: str(tmp_path))


def requests(recorded: Recorded) -> dict[str, dict[str, Any]]:
    """Return what a program asked the engine for, by what it is about."""
    found = {}
    for request in recorded.requests:
        asked = json_format.MessageToDict(request)
        about = asked.get("name") or asked.get("urn") or json.dumps(asked.get("args"), sort_keys=True)
        key = f"{type(request).__name__} {asked.get('type') or asked.get('tok') or ''} {about}"
        assert key not in found, "asked twice"
        if "pulumi:pulumi:Stack::" not in key and asked.get("type") != "pulumi:pulumi:Stack":
            found[key] = {name: in_order(name, value) for name, value in asked.items() if name not in programs.NOTES}
    return found


def in_order(name: str, value: Any) -> Any:
    """Bring in order what is a set; a request wraps each in a message of its own."""
    if name == "propertyDependencies":
        value = {key: each.get("urns") for key, each in value.items()}
    return programs.ordered(name, value)


@pytest.mark.parametrize("preview", [False, True])
def test_flat_program_asks_for_the_same(preview: bool, tmp_path: Path) -> None:
    block = yaml.safe_load((REFERENCE / "Pulumi.aws.yaml").read_text(encoding="utf-8"))["config"]
    config = {"terrarium:environment": json.dumps(block["terrarium:environment"])}

    def run(program: Callable[[], Mapping[str, Any]]) -> Recorded:
        made, answer = aws_answers.made, aws_answers.answer
        return record_program(program, "aws", config, preview=preview, made=made, answer=answer)

    ours = run(lambda: build(tmp_path, "aws", pulumi.Config("terrarium")))
    flat = run(environment)

    assert programs.differences(requests(ours), requests(flat)) == []
    assert ours.outputs == flat.outputs
    # Two programs that ask for nothing would be equal as well.
    assert len(ours.registrations) == RESOURCES
    asked = [request for request in ours.requests if type(request).__name__ == "ResourceInvokeRequest"]
    assert len(asked) == QUESTIONS
