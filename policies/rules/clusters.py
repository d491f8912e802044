"""Control planes: who reaches them, what they encrypt and log, and whether somebody still mends them."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.model import (
    EVERY_TIER,
    PRODUCTION,
    SHARED_TIERS,
    STACK,
    Facts,
    Finding,
    Resource,
    Severity,
    rule,
)
from policies.rules.reading import Node, open_to_the_world, root

EKS = "aws:eks/cluster:Cluster"
GKE = "gcp:container/cluster:Cluster"
KAPSULE = "scaleway:kubernetes/cluster:Cluster"
_KAPSULE_ACL = "scaleway:kubernetes/acl:Acl"
_ADDON = "aws:eks/addon:Addon"
_GKE_CHANNELS = ("RAPID", "REGULAR", "STABLE")


@rule(
    "control-plane-private",
    title="The API of a production cluster has no public address.",
    reason="A leaked token is of use only to who can reach the API.",
    severity=Severity.CRITICAL,
    tiers=PRODUCTION,
    sources=("CKV_AWS_39", "EKS.1", "EKS 5.4.2", "GKE 5.6.4"),
    remedy="EKS: vpcConfig.endpointPublicAccess false, endpointPrivateAccess true. GKE: enablePrivateEndpoint true.",
    types=(EKS, GKE),
    unknown=True,
)
def control_plane_private(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The public endpoint is off; both clouds' default is on, so absent is a violation."""
    node = root(resource)
    if resource.type == EKS:
        public = node.get("vpcConfig", "endpointPublicAccess")
        if not public.false:
            yield public.fault("is not false")
        yield from node.get("vpcConfig", "endpointPrivateAccess").must_be_true("is not true")
        return
    yield from _gke_by_dns(node).must_not_be_true("opens the API to the internet by its DNS name")
    if not _gke_without_addresses(node):
        yield from _gke_private(node).must_be_true("is not true")


