"""The rehearsed Google Cloud: resource types as registry.terraform.io/providers/hashicorp/google documents them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any

from rehearsal.cloud.gcp_answers import ANSWERS, agent, number
from rehearsal.cloud.table import Caller, Cloud, Making, Type
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError

_NETWORK, _SUBNETWORK, _ROUTER = (f"compute/{name}:{name.title()}" for name in ("network", "subnetwork", "router"))
_KEY, _CLUSTER, _BUCKET = "kms/cryptoKey:CryptoKey", "container/cluster:Cluster", "storage/bucket:Bucket"
_DATABASE, _ACCOUNT = "sql/databaseInstance:DatabaseInstance", "serviceaccount/account:Account"
_POOL, _PEERING = "iam/workloadIdentityPool:WorkloadIdentityPool", "servicenetworking/connection:Connection"
_GLOBAL, _REGIONAL = "projects/{account}/global", "projects/{account}/regions/{region}"
_SECRETS = frozenset({"password", "passwordWo", "rootPassword", "rootPasswordWo", "privateKey"})
_SQL_AGENTS = "gcp-sa-cloud-sql.iam.gserviceaccount.com"
_CLUSTER_CHANGED = (
    "addonsConfig authenticatorGroupsConfig binaryAuthorization clusterAutoscaling controlPlaneEndpointsConfig "
    "costManagementConfig databaseEncryption deletionProtection dnsConfig enableIntranodeVisibility enableLegacyAbac "
    "enableShieldedNodes loggingConfig maintenancePolicy masterAuth masterAuthorizedNetworksConfig minMasterVersion "
    "monitoringConfig nodeLocations nodePoolAutoConfig nodePoolDefaults nodeVersion privateClusterConfig "
    "releaseChannel removeDefaultNodePool resourceLabels securityPostureConfig workloadIdentityConfig"
)
_CLUSTER_FIXED = (
    "name location clusterIpv4Cidr datapathProvider defaultMaxPodsPerNode description enableAutopilot enableTpu "
    "enableKubernetesAlpha initialNodeCount ipAllocationPolicy network networkingMode subnetwork "
    "masterAuth.clientCertificateConfig.issueClientCertificate privateClusterConfig.masterIpv4CidrBlock"
)
# Of a machine in a pool, what takes another one: `schemaNodeConfig` in the provider's source.
_MACHINE = (
    "advancedMachineFeatures bootDiskKmsKey enableConfidentialStorage ephemeralStorageLocalSsdConfig flexStart "
    "guestAccelerators hostMaintenancePolicy localNvmeSsdBlockConfig localSsdCount localSsdEncryptionMode "
    "maxRunDuration metadata minCpuPlatform nodeGroup oauthScopes preemptible reservationAffinity sandboxConfig "
    "secondaryBootDisks serviceAccount shieldedInstanceConfig soleTenantConfig spot"
)
_MACHINE_FIXED = " ".join(f"nodeConfig.{name}" for name in _MACHINE.split())


def _caller(given: Mapping[str, Any], _settings: Mapping[str, Any]) -> Caller:
    if not (project := given.get("project")):
        raise ProviderError("project: required field is not set")
    return Caller(project, given.get("region") or "", given.get("defaultLabels") or {})


def _now(_making: Making) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _numbered(pattern: str) -> Callable[[Making], str]:
    """A pattern with `{number}` for the project's number."""
    return lambda making: str(making.filled(pattern.replace("{number}", number(making.account))))


def _member(of: str) -> Callable[[Making], str]:
    """The id of one member's role: with the condition's title, as two conditions are two grants."""

    def identifier(making: Making) -> str:
        title = making.inputs.get("condition", {}).get("title")
        return f"{making.filled(of)}/{title}" if title else str(making.filled(of))

    return identifier


def _ranges(inputs: Properties) -> Mapping[str, str]:
    """Ranges of a subnetwork, which may not overlap (Compute API, subnetworks.insert)."""
    texts = [inputs.get("ipCidrRange"), *(one.get("ipCidrRange") for one in inputs.get("secondaryIpRanges") or [])]
    try:
        found = [ip_network(text) for text in texts if isinstance(text, str)]
    except ValueError as error:
        return {"ipCidrRange": str(error)}
    overlap = any(one.overlaps(other) for at, one in enumerate(found) for other in found[:at])
    return {"secondaryIpRanges": "ranges of one subnetwork overlap"} if overlap else {}


