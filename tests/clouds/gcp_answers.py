"""What Google Cloud computes of resources and answers when it is asked, as far as the program looks at it."""

# ruff: noqa: A002, N802, N803 - methods and arguments are called as the cloud's functions and theirs

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

PROJECT, NUMBER, REGION = "fraud-dev", "123456789012", "europe-west3"
REGIONS = ("europe-west1", "europe-west3", "us-central1")
ZONES = tuple(f"{REGION}-{letter}" for letter in "abc")
DATABASE_RANGE = "10.64.8.0"
COMPUTE = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"


def made(args: MockResourceArgs) -> Mapping[str, Any]:
    """Return what Google Cloud computes of a resource."""
    compute = _MADE.get(args.typ)
    return compute(args) if compute else {}


def _linked(kind: str) -> Callable[[MockResourceArgs], Mapping[str, Any]]:
    return lambda args: {"selfLink": f"{COMPUTE}/{kind}/{args.inputs['name']}"}


def _account(args: MockResourceArgs) -> Mapping[str, Any]:
    email = f"{args.inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"
    return {"email": email, "member": f"serviceAccount:{email}", "name": f"projects/{PROJECT}/serviceAccounts/{email}"}


def _agent(args: MockResourceArgs) -> Mapping[str, Any]:
    email = f"service-{NUMBER}@gcp-sa-{args.inputs['service'].split('.')[0]}.iam.gserviceaccount.com"
    return {"email": email, "member": f"serviceAccount:{email}"}


def _repository(args: MockResourceArgs) -> Mapping[str, Any]:
    return {
        "name": args.inputs["repositoryId"],
        "registryUri": f"{args.inputs['location']}-docker.pkg.dev/{PROJECT}/{args.inputs['repositoryId']}",
    }


def _pool(args: MockResourceArgs) -> Mapping[str, Any]:
    pool = args.inputs["workloadIdentityPoolId"]
    return {"name": f"projects/{NUMBER}/locations/global/workloadIdentityPools/{pool}"}


def _provider(args: MockResourceArgs) -> Mapping[str, Any]:
    return {"name": f"{_pool(args)['name']}/providers/{args.inputs['workloadIdentityPoolProviderId']}"}


_MADE: Mapping[str, Callable[[MockResourceArgs], Mapping[str, Any]]] = {
    "gcp:organizations/project:Project": lambda _: {"number": NUMBER},
    "gcp:projects/serviceIdentity:ServiceIdentity": _agent,
    "gcp:serviceaccount/account:Account": _account,
    "gcp:compute/network:Network": _linked("global/networks"),
    "gcp:compute/subnetwork:Subnetwork": _linked(f"regions/{REGION}/subnetworks"),
    "gcp:compute/address:Address": _linked(f"regions/{REGION}/addresses"),
    "gcp:container/cluster:Cluster": lambda args: {
        "endpoint": "203.0.113.10",
        "masterAuth": {**args.inputs["masterAuth"], "clusterCaCertificate": "QVVUSE9SSVRZ"},
    },
    "gcp:sql/databaseInstance:DatabaseInstance": lambda _: {
        "privateIpAddress": "10.64.8.3",
        "serverCaCerts": [{"cert": "-----BEGIN CERTIFICATE-----\nAUTHORITY\n-----END CERTIFICATE-----"}],
    },
    "gcp:sql/sslCert:SslCert": lambda _: {"cert": "CERTIFICATE", "privateKey": "PRIVATE KEY"},
    "gcp:artifactregistry/repository:Repository": _repository,
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": _pool,
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": _provider,
}


