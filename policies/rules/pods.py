"""What pods may do to their node, their neighbours and themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.rules.model import EVERY_TIER, PRODUCTION, SHARED_TIERS, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node
from policies.rules.workloads import ANY_KUBERNETES, Pod, pods

_ANY = (ANY_KUBERNETES,)
# Package managers that fetch and install when a container starts, and scripts piped from the network into a shell.
_INSTALLS = re.compile(
    r"\b(?:pip3?|uv pip|pipx|conda|mamba|poetry|npm|yarn|gem|cargo|go)\s+(?:-\S+\s+)*(?:install|add)\b"
    r"|\b(?:apt|apt-get|dnf|yum|microdnf|zypper)\s+(?:-\S+\s+)*install\b|\bapk\s+(?:-\S+\s+)*add\b"
    r"|\b(?:curl|wget)\b[^\n;|]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b"
)


@rule(
    "pod-privileged",
    title="No container is privileged.",
    reason="A privileged container is root on its node, and reads every other environment's secrets and data there.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("Kyv disallow-privileged-containers", "CKV_K8S_16", "KSV-0017", "EKS 4.2.1"),
    remedy="Remove securityContext.privileged; name the one device or capability that is needed.",
    types=_ANY,
)
def privileged(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No container of any sort says privileged."""
    for _, container in _containers(resource):
        yield from container.get("securityContext", "privileged").must_not_be_true(
            "makes the container root on its node"
        )


