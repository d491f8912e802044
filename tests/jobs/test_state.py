"""What a job's status means, in words and as an exit code."""

from __future__ import annotations

from typing import Any

import pytest

from components.queues import EVERYWHERE, flavor_of
from terrarium.jobs import state, waiting
from terrarium.jobs.state import Phase


def job(*, suspend: bool = False, completions: int | None = None, **status: Any) -> dict[str, Any]:
    spec = {"suspend": suspend, **({"completions": completions} if completions else {})}
    return {"metadata": {"name": "train", "uid": "u1"}, "spec": spec, "status": status}


def ended(kind: str, reason: str = "", message: str = "") -> list[dict[str, Any]]:
    return [{"type": kind, "status": "True", "reason": reason, "message": message}]


def pod(code: int | None = None, index: int | None = None, *, age: str = "1", **state_: Any) -> dict[str, Any]:
    labels = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    held = {"terminated": {"exitCode": code}} if code is not None else state_
    statuses = [{"name": "job", "state": held}] if held else []
    metadata = {"name": f"p{age}", "labels": labels, "creationTimestamp": age}
    return {"metadata": metadata, "status": {"containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        (job(suspend=True), Phase.QUEUED),
        (job(active=1), Phase.STARTING),
        (job(active=1, ready=1), Phase.RUNNING),
        (job(active=1, succeeded=3, completions=9), Phase.RUNNING),
        (job(succeeded=1, conditions=ended("Complete")), Phase.DONE),
        (job(succeeded=1, conditions=ended("SuccessCriteriaMet", "CompletionsReached")), Phase.DONE),
        (job(failed=1, conditions=ended("Failed", "BackoffLimitExceeded")), Phase.FAILED),
        (job(active=1, conditions=ended("FailureTarget", "FailedIndexes")), Phase.STARTING),
        ({"metadata": {}, "spec": {}}, Phase.STARTING),
    ],
)
def test_phases(said: dict[str, Any], phase: Phase) -> None:
    assert state.state(said).phase is phase


STRANDED = job(suspend=True, succeeded=1, conditions=ended("SuccessCriteriaMet", "CompletionsReached"))


def test_a_job_that_was_stopped_as_it_ended_is_done_and_holds_its_place() -> None:
    assert state.state(STRANDED).phase is Phase.DONE
    assert state.stranded(STRANDED)
    assert "cancel it" in waiting.why(STRANDED, [], [])


@pytest.mark.parametrize(
    "said",
    [
        # Of these Kubernetes says `Complete` in a moment, or has said it.
        {**STRANDED, "spec": {"suspend": False}},
        {**STRANDED, "status": {**STRANDED["status"], "startTime": "2026-11-29T13:38:09Z"}},
        job(suspend=True, succeeded=1, conditions=[*ended("SuccessCriteriaMet"), *ended("Complete")]),
        job(suspend=True),
    ],
)
def test_others_that_are_done_hold_none(said: dict[str, Any]) -> None:
    assert not state.stranded(said)
    assert "cancel" not in waiting.why(said, [], None)


def test_an_array_counts_what_succeeded_and_failed() -> None:
    found = state.state(job(completions=20, succeeded=15, failedIndexes="1,3-6"))
    assert (found.done, found.failed, found.tasks) == (15, 5, 20)


@pytest.mark.parametrize(("text", "found"), [("", []), ("3", [3]), ("1,3-5,9", [1, 3, 4, 5, 9])])
def test_indexes_are_read(text: str, found: list[int]) -> None:
    assert state.indexes(text) == found


def test_the_exit_code_is_the_command_s() -> None:
    assert state.exit_code([pod(7)], None) == (7, "")


def test_the_exit_code_of_an_array_is_that_of_its_first_failed_index() -> None:
    said = job(completions=4, failedIndexes="2-3", conditions=ended("Failed", "FailedIndexes"))
    pods = [pod(0, 0), pod(9, 3), pod(5, 2)]
    assert state.exit_code(pods, state.failed_index(said)) == (5, "")


def test_the_last_attempt_says_it() -> None:
    assert state.exit_code([pod(3, age="2026-01-01"), pod(4, age="2026-01-02")], None)[0] == 4


def test_memory_is_named() -> None:
    killed = pod(terminated={"exitCode": 137, "reason": "OOMKilled"})
    code, why = state.exit_code([killed], None)
    assert code == 137
    assert "--needs memory" in why


def test_a_pod_that_is_gone_says_nothing() -> None:
    assert state.exit_code([], None) == (None, "")


def test_a_timeout_is_one() -> None:
    said = job(conditions=ended("Failed", "DeadlineExceeded", "Job was active longer than specified deadline"))
    assert state.timed_out(said)
    assert "longer than its timeout" in state.state(said).why


def workload(name: str, uid: str, *, priority: int = 0, made: str = "1", **conditions: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "creationTimestamp": made, "labels": {"kueue.x-k8s.io/job-uid": uid}},
        "spec": {"queueName": "default", "priority": priority},
        "status": {"conditions": [{"type": kind, **said} for kind, said in conditions.items()]},
    }


PENDING = {"status": "False", "reason": "Pending"}