@dataclass
class Project:
    """A project as it answers; a test changes what it is about, and sees what was asked.

    Attributes:
        number: The project's number; none where the credentials do not see it.
        zones: The region's zones.
        offered: In which of them a machine type is.
        quotas: Quotas by id; all others are high.
        clusters: Names of existing clusters.
        location: Where existing buckets are.
        asked: Tokens and arguments of all questions, in order.
    """

    number: str = NUMBER
    zones: tuple[str, ...] = ZONES
    offered: Callable[[str, str], bool] = lambda *_: True
    quotas: Mapping[str, int] = field(default_factory=dict)
    clusters: tuple[str, ...] = ("shared",)
    location: str = REGION.upper()
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, args: MockCallArgs) -> Mapping[str, Any]:
        """Answer one question."""
        name = args.token.rpartition(":")[2]
        self.asked.append((name, dict(args.args)))
        reply = getattr(self, f"_{name}", None)
        if reply is None:
            raise AssertionError(f"Google Cloud is asked what no test expects: {args.token}")
        return dict(reply(**args.args))

    def _getProject(self, projectId: str, **_: Any) -> Mapping[str, Any]:
        if not self.number:
            raise LookupError(f"project {projectId} not found, or permission denied")
        return {"projectId": projectId, "number": self.number, "id": projectId}

    def _getRegions(self, **_: Any) -> Mapping[str, Any]:
        return {"names": list(REGIONS), "id": "regions"}

    def _getZones(self, region: str, **_: Any) -> Mapping[str, Any]:
        return {"names": list(self.zones), "region": region, "id": region}

    def _getMachineTypes(self, zone: str, filter: str, **_: Any) -> Mapping[str, Any]:
        asked = [part.split('"')[1] for part in filter.split(" OR ")]
        return {"machineTypes": [_type(each) for each in asked if self.offered(each, zone)], "zone": zone, "id": zone}

    def _getSQuotaInfo(self, quotaId: str, **_: Any) -> Mapping[str, Any]:
        limit = str(self.quotas.get(quotaId, 100_000))
        elsewhere = {"dimensions": {"region": "us-central1"}, "details": [{"value": "1"}], "applicableLocations": []}
        here = {"dimensions": {"region": REGION}, "details": [{"value": limit}], "applicableLocations": [REGION]}
        everywhere = {"dimensions": {}, "details": [{"value": limit}], "applicableLocations": []}
        found = [everywhere] if "ALL-REGIONS" in quotaId else [elsewhere, here]
        return {"dimensionsInfos": found, "quotaId": quotaId, "id": quotaId}

    def _getCluster(self, name: str, **_: Any) -> Mapping[str, Any]:
        if name not in self.clusters:
            raise LookupError(f"no cluster {name}")
        node = {"serviceAccount": f"{name}-nodes@{PROJECT}.iam.gserviceaccount.com"}
        return {
            "name": name,
            "endpoint": "203.0.113.20",
            "masterAuths": [{"clusterCaCertificate": "QVVUSE9SSVRZ"}],
            "network": f"{COMPUTE}/global/networks/{name}-network",
            "nodePools": [{"nodeConfigs": [node]}],
            "id": name,
        }

    def _getNetwork(self, name: str, project: str, **_: Any) -> Mapping[str, Any]:
        link = f"https://www.googleapis.com/compute/v1/projects/{project}/global/networks/{name}"
        return {"name": name, "selfLink": link, "id": name}

    def _getSubnetwork(self, name: str, project: str, **_: Any) -> Mapping[str, Any]:
        link = f"https://www.googleapis.com/compute/v1/projects/{project}/regions/{REGION}/subnetworks/{name}"
        ranges = [
            {"rangeName": "pods", "ipCidrRange": "10.80.0.0/16"},
            {"rangeName": "services", "ipCidrRange": "10.81.0.0/20"},
        ]
        return {"name": name, "selfLink": link, "secondaryIpRanges": ranges, "id": name}

    def _getGlobalAddress(self, name: str, **_: Any) -> Mapping[str, Any]:
        return {"name": name, "address": DATABASE_RANGE, "prefixLength": 24, "id": name}

    def _getBucket(self, name: str, **_: Any) -> Mapping[str, Any]:
        return {"name": name, "location": self.location, "id": name}

    def _getProjectServiceAccount(self, **_: Any) -> Mapping[str, Any]:
        email = f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
        return {"emailAddress": email, "member": f"serviceAccount:{email}", "id": email}


def _type(name: str) -> Mapping[str, Any]:
    gpus = {"g2": "nvidia-l4", "a2": "nvidia-tesla-a100"}.get(name.partition("-")[0])
    return {
        "name": name,
        "guestCpus": int("".join(filter(str.isdigit, name.rpartition("-")[2])) or 12),
        "memoryMb": 16_384,
        "accelerators": [{"guestAcceleratorType": gpus, "guestAcceleratorCount": 1}] if gpus else [],
    }


def answer(args: MockCallArgs) -> Mapping[str, Any]:
    """Answer as a project that has everything."""
    return Project().answer(args)
