"""When environments end and sleep: every day of a life decided, over any dates, announcements and clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.tiers import Tier
from terrarium.lifetimes import activity, marks
from terrarium.lifetimes.activity import Seen
from terrarium.lifetimes.decisions import NOTICE, Action, Known, decide, destroyed_on, last_day
from terrarium.lifetimes.marks import Announcement, Marks, Sleep, Used

TODAY = date(2027, 1, 15)
NOW = datetime.combine(TODAY, time(12), UTC)
DAYS = st.integers(-60, 60).map(lambda days: TODAY + timedelta(days=days))
TIMES = st.integers(-2_000, 2_000).map(lambda hours: NOW + timedelta(hours=hours))
MARKS = st.builds(
    Marks,
    st.none() | st.builds(Announcement, DAYS, DAYS),
    st.none() | st.just(Sleep("2027-01-01T00:00:00Z", "by hand")),
    st.none() | TIMES,
    st.none() | st.builds(Used, TIMES, st.text()),
)
KNOWN = st.builds(
    Known,
    st.sampled_from(Tier),
    st.none() | DAYS,
    st.none() | st.integers(1, 500),
    MARKS,
    st.none() | TIMES,
    st.booleans(),
)
HORIZONS = st.integers(0, 60)


def experiment(expires: date | None = None, announcement: Announcement | None = None, **more: Any) -> Known:
    usual: dict[str, Any] = {"idle_hours": None, "used": None}
    return Known(Tier.EXPERIMENTATION, expires, marks=Marks(announcement), **{**usual, **more})


@given(KNOWN, TIMES, HORIZONS)
def test_nothing_is_destroyed_unless_this_end_was_announced_a_week_before_and_has_passed(
    known: Known, now: datetime, horizon: int
) -> None:
    actions = decide(known, now, horizon)
    if Action.DESTROY in actions:
        assert known.tier is Tier.EXPERIMENTATION
        assert known.expires is not None
        assert known.marks.announcement is not None
        assert known.marks.announcement.ends == known.expires < now.date()
        assert known.marks.announcement.on + NOTICE <= now.date()
        assert actions == (Action.DESTROY,)


@given(KNOWN, TIMES, HORIZONS)
def test_production_is_never_touched_and_testing_has_no_end(known: Known, now: datetime, horizon: int) -> None:
    actions = decide(known, now, horizon)
    if known.tier is Tier.PRODUCTION:
        assert actions == ()
    if known.tier is Tier.TESTING:
        assert not {Action.ANNOUNCE, Action.DESTROY} & {*actions}
        assert destroyed_on(known, now) is None


@given(KNOWN, TIMES, HORIZONS)
def test_what_is_done_is_not_done_again(known: Known, now: datetime, horizon: int) -> None:
    actions = decide(known, now, horizon)
    assert Action.DESTROY in actions or decide(_after(known, actions, now), now, horizon) == ()


@given(KNOWN, TIMES, HORIZONS)
def test_only_what_nobody_uses_is_put_to_sleep_once(known: Known, now: datetime, horizon: int) -> None:
    if Action.SLEEP in decide(known, now, horizon):
        assert known.idle_hours is not None
        assert known.used is not None
        assert now - known.used >= timedelta(hours=known.idle_hours)
        assert known.marks.sleep is None or known.runs


@given(
    st.lists(st.tuples(st.integers(1, 10), st.none() | DAYS), min_size=1, max_size=12), DAYS, HORIZONS, st.none() | DAYS
)
def test_whatever_becomes_of_the_end_each_has_a_week_of_notice(
    rounds: list[tuple[int, date | None]], day: date, horizon: int, expires: date | None
) -> None:
    """A schedule that is kept badly, and somebody who moves the end between its rounds."""
    known, noticed = experiment(expires), dict[date, date]()
    for later, moved in rounds:
        day += timedelta(days=later)
        known = replace(known, expires=moved or known.expires)
        now = datetime.combine(day, time(3), UTC)
        foreseen = destroyed_on(known, now)
        actions = decide(known, now, horizon)
        if Action.DESTROY in actions:
            assert known.expires is not None
            assert day - noticed[known.expires] >= NOTICE
            assert foreseen is not None
            assert day >= foreseen
            return
        if Action.ANNOUNCE in actions and known.expires:
            noticed[known.expires] = day
        known = _after(known, actions, now)


@pytest.mark.parametrize("horizon", [0, 3, 7, 14, 30])
def test_a_daily_round_destroys_on_the_day_that_is_said(horizon: int) -> None:
    known, days = experiment(TODAY + timedelta(days=20)), 0
    while Action.DESTROY not in (actions := decide(known, now := NOW + timedelta(days=days), horizon)):
        known, days = _after(known, actions, now), days + 1
    assert days == 20 + max(1, 7 - horizon)
    assert destroyed_on(known, now) == now.date()


def test_an_end_that_was_set_to_the_past_has_its_week() -> None:
    known = experiment(TODAY - timedelta(days=30))
    assert decide(known, NOW, 14) == (Action.ANNOUNCE,)
    assert destroyed_on(known, NOW) == TODAY + NOTICE
    known = experiment(known.expires, Announcement(TODAY - timedelta(days=30), TODAY))
    assert decide(known, NOW + timedelta(days=6), 14) == ()
    assert decide(known, NOW + timedelta(days=7), 14) == (Action.DESTROY,)


def test_the_last_day_is_a_whole_one() -> None:
    known = experiment(TODAY, Announcement(TODAY, TODAY - timedelta(days=14)))
    assert decide(known, datetime.combine(TODAY, time(23, 59), UTC), 14) == ()
    assert decide(known, datetime.combine(TODAY + timedelta(days=1), time(0), UTC), 14) == (Action.DESTROY,)


def test_an_announcement_of_another_end_counts_for_nothing() -> None:
    moved = experiment(TODAY - timedelta(days=1), Announcement(TODAY + timedelta(days=30), TODAY - timedelta(days=20)))
    assert decide(moved, NOW, 14) == (Action.ANNOUNCE,)
    far = experiment(TODAY + timedelta(days=90), Announcement(TODAY, TODAY - timedelta(days=20)))
    assert decide(far, NOW, 14) == (Action.WITHDRAW,)
    none = experiment(None, Announcement(TODAY, TODAY - timedelta(days=20)))
    assert decide(none, NOW, 14) == (Action.WITHDRAW,)


def test_a_clock_that_went_ahead_shortens_no_notice() -> None:
    known = experiment(TODAY - timedelta(days=1), Announcement(TODAY - timedelta(days=1), TODAY + timedelta(days=1)))
    assert decide(known, NOW, 14) == (Action.ANNOUNCE,)


def test_what_fell_asleep_half_way_is_put_to_sleep_once_more_when_nobody_uses_it() -> None:
    asleep = Marks(sleep=Sleep("2027-01-01T00:00:00Z", "by hand"))
    known = replace(experiment(idle_hours=2, used=NOW - timedelta(hours=2)), marks=asleep)
    assert decide(known, NOW, 14) == ()
    assert decide(replace(known, runs=True), NOW, 14) == (Action.SLEEP,)
    assert decide(replace(known, runs=True, used=NOW - timedelta(hours=1)), NOW, 14) == ()
    assert decide(replace(known, runs=True, used=None), NOW, 14) == ()


def test_without_an_end_an_experiment_stays() -> None:
    assert decide(experiment(None), NOW, 14) == ()
    assert destroyed_on(experiment(None), NOW) is None


@given(st.none() | DAYS, st.none() | DAYS)
def test_of_what_is_declared_and_what_was_brought_up_neither_ends_it_before_the_other(
    declared: date | None, deployed: date | None
) -> None:
    ends = last_day(declared, deployed)
    assert ends in {declared, deployed}
    assert ends is None or (declared is not None and deployed is not None and ends >= declared and ends >= deployed)


def _after(known: Known, actions: tuple[Action, ...], now: datetime) -> Known:
    """Return what is known once it is done."""
    noted = known.marks
    for action in actions:
        if action is Action.ANNOUNCE and known.expires:
            noted = replace(noted, announcement=Announcement(known.expires, now.date()))
        elif action is Action.WITHDRAW:
            noted = replace(noted, announcement=None)
        elif action is Action.SLEEP:
            noted = replace(noted, sleep=Sleep(marks.written(now), "idle"))
            known = replace(known, runs=False)
    return replace(known, marks=noted)


# ------------------------------------------------------------------ what is noted


@given(MARKS)
def test_what_is_noted_is_read_back(noted: Marks) -> None:
    written = {
        **({marks.ENDS: marks.announced(noted.announcement)} if noted.announcement else {}),
        **({marks.ASLEEP: marks.asleep(datetime(2027, 1, 1, tzinfo=UTC), "by hand")} if noted.sleep else {}),
        **({marks.AWOKE: marks.written(noted.awoke)} if noted.awoke else {}),
        **({marks.USED: marks.used(noted.used)} if noted.used else {}),
    }
    assert marks.of(written) == noted


@given(st.text() | st.sampled_from(["null", "[]", "{}", '{"ends": 1}', '{"ends": "2027-01-01"}', "2027-01-01"]))
def test_what_can_t_be_read_is_the_safe_thing(text: str) -> None:
    found = marks.of({marks.ENDS: text, marks.ASLEEP: text, marks.USED: text})
    assert found.announcement is None
    assert found.used is None
    assert found.sleep is not None


# ------------------------------------------------------------------ use

MADE = NOW - timedelta(days=30)


def stamp(hours: int) -> str:
    """Return a time so many hours ago."""
    return marks.written(NOW - timedelta(hours=hours))


def thing(name: str, made: int = 700, owner: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    reference = {"ownerReferences": [{"kind": owner[0], "name": owner[1], "controller": True}]} if owner else {}
    metadata = {"name": name, "creationTimestamp": stamp(made), **reference, **more.pop("metadata", {})}
    return {"metadata": metadata, "spec": {}, "status": {}, **more}


def used(noted: Marks | None = None, **seen: Any) -> tuple[float | None, str]:
    """Return how many hours ago it was used, and by what."""
    none: dict[str, Any] = {"pods": [], "jobs": [], "schedules": [], "services": []}
    found = activity.use(Seen(**{**none, **seen}), MADE, noted or Marks())
    return (None if found.last is None else (NOW - found.last) / timedelta(hours=1)), found.by


FINISHED = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": stamp(5)}]}
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "default"}}


def test_nothing_ever_happened() -> None:
    assert used() == (720, "it was made")
    assert used(Marks(awoke=NOW - timedelta(hours=3))) == (3, "it woke")


@pytest.mark.parametrize(
    ("job", "hours"),
    [
        (thing("j", status=FINISHED), 5),
        (thing("j", status={"conditions": [{"type": "Complete", "status": "False"}]}), None),
        (thing("j", status={"active": 1}), None),
        (thing("j", spec={"suspend": True}, metadata=QUEUED), None),
        (thing("j", spec={"suspend": True}), 700),
    ],
)
def test_a_job_is_use_until_it_has_ended(job: dict[str, Any], hours: float | None) -> None:
    assert used(jobs=[job]) == (hours, "job j")


def test_a_job_that_is_gone_was_use_if_a_round_saw_it() -> None:
    noted = Marks(used=Used(NOW - timedelta(hours=30), "job gone"))
    assert used(noted) == (30, "job gone")
    assert used(noted, jobs=[thing("j", status=FINISHED)]) == (5, "job j")


def test_a_schedule_is_use_when_it_runs() -> None:
    assert used(schedules=[thing("s", status={"lastScheduleTime": stamp(9)})]) == (9, "schedule s")
    assert used(schedules=[thing("s", made=11)]) == (11, "schedule s")


def test_a_service_is_use_when_somebody_changes_it_and_not_when_its_controller_or_sleep_does() -> None:
    written = [
        {"manager": "kubectl", "time": stamp(30)},
        {"manager": "kube-controller-manager", "time": stamp(2), "subresource": "status"},
        {"manager": "kube-controller-manager", "time": stamp(3)},
        {"manager": "terrarium-lifetimes", "time": stamp(1)},
    ]
    service = thing("web", metadata={"managedFields": written})
    pod = thing("web-1", made=4, owner=("ReplicaSet", "web"), status={"phase": "Running"})
    assert used(services=[service], pods=[pod]) == (30, "service web")


def test_a_pod_that_nothing_would_make_again_is_use() -> None:
    running = thing("shell", status={"phase": "Running"})
    done = {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"finishedAt": stamp(6)}}}]}
    assert used(pods=[running]) == (None, "pod shell")
    assert used(pods=[thing("head", owner=("RayCluster", "r"), status={"phase": "Running"})]) == (None, "pod head")
    assert used(pods=[thing("shell", status=done)]) == (6, "pod shell")
