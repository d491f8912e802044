"""What a node is told: the settings of its programs, and the plan by which its keeper runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rehearsal import debian, versions
from rehearsal.errors import RehearsalError
from rehearsal.files import write, write_json
from rehearsal.images.layout import image_archive, layer
from rehearsal.platform.kubeconfigs import write_kubeconfig
from rehearsal.platform.layout import NODE_CLIENTS, NODE_PODS, PODS, REGISTRY, RESOLVER, SERVICES, Layout, server
from rehearsal.platform.node.machine import ip
from rehearsal.platform.pools import GENERAL
from rehearsal.progress import Report

PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins"),
    # What filters and translates the node's packets, for kubelet, kube-proxy and kube-router.
    *("iptables", "ipset", "conntrack"),
    "docker-registry",
)
"""Debian's packages that a node and its registry come from."""
PAUSE = f"{REGISTRY}/cluster/pause:1"
_SOCKET = "/run/containerd/containerd.sock"
# Where kubelet is told to keep pods; bound there from the platform's folder, whose path may be too long for sockets.
_KUBELET = "/run/kubelet"
_DEBIAN_PLUGINS = ("usr/lib/cni", "opt/cni/bin")


def tools(report: Report) -> debian.Unpacked:
    """Return Debian's programs that a node needs, fetched at first use."""
    return debian.unpacked("node-tools", PACKAGES, report)


def resolver_image() -> str:
    """Return what the resolver's image is called on the node."""
    return f"{REGISTRY}/cluster/coredns:{versions.coredns()}"


def prepare(layout: Layout, ports: Mapping[str, int], built: Mapping[str, Path]) -> None:
    """Write everything that the node's keeper and programs read.

    Args:
        layout: The platform's folder; it has a machine.
        ports: Those of `layout.PORTS`.
        built: The folder of each build set.
    """
    found = debian.Unpacked(built["debian"])
    folder = layout.node
    for user in NODE_CLIENTS:
        write_kubeconfig(
            layout.part_kubeconfig(user),
            context=layout.context,
            server=server(ports["kube-apiserver"], layout.host),
            authority=layout.authority.certificate,
            client=layout.pair(user),
        )
    write(folder / "containerd.toml", _containerd(layout, found))
    write(folder / "cni" / "10-terrarium.conflist", json.dumps(_pod_network()))
    write(folder / "registries" / REGISTRY / "hosts.toml", _mirror(f"http://{layout.host}:{ports['registry']}"))
    write(folder / "kubelet.yaml", yaml.safe_dump(_kubelet(layout)))
    write(folder / "kube-proxy.yaml", yaml.safe_dump(_kube_proxy(layout)))
    # Pods of the node itself look names up nowhere but in the cluster.
    write(folder / "resolv.conf", "", mode=0o644)
    write_json(folder / "plan.json", _plan(layout, built, found))


def _plan(layout: Layout, built: Mapping[str, Path], found: debian.Unpacked) -> dict[str, Any]:
    machine, folder = layout.machine, layout.node
    if machine is None:
        raise RehearsalError(f"The platform in {layout.folder} has no real node.")
    storage = folder / "storage"
    return {
        "hostname": layout.node_name,
        "bridge": machine.bridge,
        "card": machine.card,
        "cgroup": machine.cgroup,
        "address": f"{machine.address}/24",
        "gateway": machine.host,
        "ip": ip(),
        "ctr": [str(_program(found, "ctr")), f"--address={_SOCKET}", "--namespace=k8s.io"],
        "variables": found.variables(),
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "storage": str(storage),
        "binds": {str(storage / "kubelet"): _KUBELET},
        "images": _images(layout, built),
        "ready": str(layout.node_ready),
        "programs": [
            _program_of(layout, "containerd", _program(found, "containerd"), f"--config={folder / 'containerd.toml'}"),
            _program_of(
                layout,
                "kubelet",
                built["node"] / "kubelet",
                f"--config={folder / 'kubelet.yaml'}",
                f"--root-dir={_KUBELET}",
                f"--cert-dir={_KUBELET}/pki",
                f"--kubeconfig={layout.part_kubeconfig('kubelet')}",
                f"--hostname-override={layout.node_name}",
                f"--node-ip={machine.address}",
                f"--node-labels={_labels()}",
            ),
            _program_of(layout, "kube-proxy", built["node"] / "kube-proxy", f"--config={folder / 'kube-proxy.yaml'}"),
            _program_of(
                layout,
                "kube-router",
                built["kube-router"] / "kube-router",
                f"--kubeconfig={layout.part_kubeconfig('kube-router')}",
                f"--hostname-override={layout.node_name}",
                # Of all it can do, the one thing that nothing else here does: hold network policies.
                *("--run-firewall=true", "--run-router=false", "--run-service-proxy=false"),
                f"--service-cluster-ip-range={SERVICES}",
                *("--health-port=0", "--metrics-port=0"),
                # Seconds until what a missed event did not bring is brought (default 300).
                "--iptables-sync-period=60s",
            ),
        ],
    }


