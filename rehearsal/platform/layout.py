"""What lies where in the folder of one platform, and how its parts call each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehearsal.files import read_json
from rehearsal.platform.certificates import Authority, Pair, signing_key
from rehearsal.platform.node import machine
from rehearsal.platform.node.machine import Machine
from rehearsal.platform.pools import Pool
from rehearsal.platform.ports import LOOPBACK

# Common names, and file names, of the two certificate authorities.
AUTHORITY, ETCD_AUTHORITY = "terrarium-cluster", "terrarium-etcd"
# The parts that listen, and for what.
PORTS = (
    "etcd",
    "etcd-peer",
    "kube-apiserver",
    "versitygw-iam",
    "versitygw",
    "postgresql",
    "postgresql-tls",
    "registry",
    "kueue-controller",
)
# Kubernetes' own default (kubeadm) ranges; pod and service addresses are never routed here.
SERVICES, PODS = "10.96.0.0/16", "10.244.0.0/16"
# Of the pods, those on a real node; simulated ones get the lower half.
SIMULATED_PODS, NODE_PODS = "10.244.0.0/17", "10.244.128.0/17"
# Of the services, the resolver (kubeadm takes the tenth address, too).
RESOLVER = "10.96.0.10"
# What versitygw calls its region unless told otherwise.
REGION = "us-east-1"
SUPERUSER = "terrarium"
_API_SERVICE_ADDRESS = "10.96.0.1"

REGISTRY = "registry.internal"
"""What images of the embedded registry are called by; ICANN keeps `.internal` for names inside organisations."""

# Whom each client certificate logs in as: user, groups. The first is the one in the kubeconfig people use.
CLIENTS = {
    "admin": ("terrarium-admin", ("system:masters",)),
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kwok": ("terrarium:kwok", ()),
}
# Those of a real node, and of the API server when it asks one for logs.
NODE_CLIENTS = ("kubelet", "kube-proxy", "kube-router")
# The part that lets jobs wait in queues, its port and its client certificate.
QUEUES = "kueue-controller"
KUBELET_CLIENT = "kube-apiserver-kubelet-client"


@dataclass(frozen=True)
class Layout:
    """The folder of one platform, which has its name."""

    folder: Path

    @property
    def context(self) -> str:
        """The context in its kubeconfigs."""
        return f"terrarium-{self.folder.name}"

    @property
    def machine_file(self) -> Path:
        """Says which real node it has; missing if its nodes are all simulated."""
        return self.folder / "config" / "machine.json"

    @property
    def machine(self) -> Machine | None:
        """Its real node; None if its nodes are all simulated."""
        return machine.read(self.machine_file)

    @property
    def extras_file(self) -> Path:
        """Says what it has beside the usual: queues, and simulated nodes of several pools."""
        return self.folder / "config" / "extras.json"

    @property
    def queues(self) -> bool:
        """Whether jobs wait in queues."""
        return bool((read_json(self.extras_file) or {}).get("queues"))

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The pools of its simulated nodes; none, if they are all of one kind."""
        found = (read_json(self.extras_file) or {}).get("pools")
        return tuple(Pool(**pool) for pool in found) if isinstance(found, list) else ()

    @property
    def host(self) -> str:
        """The address on which its API server, S3 and registry answer: loopback, or the bridge to its real node."""
        found = self.machine
        return found.host if found else LOOPBACK

    @property
    def node(self) -> Path:
        """What its real node is told, and keeps."""
        return self.folder / "node"

    @property
    def node_name(self) -> str:
        """The name of its real node."""
        return f"{self.folder.name}-node"

    @property
    def node_ready(self) -> Path:
        """There while every program of its real node was started."""
        return self.folder / "run" / "node.ready"

    @property
    def registry(self) -> Path:
        """All images of its registry."""
        return self.folder / "registry"

    @property
    def registry_settings(self) -> Path:
        """What its registry is told."""
        return self.folder / "config" / "registry.yaml"

    @property
    def etcd_data(self) -> Path:
        """All that the cluster knows."""
        return self.folder / "etcd"

    @property
    def users(self) -> Path:
        """All that versitygw's IAM service knows."""
        return self.folder / "versitygw-iam"

    @property
    def objects(self) -> Path:
        """S3 buckets: a folder each, and in it a file for each object."""
        return self.folder / "versitygw"

    @property
    def object_versions(self) -> Path:
        """Earlier versions of objects. They may not stand among the buckets."""
        return self.folder / "versitygw-versions"

    @property
    def database(self) -> Path:
        """The database server's data."""
        return self.folder / "postgresql"

    @property
    def base_backups(self) -> Path:
        """A folder for each base backup of the database server, named by when it was complete."""
        return self.folder / "postgresql-archive" / "base"

    @property
    def wal_archive(self) -> Path:
        """The database server's archived write-ahead log, compressed."""
        return self.folder / "postgresql-archive" / "wal"

    @property
    def keys(self) -> Path:
        """The data store's administrator's keys and password."""
        return self.folder / "config" / "store-keys.json"

    @property
    def connections(self) -> Path:
        """What the data store's administrator connects with, as AWS' and PostgreSQL's tools read it."""
        return self.folder / "connections"

    @property
    def service(self) -> Path:
        """Holds what a rehearsed account's platform has of its own; written before the first start."""
        return self.folder / "config" / "service.json"

    @property
    def region(self) -> str:
        """What its S3 calls its region: clients sign with it, and another one's signature is refused."""
        return str((read_json(self.service) or {}).get("region") or REGION)

    @property
    def address(self) -> str:
        """An address in 127.0.0.0/8 of its own, where its database answers by TLS on the usual port; empty for none."""
        return str((read_json(self.service) or {}).get("address") or "")

    @property
    def account(self) -> str:
        """The rehearsed account that its S3 administrator's keys belong to; empty for none."""
        return str((read_json(self.service) or {}).get("account") or "")

    @property
    def superuser(self) -> str:
        """The database's superuser."""
        return str((read_json(self.service) or {}).get("superuser") or SUPERUSER)

    @property
    def certificates(self) -> Path:
        """Certificates and keys of the parts."""
        return self.folder / "certificates"

    @property
    def people(self) -> Path:
        """Certificates and kubeconfigs issued to people."""
        return self.folder / "people"

    @property
    def ports(self) -> Path:
        """The remembered ports."""
        return self.folder / "ports.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Who asked the API server for what."""
        return self.folder / "logs" / "audit.log"

    @property
    def audit_policy(self) -> Path:
        """What the audit log records."""
        return self.folder / "config" / "audit-policy.yaml"

    @property
    def authority(self) -> Pair:
        """The cluster's certificate authority."""
        return self.pair(AUTHORITY)

    @property
    def etcd_authority(self) -> Pair:
        """The certificate authority that etcd trusts."""
        return self.pair(ETCD_AUTHORITY)

    @property
    def tokens(self) -> Pair:
        """The keys that sign and check service account tokens."""
        return self.pair("service-accounts")

    def pair(self, name: str) -> Pair:
        """Return the files of a certificate and its key."""
        return Pair.at(self.certificates, name)

    def log(self, part: str) -> Path:
        """Return the log of a part."""
        return self.folder / "logs" / f"{part}.log"

    def record(self, part: str) -> Path:
        """Return the file that says which process a part is."""
        return self.folder / "run" / f"{part}.json"

    def part_kubeconfig(self, part: str) -> Path:
        """Return the kubeconfig a part logs in with."""
        return self.folder / "config" / f"{part}.kubeconfig"

    def issue_certificates(self) -> bool:
        """Make the certificates that are missing, damaged or about to end.

        Returns:
            Whether one changed: the parts must then start anew.
        """
        cluster = Authority(self.certificates, AUTHORITY)
        etcd = Authority(self.certificates, ETCD_AUTHORITY)
        names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        hosts = [*names, "kubernetes.default.svc.cluster.local", *self._here, _API_SERVICE_ADDRESS]
        own = [self.address] if self.address else []
        found = self.machine
        changed = [
            etcd.issue(self.pair("etcd"), "etcd", hosts=["localhost", LOOPBACK]),
            etcd.issue(self.pair("etcd-client"), "kube-apiserver"),
            cluster.issue(self.pair("kube-apiserver"), "kube-apiserver", hosts=hosts),
            cluster.issue(self.pair("postgresql"), "postgresql", hosts=["localhost", *self._here, *own]),
            cluster.issue(self.pair("versitygw"), "versitygw", hosts=["localhost", *self._here]),
            signing_key(self.tokens),
            *(cluster.issue(self.pair(name), user, groups) for name, (user, groups) in CLIENTS.items()),
            *(self._issue_node_certificates(cluster, found) if found else ()),
            # It serves webhooks, and logs in.
            *([cluster.issue(self.pair(QUEUES), "terrarium:kueue", hosts=[LOOPBACK])] if self.queues else []),
        ]
        return any(changed)

    @property
    def _here(self) -> list[str]:
        return list(dict.fromkeys([LOOPBACK, self.host]))

    def _issue_node_certificates(self, cluster: Authority, found: Machine) -> Iterator[bool]:
        users = {
            "kubelet": (f"system:node:{self.node_name}", ("system:nodes",)),
            "kube-proxy": ("system:kube-proxy", ()),
            "kube-router": ("terrarium:kube-router", ()),
        }
        for name in NODE_CLIENTS:
            yield cluster.issue(self.pair(name), *users[name])
        yield cluster.issue(self.pair(KUBELET_CLIENT), KUBELET_CLIENT)
        yield cluster.issue(self.pair("kubelet-server"), self.node_name, hosts=[self.node_name, found.address])


def server(port: int, host: str = LOOPBACK) -> str:
    """Return the URL of an API server, or of etcd.

    Args:
        port: Where it listens.
        host: `Layout.host` for an API server.
    """
    return f"https://{host}:{port}"
