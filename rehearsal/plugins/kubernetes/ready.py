"""Whether an object is up, and if not, why: what the official provider awaits, kind by kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.plugins.kubernetes.client import ApiError, Client, MissingError, Object
from rehearsal.plugins.kubernetes.objects import annotation
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.serving import attempts

# The official provider's, if neither `customTimeouts` nor pulumi.com/timeoutSeconds says otherwise.
TIMEOUT_SECONDS = 600.0
# Refresh looks at these once more, as the official provider does: a workload that broke is updated by the next `up`.
CHECKED_ON_REFRESH = {"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "Service"}


class NotReadyError(ProviderError):
    """An object exists but did not become ready, or is not gone; holds it as last seen, and the reasons."""

    def __init__(self, live: Object, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons


@dataclass(frozen=True)
class Rule:
    """When objects of a kind are up.

    Attributes:
        good: states of which one is enough: a condition's type, `type=status`, or `phase=name`.
        bad: states that no waiting mends.
        lacks: says what is missing, where states don't tell; empty when the object is up.
        pods: the object makes pods, and their troubles are its own.
    """

    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    lacks: Callable[[Client, Object], str] | None = None
    pods: bool = False


def wait_ready(client: Client, inputs: Object, live: Object, timeout: float, stop: threading.Event) -> Object:
    """Wait until an object is up, and return it; the annotations of `inputs` may say otherwise.

    Raises:
        NotReadyError: it failed, `timeout` seconds are over (0: ten minutes), or the engine cancelled and set `stop`.
    """
    rule = rule_of(live, inputs)
    if rule is None:
        return live
    for ending in attempts(_seconds(timeout, inputs), stop):
        try:
            live = client.get(live)
        except MissingError as error:
            raise NotReadyError(live, "it was deleted by someone else while waiting") from error
        reasons = hindrances(client, live, rule)
        if ending and reasons:
            raise NotReadyError(live, f"not ready {ending}", *reasons)
        if not reasons:
            break
    return live


def wait_gone(client: Client, inputs: Object, going: Object, timeout: float, stop: threading.Event) -> None:
    """As above, until an object on its way out is gone; NotReadyError says who holds it."""
    if annotation(inputs, "skipAwait") == "true":
        return
    for ending in attempts(_seconds(timeout, inputs), stop):
        try:
            live = client.get(going)
        except MissingError:
            return
        # Another was made under its name, and may be on its way out, too.
        if live["metadata"]["uid"] != going["metadata"]["uid"]:
            return
        if ending:
            finalizers = [*(live["metadata"].get("finalizers") or []), *(live.get("spec") or {}).get("finalizers", [])]
            told = [item["message"] for item in _conditions(live).values() if item.get("message")]
            raise NotReadyError(live, f"still there {ending}, held by {', '.join(finalizers) or 'nobody'}", *told)


def _seconds(timeout: float, inputs: Object) -> float:
    stated = annotation(inputs, "timeoutSeconds")
    return timeout or (float(stated) if stated.isdigit() else TIMEOUT_SECONDS)


def rule_of(live: Object, inputs: Object) -> Rule | None:
    """The rule for an object: the one its annotation `pulumi.com/waitFor` gives, else its kind's; None to not wait."""
    if annotation(inputs, "skipAwait") == "true":
        return None
    if wanted := annotation(inputs, "waitFor"):
        form, _, state = wanted.partition("=")
        if form != "condition" or not state:
            raise NotReadyError(live, f"pulumi.com/waitFor is condition=TYPE[=STATUS] here, not {wanted!r}")
        return Rule((state,))
    return _RULES.get(f"{live['apiVersion'].rpartition('/')[0]}/{live['kind']}")


def hindrances(client: Client, live: Object, rule: Rule) -> list[str]:
    """Why an object is not up; nothing when it is; NotReadyError when waiting can't help."""
    if any(_is(live, state) for state in rule.good):
        return []
    lacks = rule.lacks(client, live) if rule.lacks else f"it is not {' or '.join(rule.good)}"
    if not lacks:
        return []
    labels = (live["spec"].get("selector") or {}).get("matchLabels") if rule.pods else None
    pods = client.beside(live, "v1", "Pod", labels) if labels else []
    # Once each: a hundred pods that wait for the same image are one trouble.
    reasons = list(dict.fromkeys([lacks, *(trouble for part in (live, *pods) for trouble in _troubles(part))]))[:7]
    if any(_is(live, state) for state in rule.bad):
        raise NotReadyError(live, *reasons)
    return reasons