def _named_ranges(making: Making) -> str:
    """A cluster's version, once it is known that its subnetwork has the ranges that it names."""
    subnetwork, policy = making.filled("{subnetwork}"), making.inputs.get("ipAllocationPolicy") or {}
    thing = making.find(_SUBNETWORK, str(subnetwork))
    known = {one["rangeName"] for one in (thing.inputs.get("secondaryIpRanges") or [])} if thing else set()
    for name in ("clusterSecondaryRangeName", "servicesSecondaryRangeName"):
        if thing and policy.get(name) and policy[name] not in known:
            raise ProviderError(f"ipAllocationPolicy.{name}: subnetwork {thing.name} has no range {policy[name]}")
    return str(making.inputs.get("minMasterVersion") or making.settings["version"])


def _peered(making: Making) -> str:
    """A server's connection name, once it is known that its network is peered with Cloud SQL's."""
    found = making.find(_NETWORK, making.inputs["settings"].get("ipConfiguration", {}).get("privateNetwork", ""))
    if found and not making.find(_PEERING, f"peering of {found.name}"):
        raise ProviderError(f"NETWORK_NOT_PEERED: network {found.name} has no private services access")
    return str(making.filled("{account}:{region}:{name}"))


def _iam(page: str, of: str, target: str, kind: str = "") -> Type:
    where, fixed = f"{target} role member condition.title", f"{target} role member condition"
    refers = {target: kind} if kind else {}
    unique = {"unique": where, "scope": "account", "taken": "AlreadyExists"}
    return _t(
        page, _member(of + "/{role}/{member}"), refers=refers, outputs={"etag": "{lower12}"}, fixed=fixed, **unique
    )


def _compute(page: str, where: str, **more: Any) -> Type:
    outputs = {"selfLink": "https://www.googleapis.com/compute/v1/{id}", **more.pop("outputs", {})}
    return _t(page, f"{where}/{{name}}", named="name", unique="name", outputs=outputs, **more)


def _t(doc: str, id: Any, **more: Any) -> Type:  # noqa: A002 - the field's name
    return Type(doc=doc, id=id, **more)


