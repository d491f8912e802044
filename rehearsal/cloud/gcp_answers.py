"""What the rehearsed Google Cloud answers: of project and region from the state's settings, else of what stands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping

from rehearsal.cloud.table import Query, Thing
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError

# A service's own account (cloud.google.com/iam/docs/service-agents); the others' is gcp-sa-SERVICE.
_AGENTS = {"container": "container-engine-robot", "sqladmin": "gcp-sa-cloud-sql", "compute": "compute-system"}
_TYPE = re.compile(r"([a-z0-9]+)-(?:[a-z]+)-(\d+)(g?)")
# GPUs that come with a type, by its cores (G2), and cores by its GPUs (A2): "Accelerator-optimized machine family".
_G2 = {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8}
_CORES_OF_A2 = 12
_QUOTAS = {"CPUS-ALL-REGIONS-per-project": 1500, "GPUS-ALL-REGIONS-per-project": 64}
_USUAL_QUOTA = 600


def number(project: str) -> str:
    """The number of a project: always the same twelve digits."""
    return str(10**11 + int(hashlib.sha256(project.encode()).hexdigest(), 16) % (9 * 10**11))


def agent(service: str, project: str) -> str:
    """The mail address of a service's own account in a project."""
    name = service.partition(".")[0]
    return f"service-{number(project)}@{_AGENTS.get(name, f'gcp-sa-{name}')}.iam.gserviceaccount.com"


def _project(query: Query) -> Properties:
    name = str(query.arguments.get("projectId") or query.account)
    known = [*query.settings["projects"], *(one.inputs["projectId"] for one in query.things(_PROJECT))]
    if query.settings["projects"] and name not in known:
        raise ProviderError(f"Error 403: Permission denied on project {name}, or it does not exist")
    return {"projectId": name, "number": number(name), "name": name, "id": f"projects/{name}", "labels": {}}


def _config(query: Query) -> Properties:
    told = {"project": query.account, "region": query.region, "zone": "", "accessToken": "", "defaultLabels": {}}
    return {**told, "id": f"projects/{query.account}/regions/{query.region}/zones/"}


def _regions(query: Query) -> Properties:
    return {**query.arguments, "names": query.settings["regions"], "id": f"projects/{query.account}"}


def _zone_names(query: Query) -> list[str]:
    known = query.region in query.settings["regions"]
    return [f"{query.region}-{letter}" for letter in query.settings["zones"]] if known else []


def _zones(query: Query) -> Properties:
    return {**query.arguments, "names": _zone_names(query), "id": f"projects/{query.account}/regions/{query.region}"}


def _machine(name: str, zone: str) -> Properties | None:
    found = _TYPE.fullmatch(name)
    if not found:
        return None
    family, count = found[1], int(found[2])
    gpus = {"g2": _G2.get(count, 0), "a2": count if found[3] else 0}.get(family, 0)
    kind = {"g2": "nvidia-l4", "a2": "nvidia-tesla-a100"}.get(family)
    accelerators = [{"guestAcceleratorType": kind, "guestAcceleratorCount": gpus}] if gpus else []
    cores = count * _CORES_OF_A2 if family == "a2" else count
    return {"name": name, "guestCpus": cores, "memoryMb": cores * 4096, "accelerators": accelerators, "zone": zone}


def _machines(query: Query) -> Properties:
    known, zone = query.settings["machines"], str(query.arguments.get("zone", ""))
    wanted = re.findall(r'name\s*=\s*"([^"]+)"', query.arguments.get("filter", ""))
    families = known["families"].split()
    offered = [one for one in wanted if one.partition("-")[0] in families and one not in known["not_offered"]]
    told = [one for one in (_machine(name, zone) for name in offered) if one]
    return {**query.arguments, "machineTypes": told, "id": f"projects/{query.account}/zones/{zone}/machineTypes"}


def _quota(query: Query) -> Properties:
    name = query.arguments["quotaId"]
    value = {**_QUOTAS, **query.settings["quotas"]}.get(name, _USUAL_QUOTA)
    everywhere = name in _QUOTAS
    where = [{}] if everywhere else [{"region": region} for region in query.settings["regions"]]
    infos = [
        {"dimensions": one, "details": [{"value": str(value)}], "applicableLocations": [*one.values()] or ["global"]}
        for one in where
    ]
    path = f"{query.arguments['parent']}/locations/global/services/{query.arguments['service']}/quotaInfos/{name}"
    return {**query.arguments, "dimensionsInfos": infos, "name": path, "id": path, "isPrecise": True}


def _standing(query: Query, token: str) -> Iterator[Thing]:
    wanted = query.arguments
    for one in query.things(token):
        here = wanted.get("location") or wanted.get("region") or one.region
        if one.values().get("name") == wanted.get("name") and here == one.region:
            yield one


def _one(token: str) -> Callable[[Query], Properties]:
    def answer(query: Query) -> Properties:
        found = next(_standing(query, token), None)
        if found is None:
            raise ProviderError(f"Error 404: {token.partition('/')[2].partition(':')[0]} {query.arguments} not found")
        return found.values()

    return answer


def _cluster(query: Query) -> Properties:
    values = _one(_CLUSTER)(query)
    pools = [one.values() for one in query.things(_NODES) if one.inputs.get("cluster") == values["name"]]
    told = [{**one, "nodeConfigs": [one["nodeConfig"]] if "nodeConfig" in one else []} for one in pools]
    return {**values, "masterAuths": [values["masterAuth"]], "nodePools": told}


def _versions(query: Query) -> Properties:
    version = query.settings["version"]
    told = {"latestMasterVersion": version, "latestNodeVersion": version, "defaultClusterVersion": version}
    return {**query.arguments, **told, "validMasterVersions": [version], "validNodeVersions": [version], "id": version}


def _storage_agent(query: Query) -> Properties:
    mail = f"service-{number(query.account)}@gs-project-accounts.iam.gserviceaccount.com"
    return {"emailAddress": mail, "member": f"serviceAccount:{mail}", "project": query.account, "id": mail}


_PROJECT, _CLUSTER = "organizations/project:Project", "container/cluster:Cluster"
_NODES = "container/nodePool:NodePool"
ANSWERS: Mapping[str, Callable[[Query], Properties]] = {
    "organizations/getProject:getProject": _project,
    "organizations/getClientConfig:getClientConfig": _config,
    "compute/getRegions:getRegions": _regions,
    "compute/getZones:getZones": _zones,
    "compute/getMachineTypes:getMachineTypes": _machines,
    "compute/getNetwork:getNetwork": _one("compute/network:Network"),
    "compute/getSubnetwork:getSubnetwork": _one("compute/subnetwork:Subnetwork"),
    "compute/getGlobalAddress:getGlobalAddress": _one("compute/globalAddress:GlobalAddress"),
    "container/getCluster:getCluster": _cluster,
    "container/getEngineVersions:getEngineVersions": _versions,
    "storage/getBucket:getBucket": _one("storage/bucket:Bucket"),
    "storage/getProjectServiceAccount:getProjectServiceAccount": _storage_agent,
    "cloudquota/getSQuotaInfo:getSQuotaInfo": _quota,
}
