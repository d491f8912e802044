"""Proves on a store in memory: a backup that can't be read hides no other, nothing that it may need goes, and a
restore that is done or too old is not taken for the one that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from components.stores import layout
from terrarium.backups import expiry, marker, moments, shelf
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import MANIFEST, Item
from terrarium.backups.marker import Marker
from terrarium.backups.restoring import Request, _Restore
from terrarium.backups.versions import Version
from terrarium.errors import CommandFailed, Refused
from tests.backup.fakes import Fake, environment, shelve

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BROKEN = [b"{}", b'{"format": 2}', b"\xff"]


@pytest.mark.parametrize("content", BROKEN)
def test_a_manifest_that_can_t_be_read_hides_no_other_backup(content: bytes) -> None:
    found, store = environment()
    old, broken, young = (shelve(found, NOW - days * DAY) for days in (3, 2, 1))
    store.content[layout.BACKUPS, f"{broken}/{MANIFEST}"] = content
    del store.content[layout.BACKUPS, f"{shelve(found, NOW - 4 * DAY)}/{MANIFEST}"]
    said: list[str] = []
    assert [moments.name(each.moment) for each in shelf.manifests(found, said.append)] == [old, young]
    assert len(said) == 1
    assert broken in said[0]
    before = shelf.at(found, NOW - 1.5 * DAY, said.append)
    assert before is not None
    assert before.moment == NOW - 3 * DAY
    newest = shelf.at(found, None, said.append)
    assert newest is not None
    assert newest.moment == NOW - DAY
    with pytest.raises(CommandFailed, match=broken):
        shelf.read(found, broken)


def overwritten(store: Fake) -> None:
    """Put an object in the store of which one version was replaced twenty days ago, and one a week and an hour ago."""
    ages = {"first": 21 * DAY, "second": 20 * DAY, "third": 7 * DAY + timedelta(hours=1), "now": timedelta()}
    store.history["datasets"] = [
        Version("d", id_, NOW - age, latest=id_ == "now") for id_, age in reversed(ages.items())
    ]


def test_a_version_stays_a_day_longer_than_a_restore_may_begin_to_read_it() -> None:
    found, store = environment()
    overwritten(store)
    expiry.expire(found, NOW, print)
    assert store.deleted == ["first"]
    expiry.expire(found, NOW + DAY, print)
    assert "second" in store.deleted


@pytest.mark.parametrize("content", BROKEN)
def test_what_a_backup_that_can_t_be_read_may_need_stays_and_so_does_that_backup(content: bytes) -> None:
    found, store = environment()
    overwritten(store)
    broken = shelve(found, NOW - 40 * DAY, [Item("d", 0, "", version="first")])
    whole = store.content[layout.BACKUPS, f"{broken}/{MANIFEST}"]
    store.content[layout.BACKUPS, f"{broken}/{MANIFEST}"] = content
    said: list[str] = []
    assert vars(expiry.expire(found, NOW, said.append)) == {"backups": 0, "versions": 0, "scratch": 0, "uploads": 0}
    assert any("no version was removed" in each and broken in each for each in said)

    store.content[layout.BACKUPS, f"{broken}/{MANIFEST}"] = whole
    assert expiry.expire(found, NOW, print).backups == 1
    assert store.deleted == ["first"]


def test_a_damaged_listing_keeps_the_versions_too() -> None:
    found, store = environment()
    overwritten(store)
    name = shelve(found, NOW - 20.5 * DAY, [Item("d", 0, "", version="first")])
    listing = store.content[layout.BACKUPS, f"{name}/datasets.jsonl.gz"]
    store.content[layout.BACKUPS, f"{name}/datasets.jsonl.gz"] = listing[:-1]
    assert expiry.expire(found, NOW, print).versions == 0
    store.content[layout.BACKUPS, f"{name}/datasets.jsonl.gz"] = listing
    assert expiry.expire(found, NOW, print).versions == 0, "a kept backup names it"


def marked(at: str, moment: datetime, *, done: bool = False, kinds: tuple[str, ...] = ()) -> Environment:
    target, _ = environment("new")
    time = moments.written(moment)
    result = {"time": time} if done else None
    marker.write(target, Marker("churn-dev", "uid-dev", at, time, time, time, None, False, kinds, result=result))
    return target


def mark(target: Environment, at: str, now: datetime = NOW) -> Marker:
    source, _ = environment()
    request = Request("dev", at, "new")
    return _Restore(request, request.moment or now, now, source, target, print)._mark()


def test_latest_after_latest_is_another_time() -> None:
    hour = timedelta(hours=1)
    assert mark(marked("latest", NOW - hour), "latest").time == moments.written(NOW - hour), "one that is going on"
    with pytest.raises(Refused, match=f"holds a restore of churn-dev as of {moments.written(NOW - hour)}"):
        mark(marked("latest", NOW - hour, done=True), "latest")
    same = moments.written(NOW - hour)
    assert mark(marked("latest", NOW - hour, done=True), same).result == {"time": same}


def test_a_restore_is_not_gone_on_with_after_its_versions_expired() -> None:
    at = moments.written(NOW)
    assert mark(marked(at, NOW), at, NOW + 6 * DAY).result is None
    with pytest.raises(Refused, match="restore into a new stack"):
        mark(marked(at, NOW), at, NOW + 8 * DAY)
    from_backup = ("results", "datasets", "models")
    assert mark(marked(at, NOW, kinds=from_backup), at, NOW + 8 * DAY).result is None
    assert mark(marked(at, NOW, done=True), at, NOW + 8 * DAY).result


def test_the_latest_is_by_the_servers_clocks_not_by_this_machines() -> None:
    source, _ = environment()
    target, _ = environment("new")
    ahead = NOW + timedelta(minutes=30)
    shelve(source, ahead)
    noted = _Restore(Request("dev", "latest", "new"), NOW, NOW, source, target, print)._begin()
    assert (noted.backup, noted.objects) == (moments.written(ahead), "2026-11-21T13:00:00.000000Z")
    with pytest.raises(Refused, match="there is no backup"):
        _Restore(Request("dev", moments.written(NOW), "new"), NOW, NOW, source, target, print)._begin()


def test_without_the_database_server_a_backup_is_restored_all_the_same() -> None:
    said: list[str] = []
    found, _ = environment()
    assert abs(found.now(said.append) - datetime.now(UTC)) < timedelta(minutes=1)
    assert any("this machine's clock" in each for each in said)