@rule(
    "host-namespaces",
    title="Pods share no namespace of their node.",
    reason="In the node's network a pod passes every network policy; with its processes it reads their memory.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_17", "CKV_K8S_18", "CKV_K8S_19", "KSV-0008", "KSV-0009", "KSV-0010", "EKS 4.2.2", "EKS 4.2.4"),
    remedy="Remove hostNetwork, hostPID and hostIPC.",
    types=_ANY,
)
def host_namespaces(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Neither hostNetwork nor hostPID nor hostIPC is set."""
    for pod in pods(resource):
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            yield from pod.spec.get(key).must_not_be_true("shares a namespace of the node")


@rule(
    "host-path",
    title="Pods mount nothing of their node.",
    reason="The node's files hold other pods' secrets and the kubelet's own identity.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("Kyv disallow-host-path", "CKV_K8S_27", "KSV-0006"),
    remedy="Use a PersistentVolumeClaim or an emptyDir.",
    types=_ANY,
)
def host_path(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No volume is a hostPath."""
    for pod in pods(resource):
        for volume in pod.spec.get("volumes").entries():
            path = volume.get("hostPath")
            if not path.absent:
                yield path.fault("mounts the node's files")


@rule(
    "host-port",
    title="Pods open no port of their node.",
    reason="A port of the node is reachable past every Service and most network policies.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_26", "PSS baseline"),
    remedy="Remove hostPort and use a Service.",
    types=_ANY,
)
def host_port(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No container's port has a hostPort; 0 means none."""
    for _, container in _containers(resource):
        for port in container.get("ports").entries():
            opened = port.get("hostPort")
            if not opened.absent and opened.number != 0:
                yield opened.fault("opens a port of the node")


@rule(
    "no-escalation",
    title="Processes can't gain rights that their container lacks.",
    reason="A setuid program in the image makes root of any user.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_20", "KSV-0001", "EKS 4.2.5"),
    remedy="Set securityContext.allowPrivilegeEscalation: false on each container.",
    types=_ANY,
)
def no_escalation(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each container forbids it: the default allows it."""
    for pod, container in _containers(resource):
        allowed = container.get("securityContext", "allowPrivilegeEscalation")
        if not (allowed.false or (allowed.absent and pod.partial)):
            yield allowed.fault("is not false")


@rule(
    "drop-capabilities",
    title="Containers drop all capabilities.",
    reason="The default set is enough to forge packets and to change owners of files.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_37", "KSV-0003", "PSS restricted"),
    remedy="Set securityContext.capabilities.drop: [ALL]; only NET_BIND_SERVICE may be added.",
    types=_ANY,
)
def drop_capabilities(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """ALL is dropped, and nothing but NET_BIND_SERVICE added."""
    for pod, container in _containers(resource):
        capabilities = container.get("securityContext", "capabilities")
        dropped = capabilities.get("drop")
        if not any(one.text == "ALL" for one in dropped.entries()) and not (dropped.absent and pod.partial):
            yield dropped.fault("does not hold ALL")
        for added in capabilities.get("add").entries():
            yield from added.must_be_among(["NET_BIND_SERVICE"], "is a capability beyond NET_BIND_SERVICE")


@rule(
    "non-root",
    title="Containers run as another user than root.",
    reason="Root in a container is root on the node as soon as the kernel or the runtime has a hole.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_23", "KSV-0012", "NSA hardening guide", "PSS restricted"),
    remedy="Set securityContext.runAsNonRoot: true on the pod, and no runAsUser: 0.",
    types=_ANY,
)
def non_root(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each container has runAsNonRoot by itself or from its pod, nothing takes it back, and nothing names user 0."""
    for pod in pods(resource):
        whole = pod.spec.get("securityContext")
        said = whole.get("runAsNonRoot")
        # Whatever its containers say: Pod Security takes it so.
        if not (said.absent or said.true):
            yield said.fault("is not true")
        for container in pod.containers:
            own = _effective(whole, container.get("securityContext"), "runAsNonRoot")
            if not (own.true or (own.absent and pod.partial)):
                yield own.fault("is not true")
        for context in (whole, *(container.get("securityContext") for container in pod.containers)):
            user = context.get("runAsUser")
            if not user.absent and (user.number or 0) <= 0:
                yield user.fault("is root")


@rule(
    "seccomp",
    title="Containers run under the runtime's seccomp profile.",
    reason="Most ways out of a container use system calls that no ordinary program needs.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_31", "GKE 4.6.2", "PSS restricted"),
    remedy="Set securityContext.seccompProfile.type: RuntimeDefault on the pod.",
    types=_ANY,
)
def seccomp(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each container has RuntimeDefault or Localhost by itself or from its pod."""
    for pod, container in _containers(resource):
        profile = _effective(pod.spec.get("securityContext"), container.get("securityContext"), "seccompProfile")
        if not (profile.absent and pod.partial):
            yield from profile.get("type").must_be_among(["RuntimeDefault", "Localhost"], "is not RuntimeDefault")


@rule(
    "readonly-rootfs",
    title="Containers can't write to their own image's files.",
    reason="What an intruder writes there runs with the next start of the process.",
    severity=Severity.MEDIUM,
    tiers=PRODUCTION,
    sources=("CKV_K8S_22", "KSV-0014", "NSA hardening guide"),
    remedy="Set securityContext.readOnlyRootFilesystem: true and mount an emptyDir where the program writes.",
    types=_ANY,
)
def readonly_rootfs(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each container says so."""
    for pod, container in _containers(resource):
        only = container.get("securityContext", "readOnlyRootFilesystem")
        if not (only.absent and pod.partial):
            yield from only.must_be_true("is not true")


@rule(
    "sa-token",
    title="Pods get no token of the cluster unless they ask for one.",
    reason="Any code in a pod can use the token that is mounted there; most never talk to the API server.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("CKV_K8S_38", "EKS 4.1.6"),
    remedy="Set automountServiceAccountToken: false; who needs a token projects one with an audience and an expiry.",
    types=_ANY,
)
def sa_token(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The pod says false: the default mounts it."""
    for pod in pods(resource):
        mounted = pod.spec.get("automountServiceAccountToken")
        if not (mounted.false or (mounted.absent and pod.partial)):
            yield mounted.fault("is not false")


@rule(
    "resources-bounded",
    title="Containers say what they need, and have a memory limit.",
    reason="One pod without a limit takes its neighbours' memory, and they are killed for it.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("CKV_K8S_10", "CKV_K8S_11", "CKV_K8S_12", "CKV_K8S_13", "NSA hardening guide"),
    remedy="Set resources.requests.cpu, resources.requests.memory and resources.limits.memory.",
    types=_ANY,
)
def resources_bounded(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Requests for CPU and memory, a limit for memory; a GPU is its own limit. A CPU limit only slows work down."""
    for pod in pods(resource):
        if pod.partial:
            continue
        for sort in ("containers", "initContainers"):  # the API server takes no resources on ephemeral ones
            for container in pod.spec.get(sort).entries():
                resources = container.get("resources")
                for key in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
                    yield from resources.get(*key).must_be_given("is not set")


@rule(
    "no-env-secrets",
    title="Secrets reach containers as files.",
    reason="Environment variables end in crash reports, logs and every child process.",
    severity=Severity.MEDIUM,
    tiers=PRODUCTION,
    sources=("CKV_K8S_35", "EKS 4.4.1"),
    remedy="Mount the Secret as a volume.",
    types=_ANY,
)
def no_env_secrets(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No variable is taken from a Secret, alone or by envFrom."""
    for _, container in _containers(resource):
        sources = [entry.get("valueFrom", "secretKeyRef") for entry in container.get("env").entries()]
        sources += [entry.get("secretRef") for entry in container.get("envFrom").entries()]
        for source in sources:
            if not source.absent:
                yield source.fault("puts a Secret into the environment")


@rule(
    "no-runtime-install",
    title="Nothing is installed when a container starts.",
    reason="What is fetched at the start was neither scanned nor tested, and differs from day to day.",
    severity=Severity.HIGH,
    tiers=SHARED_TIERS,
    sources=("own",),
    remedy="Install it when the image is built, from locked requirements.",
    types=_ANY,
)
def no_runtime_install(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No command holds an installer. This stops habits, not intent: egress rules and a read-only root do that."""
    for _, container in _containers(resource):
        command = [*container.get("command").entries(), *container.get("args").entries()]
        if _INSTALLS.search(" ".join(word.text for word in command)):
            yield Finding(container.path, "installs packages when it starts")


def _containers(resource: Resource) -> Iterator[tuple[Pod, Node]]:
    for pod in pods(resource):
        for container in pod.containers:
            yield pod, container


def _effective(whole: Node, own: Node, key: str) -> Node:
    """Return a setting that a container has by itself, or else from its pod; the container's wins."""
    value = own.get(key)
    return whole.get(key) if value.absent and not whole.get(key).absent else value
