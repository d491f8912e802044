"""Proves: what a cloud keeps by itself is neither backed up nor restored by halves; it is said what brings it back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from components.contract import Administration
from terrarium.backups import answers, environments
from terrarium.errors import CommandFailed, Refused

NOTHING = Administration(None, None, "eu-west-1", None, None, None, {})


class Adapter:
    """A cloud; counts how often it is asked."""

    name = "aws"

    def __init__(self) -> None:
        self.asked = 0

    def administration(self, variables: Any, outputs: Any) -> Administration:
        del variables, outputs
        self.asked += 1
        return NOTHING


def stack(monkeypatch: pytest.MonkeyPatch, outputs: dict[str, Any]) -> Any:
    state = {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": outputs}]}
    deployment = SimpleNamespace(engine=SimpleNamespace(state=lambda: state))
    monkeypatch.setattr(environments, "Deployment", lambda *_: deployment)
    declaration = SimpleNamespace(adapter=Adapter())
    return SimpleNamespace(stack="aws", declaration=declaration, site=SimpleNamespace(asking={}))


def test_a_store_without_a_place_for_backups_is_refused_before_its_cloud_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = {"objects": {"buckets": {"results": "r"}}, "database": {"name": "d"}}
    found = stack(monkeypatch, {"uid": "0badcafe", "store": store})
    with pytest.raises(Refused, match=r"(?s)Nothing was done.*restore-db-instance-to-point-in-time"):
        environments.existing(found, lambda _: None)
    assert found.declaration.adapter.asked == 0


def test_a_restore_into_what_is_not_up_yet_is_refused_before_it_is_brought_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = stack(monkeypatch, {})
    with pytest.raises(Refused, match="cloud aws keeps what this one needs"):
        environments.existing(found, lambda _: None)


def test_objects_that_are_not_reached_by_s3_are_not_asked_for() -> None:
    with pytest.raises(CommandFailed, match="can't be asked for by S3"):
        answers.client(NOTHING, silence=1, patience=1)
