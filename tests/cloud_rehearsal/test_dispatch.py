from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.cloud.provider import CloudProvider
from rehearsal.cloud.state import HOME
from rehearsal.plugins import aws
from rehearsal.plugins.aws_or_cloud import Either
from rehearsal.plugins.serving import EngineLog


@pytest.fixture
def either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Either:
    monkeypatch.setenv(HOME, str(tmp_path))
    return Either(EngineLog(""))


@pytest.mark.parametrize("name", ["endpoints", "aws:config:endpoints", "aws:config:skipRequestingAccountId"])
def test_a_store_of_ones_own_is_no_rehearsal(either: Either, name: str) -> None:
    assert isinstance(either.chosen({name: "x"}), aws.Provider)
    assert either.chosen() is either.chosen({name: "y"})


def test_all_else_is_the_rehearsed_cloud_and_all_waiting_ends_with_the_engine(either: Either) -> None:
    first = either.chosen()
    assert isinstance(first, CloudProvider)
    assert either.chosen({"aws:config:region": "eu-central-1"}) is first
    store = either.chosen({"endpoints": "[]"})
    either.stop()
    assert first.stopping.is_set()
    assert store.stopping.is_set()
