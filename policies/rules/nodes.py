"""Machines of a cluster: private, with an identity of their own, started from what they say they are."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.model import EVERY_TIER, SHARED_TIERS, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node, root

_GKE = "gcp:container/cluster:Cluster"
_POOL = "gcp:container/nodePool:NodePool"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_SUBNET = "aws:ec2/subnet:Subnet"
_KAPSULE_POOL = "scaleway:kubernetes/pool:Pool"


@rule(
    "nodes-private",
    title="Machines have no public address.",
    reason="Whatever opens a port on a machine opens it to the internet.",
    severity=Severity.HIGH,
    tiers=SHARED_TIERS,
    sources=("CKV_GCP_64", "EKS 5.4.3", "EC2.15"),
    remedy="GKE: enablePrivateNodes true. AWS: no public IP by subnet or template. Kapsule: publicIpDisabled true.",
    types=(_GKE, _POOL, _TEMPLATE, _SUBNET, _KAPSULE_POOL),
    unknown=True,
)
def nodes_private(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """GKE and Kapsule give public addresses by default, AWS only when told to."""
    node = root(resource)
    if resource.type == _GKE:
        yield from node.get("privateClusterConfig", "enablePrivateNodes").must_be_true("is not true")
    elif resource.type == _POOL:
        private = node.get("networkConfig", "enablePrivateNodes")
        if not (private.absent or private.true):  # absent: as the cluster says
            yield private.fault("is not true")
    elif resource.type == _KAPSULE_POOL:
        yield from node.get("publicIpDisabled").must_be_true("is not true")
    elif resource.type == _SUBNET:
        yield from node.get("mapPublicIpOnLaunch").must_not_be_true("gives public addresses")
    else:
        for interface in node.get("networkInterfaces").entries():
            yield from interface.get("associatePublicIpAddress").must_not_be_true("gives a public address")


@rule(
    "node-identity",
    title="Machines have an identity of their own, and pods can't take it.",
    reason="By the metadata server any pod gets its machine's credentials; GKE's default account may edit the project.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV2_GCP_1", "CKV_GCP_69", "CKV_AWS_79", "EC2.8"),
    remedy="GKE: serviceAccount, workloadMetadataConfig.mode GKE_METADATA. AWS: metadataOptions.httpTokens required.",
    types=(_POOL, _TEMPLATE),
)
def node_identity(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The metadata server is closed to pods, and the account is not the default one."""
    node = root(resource)
    if resource.type == _TEMPLATE:
        options = node.get("metadataOptions")
        if options.get("httpEndpoint").text != "disabled":
            yield from options.get("httpTokens").must_be_among(["required"], "is not required")
            hops = options.get("httpPutResponseHopLimit")
            # One hop ends at the machine: a pod in a network of its own is one further.
            if not hops.absent and hops.number != 1:
                yield hops.fault("lets pods reach the machine's credentials")
        return
    config = node.get("nodeConfig")
    yield from config.get("serviceAccount").must_be_given("is not set: machines get the project's default account")
    mode = config.get("workloadMetadataConfig", "mode")
    yield from mode.must_be_among(["GKE_METADATA"], "lets pods reach the machine's credentials")


@rule(
    "shielded-nodes",
    title="Machines start only software that is signed.",
    reason="A rootkit below the system survives every reboot and is seen by nothing that runs in it.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_GCP_68", "CKV_GCP_71", "CKV_GCP_72"),
    remedy="Leave enableShieldedNodes on; set shieldedInstanceConfig.enableSecureBoot true.",
    types=(_GKE, _POOL),
)
def shielded(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Shielded nodes are on by default, secure boot is not, integrity monitoring is."""
    node = root(resource)
    if resource.type == _GKE:
        on = node.get("enableShieldedNodes")
        if not (on.absent or on.true):
            yield on.fault("is not true")
        return
    config = node.get("nodeConfig", "shieldedInstanceConfig")
    yield from config.get("enableSecureBoot").must_be_true("is not true")
    yield from _not_false(config.get("enableIntegrityMonitoring"))


def _not_false(node: Node) -> Iterator[Finding]:
    if not (node.absent or node.true):
        yield node.fault("is not true")
