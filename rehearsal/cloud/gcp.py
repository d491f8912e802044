"""The rehearsed Google Cloud: types as registry.terraform.io/providers/hashicorp/google documents them; answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from rehearsal.cloud.table import Caller, Cloud, Find, Making, Type
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.trees import values_at

_NETWORK, _SUBNETWORK, _ROUTER = (f"compute/{name}:{name.title()}" for name in ("network", "subnetwork", "router"))
_KEY, _CLUSTER, _BUCKET = "kms/cryptoKey:CryptoKey", "container/cluster:Cluster", "storage/bucket:Bucket"
_DATABASE, _ACCOUNT = "sql/databaseInstance:DatabaseInstance", "serviceaccount/account:Account"
_POOL, _RING = "iam/workloadIdentityPool:WorkloadIdentityPool", "kms/keyRing:KeyRing"
_CHANNEL, _RANGE = "monitoring/notificationChannel:NotificationChannel", "compute/globalAddress:GlobalAddress"
_GLOBAL, _REGIONAL = "projects/{account}/global", "projects/{account}/regions/{region}"
_LOCATED, _MAIL = "projects/{account}/locations/{location}", "{accountId}@{account}.iam.gserviceaccount.com"
# What of a machine in a pool takes another pool: `schemaNodeConfig` in the provider's source.
_MACHINE = (
    "advancedMachineFeatures bootDiskKmsKey enableConfidentialStorage ephemeralStorageLocalSsdConfig flexStart "
    "guestAccelerators hostMaintenancePolicy localNvmeSsdBlockConfig localSsdCount localSsdEncryptionMode "
    "maxRunDuration metadata minCpuPlatform nodeGroup oauthScopes preemptible reservationAffinity sandboxConfig "
    "secondaryBootDisks serviceAccount shieldedInstanceConfig soleTenantConfig spot"
)
# A service's own account (cloud.google.com/iam/docs/service-agents); the others' is gcp-sa-SERVICE.
_AGENTS = {"container": "container-engine-robot", "sqladmin": "gcp-sa-cloud-sql", "storage": "gs-project-accounts"}
_TYPE = re.compile(r"([a-z0-9]+)-(?:[a-z]+)-(\d+)(g?)")
# GPUs that come with a type, by its cores (G2), and 12 cores for each GPU (A2): "Accelerator-optimized machine family".
_G2 = {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8}


def number(project: str) -> str:
    """The number of a project: always the same twelve digits."""
    return str(10**11 + int(hashlib.sha256(project.encode()).hexdigest(), 16) % (9 * 10**11))


def agent(making: Making) -> str:
    """The mail address of a service's own account in a project; of Cloud Storage's where no service is named."""
    name = making.inputs.get("service", "storage").partition(".")[0]
    return f"service-{number(making.account)}@{_AGENTS.get(name, f'gcp-sa-{name}')}.iam.gserviceaccount.com"


def _project(query: Making) -> Properties:
    name = str(query.inputs.get("projectId") or query.account)
    made = (one["projectId"] for one in query.things("organizations/project:Project"))
    if query.settings["projects"] and name not in (*query.settings["projects"], *made):
        raise ProviderError(f"Error 403: Permission denied on project {name}, or it does not exist")
    return {"projectId": name, "number": number(name), "name": name, "id": f"projects/{name}"}


def _zones(query: Making) -> Properties:
    known = query.settings["zones"] if query.region in query.settings["regions"] else ()
    return {"names": [f"{query.region}-{zone}" for zone in known], "id": query.region}


def _machine(found: re.Match[str]) -> Properties:
    family, count = found[1], int(found[2])
    gpus = {"g2": _G2.get(count, 0), "a2": count if found[3] else 0}.get(family, 0)
    kind, cores = {"g2": ("nvidia-l4", count), "a2": ("nvidia-tesla-a100", count * 12)}.get(family, ("", count))
    accelerators = [{"guestAcceleratorType": kind, "guestAcceleratorCount": gpus}] if gpus else []
    return {"name": found[0], "guestCpus": cores, "accelerators": accelerators}


def _machines(query: Making) -> Properties:
    known, wanted = query.settings["machines"], re.findall(r'"([^"]+)"', query.inputs.get("filter", ""))
    families = known["families"].split()
    offered = [one for one in wanted if one.partition("-")[0] in families and one not in known["not_offered"]]
    return {"machineTypes": [_machine(found) for found in map(_TYPE.fullmatch, offered) if found], "id": query.account}


def _quota(query: Making) -> Properties:
    name = query.inputs["quotaId"]
    value = query.settings["quotas"].get(name, 600)
    where = [{}] if "ALL-REGIONS" in name else [{"region": region} for region in query.settings["regions"]]
    infos = [{"dimensions": one, "details": [{"value": str(value)}]} for one in where]
    return {"dimensionsInfos": infos, "id": f"{query.inputs['parent']}/quotaInfos/{name}"}


def _cluster(query: Making) -> Properties:
    found = _FOUND(query)
    pools = [one for one in query.things("container/nodePool:NodePool") if one["cluster"] == found["name"]]
    nodes = [{"serviceAccount": one["nodeConfig"].get("serviceAccount")} for one in pools]
    return {**found, "nodePools": [{"nodeConfigs": nodes}]}


def _caller(given: Mapping[str, Any], _settings: Mapping[str, Any]) -> Caller:
    if not (project := given.get("project")):
        raise ProviderError("project: required field is not set")
    return project, given.get("region") or "", given.get("defaultLabels") or {}


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
    thing = making.known.find(_SUBNETWORK, str(subnetwork))
    known = {one["rangeName"] for one in (thing.inputs.get("secondaryIpRanges") or [])} if thing else set()
    for name in ("clusterSecondaryRangeName", "servicesSecondaryRangeName"):
        if thing and policy.get(name) and policy[name] not in known:
            raise ProviderError(f"ipAllocationPolicy.{name}: subnetwork {thing.name} has no range {policy[name]}")
    return str(making.inputs.get("minMasterVersion") or making.settings["version"])


def _peered(making: Making) -> str:
    """A server's connection name, once it is known that its network is peered with Cloud SQL's."""
    found = making.known.find(_NETWORK, making.inputs["settings"].get("ipConfiguration", {}).get("privateNetwork", ""))
    if found and not making.known.find("servicenetworking/connection:Connection", f"peering of {found.name}"):
        raise ProviderError(f"NETWORK_NOT_PEERED: network {found.name} has no private services access")
    return str(making.filled("{account}:{region}:{name}"))


def _iam(doc: str, of: str, kind: str = "", who: str = "member") -> Type:
    """A role of one member, or of all; the condition's title is part of the id, as two conditions are two grants."""
    target = "".join(re.findall(r"{(\w+)}$", of)) if kind else ""
    pattern = f"{of}/{{role}}/{{member}}" if who else f"{of}/{{role}}"

    def identifier(making: Making) -> str:
        return "/".join([str(making.filled(pattern)), *values_at(making.inputs, "condition.title")])

    unique, fixed = f"{target} role {who} condition.title", f"{target} role {who} condition"
    return Type(doc, identifier, unique=unique, scope="account", refers={target: kind} if kind else {}, fixed=fixed)


