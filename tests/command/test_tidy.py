"""A round over several environments: what fails for one stops no other, and what holds protected data stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from components.settings.declaration import declare
from components.settings.models import EnvironmentSettings
from terrarium.errors import CommandFailed, Exit, Refused
from terrarium.lifetime_commands import _ends as ends
from terrarium.lifetimes import marks, tidying
from terrarium.lifetimes.activity import Seen
from terrarium.lifetimes.decisions import Action
from terrarium.lifetimes.marks import Announcement
from terrarium.lifetimes.places import Environment
from terrarium.lifetimes.sleeping import Outcome
from terrarium.lifetimes.tidying import Line, Tidy
from terrarium.plan import Watch

NOW = datetime(2027, 2, 10, 3, tzinfo=UTC)
ENDED = date(2027, 1, 31)
ANNOUNCED = {marks.ENDS: marks.announced(Announcement(ENDED, date(2027, 1, 20)))}


@dataclass
class Fake:
    """An environment, its cluster and its stack at once.

    Args:
        annotations: What is noted on its namespace.
        held: Why it is not destroyed.
        deployed_end: The end with which it was brought up.
        jobs: Its jobs.
        outcome: What putting it to sleep comes to; something runs in it.
    """

    annotations: dict[str, str] = field(default_factory=lambda: dict(ANNOUNCED))
    held: CommandFailed | None = None
    deployed_end: date | None = ENDED
    jobs: list[Any] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(()))
    destroyed: bool = False

    def get(self, _path: str) -> dict[str, Any] | None:
        made = marks.written(NOW - timedelta(days=90))
        return {"metadata": {"annotations": self.annotations, "creationTimestamp": made}}

    def change(self, _path: str, how: Any) -> bool:
        found = {"metadata": {"annotations": dict(self.annotations)}}
        changed = bool(how(found))
        self.annotations = found["metadata"]["annotations"]
        return changed

    def seen(self) -> Seen:
        return Seen([], self.jobs, [], [])

    def runs(self) -> bool:
        return True

    def sleep(self, *_: Any) -> Outcome:
        return self.outcome

    def would_be_lost(self) -> list[str]:
        return ["3 objects"]

    def destroy(self, _watch: Watch) -> None:
        if self.held:
            raise self.held
        self.destroyed = True


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    for name in ("one", "two", "three"):
        _declare(tmp_path, name, expires=ENDED.isoformat())
    _declare(tmp_path, "prod", tier="production")
    return tmp_path


def _declare(root: Path, name: str, **more: Any) -> None:
    usual = {"project": "churn", "name": name, "tier": "experimentation", "owner": f"{name}@x", "cost_centre": "c"}
    block = {**usual, "cloud": {"kubernetes": {"context": "c", "platform": "shared"}}, **more}
    document = {"config": {"pulumi:disable-default-providers": ["*"], "terrarium:environment": block}}
    (root / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def _round(
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    found: dict[str, Fake | CommandFailed],
    *,
    act: bool = True,
    now: datetime = NOW,
) -> dict[str, Line]:
    def environment(where: Path, stack: str, _say: Any) -> Environment:
        fake = found[stack]
        if isinstance(fake, CommandFailed):
            raise fake
        settings = declare(where, stack).settings
        assert isinstance(settings, EnvironmentSettings)
        stands_for = cast("Any", fake)
        return Environment(stack, settings, stands_for, stands_for, stands_for, fake.deployed_end)

    monkeypatch.setattr(tidying, "environment", environment)
    lines = Tidy(root, now, 14, 0, lambda _: None, Watch).lines((), act=act)
    return {line.stack: line for line in lines}


def test_what_fails_or_is_refused_stops_no_other(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    held = Fake(held=Refused("the store of environment churn-one is protected and holds 3 objects"))
    last = Fake()
    lines = _round(monkeypatch, project, {"one": held, "two": last, "three": CommandFailed("does not answer")})
    assert set(lines) == {"one", "two", "three"}
    assert (lines["one"].code, lines["one"].done) == (Exit.REFUSED, [])
    assert "protected" in lines["one"].error
    assert (lines["two"].code, lines["two"].done) == (Exit.DONE, [Action.DESTROY])
    assert last.destroyed
    assert lines["three"].code is Exit.FAILED
    assert not held.destroyed


def test_what_is_only_said_is_not_done(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    fresh = Fake(annotations={})
    lines = _round(monkeypatch, project, {"one": Fake(), "two": fresh, "three": Fake()}, act=False)
    assert lines["one"].as_dict()["actions"] == ["destroy"]
    assert lines["two"].as_dict()["actions"] == ["announce"]
    assert lines["two"].facts["destroyedOn"] == "2027-02-17"
    assert lines["two"].facts["owner"] == "two@x"
    assert fresh.annotations == {}


def test_an_end_that_was_brought_up_elsewhere_counts_if_it_is_later(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    """Moved, or taken away, on a branch; the checkout is of main. And one that was only declared and is yet to come."""
    _declare(project, "three", expires="2027-03-31")
    extended, endless, behind = Fake(deployed_end=date(2027, 6, 30)), Fake(deployed_end=None), Fake()
    lines = _round(monkeypatch, project, {"one": extended, "two": endless, "three": behind})
    assert not any(fake.destroyed for fake in (extended, endless, behind))
    assert marks.ENDS not in {**extended.annotations, **endless.annotations, **behind.annotations}
    assert [lines[name].facts["expires"] for name in ("one", "two", "three")] == ["2027-06-30", None, "2027-03-31"]
    assert "2027-06-30 (declared 2027-01-31, brought up with 2027-06-30)" in ends(lines["one"].facts)
    assert ends(lines["two"].facts) == "no end (declared 2027-01-31, brought up with none)"
    assert "2027-03-31 (declared 2027-03-31, brought up with 2027-01-31)" in ends(lines["three"].facts)


def test_a_sleep_that_stopped_half_way_is_finished_and_what_still_fails_is_said(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    asleep = {marks.ASLEEP: marks.asleep(NOW - timedelta(days=1), "by hand")}
    for name in ("one", "two", "three"):
        _declare(project, name, sleep={"idle_hours": 2})
    whole, held = Fake(asleep, deployed_end=None), Fake(asleep, deployed_end=None, outcome=Outcome((), ("Job x (no)",)))
    lines = _round(monkeypatch, project, {"one": whole, "two": held, "three": Fake(asleep, deployed_end=None)})
    assert (lines["one"].done, lines["one"].code) == ([Action.SLEEP], Exit.DONE)
    assert (lines["two"].done, lines["two"].code) == ([], Exit.FAILED)
    assert "Job x (no)" in lines["two"].error


def test_use_is_remembered_when_the_cluster_has_forgotten_it(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    """An ended job is deleted after a day: it is use for as long as `idle_hours` says all the same."""
    ended = {"type": "Complete", "status": "True", "lastTransitionTime": marks.written(NOW - timedelta(hours=20))}
    job = {"metadata": {"name": "train"}, "spec": {}, "status": {"conditions": [ended]}}
    _declare(project, "one", sleep={"idle_hours": 48})
    fake = Fake({}, deployed_end=None, jobs=[job])
    others: dict[str, Fake | CommandFailed] = {"two": Fake(), "three": Fake()}
    _round(monkeypatch, project, {"one": fake, **others}, act=False)
    assert fake.annotations == {}
    _round(monkeypatch, project, {"one": fake, **others})
    fake.jobs = []
    for days, actions in ((1, ()), (2, (Action.SLEEP,))):
        line = _round(monkeypatch, project, {"one": fake, **others}, now=NOW + timedelta(days=days))["one"]
        assert (line.actions, line.facts["usedBy"]) == (actions, "job train")


def test_a_stack_that_can_t_be_read_is_said(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    (project / "Pulumi.three.yaml").write_text("config: [", encoding="utf-8")

    def environment(where: Path, stack: str, _say: Any) -> Environment:
        declare(where, stack)
        raise Refused("never brought up", absent=True)

    monkeypatch.setattr(tidying, "environment", environment)
    lines = {line.stack: line for line in Tidy(project, NOW, 14, 0, lambda _: None, Watch).lines((), act=True)}
    assert lines["three"].code is Exit.INVALID
    assert lines["one"].facts == {"note": "not there"}
    assert lines["one"].code is Exit.DONE
