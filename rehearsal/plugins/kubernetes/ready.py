"""Whether an object is up, and if not, why: what the official provider awaits, kind by kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rehearsal.plugins.kubernetes.client import ApiError, Client, MissingError, Object
from rehearsal.plugins.kubernetes.kubeconfig import KubernetesError
from rehearsal.plugins.kubernetes.objects import annotation
from rehearsal.plugins.serving import backoff, deadline

# The official provider's, if neither `customTimeouts` nor pulumi.com/timeoutSeconds says otherwise.
TIMEOUT_SECONDS = 600.0
# Refresh looks at these once more, as the official provider does: a workload that broke is updated by the next `up`.
CHECKED_ON_REFRESH = {"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "Service", "Ingress"}


class NotReadyError(KubernetesError):
    """An object exists but did not become ready, or is not gone; holds it as last seen, and the reasons."""

    def __init__(self, live: Object, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons


def timeout_seconds(requested: float, inputs: Object) -> float:
    """Seconds to wait: the resource's custom timeout if not 0, else its annotation, else ten minutes."""
    stated = annotation(inputs, "timeoutSeconds")
    return requested or (float(stated) if stated.isdigit() else TIMEOUT_SECONDS)


def wait_ready(client: Client, inputs: Object, live: Object, timeout: float, stop: threading.Event) -> Object:
    """Wait until an object is up.

    Args:
        client: the server.
        inputs: hold the annotations skipAwait and waitFor.
        live: the object as created or changed.
        timeout: seconds.
        stop: set when the engine cancels.

    Returns:
        The live object.

    Raises:
        NotReadyError: it failed, time is over, or the engine cancelled.
    """
    if annotation(inputs, "skipAwait") == "true":
        return live
    expired, pause = deadline(timeout), backoff()
    while reasons := hindrances(client, live, annotation(inputs, "waitFor")):
        if expired():
            raise NotReadyError(live, f"not ready after {timeout:.0f} seconds", *reasons)
        if pause(stop):
            raise NotReadyError(live, "the update was cancelled while waiting", *reasons)
        try:
            live = client.get(live)
        except MissingError as error:
            raise NotReadyError(live, "it was deleted by someone else while waiting") from error
    return live


def wait_gone(client: Client, inputs: Object, obj: Object, timeout: float, stop: threading.Event) -> None:
    """Wait until a deleted object is gone, or another has taken its name; arguments as above.

    Raises:
        NotReadyError: it is still there; its finalizers and conditions say who holds it.
    """
    if annotation(inputs, "skipAwait") == "true":
        return
    expired, pause = deadline(timeout), backoff()
    while True:
        try:
            live = client.get(obj)
        except MissingError:
            return
        if live["metadata"].get("deletionTimestamp") is None:
            return
        if expired() or pause(stop):
            finalizers = [*(live["metadata"].get("finalizers") or []), *(live.get("spec") or {}).get("finalizers", [])]
            held = [f"held by {', '.join(finalizers)}"] if finalizers else []
            told = [item.get("message", "") for item in _conditions(live).values() if item.get("status") == "True"]
            raise NotReadyError(
                live, f"still there {timeout:.0f} seconds after its deletion", *held, *filter(None, told)
            )


def hindrances(client: Client, live: Object, wait_for: str = "") -> list[str]:
    """Why an object is not up; nothing when it is.

    Args:
        client: asked for what the object does not tell itself: pods, endpoints, storage classes.
        live: the object.
        wait_for: the annotation pulumi.com/waitFor, `condition=TYPE[=STATUS]`; empty for the kind's own rule.

    Raises:
        NotReadyError: waiting can't help.
    """
    if not wait_for:
        rule = _RULES.get((live["apiVersion"].rpartition("/")[0], live["kind"]))
        return [reason for reason in rule(client, live) if reason] if rule else []
    form, _, rest = wait_for.partition("=")
    kind, _, status = rest.partition("=")
    if form != "condition" or not kind:
        raise NotReadyError(live, f"the stand-in knows pulumi.com/waitFor as condition=TYPE[=STATUS], not {wait_for!r}")
    found = _conditions(live).get(kind, {}).get("status", "not there")
    return [] if found.lower() == (status or "true").lower() else [f"condition {kind} is {found}"]


def _status(live: Object) -> Object:
    return live.get("status") or {}


def _conditions(live: Object) -> dict[str, dict[str, str]]:
    return {item["type"]: item for item in _status(live).get("conditions") or []}


def _is(live: Object, condition: str) -> bool:
    return _conditions(live).get(condition, {}).get("status") == "True"


def _pod_problems(client: Client, live: Object) -> list[str]:
    """What hinders an object's pods, once each: an image that can't be pulled, a node that can't be found."""
    labels = (live["spec"].get("selector") or {}).get("matchLabels") or {}
    pods = client.listed(client.path({**live, "apiVersion": "v1", "kind": "Pod"}, name=None), labels) if labels else []
    return list(dict.fromkeys(problem for pod in pods for problem in _pod_reasons(pod)))[:5]


