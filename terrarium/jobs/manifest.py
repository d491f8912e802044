"""A job as Kubernetes has it: a Job, indexed for an array, or a CronJob. Pure.

The pod is as Pod Security `restricted` and production's rules want it, in every tier: what runs in an experiment must
not have to be changed for production. CPU and memory are held to what was asked for, so that a job finds the same on
every pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components import naming
from components.labels import LABEL
from components.stores.files import MOUNT, TOKEN
from terrarium.inside import orders
from terrarium.inside.process import GRACE
from terrarium.jobs.router import Placement

JOB_LABEL, INPUTS = f"{LABEL}/job", f"{LABEL}/inputs"
"""A job's name, on all that belongs to it; what it declares to read."""
BUCKET, KEPT = f"{LABEL}/bucket", f"{LABEL}/results"
"""The bucket whose job it is; `store` where its results are kept."""
QUEUE, PRIORITY = "kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"
LEAST = "kueue.x-k8s.io/job-min-parallelism"
"""Of how many pods at a time an array begins at least, where fewer have room than it asks for."""
_PATIENT = 4
"""A part of that: less than a quarter is waited for, as what begins with few goes on with few until it ends."""
CONTAINER = "job"
USER = 65532
"""Who runs in the container, as in images without a shell: `nonroot`."""
WORK = "/workspace"
"""The working folder."""
LAST = 24 * 3600
"""Seconds that an ended job stays in the cluster; its log and results stay in the store."""
_LISTED = 24
# Behind it come `-`, and an index or the minute of a schedule; a pod's name, and so the whole, has 63 at most, and a
# CronJob's 52 (kubernetes.io, "CronJob").
NAME = naming.NameRule(
    service="a job",
    longest=52,
    pattern=r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    alphabet="lower-case letters, digits and `-`, starting and ending with a letter or digit",
    source="kubernetes.io/docs/concepts/workloads/controllers/cron-jobs",
)
_PATH = "metadata.labels['batch.kubernetes.io/job-name']"


@dataclass(frozen=True)
class Identity:
    """By whose right a job uses the store.

    Args:
        secret: The Secret with its files.
        service_account: The service account that pods run as.
        audience: What tokens of it are made for, where the store takes them; None elsewhere.
    """

    secret: str
    service_account: str = "runner"
    audience: str | None = None


@dataclass(frozen=True)
class Spec:
    """All that a job is made of.

    Args:
        name: Its name.
        environment: The environment's id.
        namespace: Its namespace.
        tier: Its tier.
        labels: Further labels of the environment.
        placement: Where it runs.
        image: The image, by digest.
        arguments: What the command is given.
        tasks: How many indexes; None without an array.
        retries: How often an index is repeated that failed by itself.
        timeout: Seconds that all of it may run; None for as long as it takes.
        schedule: When it is run again; None for once, now.
        identity: By whose right it uses the store; None without one.
        inputs: What it reads, as `orders` say it.
        references: The same, as the annotation says it.
        outputs: Paths to keep.
        bucket: The bucket whose job it is.
    """

    name: str
    environment: str
    namespace: str
    tier: str
    placement: Placement
    image: str
    labels: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    tasks: int | None = None
    retries: int = 0
    timeout: int | None = None
    schedule: str | None = None
    identity: Identity | None = None
    inputs: Sequence[orders.Input] = ()
    references: Sequence[str] = ()
    outputs: Sequence[str] = ()
    bucket: str | None = None


def manifest(spec: Spec) -> dict[str, Any]:
    """Return the Job, or the CronJob of a job that has a schedule.

    Args:
        spec: What it is made of.

    Raises:
        NameRefused: If Kubernetes would not take the name.
    """
    annotations = _annotations(spec) | _begins_with(spec)
    metadata = {
        "name": NAME.check(spec.name),
        "namespace": spec.namespace,
        "labels": _labels(spec),
        "annotations": annotations,
    }
    if spec.schedule is None:
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": _job(spec)}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": {
            "schedule": spec.schedule,
            "timeZone": "Etc/UTC",
            # A run that is not over is not overtaken: both would work on the same data.
            "concurrencyPolicy": "Forbid",
            # Seconds; without it a schedule that slept through 100 of its times never runs again.
            "startingDeadlineSeconds": 3600,
            # Kubernetes keeps three, and one that failed. As any job, each is listed for LAST; this many at most.
            "successfulJobsHistoryLimit": _LISTED,
            "failedJobsHistoryLimit": _LISTED,
            "jobTemplate": {
                "metadata": {"labels": _labels(spec), "annotations": annotations},
                "spec": _job(spec),
            },
        },
    }


def _labels(spec: Spec) -> dict[str, str]:
    placement = spec.placement
    return {
        **spec.labels,
        JOB_LABEL: spec.name,
        **({BUCKET: spec.bucket} if spec.bucket else {}),
        **({QUEUE: placement.queue} if placement.queue else {}),
        **({PRIORITY: placement.priority} if placement.queue and placement.priority else {}),
    }


