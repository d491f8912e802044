"""Proves: data that was deleted and overwritten is restored to a time beside the old one, which stays as it is."""

from __future__ import annotations

import json
import signal
import time

import pytest

from rehearsal.platform import Platform
from tests.backup.data import Data, pause
from tests.support.checkout import PATIENCE, Checkout

FILES = 300


@pytest.fixture(scope="module")
def lost(checkout: Checkout, embedded_platform: Platform) -> str:
    """Write rows and objects, note the time, lose them, and write more; return the time."""
    old = Data.of(checkout, embedded_platform, "old")
    # What other files of this folder left, where one process runs them all.
    for kind in ("results", "datasets", "models", "scratch"):
        old.empty(kind)
    old.client.put_bucket_versioning(Bucket=old.buckets["models"], VersioningConfiguration={"Status": "Enabled"})
    old.sql("DROP TABLE IF EXISTS t")
    old.sql("DROP TABLE IF EXISTS n", bucket="alice-b")
    for number in range(FILES):
        old.put("results", f"run/{number}.txt", f"{number}".encode())
    old.put("models", "model ü+&.bin", b"first", ContentType="application/x-model", Metadata={"who": "ana"})
    old.put("models", "model ü+&.bin", b"second", ContentType="application/x-model", Metadata={"who": "ana"})
    old.put("datasets", "was deleted before", b"x")
    old.delete("datasets", "was deleted before")
    old.put("datasets", "buckets/alice-b/set.csv", b"a,b\n")
    old.put("scratch", "thrown away", b"x")
    old.sql(
        "CREATE SEQUENCE runs START 5",
        "CREATE TYPE state AS ENUM ('done', 'failed')",
        "CREATE TABLE metric (id bigint PRIMARY KEY DEFAULT nextval('runs'), value float8, state state, note json)",
        "INSERT INTO metric (value, state, note) SELECT random(), 'done', '{\"a\": 1}' FROM generate_series(1, 1000)",
        "CREATE INDEX metric_value ON metric (value)",
        "CREATE FUNCTION twice(v float8) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN v * 2",
        "CREATE VIEW doubled AS SELECT id, twice(value) AS value FROM metric",
    )
    old.sql("CREATE TABLE notes (id int, word text)", "INSERT INTO notes VALUES (1, 'kept')", bucket="alice-b")
    # A view of the whole environment on a bucket's table: the bucket's schema must come first.
    old.sql("CREATE VIEW words AS SELECT word FROM alice_b.notes")
    at = pause()
    for number in range(0, FILES, 2):
        old.delete("results", f"run/{number}.txt")
    old.put("models", "model ü+&.bin", b"third")
    old.put("datasets", "written after", b"y")
    old.sql("DELETE FROM metric WHERE id % 2 = 0", "INSERT INTO metric (value) VALUES (-1)", "DROP VIEW words")
    old.sql("UPDATE notes SET word = 'spoilt'", bucket="alice-b")
    return at


def picture(data: Data) -> tuple[object, ...]:
    kinds = ("results", "datasets", "models", "scratch")
    return (
        [data.versions(kind) for kind in kinds],
        data.rows("SELECT id, value, state::text FROM metric ORDER BY id"),
        data.rows("SELECT * FROM alice_b.notes"),
        data.owners(),
    )


def require_restored(new: Data, old: Data) -> None:
    """Assert that the data is as it was at the time of the fixture `lost`."""
    assert new.objects("results") == {f"run/{number}.txt": f"{number}".encode() for number in range(FILES)}
    assert new.objects("models") == {"model ü+&.bin": b"second"}
    assert new.objects("datasets") == {"buckets/alice-b/set.csv": b"a,b\n"}
    assert new.objects("scratch") == {}
    head = new.client.head_object(Bucket=new.buckets["models"], Key="model ü+&.bin")
    assert (head["ContentType"], head["Metadata"]) == ("application/x-model", {"who": "ana"})
    assert new.rows("SELECT count(*), min(id), max(id) FROM metric") == [(1000, 5, 1004)]
    assert new.rows("SELECT id, value FROM metric WHERE id % 2 = 1 AND value >= 0 ORDER BY id") == old.rows(
        "SELECT id, value FROM metric WHERE id % 2 = 1 AND value >= 0 ORDER BY id"
    )
    # The log has a sequence 32 values ahead, so that it is written to less often.
    [(following,)] = new.rows("SELECT nextval('runs')")
    assert 1005 <= following <= 1005 + 32
    assert new.rows("SELECT count(*) FROM doubled") == [(1000,)]
    assert new.rows("SELECT * FROM words") == [("kept",)]
    assert new.rows("SELECT indexname FROM pg_indexes WHERE indexname = 'metric_value'") == [("metric_value",)]
    owners = new.owners()
    assert owners["public.metric"] == owners["public.doubled"] == owners["public.runs"] == "rw"
    assert owners["alice_b.notes"] == "b_alice_b"
    assert not [name for name in new.logins() if name.endswith("restore")]


def kill_when(checkout: Checkout, sentence: str, delay: float, *arguments: str) -> None:
    """Kill the command a moment after it said a sentence."""
    with checkout.start(*arguments) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if sentence in line:
                time.sleep(delay)
                running.send_signal(signal.SIGKILL)
                break
        running.wait(PATIENCE)
    assert running.returncode == -signal.SIGKILL, "it had ended before it was killed"


def test_restored_to_the_time_beside_the_old_though_killed_on_the_way(
    checkout: Checkout, embedded_platform: Platform, old: Data, lost: str
) -> None:
    before = picture(old)
    call = ("restore", "old", "--at", lost, "--as", "new", "--yes")
    # Each before what the next one waits for can be done.
    for sentence, delay in (("as of", 0.0), ("schema public, from", 0.02), ("results: 300", 0.1)):
        kill_when(checkout, sentence, delay, *call)
    result = checkout.answer(*call)

    new = Data.of(checkout, embedded_platform, "new")
    require_restored(new, old)
    assert picture(old) == before
    assert result["database"]["rows"] == 1001
    assert result["objects"]["results"]["objects"] == FILES
    assert result["within_rto"]
    assert "name: new" in (checkout.folder / "Pulumi.new.yaml").read_text()

    # Killed after its transactions, and before it could note them: they are undone and done again.
    marker = json.loads(new.objects("backups")["restore.json"])
    new.put("backups", "restore.json", json.dumps(marker | {"schemas": [], "result": None}).encode())
    new.delete("results", "run/0.txt")
    again = checkout.answer(*call)
    require_restored(new, old)
    # Another call of the same finds it done; the latest is another time by now, and changes nothing.
    assert checkout.answer(*call) == again
    said = checkout.answer("restore", "old", "--at", "latest", "--as", "new", "--yes", code=3)["error"]
    assert f"holds a restore of drill-old as of {lost}" in said

    # What is restored belongs to those who work there.
    new.sql("INSERT INTO metric (value) VALUES (1)", "ALTER TABLE metric ADD COLUMN more int")
    new.sql("INSERT INTO notes VALUES (2, 'mine')", "DROP TABLE notes CASCADE", bucket="alice-b")