def _pod_reasons(pod: Object) -> list[str]:
    found = []
    scheduled = _conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        found.append(f"a pod has no node: {scheduled.get('message', scheduled.get('reason', ''))}")
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in _status(pod).get(key) or []:
            state = container.get("state") or {}
            waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
            if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
                found.append(f"container {container['name']}: {waiting['reason']} {waiting.get('message', '')}".strip())
            if ended.get("exitCode"):
                found.append(f"container {container['name']} ended with exit code {ended['exitCode']}")
    return found


def _workload(client: Client, live: Object) -> list[str]:
    """Deployment, StatefulSet, DaemonSet: all wanted pods are up, and of the newest kind."""
    spec, status = live["spec"], _status(live)
    strategy = spec.get("updateStrategy") or {}
    by_hand = strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition", 0) > 0
    wanted = spec.get("replicas", 1)
    if live["kind"] == "DaemonSet":
        wanted, have = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
        rolled = by_hand or status.get("updatedNumberScheduled", 0) == wanted
    elif live["kind"] == "StatefulSet":
        have = status.get("readyReplicas", 0)
        rolled = by_hand or status.get("currentRevision") == status.get("updateRevision")
    else:
        have = status.get("availableReplicas", 0)
        rolled = status.get("updatedReplicas", 0) == wanted == status.get("replicas", 0)
    if have >= wanted and rolled and status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0):
        return []
    progress, failure = _conditions(live).get("Progressing", {}), _conditions(live).get("ReplicaFailure", {})
    told = [
        item.get("message", "") for item, bad in ((progress, "False"), (failure, "True")) if item.get("status") == bad
    ]
    return [f"{have} of {wanted} replicas are available", *told, *_pod_problems(client, live)]


def _job(client: Client, live: Object) -> list[str]:
    # A suspended job is started later by a queue (Kueue); whether it ran is the queue's to tell.
    if _is(live, "Complete") or live["spec"].get("suspend"):
        return []
    problems = _pod_problems(client, live)
    if _is(live, "Failed"):
        failed = _conditions(live)["Failed"]
        raise NotReadyError(live, f"the job failed: {failed.get('message') or failed.get('reason')}", *problems)
    return ["the job has not completed", *problems]


def _pod(_client: Client, live: Object) -> list[str]:
    phase = _status(live).get("phase")
    if phase == "Succeeded" or _is(live, "Ready"):
        return []
    reasons = [f"the pod is {phase or 'not started'}", *_pod_reasons(live)]
    if phase == "Failed":
        raise NotReadyError(live, *reasons)
    return reasons


def _volume_claim(client: Client, live: Object) -> list[str]:
    name = live["spec"].get("storageClassName")
    if _status(live).get("phase") == "Bound":
        return []
    if not name:
        return ["the claim names no storage class, and the cluster has no default one"]
    try:
        storage = client.get({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}})
    except ApiError as error:
        return [f"storage class {name}: {error}"]
    first_use = storage.get("volumeBindingMode") == "WaitForFirstConsumer"
    return [] if first_use else [f"no volume of storage class {name} has been bound to the claim"]


def _service(client: Client, live: Object) -> list[str]:
    spec = live["spec"]
    if spec.get("type") == "LoadBalancer" and _balanced(client, live):
        return ["the load balancer has no address"]
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return []
    slices = client.path({**live, "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}, name=None)
    parts = client.listed(slices, {"kubernetes.io/service-name": live["metadata"]["name"]})
    ends = [end.get("conditions") or {} for part in parts for end in part.get("endpoints") or []]
    return [] if any(end.get("ready", True) for end in ends) else ["no ready pod matches the service's selector"]


def _balanced(_client: Client, live: Object) -> list[str]:
    given = (_status(live).get("loadBalancer") or {}).get("ingress")
    return [] if given else ["no ingress controller has given it an address"]


def _phase(*good: str) -> Callable[[Client, Any], list[str]]:
    def rule(_client: Client, live: Object) -> list[str]:
        phase = _status(live).get("phase", "Pending")
        return [] if phase in good else [f"it is {phase}"]

    return rule


def _definition(_client: Client, live: Object) -> list[str]:
    named = _conditions(live).get("NamesAccepted", {})
    refused = named.get("message", "") if named.get("status") == "False" else ""
    return [] if _is(live, "Established") else ["the server does not serve the kind yet", refused]


def _quota(_client: Client, live: Object) -> list[str]:
    counted = _status(live).get("hard", {}) == live["spec"].get("hard", {})
    return [] if counted else ["the quota controller has not counted the quota yet"]


_RULES: dict[tuple[str, str], Callable[[Client, Any], list[str]]] = {
    ("apps", "Deployment"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("apps", "DaemonSet"): _workload,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "PersistentVolume"): _phase("Available", "Bound"),
    ("", "PersistentVolumeClaim"): _volume_claim,
    ("", "Service"): _service,
    ("networking.k8s.io", "Ingress"): _balanced,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("", "Namespace"): _phase("Active"),
    ("", "ResourceQuota"): _quota,
}