@rule(
    "control-plane-cidr",
    title="The API is reachable from listed ranges only.",
    reason="The whole internet tries stolen tokens and new holes of the API server.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_38", "CKV_GCP_20", "GKE 5.6.3"),
    remedy="List the ranges of the office, the VPN and CI.",
    types=(EKS, GKE, _KAPSULE_ACL),
    unknown=True,
)
def control_plane_cidr(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Where the API is public, its ranges are given and none is the world."""
    node = root(resource)
    if resource.type == EKS:
        ranges = node.get("vpcConfig", "publicAccessCidrs")
        if not node.get("vpcConfig", "endpointPublicAccess").false:
            yield from ranges.must_be_given("is not set, which lets in 0.0.0.0/0")
            yield from open_to_the_world(ranges.entries())
    elif resource.type == GKE:
        yield from _gke_ranges(node)
    else:
        for entry in node.get("aclRules").entries():
            yield from entry.get("scalewayRanges").must_not_be_true("lets in every customer of Scaleway")
        yield from open_to_the_world(
            address for entry in node.get("aclRules").entries() if not (address := entry.get("ip")).absent
        )


@rule(
    "control-plane-acl",
    title="A Kapsule cluster has an access list of its own.",
    reason="Scaleway's default list lets in 0.0.0.0/0.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy="Add a scaleway:kubernetes/acl:Acl for the cluster.",
    types=(STACK,),
    about=(KAPSULE, _KAPSULE_ACL),
)
def control_plane_acl(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """There are as many lists as clusters: which belongs to which is known only after both are made."""
    lists = sum(one.type == _KAPSULE_ACL for one in facts.resources)
    for cluster in [one for one in facts.resources if one.type == KAPSULE][lists:]:
        yield Finding("", "has no access list, so that its API is open to the internet", resource=cluster)


@rule(
    "cluster-secrets-kms",
    title="Kubernetes Secrets are encrypted by a key of one's own.",
    reason="A copy of etcd's disk or backup holds every Secret.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("CKV_AWS_58", "EKS.3", "GKE 5.3.1"),
    remedy="EKS: encryptionConfig with resources [secrets]. GKE: databaseEncryption.state ENCRYPTED.",
    types=(EKS, GKE),
)
def secrets_kms(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Encryption with a named key is on."""
    node = root(resource)
    if resource.type == EKS:
        encrypted = node.get("encryptionConfig", "resources")
        if not any(entry.text == "secrets" for entry in encrypted.entries()):
            yield encrypted.fault("does not hold secrets")
        yield from node.get("encryptionConfig", "provider", "keyArn").must_be_given("is not set")
    else:
        yield from node.get("databaseEncryption", "state").must_be_among(["ENCRYPTED"], "is not ENCRYPTED")
        yield from node.get("databaseEncryption", "keyName").must_be_given("is not set")


@rule(
    "cluster-audit-logs",
    title="The control plane logs who did what.",
    reason="Without an audit log nobody can say what an intruder, or a mistake, has done.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("CKV_AWS_37", "EKS.8", "CKV_GCP_1"),
    remedy="EKS: enabledClusterLogTypes with audit and authenticator. GKE: leave SYSTEM_COMPONENTS on.",
    types=(EKS, GKE),
)
def audit_logs(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """EKS logs nothing unless told; GKE logs unless told not to."""
    node = root(resource)
    if resource.type == EKS:
        logs = node.get("enabledClusterLogTypes")
        if not {"audit", "authenticator"} <= {entry.text for entry in logs.entries()}:
            yield logs.fault("does not hold audit and authenticator")
        return
    components = node.get("loggingConfig", "enableComponents")
    if not components.absent and not any(entry.text == "SYSTEM_COMPONENTS" for entry in components.entries()):
        yield components.fault("does not hold SYSTEM_COMPONENTS")
    if node.get("loggingService").text == "none":
        yield node.get("loggingService").fault("switches logs off")


@rule(
    "cluster-supported-version",
    title="Clusters are kept on versions that are supported.",
    reason="Holes of a version out of support stay open, and extended support costs six times as much (EKS).",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_339", "EKS.2", "CKV_GCP_70"),
    remedy="EKS: upgradePolicy.supportType STANDARD. GKE: a releaseChannel. Kapsule: autoUpgrade.enable true.",
    types=(EKS, GKE, KAPSULE),
)
def supported_version(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The cluster is upgraded by its cloud before support ends."""
    node = root(resource)
    if resource.type == EKS:
        yield from node.get("upgradePolicy", "supportType").must_be_among(["STANDARD"], "is not STANDARD")
    elif resource.type == GKE:
        channel = node.get("releaseChannel", "channel")
        yield from channel.must_be_among(_GKE_CHANNELS, "is no channel that is upgraded in time")
    else:
        yield from node.get("autoUpgrade", "enable").must_be_true("is not true")


@rule(
    "cluster-netpol-engine",
    title="Network policies hold in the cluster.",
    reason="The API server takes a NetworkPolicy whether or not anything enforces it.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("CKV_GCP_12", "EKS 5.4.4"),
    remedy="GKE: datapathProvider ADVANCED_DATAPATH. EKS: Auto Mode, or vpc-cni with enableNetworkPolicy. Kapsule: cni "
    "cilium or calico.",
    types=(STACK,),
    about=(EKS, GKE, KAPSULE, _ADDON),
)
def netpol_engine(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """Each cluster has what enforces them; on EKS that may be an add-on beside it."""
    addon = any(_enforcing(root(one)) for one in facts.resources if one.type == _ADDON)
    for cluster in facts.resources:
        if cluster.type in {EKS, GKE, KAPSULE} and not _enforces(cluster) and not (addon and cluster.type == EKS):
            yield Finding("", "has nothing that enforces network policies", resource=cluster)


@rule(
    "cluster-no-legacy-auth",
    title="Clusters take no password, client certificate or old kind of rights.",
    reason="A client certificate can't be revoked, and ABAC gives rights that no Role shows.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_GCP_7", "CKV_GCP_13"),
    remedy="GKE: enableLegacyAbac false, issueClientCertificate false. EKS: accessConfig.authenticationMode API.",
    types=(EKS, GKE),
)
def no_legacy_auth(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """GKE's old ways are off, and on EKS no ConfigMap decides who administers it."""
    node = root(resource)
    if resource.type == GKE:
        yield from node.get("enableLegacyAbac").must_not_be_true("gives rights that no Role shows")
        issued = node.get("masterAuth", "clientCertificateConfig", "issueClientCertificate")
        yield from issued.must_not_be_true("makes a certificate that can't be revoked")
    else:
        mode = node.get("accessConfig", "authenticationMode")
        yield from mode.must_be_among(["API"], "lets a ConfigMap say who administers the cluster")


@rule(
    "gke-binary-authorization",
    title="GKE runs only images that the project's policy admits.",
    reason="It holds for images that reach the nodes past the API server's admission policies.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("CKV_GCP_66",),
    remedy="Set binaryAuthorization.evaluationMode PROJECT_SINGLETON_POLICY_ENFORCE.",
    types=(GKE,),
)
def binary_authorization(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The project's policy is enforced."""
    mode = root(resource).get("binaryAuthorization", "evaluationMode")
    yield from mode.must_be_among(["PROJECT_SINGLETON_POLICY_ENFORCE"], "is not PROJECT_SINGLETON_POLICY_ENFORCE")


def _gke_private(node: Node) -> Node:
    return node.get("privateClusterConfig", "enablePrivateEndpoint")


def _gke_by_dns(node: Node) -> Node:
    return node.get("controlPlaneEndpointsConfig", "dnsEndpointConfig", "allowExternalTraffic")


def _gke_without_addresses(node: Node) -> bool:
    return node.get("controlPlaneEndpointsConfig", "ipEndpointsConfig", "enabled").false


def _gke_ranges(node: Node) -> Iterator[Finding]:
    if _gke_without_addresses(node):
        return
    listed = node.get("masterAuthorizedNetworksConfig")
    blocks = listed.get("cidrBlocks")
    if not _gke_private(node).true:
        yield from listed.must_be_given("is not set, which lets in 0.0.0.0/0")
    yield from listed.get("gcpPublicCidrsAccessEnabled").must_not_be_true("lets in every customer of Google Cloud")
    yield from open_to_the_world(entry.get("cidrBlock") for entry in blocks.entries())


def _enforces(cluster: Resource) -> bool:
    node = root(cluster)
    if cluster.type == EKS:
        return node.get("computeConfig", "enabled").true
    if cluster.type == GKE:
        return node.get("datapathProvider").text == "ADVANCED_DATAPATH" or node.get("networkPolicy", "enabled").true
    return node.get("cni").text in {"cilium", "cilium_native", "calico"}


def _enforcing(addon: Node) -> bool:
    values = addon.get("configurationValues").document()
    return addon.get("addonName").text == "vpc-cni" and values.get("enableNetworkPolicy").true
