"""What is asked of ECR for an environment's images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components.aws.registry import registry
from tests.clouds import aws_ground
from tests.clouds.aws_ground import ID, KEY, REGION, block
from tests.support.recording import Recorded, record_program


def made(tier: str) -> Recorded:
    settings, own = aws_ground.environment(block(tier))

    def program() -> Mapping[str, Any]:
        found = registry(own, "churn-x", settings, aws_ground.ground(), pulumi.ResourceOptions())
        return {"url": found.url}

    return record_program(program, made=aws_ground.made, answer=aws_ground.answer)


@pytest.mark.parametrize(("tier", "forced"), [("experimentation", True), ("testing", True), ("production", False)])
def test_a_repository_keeps_what_a_tag_named_and_looks_into_it(tier: str, forced: bool) -> None:
    recorded = made(tier)
    [found] = [r for r in recorded.registrations if r.short == "Repository"]
    assert found.inputs == {
        "name": "churn-x",
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": KEY}],
        "forceDelete": forced,
    }
    assert found.provider.split("::")[-2] == "x-account"
    assert recorded.outputs == {"url": f"{ID}.dkr.ecr.{REGION}.amazonaws.com/churn-x"}


def test_what_no_tag_names_goes() -> None:
    [found] = [r.inputs for r in made("testing").registrations if r.short == "LifecyclePolicy"]
    [rule] = json.loads(found["policy"])["rules"]
    assert rule["selection"]["tagStatus"] == "untagged"
    assert rule["selection"]["countNumber"] == 14
    assert rule["action"] == {"type": "expire"}