def _compute(doc: str, where: str, **more: Any) -> Type:
    outputs = {"selfLink": "https://www.googleapis.com/compute/v1/{id}", **more.pop("outputs", {})}
    return Type(doc, f"{where}/{{name}}", named="name", outputs=outputs, **more)


_FOUND = Find(_CLUSTER, "Error 404: Not found: cluster", lists="masterAuth")
_STORAGE = {"id": agent, "emailAddress": agent, "member": lambda query: f"serviceAccount:{agent(query)}"}
ANSWERS: Mapping[str, Any] = {
    "organizations/getProject:getProject": _project,
    "compute/getRegions:getRegions": {"names": "{regions}", "id": "projects/{account}"},
    "compute/getZones:getZones": _zones,
    "compute/getMachineTypes:getMachineTypes": _machines,
    "compute/getNetwork:getNetwork": Find(_NETWORK, "Error 404: network not found"),
    "compute/getSubnetwork:getSubnetwork": Find(_SUBNETWORK, "Error 404: subnetwork not found"),
    "compute/getGlobalAddress:getGlobalAddress": Find(_RANGE, "Error 404: no address"),
    "container/getCluster:getCluster": _cluster,
    "storage/getBucket:getBucket": Find(_BUCKET, "Error 404: bucket not found"),
    "storage/getProjectServiceAccount:getProjectServiceAccount": _STORAGE,
    "cloudquota/getSQuotaInfo:getSQuotaInfo": _quota,
}

