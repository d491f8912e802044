"""The parts of a platform, in the order they start; here the control plane's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rehearsal import versions
from rehearsal.platform import queues
from rehearsal.platform.layout import KUBELET_CLIENT, SERVICES, SIMULATED_PODS, Layout, server
from rehearsal.platform.node.machine import Machine
from rehearsal.platform.node.parts import NODE_PARTS
from rehearsal.platform.part import Part
from rehearsal.platform.ports import LOOPBACK
from rehearsal.platform.store import STORE

NODE_LABEL = "type=kwok"
SIMULATOR = "kwok"


def _etcd_mark(layout: Layout) -> str:
    return f"--data-dir={layout.etcd_data}"


def _api_server_mark(layout: Layout) -> str:
    return f"--audit-log-path={layout.audit_log}"


def _kubeconfig_of(part: str) -> Callable[[Layout], str]:
    return lambda layout: f"--kubeconfig={layout.part_kubeconfig(part)}"


def _etcd(layout: Layout, ports: Mapping[str, int], _: Path) -> tuple[str, ...]:
    pair, authority = layout.pair("etcd"), layout.etcd_authority.certificate
    client = server(ports["etcd"])
    return (
        _etcd_mark(layout),
        "--name=terrarium",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={server(ports['etcd-peer'])}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={authority}",
        "--client-cert-auth",
        f"--peer-cert-file={pair.certificate}",
        f"--peer-key-file={pair.key}",
        f"--peer-trusted-ca-file={authority}",
        "--peer-client-cert-auth",
        # One member elects itself; the default timeouts (100 and 1000 ms) are for members apart, and cost a second.
        "--heartbeat-interval=50",
        "--election-timeout=250",
        "--log-level=warn",
    )


def _api_server(layout: Layout, ports: Mapping[str, int], _: Path) -> tuple[str, ...]:
    pair, etcd = layout.pair("kube-apiserver"), layout.pair("etcd-client")
    kubelet = layout.pair(KUBELET_CLIENT)
    node = (
        f"--kubelet-client-certificate={kubelet.certificate}",
        f"--kubelet-client-key={kubelet.key}",
        f"--kubelet-certificate-authority={layout.authority.certificate}",
        # Its name is known to nobody.
        "--kubelet-preferred-address-types=InternalIP",
    )
    # The service `kubernetes` may not point to loopback; the reconciler would log an error every ten seconds.
    own = node if layout.machine else ("--endpoint-reconciler-type=none",)
    return (
        _api_server_mark(layout),
        f"--bind-address={layout.host}",
        f"--advertise-address={layout.host}",
        *own,
        f"--secure-port={ports['kube-apiserver']}",
        f"--tls-cert-file={pair.certificate}",
        f"--tls-private-key-file={pair.key}",
        f"--client-ca-file={layout.authority.certificate}",
        f"--etcd-servers={server(ports['etcd'])}",
        f"--etcd-cafile={layout.etcd_authority.certificate}",
        f"--etcd-certfile={etcd.certificate}",
        f"--etcd-keyfile={etcd.key}",
        f"--service-cluster-ip-range={SERVICES}",
        # Not the URL with the port: a port that moves would void every token.
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={layout.tokens.certificate}",
        f"--service-account-signing-key-file={layout.tokens.key}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        "--enable-admission-plugins=NodeRestriction,PodSecurity,ValidatingAdmissionPolicy",
        "--allow-privileged=true",
        "--profiling=false",
        f"--audit-policy-file={layout.audit_policy}",
        "--audit-log-maxsize=20",
        "--audit-log-maxbackup=3",
        "--audit-log-maxage=7",
    )


def _controller_manager(layout: Layout, _: Mapping[str, int], __: Path) -> tuple[str, ...]:
    return (
        _kubeconfig_of("kube-controller-manager")(layout),
        # It serves metrics only; without a port there is one less to be taken.
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        # The defaults (20 and 30) spare a shared API server; here they make the first start 4 s longer.
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        f"--service-account-private-key-file={layout.tokens.key}",
        f"--root-ca-file={layout.authority.certificate}",
        f"--cluster-signing-cert-file={layout.authority.certificate}",
        f"--cluster-signing-key-file={layout.authority.key}",
        "--profiling=false",
    )


def _scheduler(layout: Layout, _: Mapping[str, int], __: Path) -> tuple[str, ...]:
    return (_kubeconfig_of("kube-scheduler")(layout), "--secure-port=0", "--leader-elect=false", "--profiling=false")


# Nodes get ready and keep a lease; pods get Running at once, and Completed where a Job owns them.
_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)


def _kwok(layout: Layout, _: Mapping[str, int], folder: Path) -> tuple[str, ...]:
    return (
        _kubeconfig_of("kwok")(layout),
        *(f"--config={folder / 'stage' / stage}" for stage in _STAGES),
        f"--manage-nodes-with-label-selector={NODE_LABEL}",
        # Seconds; renewed at a quarter of it. With the 40 s of a kubelet a thousand nodes that did nothing took half a
        # core. A renewal that fails is tried again only when the next is due, and a node without one for 50 s would
        # turn NotReady.
        "--node-lease-duration-seconds=80",
        # `kubectl logs` asks the node's address: on loopback it fails at once, elsewhere it would reach a stranger.
        f"--node-ip={LOOPBACK}",
        f"--cidr={SIMULATED_PODS}",
    )


PARTS = (
    Part(
        name="etcd",
        built_in="kubernetes",
        version=versions.etcd,
        port="etcd",
        real=True,
        about="Real: etcd, with one member. What it has confirmed survives the end of any process.",
        mark=_etcd_mark,
        arguments=_etcd,
    ),
    Part(
        name="kube-apiserver",
        built_in="kubernetes",
        version=versions.kubernetes,
        port="kube-apiserver",
        real=True,
        about="Real: the API server. Logins, RBAC, admission, quotas and the audit log are those of any cluster.",
        mark=_api_server_mark,
        arguments=_api_server,
        on_bridge=True,
    ),
    Part(
        name="kube-controller-manager",
        built_in="kubernetes",
        version=versions.kubernetes,
        port="",
        real=True,
        about="Real: Deployments, Jobs, quotas, service accounts, namespaces and garbage collection work as anywhere.",
        mark=_kubeconfig_of("kube-controller-manager"),
        arguments=_controller_manager,
    ),
    Part(
        name="kube-scheduler",
        built_in="kubernetes",
        version=versions.kubernetes,
        port="",
        real=True,
        about="Real: pods are placed by requests, affinity, taints and priority.",
        mark=_kubeconfig_of("kube-scheduler"),
        arguments=_scheduler,
    ),
    Part(
        name=SIMULATOR,
        built_in="kwok",
        version=versions.kwok,
        port="",
        real=False,
        about=(
            "Simulated: the nodes and all that runs on them. No container runs: pods are marked Running, and those of "
            "Jobs Completed, with nothing executed and no logs; network policies are stored, but no packet is "
            "filtered; services have addresses that nothing answers on; no volume is provided."
        ),
        mark=_kubeconfig_of("kwok"),
        arguments=_kwok,
    ),
    *STORE,
)
"""What every platform has, in the order it is shown; each starts as soon as what it needs is there."""
ALL = (*PARTS, queues.PART, *NODE_PARTS)
"""What a platform may have."""


def parts_of(layout: Layout) -> tuple[Part, ...]:
    """Return the parts that a platform has."""
    machine = layout.machine
    left_out = {part.name for part in NODE_PARTS} if machine is None else {SIMULATOR} - _simulated(machine)
    without = set() if layout.queues else {queues.PART.name}
    return tuple(part for part in ALL if part.name not in left_out | without)


def _simulated(machine: Machine) -> set[str]:
    return {SIMULATOR} if machine.simulated else set()