def _status(live: Object) -> Object:
    return live.get("status") or {}


def _conditions(live: Object) -> dict[str, dict[str, str]]:
    return {item["type"]: item for item in _status(live).get("conditions") or []}


def _is(live: Object, state: str) -> bool:
    name, _, value = state.partition("=")
    found = _status(live).get("phase", "") if name == "phase" else _conditions(live).get(name, {}).get("status", "")
    return bool(found.lower() == (value or "True").lower())


def _troubles(live: Object) -> list[str]:
    """What an object, such as a pod without a node or with an image that can't be pulled, says of its state."""
    found = [
        f"{live.get('kind', 'Pod')}: {item['message']}"
        for name, item in _conditions(live).items()
        if item.get("message") and (item.get("status") == "False" or name in {"Failed", "ReplicaFailure"})
    ]
    for container in [*_status(live).get("initContainerStatuses", []), *_status(live).get("containerStatuses", [])]:
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            found.append(f"container {container['name']}: {waiting['reason']} {waiting.get('message', '')}".strip())
        if ended.get("exitCode"):
            found.append(f"container {container['name']} ended with exit code {ended['exitCode']}")
    return found


def _workload(ready: str, updated: str) -> Callable[[Client, Object], str]:
    """All wanted pods are up and of the newest template; `ready` and `updated` are the status' counts of both."""

    def lacks(_client: Client, live: Object) -> str:
        spec, status = live["spec"], _status(live)
        wanted, have = status.get("desiredNumberScheduled", spec.get("replicas", 0)), status.get(ready, 0)
        strategy = spec.get("updateStrategy") or {}
        by_hand = strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition", 0) > 0
        rolled = by_hand or status.get(updated, 0) == wanted == status.get("replicas", wanted)
        seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
        return "" if have >= wanted and rolled and seen else f"{have} of {wanted} replicas are available"

    return lacks


def _volume(client: Client, live: Object) -> str:
    name = live["spec"].get("storageClassName")
    if not name:
        return "the claim names no storage class, and the cluster has no default one"
    try:
        storage = client.get({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}})
    except ApiError as error:
        return f"storage class {name}: {error}"
    # Such a volume is made when the first pod uses it, which may be after this update.
    late = storage.get("volumeBindingMode") == "WaitForFirstConsumer"
    return "" if late else f"no volume of storage class {name} has been bound to the claim"


def _quota(_client: Client, live: Object) -> str:
    # Until its controller has seen it, a quota holds nobody back; so the official provider, too. Both sides are as the
    # server writes them ("1000m" is "1" in both).
    taken = live["spec"].get("hard", {}) == _status(live).get("hard", {})
    return "" if taken else "the quota controller has not taken over its limits"


def _service(client: Client, live: Object) -> str:
    spec, name = live["spec"], live["metadata"]["name"]
    if spec.get("type") == "LoadBalancer" and not (_status(live).get("loadBalancer") or {}).get("ingress"):
        return "the load balancer has no address"
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return ""
    parts = client.beside(live, "discovery.k8s.io/v1", "EndpointSlice", {"kubernetes.io/service-name": name})
    ends = [end.get("conditions") or {} for part in parts for end in part.get("endpoints") or []]
    return "" if any(end.get("ready", True) for end in ends) else "no ready pod matches the service's selector"


_RULES = {
    "apps/Deployment": Rule(lacks=_workload("availableReplicas", "updatedReplicas"), pods=True),
    "apps/StatefulSet": Rule(lacks=_workload("readyReplicas", "updatedReplicas"), pods=True),
    "apps/DaemonSet": Rule(lacks=_workload("numberAvailable", "updatedNumberScheduled"), pods=True),
    # A suspended job is started later by a queue (Kueue); whether it ran is the queue's to tell.
    "batch/Job": Rule(("Complete", "Suspended"), bad=("Failed",), pods=True),
    "/Pod": Rule(("Ready", "phase=Succeeded"), bad=("phase=Failed",)),
    "/PersistentVolume": Rule(("phase=Available", "phase=Bound")),
    "/PersistentVolumeClaim": Rule(("phase=Bound",), lacks=_volume),
    "/ReplicationController": Rule(lacks=_workload("availableReplicas", "fullyLabeledReplicas")),
    "/ResourceQuota": Rule(lacks=_quota),
    "/Service": Rule(lacks=_service),
    "/Namespace": Rule(("phase=Active",)),
    "apiextensions.k8s.io/CustomResourceDefinition": Rule(("Established",)),
}
