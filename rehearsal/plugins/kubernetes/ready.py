"""Whether an object is up, and if not, why: what the official provider awaits, kind by kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rehearsal.plugins.kubernetes.client import ApiError, Client, NoSuchKindError, Object
from rehearsal.plugins.kubernetes.objects import annotation
from rehearsal.plugins.serving import backoff, deadline

# The official provider's, if neither `customTimeouts` nor pulumi.com/timeoutSeconds says otherwise.
TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Verdict:
    """`up`, or the reasons why not; `failed` when waiting can't help."""

    up: bool
    reasons: tuple[str, ...] = ()
    failed: bool = False


_UP = Verdict(up=True)


class NotReadyError(Exception):
    """An object exists but did not become ready; holds it and the reasons."""

    def __init__(self, live: Object, reasons: tuple[str, ...]) -> None:
        """Keep what is known.

        Args:
            live: the object as last seen.
            reasons: sentences.
        """
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons


def timeout_seconds(requested: float, inputs: Object) -> float:
    """Seconds to wait: the resource's custom timeout, else its annotation, else ten minutes."""
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
    while True:
        verdict = judge(client, live, annotation(inputs, "waitFor"))
        if verdict.up:
            return live
        if verdict.failed:
            raise NotReadyError(live, verdict.reasons)
        if expired():
            raise NotReadyError(live, (f"not ready after {timeout:.0f} seconds", *verdict.reasons))
        if pause(stop):
            raise NotReadyError(live, ("the update was cancelled while waiting", *verdict.reasons))
        try:
            live = client.get(live)
        except ApiError as error:
            if error.code != 404:
                raise
            raise NotReadyError(live, ("it was deleted by someone else while waiting",)) from error


def wait_gone(client: Client, inputs: Object, obj: Object, timeout: float, stop: threading.Event) -> None:
    """Wait until a deleted object is gone, or another has taken its name.

    Raises:
        NotReadyError: it is still there: its finalizers, or the namespace's, say who holds it.
    """
    if annotation(inputs, "skipAwait") == "true":
        return
    expired, pause = deadline(timeout), backoff()
    while True:
        try:
            live = client.get(obj)
        except (ApiError, NoSuchKindError) as error:
            if isinstance(error, ApiError) and error.code != 404:
                raise
            return
        if live["metadata"].get("deletionTimestamp") is None:
            return
        if expired() or pause(stop):
            raise NotReadyError(live, (f"still there {timeout:.0f} seconds after its deletion", *_holders(live)))


def _holders(live: Object) -> tuple[str, ...]:
    finalizers = list(live["metadata"].get("finalizers") or []) + list((live.get("spec") or {}).get("finalizers") or [])
    held = (f"held by finalizers {', '.join(finalizers)}",) if finalizers else ()
    return held + tuple(
        item["message"] for item in _conditions(live).values() if item.get("status") == "True" and item.get("message")
    )


def judge(client: Client, live: Object, wait_for: str = "") -> Verdict:
    """Whether an object is up now.

    Args:
        client: asked for what the object does not tell itself: pods, endpoints, storage classes.
        live: the object.
        wait_for: the annotation pulumi.com/waitFor, `condition=TYPE[=STATUS]`; empty for the kind's own rule.
    """
    if wait_for:
        return _condition_is(live, wait_for)
    group = live["apiVersion"].rpartition("/")[0]
    rule = _RULES.get((group, live["kind"]))
    return rule(client, live) if rule else _UP


def _condition_is(live: Object, wanted: str) -> Verdict:
    form, _, rest = wanted.partition("=")
    kind, _, status = rest.partition("=")
    if form != "condition" or not kind:
        return Verdict(
            up=False, failed=True, reasons=(f"pulumi.com/waitFor is {wanted!r}, not condition=TYPE[=STATUS]",)
        )
    found = _conditions(live).get(kind, {})
    if found.get("status", "").lower() == (status or "true").lower():
        return _UP
    return _waiting(f"condition {kind} is {found.get('status', 'not there')}", found.get("message", ""))


def _conditions(live: Object) -> dict[str, dict[str, str]]:
    return {item["type"]: item for item in (live.get("status") or {}).get("conditions") or []}


def _waiting(*reasons: str) -> Verdict:
    return Verdict(up=False, reasons=tuple(reason for reason in reasons if reason))


def _observed(live: Object) -> bool:
    return bool((live.get("status") or {}).get("observedGeneration", 0) >= live["metadata"].get("generation", 0))


def _pod_problems(client: Client, live: Object) -> tuple[str, ...]:
    """What hinders an object's pods, once each: an image that can't be pulled, a node that can't be found."""
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels")
    if not labels:
        return ()
    pods = client.listed(client.path({**live, "apiVersion": "v1", "kind": "Pod"}, name=None), labels)
    problems = (problem for pod in pods for problem in _pod_reasons(pod))
    return tuple(dict.fromkeys(problems))[:5]