def _annotations(spec: Spec) -> dict[str, str]:
    return {
        **({INPUTS: ",".join(spec.references)} if spec.references else {}),
        **({KEPT: "store"} if spec.identity else {}),
    }


def _begins_with(spec: Spec) -> dict[str, str]:
    # All or nothing by default: an array as wide as the quota waited while one small job ran.
    at_a_time = spec.placement.parallelism
    if spec.tasks is None or spec.placement.queue is None or at_a_time == 1:
        return {}
    return {LEAST: str(-(-at_a_time // _PATIENT))}


def _job(spec: Spec) -> dict[str, Any]:
    placement = spec.placement
    times = {"activeDeadlineSeconds": spec.timeout} if spec.timeout else {}
    shape: dict[str, Any] = {"backoffLimit": spec.retries}
    if spec.tasks is not None:
        shape = {
            "completionMode": "Indexed",
            "completions": spec.tasks,
            "parallelism": placement.parallelism,
            # An index that fails for good is no reason to stop the others.
            "backoffLimitPerIndex": spec.retries,
        }
    return {
        **shape,
        **times,
        # Kueue lets it go on when it is its turn.
        "suspend": placement.queue is not None,
        "ttlSecondsAfterFinished": LAST,
        # A machine that dies or is taken back is not the script's failure.
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        "template": {
            "metadata": {"labels": _labels(spec), "annotations": _annotations(spec)},
            "spec": _pod(spec),
        },
    }


def _pod(spec: Spec) -> dict[str, Any]:
    placement = spec.placement
    volumes, mounts = _volumes(spec)
    return {
        "restartPolicy": "Never",
        "serviceAccountName": spec.identity.service_account if spec.identity else "runner",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": f"terrarium-{spec.tier}",
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"nodeSelector": dict(placement.selector)} if placement.selector else {}),
        **({"tolerations": [dict(one) for one in placement.tolerations]} if placement.tolerations else {}),
        "containers": [
            {
                "name": CONTAINER,
                "image": spec.image,
                # Kubernetes fills in `$(NAME)`; what was typed is meant as it is.
                "args": [argument.replace("$", "$$") for argument in spec.arguments],
                "workingDir": WORK,
                "env": _variables(spec),
                "resources": {"requests": dict(placement.requests), "limits": dict(placement.requests)},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }


def _variables(spec: Spec) -> list[dict[str, Any]]:
    return [
        {"name": orders.JOB, "valueFrom": {"fieldRef": {"fieldPath": _PATH}}},
        {"name": orders.RUN, "valueFrom": {"fieldRef": {"fieldPath": _PATH.replace("job-name", "controller-uid")}}},
        {"name": orders.ATTEMPT, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        *({"name": name, "value": value} for name, value in variables(spec).items()),
    ]


def variables(spec: Spec) -> dict[str, str]:
    """Return the environment variables of a job that are the same wherever it runs."""
    plan = orders.written(array=spec.tasks is not None, inputs=spec.inputs, outputs=spec.outputs)
    store = {
        "AWS_CONFIG_FILE": f"{MOUNT}/config",
        "AWS_SHARED_CREDENTIALS_FILE": f"{MOUNT}/credentials",
        "PGSERVICEFILE": f"{MOUNT}/pg_service.conf",
        "PGSERVICE": "store",
    }
    # Caches of libraries go where they are not taken for outputs.
    return {orders.PLAN: plan, "HOME": "/tmp", **(store if spec.identity else {})}  # noqa: S108 - the pod's own


def _volumes(spec: Spec) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    disk = spec.placement.requests.get("ephemeral-storage")
    room = {"sizeLimit": disk} if disk else {}
    found: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"name": "work", "emptyDir": room}, {"mountPath": WORK}),
        ({"name": "tmp", "emptyDir": room}, {"mountPath": "/tmp"}),  # noqa: S108 - the pod's own
        # What processes share (PyTorch's loaders do): 64 MiB by default. It counts as the container's memory.
        ({"name": "shared-memory", "emptyDir": {"medium": "Memory"}}, {"mountPath": "/dev/shm"}),  # noqa: S108 - as above
    ]
    identity = spec.identity
    if identity:
        secret = {"secretName": identity.secret, "defaultMode": 0o440}
        found.append(({"name": "store", "secret": secret}, {"mountPath": MOUNT, "readOnly": True}))
    if identity and identity.audience:
        folder, _, file = TOKEN.rpartition("/")
        token = {"audience": identity.audience, "expirationSeconds": 3600, "path": file}
        projected = {"defaultMode": 0o440, "sources": [{"serviceAccountToken": token}]}
        found.append(({"name": "store-token", "projected": projected}, {"mountPath": folder, "readOnly": True}))
    volumes = [volume for volume, _ in found]
    return volumes, [{"name": volume["name"], **mount} for volume, mount in found]
