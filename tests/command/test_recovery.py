"""Proves, without an engine: which locks are dead, what is unconfirmed, and what recovery makes of a state."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from terrarium import recovery

NOW = datetime.now(UTC).isoformat()
MESSAGE = (
    "error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the lock"
    " file with `pulumi cancel`.\n"
    "  file:///s/.pulumi/locks/organization/t/a/0b1c-aa.json?metadata=skip&no_tmp_dir=true: created by ana@laptop"
    " (pid 7) at 2026-11-21T14:35:02Z\n"
    "  s3://b/.pulumi/locks/organization/t/a/9f-bb.json: created by bo@ci-3 (pid 12) at 2026-11-21T14:36:02Z\n"
)


def lock(host: str = socket.gethostname(), pid: int = os.getpid(), time: str = NOW) -> recovery.Lock:
    return recovery.Lock("ana", host, pid, time, "0b1c.json")


def test_locks_are_read_from_what_the_engine_says() -> None:
    assert recovery.locks(MESSAGE) == [
        recovery.Lock("ana", "laptop", 7, "2026-11-21T14:35:02Z", "0b1c-aa.json"),
        recovery.Lock("bo", "ci-3", 12, "2026-11-21T14:36:02Z", "9f-bb.json"),
    ]


@pytest.mark.parametrize(
    ("held", "dead"),
    [
        (lock(), False),
        (lock(host="elsewhere", pid=2**22 + 1), False),
        (lock(pid=2**22 + 1), True),
        (lock(time="2020-01-01T00:00:00Z"), True),
    ],
    ids=["living", "another host", "no such process", "a process younger than the lock"],
)
def test_a_lock_is_dead_only_if_its_process_can_be_known_to_be(held: recovery.Lock, dead: bool) -> None:
    assert held.is_dead() is dead


def test_only_the_dead_lock_is_deleted_and_only_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi/locks/organization/t/a"
    folder.mkdir(parents=True)
    for name in ("0b1c.json", "young.json"):
        (folder / name).touch()
    dead = lock(pid=2**22 + 1)
    assert recovery.clear_dead("s3://bucket", [dead]) == [dead]
    assert recovery.clear_dead(f"file://{tmp_path}?metadata=skip", [dead]) == []
    assert [path.name for path in folder.iterdir()] == ["young.json"]


def resource(token: str, name: str, custom: bool = True, **more: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:s::p::{token}::{name}", "type": token, "custom": custom, **more}


ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role"
LABELS = {"terrarium.dev/environment": "a-dev"}
SENT = {"metadata": {"name": "reader", "namespace": "a-dev", "labels": LABELS}}


@pytest.mark.parametrize(
    ("made", "name", "again"),
    [
        (resource(ROLE, "r", inputs=SENT), "a-dev/reader", False),
        (resource("kubernetes:core/v1:Namespace", "n", inputs={"metadata": {"name": "a-dev"}}), "a-dev", False),
        (resource("random:index/randomId:RandomId", "i"), None, True),
        (resource("pulumi:providers:kubernetes", "p"), None, True),
        (resource("pulumi:pulumi:Stack", "s", custom=False), None, True),
        (resource("terrarium:index:Workspace", "w", custom=False), None, True),
        (resource("aws:s3/bucket:Bucket", "b", inputs={"bucket": "a-dev-results"}), "a-dev-results", False),
        (resource("aws:s3/bucket:Bucket", "named by the cloud"), None, False),
        (resource("aws:iam/user:User", "u", inputs={"name": "a-dev-rw"}), "a-dev-rw", False),
        (resource("aws:iam/accessKey:AccessKey", "k", inputs={"user": "a-dev-rw"}), None, True),
        (resource("aws:s3/bucketVersioning:BucketVersioning", "v"), None, True),
        (resource("postgresql:index/role:Role", "r", inputs={"name": "a_dev_rw"}), "a_dev_rw", False),
        (resource("postgresql:index/schema:Schema", "s", inputs={"database": "d", "name": "n"}), "d.n", False),
        (resource("postgresql:index/grant:Grant", "g"), None, True),
        # A project's services are enabled first, many at a time: nobody should be sent to disable them by hand.
        (resource("gcp:projects/service:Service", "s", inputs={"service": "dns.googleapis.com"}), None, True),
        (resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "a"), None, True),
        (resource("aws:rds/instance:Instance", "unknown to us"), None, False),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else None,
)
def test_what_is_unconfirmed_and_how_it_is_found(made: dict[str, Any], name: str | None, again: bool) -> None:
    other = {"resource": resource(ROLE, "u"), "type": "updating"}
    [found] = recovery.pending_creates({"pending_operations": [{"resource": made, "type": "creating"}, other]})
    assert (found.name, found.again) == (name, again)


def test_adopting_works_on_a_state_without_resources() -> None:
    made = resource("pulumi:pulumi:Stack", "s", custom=False)
    state = {"pending_operations": [{"resource": made, "type": "creating"}]}
    assert recovery.adopted(state, []) == {"resources": [], "pending_operations": []}


@pytest.mark.parametrize(
    ("before", "left"),
    [({"pendingReplacement": True}, []), ({}, [True])],
    ids=["deleted before it was replaced", "replaced before it is deleted"],
)
def test_an_interrupted_replacement_leaves_no_second_resource_of_the_name(
    before: dict[str, Any], left: list[bool]
) -> None:
    made = resource(ROLE, "r", inputs=SENT)
    old = {**made, "id": "a-dev/old", **before}
    state = {"resources": [old], "pending_operations": [{"resource": made, "type": "creating"}]}
    result = recovery.adopted(state, list(recovery.pending_creates(state)))
    assert [r.get("delete") for r in result["resources"]] == [*left, None]
    assert result["resources"][-1]["id"] == "a-dev/reader"


def test_a_key_whose_secret_was_lost_is_known_by_its_user_and_those_in_use_by_the_state() -> None:
    made = resource("aws:iam/accessKey:AccessKey", "k", inputs={"user": "a-dev-rw"})
    state = {"pending_operations": [{"resource": made, "type": "creating"}], "resources": [{**made, "id": "AKIA1"}]}
    [pending] = recovery.pending_creates(state)
    assert pending.user == "a-dev-rw"
    assert recovery.keys_in_use(state) == {"AKIA1"}
    assert recovery.key_users(state, {made["urn"]}) == {"a-dev-rw"}
    assert recovery.key_users(state, {"another"}) == set()


@pytest.mark.parametrize("tags", [{"terrarium.dev/environment": "b-dev"}, {"owner": "bo"}])
def test_a_bucket_with_others_tags_is_somebody_elses(tags: dict[str, str]) -> None:
    made = resource("aws:s3/bucket:Bucket", "b", inputs={"bucket": "a", "tags": LABELS})
    pending = list(recovery.pending_creates({"pending_operations": [{"resource": made, "type": "creating"}]}))
    assert recovery.foreign({"resources": [{**made, "outputs": {"tags": tags}}]}, pending) == [made["urn"]]
    # Tags come in a second call: a kill may fall between.
    for ours in (LABELS, {}):
        assert recovery.foreign({"resources": [{**made, "outputs": {"tags": ours}}]}, pending) == []


@pytest.mark.parametrize(("labels", "strange"), [(LABELS, False), ({}, True), (LABELS | {"more": "x"}, False)])
def test_what_lacks_our_labels_is_somebody_elses(labels: dict[str, str], strange: bool) -> None:
    made = resource(ROLE, "r", inputs=SENT)
    pending = list(recovery.pending_creates({"pending_operations": [{"resource": made, "type": "creating"}]}))
    state = {"resources": [{**made, "outputs": {"metadata": {"labels": labels}}}]}
    assert recovery.foreign(state, pending) == ([made["urn"]] if strange else [])
    assert recovery.without(state, recovery.foreign(state, pending))["resources"] == (
        [] if strange else state["resources"]
    )
