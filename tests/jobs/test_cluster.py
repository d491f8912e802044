"""Jobs on a real API server, by people with their own rights: made, listed, waited for, cancelled; their exit codes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from rehearsal.platform import Platform
from rehearsal.platform.pools import Pool
from terrarium.client.environment import Environment
from terrarium.client.sources import InCluster
from terrarium.errors import CommandFailed, Exit, InvalidInput, Refused
from terrarium.inside.orders import Orders
from terrarium.inside.outputs import Output
from terrarium.inside.publishing import Ended, publish
from terrarium.inside.shelf import StoreShelf
from terrarium.jobs.handle import Job
from terrarium.jobs.state import TIMED_OUT, Phase
from terrarium.jobs.workloads import NoLog
from tests.support.api import Person
from tests.support.checkout import Checkout
from tests.support.declared import environment, with_store
from tests.support.waiting import PATIENCE, until

IMAGE = "registry.k8s.io/churn/train@sha256:" + "0" * 64
_LABELS = {"terrarium.dev/pool": "general"}
# Of the second no machine exists: what is sent there is let in, and stays pending until a test says what became of it.
POOLS = {
    "general": {"labels": _LABELS, "cpu": "8", "memory": "30Gi", "max": 2},
    "absent": {"labels": {"terrarium.dev/pool": "absent"}, "cpu": "16", "memory": "60Gi", "max": 9},
}
QUOTA = {"cpu": 64, "memory": "200Gi"}


@dataclass
class World:
    """A shared platform with an experimentation environment, churn-dev, which has a store and a bucket."""

    checkout: Checkout
    platform: Platform
    admin: Person

    def environment(self, user: str, *groups: str, bucket: str | None = None) -> Environment:
        """Return the environment as somebody who is in some groups sees it."""
        kubeconfig = str(self.platform.client_certificate(user, groups))
        source = InCluster("churn-dev", {"context": self.platform.context}, kubeconfig, self.checkout.folder)
        return Environment(source, bucket=bucket)

    @property
    def ana(self) -> Environment:
        """The environment as a member of the team sees it."""
        return self.environment("ana", "churn-team")

    def pods(self, job: str, count: int = 1) -> list[Any]:
        """Return the pods of a job, once there are some."""
        selector = f"batch.kubernetes.io/job-name={job}"
        found: list[Any] = []

        def look() -> bool:
            found[:] = self.admin.core.list_namespaced_pod("churn-dev", label_selector=selector).items
            return len(found) >= count

        until(look)
        return found

    def end(self, pod: Any, code: int, reason: str = "Error", *, disrupted: bool = False) -> None:
        """Let a pod's container have ended, as a kubelet would say it; or with its machine, as the cluster would."""
        name = pod.metadata.name
        ended = {"exitCode": code, "reason": reason, "startedAt": "2026-01-01T00:00:00Z"}
        container = {"name": "job", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0}
        status: dict[str, Any] = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [
                {**container, "state": {"terminated": {**ended, "finishedAt": "2026-01-01T00:00:01Z"}}}
            ],
        }
        if disrupted:
            because = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
            status["conditions"] = [because]
        self.admin.core.patch_namespaced_pod_status(name, "churn-dev", {"status": status})


@pytest.fixture(scope="module")
def world(platform_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    platform = Platform("jobs", platform_home, queues=True, pools=[Pool("general", count=2)])
    platform.start()
    tiers = ["experimentation", "testing"]
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), dict.fromkeys(tiers, platform))
    cloud = {"kubernetes": {"context": platform.context, "kueue": True, "pools": POOLS}}
    checkout.declare("platform", "platform", name="shared", tiers=tiers, cloud=cloud)
    buckets = {"alice": {"users": ["alice@example.org"]}}
    slice_ = with_store(platform) | {"kueue": True}
    own = environment("churn", "dev", "experimentation", slice_, buckets=buckets, quota=QUOTA)
    checkout.declare("dev", "environment", **own, container={"maximum": {"cpu": 8, "memory": "30Gi"}})
    checkout.bring_up("platform")
    checkout.bring_up("dev")
    yield World(checkout, platform, Person(platform))
    platform.reset()


