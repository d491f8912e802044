"""A project of Google Cloud in which nothing is in the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

from rehearsal.cloud.gcp import CLOUD
from tests.clouds import gcp_answers
from tests.conformance.clouds.kubernetes import kubernetes_replaces

# What Google Cloud keeps apart by project, and what is the world's.
_NAMED = {
    "gcp:storage/bucket:Bucket": frozenset({"name"}),
    "gcp:container/cluster:Cluster": frozenset({"name"}),
    "gcp:sql/databaseInstance:DatabaseInstance": frozenset({"name"}),
    "gcp:compute/network:Network": frozenset({"name"}),
    "gcp:compute/subnetwork:Subnetwork": frozenset({"name"}),
    "gcp:kms/keyRing:KeyRing": frozenset({"name"}),
    "gcp:serviceaccount/account:Account": frozenset({"accountId"}),
    "gcp:artifactregistry/repository:Repository": frozenset({"repositoryId"}),
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": frozenset({"workloadIdentityPoolId"}),
    "postgresql:index/database:Database": frozenset({"name"}),
    "postgresql:index/role:Role": frozenset({"name"}),
}


class GcpHarness:
    cloud = "gcp"
    sdks = frozenset({"pulumi_gcp"})
    offers = frozenset({"clusters", "store"})

    def block(self, tier: str, *, shared: bool = False) -> dict[str, Any]:
        own: dict[str, Any] = {"platform": "shared"} if shared else {}
        if not shared and tier != "production":
            own = {"api": {"cidrs": ["203.0.113.0/24"]}}
        network = {} if shared else {"network": {"cidr": "10.64.0.0/16"}}
        project: dict[str, Any] = {"billing_account": "012345-6789AB-CDEF01"}
        project |= {"project": gcp_answers.PROJECT, "region": gcp_answers.REGION}
        if not shared:
            own["security_group"] = "gke-security-groups@example.org"
        return {"cloud": {"gcp": {**project, **own}}, **network}

    def platform(self, tiers: list[str]) -> dict[str, Any]:
        return self.block(max(tiers))

    def made(self, args: MockResourceArgs) -> Mapping[str, Any]:
        return gcp_answers.made(args)

    def answer(self, args: MockCallArgs) -> Mapping[str, Any]:
        return gcp_answers.answer(args)

    def replaces(self, kind: str, changed: str) -> bool:
        package, _, token = kind.partition(":")
        if package != "gcp":
            return kubernetes_replaces(kind, changed)
        fixed = CLOUD.types[token].fixed.split()
        return any(changed == each or changed.startswith(f"{each}.") for each in fixed)

    def named(self, kind: str) -> frozenset[str]:
        return _NAMED.get(kind, frozenset())


harness = GcpHarness()