def test_a_queued_job_says_its_place_and_what_it_waits_for() -> None:
    message = (
        "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor terrarium-cheap, 2 more "
        "needed, insufficient unused quota for nvidia.com/gpu in flavor terrarium-training, 1 more needed"
    )
    queued = [
        workload("first", "u0", made="0", QuotaReserved=PENDING),
        workload("runs", "u9", QuotaReserved={"status": "True"}),
        workload("important", "u2", made="9", priority=100, QuotaReserved=PENDING),
        workload("mine", "u1", QuotaReserved={**PENDING, "message": message}),
    ]
    said = waiting.why(job(suspend=True), [], queued)
    assert said == "waits for its turn, place 3 of 3 in queue default: 1 more GPUs must become free in pool training"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "insufficient unused quota for memory in flavor terrarium-a, 2Gi more needed",
            "2Gi more memory must become free in pool a",
        ),
        (
            "insufficient quota for cpu in flavor terrarium-a, previously considered podsets requests (0) + current "
            "podset request (9) > maximum capacity (4)",
            "it asks for more cores than pool a may ever give it, 4",
        ),
        (
            "insufficient unused quota for pods in flavor terrarium.everywhere, 3 more needed",
            "3 more pods of the environment's must become free",
        ),
        (
            "insufficient quota for pods in flavor terrarium.everywhere, previously considered podsets requests (0) + "
            "current podset request (500) > maximum capacity (100)",
            "it asks for more pods than the environment may ever have, 100",
        ),
        ("LocalQueue default doesn't exist", "queue default doesn't exist: bring the environment's stack up to date"),
        ("ClusterQueue churn-dev is inactive", "queue churn-dev is inactive"),
        ("ClusterQueue churn-dev is stopped", "queue churn-dev is stopped: the environment sleeps (`terrarium wake`"),
        ("something else entirely", "something else entirely"),
    ],
)
def test_kueue_s_words_become_people_s(message: str, expected: str) -> None:
    said = waiting.why(job(suspend=True), [], [workload("m", "u1", QuotaReserved={**PENDING, "message": message})])
    assert expected in said


def sized(name: str, cores: str, message: str = "", made: str = "1") -> dict[str, Any]:
    """A workload that asks for cores, and what Kueue has said of it."""
    said = {"QuotaReserved": {**PENDING, "message": message}} if message else {}
    made_ = workload(name, name, made=made, **said)
    containers = [{"name": "job", "resources": {"requests": {"cpu": cores}}}]
    made_["spec"]["podSets"] = [{"name": "main", "count": 1, "template": {"spec": {"containers": containers}}}]
    return made_


ROOM = "insufficient unused quota for cpu in flavor terrarium-a, 2 more needed"
STOPPED = "ClusterQueue churn-dev is stopped"


@pytest.mark.parametrize(
    "own",
    [
        "",
        STOPPED,
        "Bypassed scheduling evaluation because an equivalent workload recently failed",
        "Workload is pending evaluation in the scheduling queue",
    ],
)
def test_what_kueue_says_of_one_holds_for_those_that_ask_for_the_same(own: str) -> None:
    """It looks at one of them, and leaves what it wrote on the others before, as that the environment slept."""
    others = [sized("larger", "4", "something else"), sized("before", "2", ROOM), sized("u1", "2", own, made="2")]
    said = waiting.why(job(suspend=True), [], others)
    assert said == "waits for its turn, place 3 of 3 in queue default: 2 more cores must become free in pool a"


def test_what_is_said_of_others_only_is_not_said_of_it() -> None:
    queued = [sized("larger", "4", ROOM), sized("u1", "2", made="2")]
    assert waiting.why(job(suspend=True), [], queued) == "waits for its turn, place 2 of 2 in queue default"
    queued = [sized("other", "2", STOPPED), sized("u1", "2", STOPPED, made="2")]
    assert "is stopped" in waiting.why(job(suspend=True), [], queued)


def test_flavors_are_called_as_they_are_made() -> None:
    assert flavor_of("training") == f"{waiting.FLAVORS}training"
    assert waiting.EVERYWHERE == EVERYWHERE


def test_a_preempted_job_says_so() -> None:
    evicted = {"status": "True", "reason": "Preempted", "message": "..."}
    said = waiting.why(job(suspend=True), [], [workload("m", "u1", Evicted=evicted, QuotaReserved=PENDING)])
    assert said.startswith("was stopped (another job had the right to its place)")


def test_without_a_view_of_the_queue_it_still_waits() -> None:
    assert waiting.why(job(suspend=True), [], None) == "waits for its turn"


@pytest.mark.parametrize(
    ("state_", "expected"),
    [
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
            "its image can't be had: no such image",
        ),
        ({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}}, "can't be started"),
        ({"waiting": {"reason": "ContainerCreating"}}, "its image is fetched"),
        ({}, ""),
    ],
)
def test_a_pod_that_does_not_start_says_why(state_: dict[str, Any], expected: str) -> None:
    assert expected in waiting.why(job(active=1), [pod(**state_)], None)


def test_a_pod_without_a_machine_says_so() -> None:
    lost = pod()
    lost["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]
    assert waiting.why(job(active=1), [lost], None) == "waits for a machine: 0/3 nodes are available"


@pytest.mark.parametrize("ready", [0, 3])
def test_a_machine_that_does_not_answer_is_said_with_what_helps(ready: int) -> None:
    lost = pod(running={})
    lost["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"
    lost["spec"] = {"nodeName": "node-7"}
    lost["status"] |= {
        "phase": "Running",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}],
    }
    said = waiting.why(job(active=1, ready=ready), [lost, pod(running={})], None)
    assert "must leave node-7" in said
    assert "once its Node is deleted" in said
    lost["status"]["phase"] = "Failed"
    assert waiting.why(job(active=1, ready=ready), [lost], None) == ""


def test_a_running_job_does_not_wait() -> None:
    assert waiting.why(job(active=1, ready=1), [pod(running={})], []) == ""