def pending(world: World, **more: Any) -> Job:
    """Return a job that stays pending until its pods are ended by hand."""
    return world.ana.run(None, image=IMAGE, needs={"pool": "absent"}, **more)


def test_a_job_is_run_by_a_member_and_ends(world: World) -> None:
    job = world.ana.run(None, ["--epochs", 3], image=IMAGE)
    assert job.wait(timeout=PATIENCE) == 0
    assert job.state.phase is Phase.DONE
    [pod] = world.pods(job.name)
    assert pod.spec.node_selector == _LABELS
    assert pod.spec.containers[0].args == ["--epochs", "3"]
    assert pod.spec.priority_class_name == "terrarium-experimentation"
    assert pod.metadata.labels["terrarium.dev/job"] == job.name


def test_an_array_runs_every_index(world: World) -> None:
    job = world.ana.run(None, image=IMAGE, array="0-4%2")
    assert job.wait(timeout=PATIENCE) == 0
    assert (job.state.done, job.state.tasks) == (5, 5)
    indexes = {pod.metadata.labels["batch.kubernetes.io/job-completion-index"] for pod in world.pods(job.name, 5)}
    assert indexes == set("01234")


@pytest.mark.parametrize("code", [1, 7, 255])
def test_the_exit_code_is_the_command_s(world: World, code: int) -> None:
    job = pending(world)
    world.end(world.pods(job.name)[0], code)
    assert job.wait(timeout=PATIENCE) == code


def test_memory_is_named(world: World) -> None:
    job, said = pending(world), list[str]()
    world.end(world.pods(job.name)[0], 137, "OOMKilled")
    assert job.wait(say=said.append, timeout=PATIENCE) == 137
    assert any("--needs memory" in sentence for sentence in said)


def test_of_an_array_the_first_failed_index_says_it_and_the_others_go_on(world: World) -> None:
    job = pending(world, array="0-2%1")
    for number, code in enumerate((0, 9, 4)):
        [mine] = [pod for pod in world.pods(job.name, number + 1) if pod.status.phase == "Pending"]
        world.end(mine, code)
    assert job.wait(timeout=PATIENCE) == 9
    assert (job.state.done, job.state.failed) == (1, 2)


def test_what_fails_is_repeated_as_often_as_was_asked(world: World) -> None:
    job = pending(world, retries=1)
    world.end(world.pods(job.name)[0], 1)
    again = [pod for pod in world.pods(job.name, 2) if pod.status.phase == "Pending"]
    world.end(again[0], 0)
    assert job.wait(timeout=PATIENCE) == 0


def test_a_machine_that_dies_is_no_failure(world: World) -> None:
    job = pending(world)
    [pod] = world.pods(job.name)
    world.end(pod, 137, disrupted=True)
    again = [other for other in world.pods(job.name, 2) if other.metadata.uid != pod.metadata.uid]
    world.end(again[0], 0)
    assert job.wait(timeout=PATIENCE) == 0


def test_what_takes_too_long_is_ended(world: World) -> None:
    said: list[str] = []
    job = pending(world, timeout=1)
    assert job.wait(say=said.append, timeout=PATIENCE) == TIMED_OUT
    assert any("longer than its timeout" in sentence for sentence in said)


def test_a_cancelled_job_is_gone_and_whoever_waits_is_told(world: World) -> None:
    job, said = pending(world), list[str]()
    [pod] = world.pods(job.name)
    assert job.cancel() == "job"
    assert job.wait(say=said.append, timeout=PATIENCE) == 1
    assert "was cancelled" in said[-1]
    until(lambda: pod.metadata.name not in [one.metadata.name for one in _all(world)])
    with pytest.raises(InvalidInput, match="no job and no schedule"):
        job.cancel()
    with pytest.raises(InvalidInput, match="or no more"):
        _ = job.state


