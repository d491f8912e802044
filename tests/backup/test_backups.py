"""Proves: what a backup holds comes back without versions and log; what has had its days goes, and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from components.settings.problems import InvalidSettings
from rehearsal.platform import Platform
from terrarium import backup_commands
from terrarium.backups import environments, expiry, moments, restoring, shelf, taking
from terrarium.backups import objects as objects_module
from terrarium.backups.environments import Environment
from terrarium.backups.objects import Objects
from terrarium.backups.parallel import at_once
from terrarium.backups.versions import Version
from terrarium.errors import CommandFailed, InvalidInput, Refused
from tests.backup.conftest import declaration
from tests.backup.data import Data, pause
from tests.client.flaky import flaky
from tests.support.checkout import Checkout


@contextmanager
def declared(checkout: Checkout, platform: Platform, *, log: bool = True, **more: object) -> Iterator[None]:
    """Declare the environment otherwise for a while."""
    settings = declaration(platform, "old", **more)
    if not log:
        del settings["cloud"]["kubernetes"]["store"]["database"]["point_in_time"]  # type: ignore[index]  # nested
    checkout.declare("old", "environment", **settings)
    yield
    checkout.declare("old", "environment", **declaration(platform, "old"))


def opened(checkout: Checkout, stack: str = "old") -> Environment:
    found = environments.existing(environments.declared(checkout.folder, stack), print)
    assert found is not None
    return found


def test_a_backup_says_what_it_holds_and_is_listed(checkout: Checkout, old: Data) -> None:
    assert checkout.answer("backup", "old", "--list")["backups"] == []
    old.put("results", "a", b"1")
    old.put("scratch", "s", b"1")
    old.sql("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1), (2)")
    # Only who has rights in both can make it, and no restore can: a bucket has none beside its own.
    old.as_administrator("CREATE VIEW alice_b.crosses AS SELECT * FROM public.t")
    left_out = taking.take(opened(checkout), print).not_covered["restore"]
    assert "view alice_b.crosses uses schema public" in left_out
    old.as_administrator("DROP VIEW alice_b.crosses")
    old.empty("backups")
    taken = checkout.answer("backup", "old")["backup"]
    assert "restore" not in taken["not_covered"]
    assert taken["database"] | {"bytes": 0} == {"bytes": 0, "tables": 1, "rows": 2}
    assert taken["objects"]["results"] == {"objects": 1, "bytes": 1, "how": "versions"}
    assert "scratch" in taken["not_covered"]

    listed = checkout.answer("backup", "old", "--list")
    assert [each["time"] for each in listed["backups"]] == [taken["time"]]
    assert listed["rpo_kept"]
    assert listed["rpo_reason"] == "by versions and the server's log"
    bodies = old.objects("backups")
    [manifest] = [json.loads(body) for key, body in bodies.items() if key.endswith("manifest.json")]
    assert (manifest["environment"], manifest["uid"], manifest["format"]) == ("drill-old", old.uid, 1)
    [listing] = [gzip.decompress(body) for key, body in bodies.items() if key.endswith("results.jsonl.gz")]
    assert json.loads(listing)["version"] in {version for _, version in old.versions("results")}


def test_without_log_and_versions_the_backup_is_restored(
    checkout: Checkout, embedded_platform: Platform, old: Data
) -> None:
    old.client.put_bucket_versioning(Bucket=old.buckets["models"], VersioningConfiguration={"Status": "Suspended"})
    old.put("models", "m", b"saved", ContentType="application/x-model")
    # So large that its dump has several pieces: what is damaged in the last is found after the others were restored.
    old.sql(
        "CREATE TABLE n (id int, noise text)",
        "INSERT INTO n SELECT 7, string_agg(md5(random()::text), '') "
        "FROM generate_series(1, 128000) i GROUP BY i % 4000",
        bucket="alice-b",
    )
    with declared(checkout, embedded_platform, log=False):
        at = checkout.answer("backup", "old")["backup"]["time"]
        # A fast machine takes the backup and deletes within one second, and what happens in that second is before it.
        pause()
        old.put("models", "m", b"overwritten")
        old.delete("results", "a")
        old.sql("DELETE FROM t")
        call = ("restore", "old", "--at", at, "--as", "dumped", "--yes")
        key = sorted(key for key in old.objects("backups") if key.endswith("alice_b.dump"))[-1]
        whole = old.objects("backups")[key]
        assert len(whole) > 2 << 20
        # A byte that pg_restore itself does not notice is enough.
        old.put("backups", key, whole[:-1] + bytes([whole[-1] ^ 1]))
        assert "is damaged" in checkout.answer(*call, code=1)["error"]
        new = Data.of(checkout, embedded_platform, "dumped")
        assert new.owners() == {}
        assert not [name for name in new.logins() if name.endswith("restore")]

        old.put("backups", key, whole)
        # Another one that can't be read does not matter.
        broken = f"{moments.name(datetime.now(UTC))}/manifest.json"
        old.put("backups", broken, b"{}")
        result = checkout.answer(*call)
        old.delete("backups", broken)
    assert result["database"]["as_of"] == result["objects"]["models"]["as_of"] == at
    assert new.objects("models") == {"m": b"saved"}
    assert new.client.head_object(Bucket=new.buckets["models"], Key="m")["ContentType"] == "application/x-model"
    assert new.objects("results") == {"a": b"1"}
    assert new.rows("SELECT * FROM t ORDER BY id") == [(1,), (2,)]
    assert new.rows("SELECT count(*), min(id) FROM alice_b.n") == [(4000, 7)]

    new.client.delete_object(Bucket=new.buckets["backups"], Key="restore.json")
    now = datetime.now(UTC)
    source, full = opened(checkout), opened(checkout, "dumped")
    with pytest.raises(Refused, match=r"is not empty \(results, models, schema alice_b, schema public\)"):
        restoring._Restore(restoring.Request("old", "latest", "dumped"), now, now, source, full, print)._mark()
    assert new.objects("backups") == {}


def test_what_has_had_its_days_goes_but_for_what_a_kept_backup_names(
    checkout: Checkout, embedded_platform: Platform, old: Data
) -> None:
    keep = {"keep_versions_days": 7, "recovery": {"rpo_minutes": 1440, "rto_minutes": 60, "keep_backups_days": 30}}
    with declared(checkout, embedded_platform, store=keep):
        environment = opened(checkout)
        old.put("datasets", "named", b"1")
        manifest = taking.take(environment, print)
        old.put("datasets", "named", b"2")
        old.put("datasets", "named", b"3")
        old.put("datasets", "gone", b"1")
        old.delete("datasets", "gone")
        now = datetime.now(UTC)

        assert vars(expiry.expire(environment, now, print)) == {"backups": 0, "versions": 0, "scratch": 0, "uploads": 0}
        removed = expiry.expire(environment, now + timedelta(days=15), print)
        assert removed.backups == 0
        assert removed.scratch == 1
        [item] = shelf.items(environment, manifest, "datasets")
        kept = old.versions("datasets")
        assert (item.key, item.version) in kept
        assert [key for key, _ in kept] == ["gone", "named", "named"], "a marker goes after what it hides"

        removed = expiry.expire(environment, now + timedelta(days=31), print)
        assert removed.backups == 3
    assert [key for key, _ in old.versions("datasets")] == ["named"]
    assert old.objects("datasets") == {"named": b"3"}
    assert old.objects("backups") == {}


def test_what_can_t_be_is_refused_and_leaves_nothing(
    checkout: Checkout, embedded_platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout.folder)
    tested = {**declaration(embedded_platform, "tested"), "tier": "testing"}
    checkout.declare("tested", "environment", **tested)
    cloud = {"kubernetes": {"context": embedded_platform.context, "platform": "shared"}}
    bare = {"project": "drill", "name": "without", "tier": "experimentation", "cloud": cloud}
    checkout.declare("without", "environment", **bare)
    before = sorted(path.name for path in checkout.folder.glob("*.yaml"))

    def restored(at: str, new: str, stack: str = "old", *, yes: bool = True) -> None:
        backup_commands.restore(stack, at=at, new=new, root=checkout.folder, yes=yes)

    for call, message in (
        (partial(restored, "2026-11-21T12:00:00", "n"), "no time zone"),
        (partial(restored, "2999-01-01T00:00:00Z", "n"), "in the future"),
        (partial(restored, "latest", "other", yes=False), "--yes"),
        (partial(restored, "latest", "tested"), "within its tier"),
        (partial(restored, "latest", "Not-A-Name"), "Not-A-Name"),
        (partial(restored, "latest", "a/b"), "a/b"),
        (partial(restored, "latest", "n", "tested"), "is not up"),
        (partial(backup_commands.backup, "platform", checkout.folder), "is a platform"),
        (partial(backup_commands.backup, "without", checkout.folder), "declares no data store"),
    ):
        with pytest.raises((InvalidInput, Refused, InvalidSettings), match=message):
            call()
    with declared(checkout, embedded_platform, log=False), pytest.raises(InvalidInput, match="made or imported"):
        restored("2020-01-01T00:00:00Z", "n")
    # Once as people call it, for each exit code.
    assert "no stack `nowhere`" in checkout.answer("backup", "nowhere", code=2)["error"]
    again = ("restore", "old", "--at", "latest", "--as", "old", "--yes")
    assert "never over it" in checkout.answer(*again, code=3)["error"]
    assert sorted(path.name for path in checkout.folder.glob("*.yaml")) == before


def test_a_store_that_fails_one_time_in_three_is_read_and_written_all_the_same(checkout: Checkout, old: Data) -> None:
    administration = opened(checkout).administration
    with flaky(administration.endpoint, seed=7) as (endpoint, failures):
        objects = Objects(replace(administration, endpoint=endpoint))
        bucket = old.buckets["results"]
        keys = [f"flaky/{number}" for number in range(60)]
        at_once(lambda key: objects.write(bucket, key, b"x"), keys, lambda _: None)
        found = {version.key: version for version in objects.listed(bucket, "flaky/")}
        assert sorted(found) == sorted(keys)

        def copy(version: Version) -> None:
            objects.copy(objects, bucket, version, old.buckets["scratch"], version.key)

        at_once(copy, found.values(), lambda _: None)
    assert failures
    copied = old.objects("scratch")
    assert {key: copied[key] for key in keys} == dict.fromkeys(keys, b"x")


def test_a_large_upload_is_whole_or_not_there(checkout: Checkout, old: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "_PART", 5 << 20)
    store, bucket = opened(checkout).objects, old.buckets["backups"]
    poured = store.pour(bucket, "large", (bytes([n]) * (1 << 20) for n in range(13)))
    assert poured.size == 13 << 20
    assert hashlib.sha256(old.objects("backups")["large"]).hexdigest() == poured.sha256

    def breaks_off() -> Iterator[bytes]:
        yield from (bytes(1 << 20) for _ in range(11))
        raise CommandFailed("pg_dump failed")

    with pytest.raises(CommandFailed, match="pg_dump failed"):
        store.pour(bucket, "broken", breaks_off())
    assert "broken" not in old.objects("backups")
    assert not old.client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_a_store_that_is_down_is_told_at_once(checkout: Checkout) -> None:
    with pytest.raises(CommandFailed, match="does not answer"):
        Objects(replace(opened(checkout).administration, endpoint="http://127.0.0.1:9"))
