"""Why a job does not run yet, in people's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from terrarium.jobs.state import Phase, container, state, stranded

# As components.queues calls them, which imports Pulumi's SDK; a test holds them equal.
FLAVORS = "terrarium-"
EVERYWHERE = "terrarium.everywhere"
_UID = "kueue.x-k8s.io/job-uid"
_OWN_UNUSED = re.compile(rf"insufficient unused quota for (\S+) in flavor {re.escape(EVERYWHERE)}, (\S+) more needed")
_OWN_NEVER = re.compile(
    rf"insufficient quota for (\S+) in flavor {re.escape(EVERYWHERE)},.* > maximum capacity \((\S+)\)"
)
_UNUSED = re.compile(r"insufficient unused quota for (\S+) in flavor (\S+), (\S+) more needed")
_NEVER = re.compile(r"insufficient quota for (\S+) in flavor (\S+),.* > maximum capacity \((\S+)\)")
_QUEUE = re.compile(r"(?:Local|Cluster)Queue (\S+) (doesn't exist|is terminating or missing)")
_STOPPED = re.compile(r"(?:Local|Cluster)Queue (\S+) is (stopped|inactive)")
# With its gate UnadmittedWorkloadsObservability it writes this on those that it did not look at.
_NOT_LOOKED = re.compile(r"equivalent workload recently failed|is pending evaluation")
_PULL = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_NOT_MADE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_EVICTED = {
    "Preempted": "another job had the right to its place",
    "PodsReadyTimeout": "its pods did not start in time",
    "ClusterQueueStopped": "the environment was put to sleep",
}
Object = Mapping[str, Any]


def why(job: Object, pods: Sequence[Object], queued: Iterable[Object] | None) -> str:
    """Return why a job does not run yet, or holds its place still; empty if it runs, is over, or if nobody knows.

    Args:
        job: The Job.
        pods: Its pods.
        queued: What Kueue holds of the namespace; None if that is not known.
    """
    phase = state(job).phase
    if phase is Phase.DONE and stranded(job):
        return "was to give its place up just as it ended, and still holds it: cancel it, its results are kept"
    if phase is Phase.QUEUED:
        return _queued(job, list(queued or ()))
    if phase is Phase.STARTING:
        return next((found for found in map(_pod, pods) if found), "")
    return next((found for found in map(_lost, pods) if found), "") if phase is Phase.RUNNING else ""


def _queued(job: Object, queued: list[Object]) -> str:
    uid = job["metadata"]["uid"]
    mine = next((one for one in queued if (one["metadata"].get("labels") or {}).get(_UID) == uid), None)
    if mine is None:
        return "waits for its turn"
    conditions = {one["type"]: one for one in (mine.get("status") or {}).get("conditions") or ()}
    if conditions.get("Admitted", {}).get("status") == "True":
        return ""
    parts = [f"waits for its turn, {_place(mine, queued)}"]
    evicted = conditions.get("Evicted", {})
    if evicted.get("status") == "True":
        parts = [f"was stopped ({_evicted(evicted)}) and waits for its turn, {_place(mine, queued)}"]
    said = _reserved(_message(mine, queued))
    return ": ".join([*parts, *([said] if said else [])])


def _message(mine: Object, queued: list[Object]) -> str:
    """Return what Kueue says of the quota that it has not reserved for a workload, or for one that asks for the same.

    From 0.18 on it looks at one of several alike, and writes nothing on the others: neither that there is no room, nor
    that a queue has been started again.
    """
    own = _quota(mine)
    if _tells(own):
        return own
    shape = _shape(mine)
    alike = (one for one in queued if _tells(_quota(one)) and _waits(one) and _shape(one) == shape)
    return next((_quota(one) for one in sorted(alike, key=_order)), own)


def _tells(message: str) -> bool:
    """Return whether this says what Kueue found when it looked for room."""
    return bool(message) and not _STOPPED.search(message) and not _NOT_LOOKED.search(message)


def _quota(workload: Object) -> str:
    conditions = (workload.get("status") or {}).get("conditions") or ()
    return next((str(one.get("message", "")) for one in conditions if one["type"] == "QuotaReserved"), "")


def _shape(workload: Object) -> list[Any]:
    """Return what Kueue goes by when it looks for room."""
    spec = workload["spec"]
    shape = [spec.get("queueName"), spec.get("priority")]
    for pods in spec.get("podSets") or ():
        pod = pods["template"]["spec"]
        containers = [*(pod.get("initContainers") or ()), *pod["containers"]]
        where = [pod.get(key) for key in ("nodeSelector", "tolerations", "affinity")]
        shape += [pods.get("count"), pods.get("minCount"), *where, *(one.get("resources") for one in containers)]
    return shape


def _place(mine: Object, queued: list[Object]) -> str:
    """Return the place in the queue: first whoever has the higher priority, then whoever came first."""
    queue = mine["spec"].get("queueName")
    waiting = sorted((one for one in queued if one["spec"].get("queueName") == queue and _waits(one)), key=_order)
    names = [one["metadata"]["name"] for one in waiting]
    place = names.index(mine["metadata"]["name"]) + 1 if mine["metadata"]["name"] in names else 1
    return f"place {place} of {max(len(names), 1)} in queue {queue}"


def _waits(workload: Object) -> bool:
    conditions = (workload.get("status") or {}).get("conditions") or ()
    return not any(one["type"] in ("QuotaReserved", "Finished") and one["status"] == "True" for one in conditions)


def _order(workload: Object) -> tuple[int, str, str]:
    metadata = workload["metadata"]
    return -int(workload["spec"].get("priority") or 0), metadata["creationTimestamp"], metadata["name"]


def _reserved(message: str) -> str:
    """Return what Kueue says of a quota it has not reserved, of the last pool that it looked at."""
    for pattern, form in (
        (_OWN_UNUSED, "{1} more {0} of the environment's must become free"),
        (_OWN_NEVER, "it asks for more {0} than the environment may ever have, {1}"),
        (_UNUSED, "{2} more {0} must become free in pool {1}"),
        (_NEVER, "it asks for more {0} than pool {1} may ever give it, {2}"),
        (
            _STOPPED,
            "queue {0} is {1}: the environment sleeps (`terrarium wake` ends that), or an administrator holds it",
        ),
        (_QUEUE, "queue {0} {1}: bring the environment's stack up to date (`terrarium up`), or ask its owner"),
    ):
        found = pattern.findall(message)
        if found:
            what, *others = (_words(word) for word in found[-1])
            return form.format(what, *others)
    return message.removeprefix("couldn't assign flavors to pod set main: ").strip()


def _words(name: str) -> str:
    """Return what people call a resource, or the pool of a flavor."""
    return {"nvidia.com/gpu": "GPUs", "cpu": "cores"}.get(name, name.removeprefix(FLAVORS))


def _evicted(condition: Object) -> str:
    reason = str(condition.get("reason"))
    return _EVICTED.get(reason, str(condition.get("message") or reason))


def _lost(pod: Object) -> str:
    """Return what becomes of a pod whose machine does not answer.

    Kubernetes makes no other until it is sure that this one runs no more, which a machine that is dead can't say.
    """
    status, metadata = pod.get("status") or {}, pod["metadata"]
    if not metadata.get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return ""
    for one in status.get("conditions") or ():
        if one["type"] == "DisruptionTarget" and one.get("reason") == "DeletionByTaintManager":
            machine = pod["spec"].get("nodeName", "its machine")
            return (
                f"must leave {machine}. If that is dead, it is repeated elsewhere once its Node is deleted (as a cloud "
                f"does) or bears the taint node.kubernetes.io/out-of-service: ask whoever runs the cluster"
            )
    return ""


def _pod(pod: Object) -> str:
    if lost := _lost(pod):
        return lost
    waiting = (container(pod).get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _PULL:
        return f"its image can't be had: {message or reason}"
    if reason in _NOT_MADE:
        return f"its container can't be started: {message or reason}"
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one["type"] == "PodScheduled" and one["status"] == "False":
            # What follows the first sentence is about preemption, which jobs never do.
            said = str(one.get("message") or one.get("reason")).partition(". ")[0].rstrip(".")
            return f"waits for a machine: {said}"
    return "its image is fetched" if reason == "ContainerCreating" else ""