def test_a_job_that_must_give_its_place_up_as_it_ends_is_done_and_lets_go_when_cancelled(world: World) -> None:
    """Kubernetes never says of it that it is complete. Once it does, this fails, and `stranded` can go."""
    job = pending(world)
    [pod] = world.pods(job.name)
    [workload] = _workloads(world, job)
    with _halted(world.platform, "kube-controller-manager"):
        world.end(pod, 0)
        name, body = workload["metadata"]["name"], {"spec": {"active": False}}
        _kueue(world).patch_namespaced_custom_object(*_KUEUE, "churn-dev", "workloads", name, body)
        until(lambda: _stopped(world, job))
        _succeeded(world, job)
    assert job.wait(timeout=PATIENCE) == 0
    assert "cancel it" in _row(world, job.name)["why"]
    assert job.cancel() == "job"
    until(lambda: not _workloads(world, job))


_KUEUE = ("kueue.x-k8s.io", "v1beta2")


def _kueue(world: World) -> Any:
    return client.CustomObjectsApi(world.admin.api)


def _workloads(world: World, job: Job) -> list[Any]:
    found = _kueue(world).list_namespaced_custom_object(*_KUEUE, "churn-dev", "workloads")["items"]
    return [one for one in found if one["metadata"]["ownerReferences"][0]["name"] == job.name]


def _stopped(world: World, job: Job) -> bool:
    found = client.BatchV1Api(world.admin.api).read_namespaced_job(job.name, "churn-dev")
    return bool(found.spec.suspend and found.status.start_time is None)