# fmt: off
SETTINGS: Mapping[str, Any] = {
    # Projects that exist; with none here, every one does.
    "projects": [], "version": "1.34.1-gke.1829001", "zones": ["a", "b", "c"],
    "quotas": {"CPUS-ALL-REGIONS-per-project": 1500, "GPUS-ALL-REGIONS-per-project": 64},
    "faults": {"rate": 0, "seed": 0, "slow": 0},
    "regions": ["europe-west1", "europe-west3", "europe-west4", "us-central1", "us-east1", "asia-southeast1"],
    "machines": {"not_offered": [], "families": "e2 n2 n2d n1 c3 c4 g2 a2"},
}
TYPES: Mapping[str, Type] = {
    "organizations/project:Project": Type("google_project", "projects/{projectId}", unique="projectId", scope="world",
        outputs={"number": lambda made: number(made.inputs["projectId"]), "name": "{projectId}"}, fixed="projectId"),
    "projects/service:Service": Type("google_project_service", "{account}/{service}", unique="service", scope="account",
        defaults={"disableOnDestroy": True}, fixed="service"),
    "projects/serviceIdentity:ServiceIdentity": Type("google_project_service_identity",
        "projects/{account}/services/{service}/{hex8}", fixed="service",  # asked for again, it is the same one
        outputs={"email": agent, "member": "serviceAccount:{email}"}),
    "projects/iAMMember:IAMMember": _iam("google_project_iam", "{account}"),
    "compute/network:Network": _compute("google_compute_network", f"{_GLOBAL}/networks", scope="account",
        fixed="name autoCreateSubnetworks description internalIpv6Range networkProfile params"),
    "compute/subnetwork:Subnetwork": _compute("google_compute_subnetwork", f"{_REGIONAL}/subnetworks",
        problems=_ranges, refers={"network": _NETWORK}, outputs={"privateIpGoogleAccess": False},
        # A range that grows stays; ours move, and are made anew.
        fixed="name ipCidrRange network description externalIpv6Prefix params reservedInternalRange"),
    "compute/router:Router": _compute("google_compute_router", f"{_REGIONAL}/routers", refers={"network": _NETWORK},
        fixed="name network encryptedInterconnectRouter params"),
    "compute/address:Address": _compute("google_compute_address", f"{_REGIONAL}/addresses",
        outputs={"address": "203.0.113.{digits2}"}, fixed="name address addressType description network purpose"),
    "compute/routerNat:RouterNat": Type("google_compute_router_nat", "{account}/{region}/{router}/{name}",
        named="name", unique="router name", fixed="name router endpointTypes initialNatIps type",
        refers={"router": _ROUTER, "natIps": "compute/address:Address", "subnetworks.name": _SUBNETWORK}),
    "compute/globalAddress:GlobalAddress": _compute("google_compute_global_address", f"{_GLOBAL}/addresses",
        scope="account", refers={"network": _NETWORK}, outputs={"address": "10.0.0.0"},
        fixed="name address addressType description ipVersion network prefixLength purpose"),
    "dns/managedZone:ManagedZone": Type("google_dns_managed_zone", "projects/{account}/managedZones/{name}",
        named="name", scope="account", fixed="name dnsName visibility",
        refers={"privateVisibilityConfig.networks.networkUrl": _NETWORK}),
    "dns/recordSet:RecordSet": Type("google_dns_record_set",
        "projects/{account}/managedZones/{managedZone}/rrsets/{name}/{type}", unique="managedZone name type",
        scope="account", refers={"managedZone": "dns/managedZone:ManagedZone"}, fixed="managedZone name"),
    "servicenetworking/connection:Connection": Type("google_service_networking_connection", "{network}:{service}",
        unique="network service", scope="account", fixed="network service",
        outputs={"_network": lambda making: f"peering of {making.referred('network').name}"},
        refers={"network": _NETWORK, "reservedPeeringRanges": _RANGE}),
    "serviceaccount/account:Account": Type("google_service_account", f"projects/{{account}}/serviceAccounts/{_MAIL}",
        unique="accountId", scope="account", fixed="accountId",
        outputs={"email": _MAIL, "member": "serviceAccount:{email}", "name": "{id}"}),
    "serviceaccount/iAMMember:IAMMember": _iam("google_service_account_iam", "{serviceAccountId}", _ACCOUNT),
    "kms/keyRing:KeyRing": Type("google_kms_key_ring", f"{_LOCATED}/keyRings/{{name}}", named="name",
        fixed="name location"),
    "kms/cryptoKey:CryptoKey": Type("google_kms_crypto_key", "{keyRing}/cryptoKeys/{name}", named="name",
        unique="keyRing name", scope="account", refers={"keyRing": _RING}, fixed="name keyRing purpose"),
    "kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _iam("google_kms_crypto_key_iam", "{cryptoKeyId}", _KEY),
    "container/cluster:Cluster": Type("google_container_cluster", f"{_LOCATED}/clusters/{{name}}",
        named="name", embedded="GkeCluster", protected="deletionProtection",
        refers={"network": _NETWORK, "subnetwork": _SUBNETWORK, "databaseEncryption.keyName": _KEY,
                "nodeConfig.serviceAccount": _ACCOUNT, "nodeConfig.bootDiskKmsKey": _KEY},
        outputs={"endpoint": "", "masterVersion": _named_ranges, "masterAuth": {"clusterCaCertificate": ""},
                 "selfLink": "https://container.googleapis.com/v1/{id}"},
        fixed="name location datapathProvider defaultMaxPodsPerNode description initialNodeCount ipAllocationPolicy "
              "network networkingMode subnetwork masterAuth.clientCertificateConfig.issueClientCertificate "
              "privateClusterConfig.masterIpv4CidrBlock", defaults={"deletionProtection": True}),
    "container/nodePool:NodePool": Type("google_container_node_pool",
        f"{_LOCATED}/clusters/{{cluster}}/nodePools/{{name}}", named="name", unique="cluster name",
        refers={"cluster": _CLUSTER, "nodeConfig.serviceAccount": _ACCOUNT, "nodeConfig.bootDiskKmsKey": _KEY},
        fixed="cluster initialNodeCount maxPodsPerNode name namePrefix placementPolicy queuedProvisioning"
              + "".join(f" nodeConfig.{name}" for name in _MACHINE.split())),
    "binaryauthorization/policy:Policy": Type("google_binary_authorization_policy", "projects/{account}"),
    "storage/bucket:Bucket": Type("google_storage_bucket", "{name}", named="name", scope="world",
        embedded="Bucket", refers={"encryption.defaultKmsKeyName": _KEY}, outputs={"url": "gs://{name}"},
        fixed="name location enableObjectRetention hierarchicalNamespace customPlacementConfig.dataLocations"),
    "storage/bucketIAMMember:BucketIAMMember": _iam("google_storage_bucket_iam", "b/{bucket}", _BUCKET),
    "storage/bucketIAMBinding:BucketIAMBinding": _iam("google_storage_bucket_iam", "b/{bucket}", _BUCKET, ""),
    "sql/databaseInstance:DatabaseInstance": Type("google_sql_database_instance", "{name}", named="name",
        scope="account", embedded="SqlInstance", protected="deletionProtection",
        refers={"encryptionKeyName": _KEY, "settings.ipConfiguration.privateNetwork": _NETWORK,
                "settings.ipConfiguration.allocatedIpRange": _RANGE},
        outputs={"connectionName": _peered, "privateIpAddress": "", "serverCaCerts": [],
                 "selfLink": "https://sqladmin.googleapis.com/sql/v1beta4/projects/{account}/instances/{name}"},
        defaults={"deletionProtection": True}, fixed="name region encryptionKeyName"),
    "sql/user:User": Type("google_sql_user", "{name}//{instance}", unique="instance name host", scope="account",
        embedded="SqlUser", refers={"instance": _DATABASE}, fixed="host instance name type"),
    "sql/sslCert:SslCert": Type("google_sql_ssl_cert", "projects/{account}/instances/{instance}/sslCerts/{hex40}",
        unique="instance commonName", scope="account", embedded="SqlCertificate", refers={"instance": _DATABASE},
        outputs={"cert": "", "privateKey": "", "serverCaCert": ""}, fixed="commonName instance"),
    "artifactregistry/repository:Repository": Type("google_artifact_registry_repository",
        f"{_LOCATED}/repositories/{{repositoryId}}", unique="repositoryId", refers={"kmsKeyName": _KEY},
        outputs={"name": "{repositoryId}", "registryUri": "{location}-docker.pkg.dev/{account}/{repositoryId}"},
        fixed="format kmsKeyName location mode remoteRepositoryConfig repositoryId"),
    "artifactregistry/repositoryIamMember:RepositoryIamMember": _iam("google_artifact_registry_repository_iam",
        f"{_LOCATED}/repositories/{{repository}}", "artifactregistry/repository:Repository"),
    "billing/budget:Budget": Type("google_billing_budget", "billingAccounts/{billingAccount}/budgets/{uuid}",
        fixed="billingAccount", refers={"allUpdatesRule.monitoringNotificationChannels": _CHANNEL}),
    "monitoring/notificationChannel:NotificationChannel": Type("google_monitoring_notification_channel",
        "projects/{account}/notificationChannels/{digits19}", outputs={"name": "{id}"}),
    "iam/workloadIdentityPool:WorkloadIdentityPool": Type("google_iam_workload_identity_pool",
        "projects/{account}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}",
        unique="workloadIdentityPoolId", scope="account", fixed="workloadIdentityPoolId",
        outputs={"name": lambda making: making.made["id"].replace(making.account, number(making.account), 1)}),
    "iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Type("google_iam_workload_identity_pool_provider",
        "{workloadIdentityPoolId.id}/providers/{workloadIdentityPoolProviderId}",
        unique="workloadIdentityPoolId workloadIdentityPoolProviderId", scope="account",
        refers={"workloadIdentityPoolId": _POOL}, fixed="workloadIdentityPoolId workloadIdentityPoolProviderId",
        outputs={"name": "{workloadIdentityPoolId.name}/providers/{workloadIdentityPoolProviderId}"}),
}
# fmt: on
_SECRETS = frozenset({"password", "passwordWo", "rootPassword", "rootPasswordWo", "privateKey"})
_LABELS = ("labels", ("pulumiLabels", "effectiveLabels"))
CLOUD = Cloud("gcp", "Google Cloud", TYPES, ANSWERS, SETTINGS, caller=_caller, secrets=_SECRETS, tags=_LABELS)