# fmt: off
TYPES: Mapping[str, Type] = {
    "organizations/project:Project": _t("google_project", "projects/{projectId}", unique="projectId", scope="world",
        outputs={"number": lambda making: number(making.inputs["projectId"]), "name": "{projectId}"},
        defaults={"autoCreateNetwork": True, "deletionPolicy": "PREVENT"},
        fixed="projectId tags", changed="autoCreateNetwork billingAccount deletionPolicy folderId name orgId"),
    "projects/service:Service": _t("google_project_service", "{account}/{service}", unique="service", scope="account",
        defaults={"disableOnDestroy": True}, fixed="service", changed="disableDependentServices disableOnDestroy"),
    "projects/serviceIdentity:ServiceIdentity": _t("google_project_service_identity",
        "projects/{account}/services/{service}", unique="service", scope="account",
        outputs={"email": lambda making: agent(making.inputs["service"], making.account),
                 "member": "serviceAccount:{email}"}, fixed="service"),
    "projects/iAMMember:IAMMember": _iam("google_project_iam", "{account}", ""),
    "compute/network:Network": _compute("google_compute_network", f"{_GLOBAL}/networks", scope="account",
        outputs={"networkId": "{digits16}", "numericId": "{networkId}", "gatewayIpv4": "", "mtu": 1460,
                 "routingMode": "REGIONAL"},
        defaults={"autoCreateSubnetworks": True, "deleteDefaultRoutesOnCreate": False,
                  "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"},
        fixed="name autoCreateSubnetworks description internalIpv6Range networkProfile params",
        changed="deleteDefaultRoutesOnCreate mtu networkFirewallPolicyEnforcementOrder routingMode"),
    "compute/subnetwork:Subnetwork": _compute("google_compute_subnetwork", f"{_REGIONAL}/subnetworks",
        problems=_ranges, refers={"network": _NETWORK},
        outputs={"subnetworkId": "{digits16}", "fingerprint": "{lower12}", "purpose": "PRIVATE",
                 "stackType": "IPV4_ONLY", "privateIpGoogleAccess": False},
        # A range that grows stays; ours move, and are made anew.
        fixed="name ipCidrRange network description externalIpv6Prefix params reservedInternalRange",
        changed="logConfig privateIpGoogleAccess privateIpv6GoogleAccess purpose role secondaryIpRanges "
                "sendSecondaryIpRangeIfEmpty stackType"),
    "compute/router:Router": _compute("google_compute_router", f"{_REGIONAL}/routers", refers={"network": _NETWORK},
        fixed="name network encryptedInterconnectRouter params", changed="bgp description md5AuthenticationKeys"),
    "compute/address:Address": _compute("google_compute_address", f"{_REGIONAL}/addresses",
        outputs={"address": "203.0.113.{digits2}", "addressId": "{digits16}", "networkTier": "PREMIUM", "users": []},
        defaults={"addressType": "EXTERNAL"},
        fixed="name address addressType description ipVersion network networkTier prefixLength purpose subnetwork"),
    "compute/routerNat:RouterNat": _t("google_compute_router_nat", "{account}/{region}/{router}/{name}",
        named="name", unique="router name",
        refers={"router": _ROUTER, "natIps": "compute/address:Address", "subnetworks.name": _SUBNETWORK},
        outputs={"autoNetworkTier": "PREMIUM", "enableDynamicPortAllocation": False},
        fixed="name router endpointTypes initialNatIps type",
        changed="drainNatIps enableDynamicPortAllocation icmpIdleTimeoutSec logConfig maxPortsPerVm minPortsPerVm "
                "natIpAllocateOption natIps rules sourceSubnetworkIpRangesToNat subnetworks udpIdleTimeoutSec "
                "tcpEstablishedIdleTimeoutSec tcpTimeWaitTimeoutSec tcpTransitoryIdleTimeoutSec"),
    "compute/globalAddress:GlobalAddress": _compute("google_compute_global_address", f"{_GLOBAL}/addresses",
        scope="account", refers={"network": _NETWORK}, outputs={"address": "10.0.0.0"},
        fixed="name address addressType description ipVersion network prefixLength purpose"),
    "dns/managedZone:ManagedZone": _t("google_dns_managed_zone", "projects/{account}/managedZones/{name}",
        named="name", unique="name", scope="account", outputs={"managedZoneId": "{digits16}", "creationTime": _now,
                 "nameServers": ["ns-gcp-private.googledomains.com."]},
        refers={"privateVisibilityConfig.networks.networkUrl": _NETWORK},
        defaults={"description": "Managed by Pulumi", "forceDestroy": False, "visibility": "public"},
        fixed="name dnsName visibility", changed="cloudLoggingConfig description dnssecConfig forceDestroy "
              "forwardingConfig peeringConfig privateVisibilityConfig"),
    "dns/recordSet:RecordSet": _t("google_dns_record_set",
        "projects/{account}/managedZones/{managedZone}/rrsets/{name}/{type}", unique="managedZone name type",
        scope="account", refers={"managedZone": "dns/managedZone:ManagedZone"},
        fixed="managedZone name", changed="routingPolicy rrdatas ttl type"),
    "servicenetworking/connection:Connection": _t("google_service_networking_connection", "{network}:{service}",
        unique="network service", scope="account", outputs={"peering": "servicenetworking-googleapis-com",
                 "_network": lambda making: f"peering of {making.referred('network').name}"},
        refers={"network": _NETWORK, "reservedPeeringRanges": "compute/globalAddress:GlobalAddress"},
        fixed="network service", changed="deletionPolicy reservedPeeringRanges updateOnCreationFail"),
    "serviceaccount/account:Account": _t("google_service_account",
        "projects/{account}/serviceAccounts/{accountId}@{account}.iam.gserviceaccount.com",
        unique="accountId", scope="account", defaults={"disabled": False},
        outputs={"email": "{accountId}@{account}.iam.gserviceaccount.com", "member": "serviceAccount:{email}",
                 "name": "{id}", "uniqueId": "{digits21}"},
        fixed="accountId", changed="createIgnoreAlreadyExists description disabled displayName"),
    "serviceaccount/iAMMember:IAMMember": _iam("google_service_account_iam", "{serviceAccountId}",
        "serviceAccountId", _ACCOUNT),
    "kms/keyRing:KeyRing": _t("google_kms_key_ring", "projects/{account}/locations/{location}/keyRings/{name}",
        named="name", unique="name", fixed="name location"),
    "kms/cryptoKey:CryptoKey": _t("google_kms_crypto_key", "{keyRing}/cryptoKeys/{name}",
        named="name", unique="keyRing name", scope="account", refers={"keyRing": "kms/keyRing:KeyRing"},
        outputs={"destroyScheduledDuration": "2592000s"}, defaults={"purpose": "ENCRYPT_DECRYPT"},
        fixed="name keyRing cryptoKeyBackend destroyScheduledDuration importOnly purpose",
        changed="rotationPeriod skipInitialVersionCreation versionTemplate"),
    "kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _iam("google_kms_crypto_key_iam", "{cryptoKeyId}",
        "cryptoKeyId", _KEY),
    "container/cluster:Cluster": _t("google_container_cluster",
        "projects/{account}/locations/{location}/clusters/{name}", named="name", unique="name", embedded="GkeCluster",
        protected="deletionProtection",
        refers={"network": _NETWORK, "subnetwork": _SUBNETWORK, "databaseEncryption.keyName": _KEY,
                "nodeConfig.serviceAccount": _ACCOUNT, "nodeConfig.bootDiskKmsKey": _KEY},
        outputs={"endpoint": "", "masterVersion": _named_ranges, "operation": "", "tpuIpv4CidrBlock": "",
                 "masterAuth": {"clusterCaCertificate": "", "clientCertificate": "", "clientKey": ""},
                 "selfLink": "https://container.googleapis.com/v1/{id}", "servicesIpv4Cidr": "",
                 "nodeVersion": "{masterVersion}", "labelFingerprint": "{lower8}"},
        defaults={"deletionProtection": True, "enableLegacyAbac": False, "enableShieldedNodes": True},
        fixed=_CLUSTER_FIXED, changed=_CLUSTER_CHANGED),
    "container/nodePool:NodePool": _t("google_container_node_pool",
        "projects/{account}/locations/{location}/clusters/{cluster}/nodePools/{name}", named="name",
        unique="cluster name", refers={"cluster": _CLUSTER, "nodeConfig.serviceAccount": _ACCOUNT,
                                       "nodeConfig.bootDiskKmsKey": _KEY},
        outputs={"version": lambda making: making.filled("{cluster.masterVersion}"), "instanceGroupUrls": [],
                 "managedInstanceGroupUrls": [], "operation": "", "nodeLocations": [], "maxPodsPerNode": 110},
        # What of a machine can change, changes by new machines in the same pool.
        fixed="cluster initialNodeCount maxPodsPerNode name namePrefix placementPolicy queuedProvisioning "
              + _MACHINE_FIXED,
        changed="autoscaling management nodeConfig nodeCount nodeDrainConfigs nodeLocations upgradeSettings version"),
    "binaryauthorization/policy:Policy": _t("google_binary_authorization_policy", "projects/{account}",
        outputs={"globalPolicyEvaluationMode": "ENABLE"}, changed="admissionWhitelistPatterns clusterAdmissionRules "
                 "defaultAdmissionRule description globalPolicyEvaluationMode"),
    "storage/bucket:Bucket": _t("google_storage_bucket", "{name}", named="name", unique="name", scope="world",
        embedded="Bucket", refers={"encryption.defaultKmsKeyName": _KEY},
        outputs={"selfLink": "https://www.googleapis.com/storage/v1/b/{name}", "url": "gs://{name}",
                 "projectNumber": _numbered("{number}"), "timeCreated": _now, "updated": _now,
                 "publicAccessPrevention": "inherited", "uniformBucketLevelAccess": False},
        defaults={"forceDestroy": False, "storageClass": "STANDARD"},
        fixed="name location enableObjectRetention hierarchicalNamespace customPlacementConfig.dataLocations",
        changed="autoclass cors encryption forceDestroy lifecycleRules logging publicAccessPrevention retentionPolicy "
                "rpo softDeletePolicy storageClass uniformBucketLevelAccess versioning website"),
    "storage/bucketIAMMember:BucketIAMMember": _iam("google_storage_bucket_iam", "b/{bucket}", "bucket", _BUCKET),
    "storage/bucketIAMBinding:BucketIAMBinding": _t("google_storage_bucket_iam", _member("b/{bucket}/{role}"),
        unique="bucket role condition.title", scope="account", refers={"bucket": _BUCKET},
        outputs={"etag": "{lower12}"}, fixed="bucket role condition", changed="members"),
    "sql/databaseInstance:DatabaseInstance": _t("google_sql_database_instance", "{name}", named="name", unique="name",
        scope="account", embedded="SqlInstance", protected="deletionProtection",
        refers={"encryptionKeyName": _KEY, "settings.ipConfiguration.privateNetwork": _NETWORK,
                "settings.ipConfiguration.allocatedIpRange": "compute/globalAddress:GlobalAddress"},
        outputs={"connectionName": _peered, "privateIpAddress": "", "firstIpAddress": "", "publicIpAddress": "",
                 "ipAddresses": [], "serverCaCerts": [], "instanceType": "CLOUD_SQL_INSTANCE",
                 "selfLink": "https://sqladmin.googleapis.com/sql/v1beta4/projects/{account}/instances/{name}",
                 "serviceAccountEmailAddress": _numbered("p{number}-{lower6}@" + _SQL_AGENTS)},
        defaults={"deletionProtection": True}, fixed="name region encryptionKeyName",
        changed="databaseVersion deletionProtection finalBackupDescription maintenanceVersion rootPassword settings"),
    "sql/user:User": _t("google_sql_user", "{name}//{instance}", unique="instance name host", scope="account",
        embedded="SqlUser", refers={"instance": _DATABASE}, fixed="host instance name type",
        changed="databaseRoles deletionPolicy password passwordPolicy passwordWo passwordWoVersion"),
    "sql/sslCert:SslCert": _t("google_sql_ssl_cert", "projects/{account}/instances/{instance}/sslCerts/{hex40}",
        unique="instance commonName", scope="account", embedded="SqlCertificate", refers={"instance": _DATABASE},
        secret="privateKey",  # noqa: S106 - an output's name
        outputs={"cert": "", "privateKey": "", "serverCaCert": "", "sha1Fingerprint": "", "certSerialNumber": "",
                 "createTime": _now, "expirationTime": ""}, fixed="commonName instance"),
    "artifactregistry/repository:Repository": _t("google_artifact_registry_repository",
        "projects/{account}/locations/{location}/repositories/{repositoryId}", unique="repositoryId",
        refers={"kmsKeyName": _KEY}, defaults={"mode": "STANDARD_REPOSITORY"},
        outputs={"name": "{repositoryId}", "registryUri": "{location}-docker.pkg.dev/{account}/{repositoryId}"},
        fixed="format kmsKeyName location mode remoteRepositoryConfig repositoryId",
        changed="cleanupPolicies cleanupPolicyDryRun description dockerConfig mavenConfig virtualRepositoryConfig "
                "vulnerabilityScanningConfig"),
    "artifactregistry/repositoryIamMember:RepositoryIamMember": _iam("google_artifact_registry_repository_iam",
        "projects/{account}/locations/{location}/repositories/{repository}", "repository",
        "artifactregistry/repository:Repository"),
    "billing/budget:Budget": _t("google_billing_budget", "billingAccounts/{billingAccount}/budgets/{uuid}",
        outputs={"name": lambda making: making.made["id"].rpartition("/")[2], "ownershipScope": "ALL_USERS"},
        fixed="billingAccount",
        refers={"allUpdatesRule.monitoringNotificationChannels":
                "monitoring/notificationChannel:NotificationChannel"},
        changed="allUpdatesRule amount budgetFilter displayName ownershipScope thresholdRules"),
    "monitoring/notificationChannel:NotificationChannel": _t("google_monitoring_notification_channel",
        "projects/{account}/notificationChannels/{digits19}", outputs={"name": "{id}", "verificationStatus": ""},
        defaults={"enabled": True, "forceDelete": False},
        changed="description displayName enabled forceDelete sensitiveLabels type userLabels"),
    "iam/workloadIdentityPool:WorkloadIdentityPool": _t("google_iam_workload_identity_pool",
        "projects/{account}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}",
        unique="workloadIdentityPoolId", scope="account", fixed="workloadIdentityPoolId",
        outputs={"name": _numbered("projects/{number}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"),
                 "state": "ACTIVE"}, changed="description disabled displayName inlineTrustConfig mode"),
    "iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": _t("google_iam_workload_identity_pool_provider",
        "{workloadIdentityPoolId.id}/providers/{workloadIdentityPoolProviderId}",
        unique="workloadIdentityPoolId workloadIdentityPoolProviderId", scope="account",
        refers={"workloadIdentityPoolId": _POOL}, outputs={"name":
                "{workloadIdentityPoolId.name}/providers/{workloadIdentityPoolProviderId}", "state": "ACTIVE"},
        fixed="workloadIdentityPoolId workloadIdentityPoolProviderId",
        changed="attributeCondition attributeMapping aws description disabled displayName oidc saml x509"),
}
# fmt: on

SETTINGS: Mapping[str, Any] = {
    # Projects that exist; with none here, every one does.
    "projects": [],
    "version": "1.34.1-gke.1829001",
    "regions": ["europe-west1", "europe-west3", "europe-west4", "us-central1", "us-east1", "asia-southeast1"],
    "zones": ["a", "b", "c"],
    "faults": {"rate": 0, "seed": 0, "slow": 0},
    "quotas": {},
    "machines": {"not_offered": [], "families": "e2 n2 n2d n1 c3 c4 g2 a2"},
}
CLOUD = Cloud(
    name="gcp",
    title="Google Cloud",
    types=TYPES,
    invokes=ANSWERS,
    settings=SETTINGS,
    caller=_caller,
    account_input="project",
    region_inputs=("region", "location"),
    tags=("labels", ("pulumiLabels", "effectiveLabels")),
    secrets=_SECRETS,
)