def _succeeded(world: World, job: Job) -> None:
    """Note that a job's one pod succeeded, as the controller does whose next word is that the job is complete."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached", "lastTransitionTime": now}
    body = {"status": {"conditions": [said], "active": 0, "ready": 0}}
    client.BatchV1Api(world.admin.api).patch_namespaced_job_status(job.name, "churn-dev", body)


@contextmanager
def _halted(platform: Platform, part: str) -> Iterator[None]:
    """Keep a part of the control plane from seeing what happens, as if it were slow."""
    pid = next(one.pid for one in platform.status().parts if one.name == part)
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _all(world: World) -> list[Any]:
    return list(world.admin.core.list_namespaced_pod("churn-dev").items)


def test_logs_are_those_of_the_store_when_no_pod_has_one(world: World, tmp_path: Path) -> None:
    job = world.ana.run(None, image=IMAGE)
    assert job.wait(timeout=PATIENCE) == 0
    # A simulated machine has none, and does not answer.
    with pytest.raises(NoLog, match=r"there is no log of pod .*: .*refused"):
        job.logs()
    log = tmp_path / "log"
    log.write_text("epoch 1\nepoch 2\n")
    shelf = StoreShelf(world.ana.store)
    publish(shelf, Orders(job.name, "run", "a"), Ended(0, "", ""), log, [])
    assert job.logs() == "epoch 1\nepoch 2\n"
    job.cancel()
    assert job.logs() == "epoch 1\nepoch 2\n"
    assert [result.log for result in job.results] == ["epoch 1\nepoch 2\n"]


def test_a_bucket_s_job_uses_the_bucket_s_keys(world: World) -> None:
    alice = world.environment("ana", "churn-team", bucket="alice")
    job = alice.run(None, image=IMAGE)
    [pod] = world.pods(job.name)
    assert [one.secret.secret_name for one in pod.spec.volumes if one.secret] == ["store-bucket-alice-1"]


def test_who_has_no_right_is_told_and_nothing_is_made(world: World) -> None:
    before = len(_jobs(world))
    for user, group, words in (
        ("sue", "security", "you may not run jobs in churn-dev"),
        ("mallory", "guests", "you have no right in environment churn-dev"),
    ):
        with pytest.raises(Refused, match=words):
            world.environment(user, group).run(None, image=IMAGE)
    assert len(_jobs(world)) == before


def _jobs(world: World) -> list[Any]:
    return list(client.BatchV1Api(world.admin.api).list_namespaced_job("churn-dev").items)


def test_a_reader_sees_jobs_and_can_t_cancel_them(world: World) -> None:
    job = pending(world)
    sue = world.environment("sue", "security").job(job.name)
    assert not sue.state.phase.over
    with pytest.raises(Refused):
        sue.cancel()
    job.cancel()


def test_an_image_that_is_not_approved_is_refused_here_and_by_admission(world: World) -> None:
    strange = IMAGE.replace("registry.k8s.io", "registry.example")
    with pytest.raises(Refused, match="image-approved-registry"):
        world.ana.run(None, image=strange)
    outside = world.environment("ana", "churn-team")
    outside._source.root = None  # type: ignore[attr-defined]  # as outside of a checkout
    with pytest.raises(Refused, match="image-approved-registry"):
        outside.run(None, image=strange)


def test_a_schedule_is_made_listed_and_ended(world: World) -> None:
    made = world.ana.run(None, image=IMAGE, schedule="0 6 * * 1-5", name="nightly")
    listed = world.checkout.answer("jobs", "list", "-e", "dev")["jobs"]
    [row] = [one for one in listed if one["job"] == "nightly"]
    assert (row["kind"], row["state"]) == ("schedule", "scheduled")
    assert "0 6 * * 1-5" in row["why"]
    with pytest.raises(InvalidInput, match="nightly is a schedule: each of its runs is a job"):
        made.logs()
    assert made.cancel() == "schedule"


def test_a_job_that_has_ended_is_left_as_it_is(world: World) -> None:
    job = world.ana.run(None, image=IMAGE)
    assert job.wait(timeout=PATIENCE) == 0
    assert "has ended already" in world.checkout.terrarium("jobs", "cancel", job.name, "-e", "dev")
    assert _row(world, job.name)["state"] == "done"


def test_the_command_runs_lists_and_cancels(world: World) -> None:
    words = ("run", "-e", "dev", "--image", IMAGE, "--array", "0-2", "--json")
    made = json.loads(world.checkout.terrarium(*words, "--", "--x", "1"))
    assert (made["exit"], made["pool"]) == (0, "general")
    assert made["results"] == f"results:jobs/{made['job']}/"
    waiting = world.checkout.answer("run", "-e", "dev", "--image", IMAGE, "--needs", "pool=absent", "--detach")
    until(lambda: _row(world, waiting["job"])["why"])
    assert "waits for a machine" in _row(world, waiting["job"])["why"]
    assert _row(world, made["job"])["progress"] == "3/3"
    assert waiting["job"] in world.checkout.terrarium("jobs", "list", "-e", "dev")
    assert world.checkout.answer("jobs", "cancel", waiting["job"], "-e", "dev")["kind"] == "job"
    world.checkout.terrarium("jobs", "cancel", waiting["job"], "-e", "dev", code=Exit.INVALID)


def _row(world: World, name: str) -> dict[str, Any]:
    rows = world.checkout.answer("jobs", "list", "-e", "dev")["jobs"]
    return next(dict(row) for row in rows if row["job"] == name)


def test_the_command_ends_with_the_job_s_exit_code(world: World) -> None:
    process = world.checkout.start("run", "-e", "dev", "--image", IMAGE, "--needs", "pool=absent", "--name", "seven")
    with process:
        until(lambda: any(job.metadata.name.startswith("seven-") for job in _jobs(world)))
        [name] = [job.metadata.name for job in _jobs(world) if job.metadata.name.startswith("seven-")]
        world.end(world.pods(name)[0], 7)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    assert f"job {name} ended with 7" in err


def test_an_interrupted_command_without_a_person_cancels(world: World) -> None:
    process = world.checkout.start(
        "run", "-e", "dev", "--image", IMAGE, "--needs", "pool=absent", "--name", "broken-off"
    )
    with process:
        until(lambda: any(job.metadata.name.startswith("broken-off-") for job in _jobs(world)))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    assert "is cancelled" in err
    assert not [job for job in _jobs(world) if job.metadata.name.startswith("broken-off-")]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere.py",), Exit.INVALID, "does not exist"),
        (("--needs", "gpus=1", "--array", "x", "x.py"), Exit.INVALID, "did you mean gpu"),
        ((), Exit.INVALID, "name what to run"),
        (("--image", "registry.k8s.io/x:v1"), Exit.INVALID, "has no digest"),
        (("--image", IMAGE, "--needs", "cpu=9"), Exit.REFUSED, "container maximum is 8"),
        (("--image", IMAGE, "--needs", "gpu=1"), Exit.REFUSED, "the quota of churn-dev is no GPU"),
        (("--image", IMAGE, "--input", "datasets:none.csv"), Exit.INVALID, "does not exist"),
        (("--image", IMAGE, "--input", "churn-prod/datasets:x"), Exit.REFUSED, "can't read the store of churn-prod"),
        (("--image", IMAGE, "-b", "bob"), Exit.INVALID, "has no bucket `bob`"),
        (("--image", IMAGE, "--local", "--schedule", "@daily"), Exit.INVALID, "exclude each other"),
    ],
)
def test_bad_input_of_the_command(world: World, words: tuple[str, ...], code: Exit, said: str) -> None:
    before = len(_jobs(world))
    assert said in world.checkout.terrarium("run", "-e", "dev", *words, code=code)
    assert len(_jobs(world)) == before


def test_an_environment_that_there_is_not(world: World) -> None:
    assert "no environment `nowhere`" in world.checkout.terrarium("run", "-e", "nowhere", "x.py", code=Exit.INVALID)


def test_the_largest_array_is_taken(world: World) -> None:
    job = pending(world, array="0-9999%1")
    assert job.state.tasks == 10_000
    job.cancel()


def test_two_environments_of_a_cluster_know_nothing_of_each_other_s_jobs(world: World) -> None:
    job = pending(world)
    strange = world.environment("tom", "fraud-team").job(job.name)
    with pytest.raises(CommandFailed, match="no right in environment churn-dev"):
        _ = strange.state
    job.cancel()


def test_results_of_a_job_are_shown_and_brought(world: World, tmp_path: Path) -> None:
    job = world.ana.run(None, image=IMAGE)
    file = tmp_path / "model.txt"
    file.write_text("a model")
    shelf = StoreShelf(world.ana.store)
    publish(shelf, Orders(job.name, "run", "a"), Ended(0, "", ""), file, [Output("out/model.txt", file)])
    said = world.checkout.answer("jobs", "results", job.name, "-e", "dev", "--to", str(tmp_path / "here"))
    [result] = said["results"]
    assert list(result["files"]) == ["out/model.txt"]
    assert (tmp_path / "here" / "out" / "model.txt").read_text() == "a model"
    assert "out/model.txt" in world.checkout.terrarium("jobs", "results", job.name, "-e", "dev")
    world.checkout.terrarium("jobs", "results", "none-such", "-e", "dev", code=Exit.INVALID)


def test_who_waits_is_told_why_and_at_which_place(world: World) -> None:
    for job in _jobs(world):
        world.ana.job(job.metadata.name).cancel()
    ana = world.ana
    first = ana.run(None, image=IMAGE, needs="cpu=8,pool=absent,priority=high", array="0-7", name="fills")
    until(lambda: first.state.phase is Phase.STARTING)
    second = ana.run(None, image=IMAGE, needs="cpu=8,pool=absent", name="waits")
    third = ana.run(None, image=IMAGE, needs="cpu=8,pool=absent,priority=high", name="before")
    until(lambda: "place 1 of 2 in queue default" in _row(world, third.name)["why"])
    assert _row(world, third.name)["state"] == "queued"
    until(lambda: "place 2 of 2 in queue default" in _row(world, second.name)["why"])
    until(lambda: "8 more cores must become free in pool absent" in _row(world, second.name)["why"])
    # Kueue looks at one of those that ask for the same.
    alike = [ana.run(None, image=IMAGE, needs="cpu=8,pool=absent", name="alike") for _ in range(3)]
    for job in alike:
        until(lambda job=job: "of 5 in queue default: 8 more cores must become free" in _row(world, job.name)["why"])
    for job in alike:
        job.cancel()
    first.cancel()
    until(lambda: second.state.phase is Phase.STARTING and third.state.phase is Phase.STARTING)
    second.cancel()
    third.cancel()


def test_an_array_begins_with_what_fits(world: World) -> None:
    for job in _jobs(world):
        world.ana.job(job.metadata.name).cancel()
    small = world.ana.run(None, image=IMAGE, needs="cpu=8,pool=absent", name="small")
    until(lambda: small.state.phase is Phase.STARTING)
    # All of the quota, of which an eighth is taken.
    wide = world.ana.run(None, image=IMAGE, needs="cpu=8,pool=absent", array="0-19", name="wide")
    until(lambda: wide.state.phase is Phase.STARTING)
    assert [job.spec.parallelism for job in _jobs(world) if job.metadata.name == wide.name] == [7]
    wide.cancel()
    small.cancel()


def test_a_job_that_needs_disk_is_let_in(world: World) -> None:
    job = world.ana.run(None, image=IMAGE, needs="disk=5Gi,pool=absent")
    until(lambda: job.state.phase is Phase.STARTING)
    job.cancel()


def test_what_is_kept_of_a_job_that_is_gone_has_its_exit_code(world: World, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("trained\n")
    orders = Orders("gone-1", "run", "a")
    assert not publish(StoreShelf(world.ana.store), orders, Ended(3, "", ""), log, [])
    assert "trained" in world.checkout.terrarium("jobs", "logs", "gone-1", "-e", "dev", "--follow", code=3)
    world.checkout.terrarium("jobs", "logs", "gone-1", "-e", "dev")
    said = world.checkout.terrarium("jobs", "results", "gone-1", "-e", "dev", code=Exit.INVALID)
    assert "no attempt at it has succeeded. What a failed one left" in said
    said = world.checkout.terrarium("jobs", "results", "none-such", "-e", "dev", code=Exit.INVALID)
    assert (
        "nothing is known of a job none-such in churn-dev; of a bucket's job, name the bucket (-b; there are alice)"
        in said
    )


def test_an_interrupted_person_is_asked(world: World) -> None:
    command = str(Path(sys.executable).with_name("terrarium"))
    words = ["run", "-e", "dev", "--image", IMAGE, "--needs", "pool=absent", "--name"]
    for name, answer, goes_on in (("kept", b"n\n", True), ("given-up", b"y\n", False)):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [command, *words, name], cwd=world.checkout.folder, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        try:
            until(lambda name=name: _named(world, name))  # type: ignore[misc]  # of the loop
            process.send_signal(signal.SIGINT)
            _read_until(ours, b"Cancel job")
            os.write(ours, answer)
            assert process.wait(PATIENCE) == Exit.INTERRUPTED
        finally:
            process.kill()
            os.close(ours)
        assert bool(_named(world, name)) == goes_on


def _named(world: World, stem: str) -> list[str]:
    return [job.metadata.name for job in _jobs(world) if job.metadata.name.startswith(f"{stem}-")]


def _read_until(descriptor: int, words: bytes) -> None:
    seen = b""
    while words not in seen:
        seen += os.read(descriptor, 4096)
