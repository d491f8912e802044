"""Proves what needs no store: which version was current at a time, what expires, what a restore is taken from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from terrarium.backups import choice, manifest, moments, rows, stackfile, versions
from terrarium.backups.choice import Possible
from terrarium.backups.manifest import Inventory, Item, Manifest
from terrarium.backups.objective import Archiving, judge
from terrarium.backups.versions import OrderUnknown, Version
from terrarium.errors import CommandFailed, InvalidInput, Refused
from tests.backup.fakes import STORE
from tests.backup.fakes import manifest as backup

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)

# What happened to one key: seconds after the start, and whether it was deleted.
events = st.lists(st.tuples(st.integers(0, 6_000).map(lambda ms: ms / 1_000), st.booleans()), max_size=8).map(sorted)


def history(happened: list[tuple[float, bool]]) -> list[Version]:
    """Return the versions in true order, newest first, with whole seconds as S3 lists them."""
    made = [
        Version("key", str(number), moments.second(START + timedelta(seconds=at)), latest=False, marker=deleted, size=1)
        for number, (at, deleted) in enumerate(happened)
    ]
    if made:
        last = made.pop()
        made.append(Version(last.key, last.id, last.modified, latest=True, marker=last.marker, size=last.size))
    return made[::-1]


def as_listed(true: list[Version]) -> list[Version]:
    """Return a history as clients get it: objects, then markers."""
    return [version for version in true if not version.marker] + [version for version in true if version.marker]


@given(events, st.integers(-1_000, 8_000).map(lambda ms: ms / 1_000))
def test_the_current_version_is_the_last_event_of_the_second_or_before(
    happened: list[tuple[float, bool]], at: float
) -> None:
    moment = START + timedelta(seconds=at)
    true = history(happened)
    last = [number for number, (when, _) in enumerate(happened) if int(when) <= at]
    expected = str(last[-1]) if last and not happened[last[-1]][1] else None

    exact = versions.first(true, moment)
    assert (exact and exact.id) == expected
    try:
        found = versions.current(as_listed(true), moment)
    except OrderUnknown:
        second = [deleted for when, deleted in happened if int(when) == int(happened[last[-1]][0])]
        assert len(set(second)) == 2, "only a second in which it was written and deleted is ambiguous"
    else:
        assert (found and found.id) == expected


def test_what_was_written_and_deleted_in_one_second_is_not_guessed() -> None:
    true = history([(0.1, False), (0.2, True), (3.0, False)])
    with pytest.raises(OrderUnknown):
        versions.current(as_listed(true), START + timedelta(seconds=1))
    assert versions.first(true, START + timedelta(seconds=1)) is None


def test_a_large_upload_that_carries_the_time_of_its_beginning_is_newest_all_the_same() -> None:
    upload = Version("key", "upload", START, latest=True)
    older = Version("key", "older", START + timedelta(hours=1), latest=False)
    found = versions.current([upload, older], START + timedelta(hours=2))
    assert found == upload


@given(events, st.integers(0, 3))
def test_nothing_expires_that_was_current_within_the_days(happened: list[tuple[float, bool]], days: int) -> None:
    spread = [(at * 86_400, deleted) for at, deleted in happened]
    true = history(spread)
    now = START + timedelta(days=7)
    gone = {version.id for version in versions.expired(as_listed(true), now, days * DAY)}
    left = [version for version in true if version.id not in gone]
    for hours in range(0, days * 24, 6):
        moment = now - timedelta(hours=hours)
        assert versions.first(left, moment) == versions.first(true, moment)
    # Today too: a marker never goes before what it hides.
    assert versions.first(left, now) == versions.first(true, now)


@given(events)
def test_a_deleted_object_is_gone_after_two_rounds(happened: list[tuple[float, bool]]) -> None:
    true = history(happened)
    assume(true and true[0].marker)
    now = START + timedelta(days=30)
    for _ in range(2):
        gone = versions.expired(true, now, 7 * DAY)
        true = [version for version in true if version not in gone]
    assert not true


@pytest.mark.parametrize(
    ("id_", "expected"),
    [
        ("01M7ZN9ZB3ZS8MFTWH818TMQVP", datetime(2026, 11, 21, 18, 18, 42, 403_000, tzinfo=UTC)),
        ("null", START),
        ("3HL4kqtJvjVBH40Nrjfkd", START),
        ("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", START),
        ("00000000000000000000000000", START),
    ],
)
def test_the_time_in_a_version_id(id_: str, expected: datetime) -> None:
    assert versions.made(id_, START, datetime(2026, 11, 22, tzinfo=UTC)) == expected


@pytest.mark.parametrize(
    "text", ["2026-11-21", "yesterday", "2026-11-21T12:00:00", "", "12:00Z", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_without_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        moments.parse(text)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_times_survive_being_written(moment: datetime) -> None:
    assert moments.parse(moments.written(moment)) == moment
    assert moments.named(moments.name(moment)) == moment


def possible(found: Manifest | None = None, *, log: bool = True, unversioned: tuple[str, ...] = ()) -> Possible:
    return Possible(log, unversioned, found)


def test_versions_and_the_log_need_no_backup() -> None:
    chosen = choice.choose(START, START + timedelta(days=5), STORE, possible(), accept_older=False)
    assert chosen.backup is None


@pytest.mark.parametrize(
    ("log", "unversioned", "days"),
    [(False, (), 0), (True, ("results",), 0), (True, (), 7), (True, (), 8), (False, ("models",), 8)],
)
def test_a_backup_is_needed_and_must_be_young_enough(log: bool, unversioned: tuple[str, ...], days: int) -> None:
    now = START + timedelta(days=days)

    def choose(found: Manifest | None, *, accept: bool = False) -> choice.Choice:
        what = possible(found, log=log, unversioned=unversioned)
        return choice.choose(START, now, STORE, what, accept_older=accept)

    with pytest.raises(Refused, match="there is no backup"):
        choose(None)
    old, young = backup(START - timedelta(minutes=61)), backup(START - timedelta(minutes=59))
    with pytest.raises(Refused, match="--accept-older"):
        choose(old)
    assert choose(old, accept=True).backup == old
    chosen = choose(young)
    assert chosen.database == (not log or days > 6)
    assert chosen.whole == (days > 6)
    assert any(young.time in sentence for sentence in chosen.sentences(START))


def test_times_outside_the_environments_life_are_refused() -> None:
    with pytest.raises(InvalidInput, match="future"):
        choice.within(START + timedelta(seconds=1), START)
    choice.within(START, START)


def test_a_time_before_the_state_says_it_was_made_is_doubted_unless_a_backup_is_as_old() -> None:
    made = START + DAY
    assert "made or imported" in (choice.doubt(START, made, None) or "")
    assert choice.doubt(START, made, START + timedelta(hours=1))
    assert choice.doubt(START, made, START) is None
    assert choice.doubt(made, made, None) is None
    assert choice.doubt(START, None, None) is None


def test_a_restore_that_waited_too_long_is_not_gone_on_with() -> None:
    choice.reachable(START, START + 7 * DAY, STORE, ["results"])
    choice.reachable(START, START + 8 * DAY, STORE, [])
    with pytest.raises(Refused, match="restore into a new stack"):
        choice.reachable(START, START + 8 * DAY, STORE, ["results"])


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        ({}, None),
        ({"archived": START - DAY}, None),  # nobody wrote: nothing is lost
        ({"archived": START - DAY, "timeout": 0}, "archive_timeout"),
        ({"archived": None, "timeout": 7200}, "archive_timeout"),
        ({"timeout": 0}, None),
        ({"on": False}, "archives no log"),
        ({"failed": START + DAY}, "failed to archive"),
        ({"failed": START - DAY}, None),
        ({"waiting": START - timedelta(minutes=61)}, "waits to be archived"),
        ({"waiting": START - timedelta(minutes=59)}, None),
    ],
)
def test_the_objective_is_what_the_server_archives_not_what_the_stack_file_names(
    changed: dict[str, Any], trouble: str | None
) -> None:
    good: dict[str, Any] = {"on": True, "timeout": 60, "archived": START, "failed": None, "now": START, "waiting": None}
    found = Archiving(**good | changed)
    hour = timedelta(hours=1)
    said = found.trouble(hour)
    assert (said is None) == (trouble is None)
    assert (trouble or "") in (said or "")
    verdict = judge(hour, log=True, archiving=found, unversioned=[], age=None)
    assert verdict.kept == (trouble is None)
    young = judge(hour, log=True, archiving=found, unversioned=[], age=60.0)
    assert young.kept
    assert (trouble or "versions and the server's log") in young.reason


def test_an_objective_that_can_t_be_verified_is_judged_by_the_newest_backup() -> None:
    hour = timedelta(hours=1)
    for log, unversioned, reason in (
        (True, ["models"], "models keep no versions; not verified"),
        (False, [], "no point_in_time command"),
    ):
        old = judge(hour, log=log, archiving=None, unversioned=unversioned, age=3601.0)
        young = judge(hour, log=log, archiving=None, unversioned=unversioned, age=3599.0)
        assert (old.kept, young.kept) == (False, True)
        assert reason in old.reason
        assert reason in young.reason


def test_what_of_a_bucket_needs_another_schema_is_named() -> None:
    uses = {"public": {"alice": "view words"}, "alice": {"public": "view alice.v", "bob": "table alice.t"}}
    held = Inventory(["alice", "bob", "public"], {}, {}, 0, uses)
    assert rows.crossing(held) == ["view alice.v uses schema public", "table alice.t uses schema bob"]


def test_a_manifest_is_read_as_it_was_written() -> None:
    written = backup(START)
    assert manifest.decode(written.encode(), "x") == written
    with pytest.raises(CommandFailed, match="damaged"):
        manifest.decode(b"{}", "x")
    with pytest.raises(CommandFailed, match="format 2"):
        manifest.decode(b'{"format": 2}', "x")


@given(st.lists(st.builds(Item, st.text(), st.integers(0, 1 << 50), st.text(), st.none() | st.text(), st.none())))
def test_a_listing_is_read_as_it_was_written(items: list[Item]) -> None:
    content, count, size = manifest.listing(items)
    assert list(manifest.listed(content, "x")) == items
    assert (count, size) == (len(items), sum(item.size for item in items))


def test_a_damaged_listing_is_told() -> None:
    content, _, _ = manifest.listing([Item("a", 1, "e")])
    for damaged in (content[:-4], b"nothing", content[:12] + b"\0\0\0" + content[15:]):
        with pytest.raises(CommandFailed, match="x is damaged"):
            list(manifest.listed(damaged, "x"))


def test_a_copied_stack_file_keeps_its_comments_and_loses_its_salt() -> None:
    text = (Path(__file__).parents[2] / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    changed = stackfile.renamed(text, "rescue")
    assert "    name: rescue\n" in changed
    assert "encryptionsalt" not in changed
    assert "# What the embedded store's API lacks." in changed
    assert changed.count("\n") == text.count("\n") - text.count("encryptionsalt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config:\n  terrarium:environment:\n    name: a\n    token:\n      secure: abc\n", "secrets"),
        ("config:\n  terrarium:environment:\n    project: a\n", "does not give the environment's name"),
        ("", "does not give the environment's name"),
    ],
)
def test_a_stack_file_that_can_t_be_copied(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        stackfile.renamed(text, "new")