def _labels() -> str:
    labels = {
        "terrarium.dev/real": "true",
        "terrarium.dev/pool": GENERAL,
        "topology.kubernetes.io/region": "local",
        "topology.kubernetes.io/zone": "local-a",
        "node.kubernetes.io/instance-type": "this-machine",
    }
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _program(found: debian.Unpacked, name: str) -> Path:
    program = found.program(name)
    if program is None:
        raise RehearsalError(f"`{name}` is missing in {found.folder}: delete that folder; it is fetched anew.")
    return program


def _program_of(layout: Layout, name: str, program: Path, *arguments: str) -> dict[str, Any]:
    return {"name": name, "command": [str(program), *arguments], "log": str(layout.log(name))}


def _images(layout: Layout, built: Mapping[str, Path]) -> list[str]:
    made = []
    for name, called, arguments in (
        ("pause", PAUSE, []),
        ("coredns", resolver_image(), ["-conf", "/etc/coredns/Corefile"]),
    ):
        path = layout.node / "images" / f"{name}.tar"
        program = built["coredns"] / name
        entrypoint = [f"/{name}", *arguments]
        image_archive(path, name=called, layers=[layer({f"/{name}": program})], entrypoint=entrypoint)
        made.append(str(path))
    return made


def _containerd(layout: Layout, found: debian.Unpacked) -> str:
    storage = layout.node / "storage"
    places = [folder / place for folder in (found.folder, Path("/")) for place in _DEBIAN_PLUGINS]
    plugins = next((place for place in places if (place / "ptp").is_file()), places[0])
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{storage}/containerd"
state = "/run/containerd"
# Not loaded where their file systems are missing, with a page of warnings.
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "{_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
path = "{storage}/opt"
[{cri}]
sandbox_image = "{PAUSE}"
# Without it runc dies in a sandboxed machine: "can't get final child's PID from pipe".
restrict_oom_score_adj = true
disable_tcp_service = true
stream_server_address = "127.0.0.1"
[{cri}.containerd]
snapshotter = "overlayfs"
[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
BinaryName = "{_program(found, "runc")}"
SystemdCgroup = false
[{cri}.cni]
bin_dir = "{plugins}"
conf_dir = "{layout.node / "cni"}"
[{cri}.registry]
config_path = "{layout.node / "registries"}"
"""


def _pod_network() -> dict[str, Any]:
    # A cable for each pod, so that every packet between two of them is routed past the filter. On a bridge it would
    # pass beneath it unless the kernel has br_netfilter and is told so.
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni",
        "ranges": [[{"subnet": NODE_PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "0.4.0",
        "name": "terrarium",
        "plugins": [{"type": "ptp", "ipMasq": True, "ipam": addresses}],
    }


def _mirror(url: str) -> str:
    return f'server = "{url}"\n[host."{url}"]\ncapabilities = ["pull", "resolve"]\n'


def _kubelet(layout: Layout) -> dict[str, Any]:
    machine, serving = layout.machine, layout.pair("kubelet-server")
    if machine is None:
        raise RehearsalError(f"The platform in {layout.folder} has no real node.")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": machine.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{machine.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "clusterDNS": [RESOLVER],
        "clusterDomain": "cluster.local",
        "resolvConf": str(layout.node / "resolv.conf"),
        "podLogsDir": str(layout.node / "storage" / "pod-logs"),
        # The default is a folder of the machine's.
        "volumePluginDir": f"{_KUBELET}/volume-plugins",
        "serializeImagePulls": False,
        # A person's disk may be nearly full for long; a machine of its own would not.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }


def _kube_proxy(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.part_kubeconfig("kube-proxy"))},
        "hostnameOverride": layout.node_name,
        "mode": "iptables",
        "clusterCIDR": PODS,
        # The kernel's table of connections is the machine's: its size is not a node's to set.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
