"""What a platform says when its processes do not do as they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform, control, instance, names
from rehearsal.platform.processes import Running


@pytest.mark.parametrize("command", ["stop", "reset"])
def test_what_survives_even_a_kill_is_named_and_not_called_stopped(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.setattr(instance, "find", lambda _: {"etcd": Running(4711, 1, ("etcd",))})
    monkeypatch.setattr(instance, "end", lambda processes, **_: list(processes))
    with pytest.raises(RehearsalError, match=r"'x' is not stopped: etcd \(process 4711\)"):
        getattr(Platform("x", tmp_path), command)()
    assert names(tmp_path) == ["x"]


def test_parts_that_end_again_and_again_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Started:
        def __init__(self, *_: object) -> None:
            """Take what a start takes."""

        def run(self) -> None:
            """Start nothing that stays."""

    monkeypatch.setattr(control, "build", lambda *_: {})
    monkeypatch.setattr(control, "Startup", Started)
    monkeypatch.setattr(instance, "find", lambda _: {})
    with pytest.raises(RehearsalError, match=r"lost etcd, kube-apiserver, .* 3 times"):
        Platform("x", tmp_path).start()