def _pod_reasons(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    found = []
    scheduled = _conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        found.append(f"a pod has no node: {scheduled.get('message', scheduled.get('reason', ''))}")
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            found.append(f"container {container['name']}: {waiting['reason']} {waiting.get('message', '')}".strip())
        if ended.get("exitCode"):
            found.append(f"container {container['name']} ended with exit code {ended['exitCode']}")
    return found


def _deployment(client: Client, live: Object) -> Verdict:
    status, wanted = live.get("status") or {}, live["spec"].get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    total = status.get("replicas", 0)
    if _observed(live) and updated == wanted and available >= wanted and total == updated:
        return _UP
    conditions = _conditions(live)
    told = [
        conditions[kind].get("message", "")
        for kind in ("Progressing", "ReplicaFailure")
        if conditions.get(kind, {}).get("status") == ("False" if kind == "Progressing" else "True")
    ]
    return _waiting(f"{available} of {wanted} replicas are available", *told, *_pod_problems(client, live))


def _stateful_set(client: Client, live: Object) -> Verdict:
    status, spec = live.get("status") or {}, live["spec"]
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    strategy = spec.get("updateStrategy") or {}
    partial = strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition", 0) > 0
    rolled = partial or status.get("currentRevision") == status.get("updateRevision")
    if _observed(live) and ready == wanted and rolled:
        return _UP
    return _waiting(f"{ready} of {wanted} replicas are ready", *_pod_problems(client, live))


def _daemon_set(client: Client, live: Object) -> Verdict:
    status = live.get("status") or {}
    wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    on_delete = (live["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
    rolled = on_delete or status.get("updatedNumberScheduled", 0) == wanted
    if _observed(live) and available == wanted and rolled:
        return _UP
    return _waiting(f"{available} of {wanted} nodes run an available pod", *_pod_problems(client, live))


def _job(client: Client, live: Object) -> Verdict:
    conditions = _conditions(live)
    if conditions.get("Complete", {}).get("status") == "True":
        return _UP
    failed = conditions.get("Failed", {})
    if failed.get("status") == "True":
        reason = f"the job failed: {failed.get('message') or failed.get('reason')}"
        return Verdict(up=False, failed=True, reasons=(reason, *_pod_problems(client, live)))
    if live["spec"].get("suspend"):
        # A queue (Kueue) starts it later; whether it ran is the queue's to tell.
        return _UP
    return _waiting("the job has not completed", *_pod_problems(client, live))


def _pod(_client: Client, live: Object) -> Verdict:
    phase = (live.get("status") or {}).get("phase")
    if phase == "Succeeded" or _conditions(live).get("Ready", {}).get("status") == "True":
        return _UP
    reasons = (f"the pod is {phase or 'not started'}", *_pod_reasons(live))
    return Verdict(up=False, failed=phase == "Failed", reasons=reasons)


def _volume(_client: Client, live: Object) -> Verdict:
    phase = (live.get("status") or {}).get("phase")
    return _UP if phase in {"Available", "Bound"} else _waiting(f"the volume is {phase or 'Pending'}")


def _volume_claim(client: Client, live: Object) -> Verdict:
    phase = (live.get("status") or {}).get("phase", "Pending")
    if phase == "Bound":
        return _UP
    name = live["spec"].get("storageClassName")
    if not name:
        return _waiting(f"the claim is {phase}, and names no storage class; the cluster has no default one")
    try:
        storage = client.get({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}})
    except ApiError as error:
        return _waiting(f"the claim is {phase}: storage class {name}: {error}")
    if storage.get("volumeBindingMode") == "WaitForFirstConsumer":
        return _UP
    return _waiting(f"the claim is {phase}: no volume of storage class {name} has been bound to it")


def _service(client: Client, live: Object) -> Verdict:
    spec = live["spec"]
    if spec.get("type") == "LoadBalancer" and not _balanced(live):
        return _waiting("the load balancer has no address")
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return _UP
    kind = {**live, "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}
    labels = {"kubernetes.io/service-name": live["metadata"]["name"]}
    for part in client.listed(client.path(kind, name=None), labels):
        if any((end.get("conditions") or {}).get("ready", True) for end in part.get("endpoints") or []):
            return _UP
    return _waiting("no ready pod matches the service's selector")


def _ingress(_client: Client, live: Object) -> Verdict:
    return _UP if _balanced(live) else _waiting("no ingress controller has given the ingress an address")


def _balanced(live: Object) -> bool:
    return bool(((live.get("status") or {}).get("loadBalancer") or {}).get("ingress"))


def _definition(_client: Client, live: Object) -> Verdict:
    conditions = _conditions(live)
    if conditions.get("Established", {}).get("status") == "True":
        return _UP
    refused = conditions.get("NamesAccepted", {})
    told = refused.get("message", "") if refused.get("status") == "False" else ""
    return _waiting("the server does not serve the kind yet", told)


def _namespace(_client: Client, live: Object) -> Verdict:
    phase = (live.get("status") or {}).get("phase", "Active")
    return _UP if phase == "Active" else _waiting(f"the namespace is {phase}")


def _quota(_client: Client, live: Object) -> Verdict:
    same = (live.get("status") or {}).get("hard", {}) == live["spec"].get("hard", {})
    return _UP if same else _waiting("the quota controller has not counted the quota yet")


def _secret(_client: Client, live: Object) -> Verdict:
    awaited = live.get("type") == "kubernetes.io/service-account-token" and not live.get("data")
    return _waiting("the token has not been issued") if awaited else _UP


Rule = Callable[[Client, Any], Verdict]
_RULES: dict[tuple[str, str], Rule] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _volume_claim,
    ("", "Service"): _service,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("", "Namespace"): _namespace,
    ("", "ResourceQuota"): _quota,
    ("", "Secret"): _secret,
}
# Refresh looks at these once more, as the official provider does: a workload that broke is updated by the next `up`.
CHECKED_ON_REFRESH = {"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "Service", "Ingress"}
