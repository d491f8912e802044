"""What stacks on Google Cloud register: the whole program against a monitor that answers as the project would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.clouds import gcp_declared as declared
from tests.clouds.conftest import Run
from tests.clouds.gcp_answers import NUMBER, PROJECT, REGION
from tests.support.recording import Recorded, Registration


def of(recorded: Recorded, kind: str) -> dict[str, Registration]:
    """Return what was registered of a type of Google's, by logical name."""
    return {r.name: r for r in recorded.registrations if r.kind.startswith("gcp:") and r.short == kind}


def one(recorded: Recorded, kind: str) -> Mapping[str, Any]:
    """Return the inputs of the only resource of a type."""
    [found] = of(recorded, kind).values()
    return found.inputs


def test_everything_of_google_goes_through_the_one_provider(run: Run) -> None:
    recorded = run(declared.environment())
    providers = {r.provider.rpartition("::")[0] for r in recorded.registrations if r.kind.startswith("gcp:")}
    assert len(providers) == 1
    assert all(r.parent for r in recorded.registrations)
    [provider] = [r for r in recorded.registrations if r.kind == "pulumi:providers:gcp"]
    assert json.loads(provider.inputs["defaultLabels"]) == {
        "project": "fraud",
        "environment": "fraud-dev",
        "tier": "experimentation",
        "owner": "fraud-team",
        "cost-centre": "cc-4711",
        "managed-by": "terrarium",
    }


def test_a_preview_of_an_environment_that_is_not_there_yet_asks_and_plans(run: Run) -> None:
    recorded = run(declared.environment(), preview=True)
    assert of(recorded, "Cluster")
    assert recorded.outputs["cluster"]["name"] == "fraud-dev"


def test_the_cluster_is_private_hardened_and_takes_named_ranges_alone(run: Run) -> None:
    cluster = one(run(declared.environment()), "Cluster")
    assert cluster["name"] == "fraud-dev"
    assert cluster["datapathProvider"] == "ADVANCED_DATAPATH"
    assert cluster["privateClusterConfig"]["enablePrivateNodes"]
    assert not cluster["privateClusterConfig"]["enablePrivateEndpoint"]
    blocks = cluster["masterAuthorizedNetworksConfig"]["cidrBlocks"]
    assert [each["cidrBlock"] for each in blocks] == ["203.0.113.0/24"]
    assert cluster["workloadIdentityConfig"] == {"workloadPool": f"{PROJECT}.svc.id.goog"}
    assert cluster["databaseEncryption"]["state"] == "ENCRYPTED"
    assert cluster["authenticatorGroupsConfig"] == {"securityGroup": declared.SECURITY}
    assert not cluster["deletionProtection"]


def test_production_is_reached_from_inside_and_runs_its_own_images_alone(run: Run) -> None:
    cloud = {"images": ["quay.io/example/**"]}
    recorded = run(declared.environment("production", cloud))
    cluster = one(recorded, "Cluster")
    assert cluster["privateClusterConfig"]["enablePrivateEndpoint"]
    assert cluster["deletionProtection"]
    assert cluster["releaseChannel"] == {"channel": "STABLE"}
    assert cluster["binaryAuthorization"] == {"evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE"}
    policy = one(recorded, "Policy")
    assert policy["defaultAdmissionRule"]["evaluationMode"] == "ALWAYS_DENY"
    patterns = [each["namePattern"] for each in policy["admissionWhitelistPatterns"]]
    # And Kueue's, without which no job would run.
    own = f"{REGION}-docker.pkg.dev/fraud-prod/**"
    assert patterns == [own, "registry.k8s.io/kueue/**", "quay.io/example/**"]
    assert len(of(recorded, "Address")) == 2
    assert recorded.outputs["access"]["login"].endswith("--internal-ip")


def test_production_keeps_what_holds_data_or_access(run: Run) -> None:
    recorded = run(declared.environment("production"))
    for kind in ("Cluster", "Network", "Subnetwork", "CryptoKey", "Bucket", "DatabaseInstance", "Repository"):
        assert all(r.protect for r in of(recorded, kind).values()), kind
    server = one(recorded, "DatabaseInstance")
    assert server["deletionProtection"]
    assert server["settings"]["availabilityType"] == "REGIONAL"
    assert server["settings"]["backupConfiguration"]["pointInTimeRecoveryEnabled"]
    assert not any(r.inputs["forceDestroy"] for r in of(recorded, "Bucket").values())


def test_pools_scale_by_total_counts_and_keep_their_gpus_taints_and_zones(run: Run) -> None:
    pools = {
        "web": {"cpu": "4", "memory": "16Gi", "max": 6, "min": 2},
        "train": {"machine": "gpu", "max": 3, "spot": True, "taints": [{"key": "team", "value": "ml"}]},
    }
    recorded = run(declared.environment(pools=pools))
    made = {name.removeprefix("fraud-dev-pool-"): r.inputs for name, r in of(recorded, "NodePool").items()}
    assert set(made) == {"system", "web", "train"}
    assert made["web"]["nodeConfig"]["machineType"] == "n2-standard-4"
    assert made["web"]["autoscaling"]["totalMinNodeCount"] == 2
    assert made["web"]["autoscaling"]["totalMaxNodeCount"] == 6
    assert made["web"]["initialNodeCount"] == 1
    train = made["train"]["nodeConfig"]
    assert train["spot"]
    [gpus] = train["guestAccelerators"]
    assert (gpus["type"], gpus["count"]) == ("nvidia-l4", 1)
    assert train["taints"] == [{"key": "team", "value": "ml", "effect": "NO_SCHEDULE"}]
    assert train["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
    assert made["system"]["autoscaling"]["totalMinNodeCount"] == 1


def test_what_the_stack_file_puts_over_machines_is_named_as_the_engine_names_it(run: Run) -> None:
    over = {
        "disk_size_gb": 200,
        "ephemeral_storage_local_ssd_config": {"local_ssd_count": 2},
        "guest_accelerators": [{"type": "nvidia-tesla-t4", "count": 2}],
        "machine_type": "n1-standard-8",
    }
    recorded = run(declared.environment(pools={"train": {"max": 2}}, cloud={"machines": {"train": over}}))
    config = of(recorded, "NodePool")["fraud-dev-pool-train"].inputs["nodeConfig"]
    assert config["diskSizeGb"] == 200
    assert config["ephemeralStorageLocalSsdConfig"] == {"localSsdCount": 2}
    assert config["guestAccelerators"] == [{"type": "nvidia-tesla-t4", "count": 2}]


def test_a_pool_that_is_resized_is_not_replaced(run: Run) -> None:
    small, large = (run(declared.environment(pools={"web": {"max": n, "min": n - 2}})) for n in (3, 8))
    names = [{(r.kind, r.name) for r in each.registrations} for each in (small, large)]
    assert names[0] == names[1]


def test_objects_are_private_encrypted_and_let_in_by_identity(run: Run) -> None:
    block = declared.environment(buckets={"ada": {"users": ["ada@example.org"]}})
    recorded = run(block)
    for name, bucket in of(recorded, "Bucket").items():
        assert bucket.inputs["publicAccessPrevention"] == "enforced", name
        assert bucket.inputs["uniformBucketLevelAccess"]
        assert bucket.inputs["encryption"]["defaultKmsKeyName"]
    bindings = of(recorded, "BucketIAMBinding")
    rw = bindings["fraud-dev-store-results-rw"].inputs
    subject = f"workloadIdentityPools/{PROJECT}.svc.id.goog/subject/ns/fraud-dev/sa/store-rw"
    assert rw["members"] == [
        f"principal://iam.googleapis.com/projects/{NUMBER}/locations/global/{subject}",
        "group:churn@example.org",
    ]
    ada = bindings["fraud-dev-store-results-bucket-ada"].inputs
    assert ada["members"][1:] == ["user:ada@example.org"]
    assert "objects/buckets/ada/'" in ada["condition"]["expression"]
    assert "objectListPrefix', '').startsWith('buckets/ada/')" in ada["condition"]["expression"]


def test_the_database_is_private_and_its_administrator_verifies_it(run: Run) -> None:
    recorded = run(declared.environment())
    settings = one(recorded, "DatabaseInstance")["settings"]
    assert settings["edition"] == "ENTERPRISE"
    assert not settings["ipConfiguration"]["ipv4Enabled"]
    assert settings["ipConfiguration"]["sslMode"] == "ENCRYPTED_ONLY"
    provider = next(r for r in recorded.registrations if r.kind == "pulumi:providers:postgresql")
    assert provider.inputs["sslmode"] == "verify-ca"
    assert "AUTHORITY" in json.dumps(provider.inputs["sslrootcert"])
    assert recorded.outputs["store"]["database"]["sslmode"] == "verify-ca"


def test_pods_get_through_to_objects_database_and_their_credentials(run: Run) -> None:
    [policy] = [r for r in run(declared.environment()).of("NetworkPolicy").values() if "allow-store" in r.name]
    text = json.dumps(policy.inputs["spec"]["egress"])
    for address, port in (
        ("199.36.153.8/30", 443),
        ("169.254.169.252/32", 988),
        ("169.254.169.254/32", 80),
        ("10.64.", 5432),
    ):
        assert address in text
        assert f'"port": {port}' in text


def test_apis_are_found_by_private_names(run: Run) -> None:
    recorded = run(declared.environment())
    zones = {r.inputs["dnsName"] for r in of(recorded, "ManagedZone").values()}
    assert zones == {"googleapis.com.", "gcr.io.", "pkg.dev."}
    records = {(r.inputs["name"], r.inputs["type"]): r.inputs["rrdatas"] for r in of(recorded, "RecordSet").values()}
    assert records["*.googleapis.com.", "CNAME"] == ["private.googleapis.com."]
    assert records["private.googleapis.com.", "A"] == [f"199.36.153.{n}" for n in (8, 9, 10, 11)]


def test_another_universe_is_carried_through(run: Run) -> None:
    recorded = run(
        declared.environment(cloud={"universe_domain": "apis.example.net", "private_access": "192.0.2.0/30"})
    )
    [provider] = [r for r in recorded.registrations if r.kind == "pulumi:providers:gcp"]
    assert provider.inputs["universeDomain"] == "apis.example.net"
    assert recorded.outputs["store"]["objects"]["endpoint"] == "https://storage.apis.example.net"
    assert {r.inputs["dnsName"] for r in of(recorded, "ManagedZone").values()} == {"apis.example.net."}


def test_a_slice_makes_no_network_and_no_cluster(run: Run) -> None:
    recorded = run(declared.piece())
    kinds = {r.short for r in recorded.registrations if r.kind.startswith("gcp:")}
    assert not kinds & {"Network", "Subnetwork", "Cluster", "NodePool", "Service", "Connection"}
    assert recorded.outputs["cluster"] == {"name": "shared", "platform": "shared", "shared": True}
    reader = one(recorded, "RepositoryIamMember")
    assert reader["member"] == f"serviceAccount:shared-nodes@{PROJECT}.iam.gserviceaccount.com"
    assert one(recorded, "DatabaseInstance")["settings"]["ipConfiguration"]["privateNetwork"].endswith("shared-network")


def test_a_platform_has_a_network_for_its_slices_databases(run: Run) -> None:
    recorded = run(declared.platform(), "platform")
    assert one(recorded, "GlobalAddress")["name"] == "shared-private-services"
    assert not of(recorded, "DatabaseInstance")


def test_a_lake_is_one_bucket_of_its_writers(run: Run) -> None:
    recorded = run(declared.lake(), "lake")
    assert len(of(recorded, "Bucket")) == 1
    [binding] = of(recorded, "BucketIAMBinding").values()
    assert binding.inputs["members"][1:] == ["group:data@example.org"]
    assert "ns/lake--shared/sa/store-rw" in binding.inputs["members"][0]


def test_adopted_things_are_used_and_left_as_they_are(run: Run) -> None:
    adopt = {
        "network": "projects/host/global/networks/common",
        "subnetwork": f"projects/host/regions/{REGION}/subnetworks/churn",
        "pods_range": "pods",
        "services_range": "services",
        "database_range": "databases",
        "buckets": {"datasets": "existing-data"},
    }
    recorded = run(declared.environment(network=None, cloud={"adopt": adopt}))
    assert not of(recorded, "Network")
    assert one(recorded, "Cluster")["subnetwork"].endswith("projects/host/regions/europe-west3/subnetworks/churn")
    assert len(of(recorded, "Bucket")) == 3
    members = [r for r in of(recorded, "BucketIAMMember").values() if r.inputs["bucket"] == "existing-data"]
    assert members
    assert recorded.outputs["store"]["objects"]["buckets"]["datasets"] == "existing-data"


def test_a_project_is_made_with_its_services_before_anything_in_it(run: Run) -> None:
    create = {"folder": 123456789, "billing_account": "AAAAAA-BBBBBB-CCCCCC", "seed": "automation"}
    recorded = run(declared.environment(cloud={"create": create}))
    project = one(recorded, "Project")
    assert (project["projectId"], project["folderId"], project["autoCreateNetwork"]) == (PROJECT, "123456789", False)
    services = {r.inputs["service"] for r in of(recorded, "Service").values()}
    assert {"container.googleapis.com", "sqladmin.googleapis.com", "cloudkms.googleapis.com"} <= services


@pytest.mark.parametrize("issuer", ["github", "gitlab"])
def test_ci_is_let_in_by_its_tokens_and_money_is_watched(run: Run, issuer: str) -> None:
    block = declared.environment(
        "testing",
        {"billing_account": "AAAAAA-BBBBBB-CCCCCC"},
        budget={"monthly": 500, "notify": ["money@example.org"]},
        ci={"issuer": issuer, "repository": "example/churn"},
    )
    recorded = run(block)
    provider = one(recorded, "WorkloadIdentityPoolProvider")
    assert "example/churn" in provider["attributeCondition"]
    assert "testing" in provider["attributeCondition"]
    budget = one(recorded, "Budget")
    assert budget["amount"]["specifiedAmount"] == {"units": "500"}
    assert {rule.get("spendBasis") for rule in budget["thresholdRules"]} == {None, "FORECASTED_SPEND"}
    assert recorded.outputs["governance"]["ci"]["serviceAccount"].startswith("fraud-dev-deploy@")
    roles = {r.inputs["role"] for r in of(recorded, "IAMMember").values() if "deploy" in r.name}
    assert not roles & {"roles/owner", "roles/editor"}
    # What lets CI in is not CI's to change: the tokens that its pool takes, and who may act as its account.
    deciding = {"serviceAccountAdmin", "serviceAccountTokenCreator", "serviceAccountKeyAdmin", "workloadIdentityUser"}
    deciding |= {"workloadIdentityPoolAdmin", "securityAdmin", "roleAdmin", "serviceAccountOpenIdTokenCreator"}
    granted = {
        r.inputs["role"] for r in of(recorded, "IAMMember").values() if "deploy" in r.name and "project" in r.kind
    }
    assert granted
    assert not granted & {f"roles/iam.{name}" for name in deciding}
    assert not roles & {"roles/iam.serviceAccountAdmin", "roles/iam.workloadIdentityPoolAdmin"}


def test_the_cluster_s_key_is_the_agents_before_it_is_used(run: Run) -> None:
    recorded = run(declared.environment())
    members = {r.inputs["member"] for r in of(recorded, "CryptoKeyIAMMember").values()}
    assert f"serviceAccount:service-{NUMBER}@compute-system.iam.gserviceaccount.com" in members
    assert f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com" in members


def test_nobody_is_let_in_before_the_cluster_whose_pool_of_identities_they_are_of(run: Run) -> None:
    recorded = run(declared.environment())
    waiting = {
        request.name: list(request.dependencies)
        for request in recorded.requests
        if getattr(request, "type", "").startswith("gcp:storage/bucketIAM")
    }
    assert waiting
    assert all(any("container/cluster:Cluster" in urn for urn in urns) for urns in waiting.values())


def test_the_peering_with_cloud_sql_keeps_no_network_that_is_deleted(run: Run) -> None:
    assert one(run(declared.platform(), "platform"), "Connection")["deletionPolicy"] == "REMOVE_PEERING"


def test_production_s_images_are_found_under_a_project_with_a_domain(run: Run) -> None:
    recorded = run(declared.environment("production", {"project": "example.org:fraud-prod", "kueue": False}))
    [pattern] = one(recorded, "Policy")["admissionWhitelistPatterns"]
    assert pattern["namePattern"] == f"{REGION}-docker.pkg.dev/example.org/fraud-prod/**"


def test_the_cluster_is_asked_as_the_account_that_everything_else_is_made_as(run: Run) -> None:
    account = "deploy@fraud-dev.iam.gserviceaccount.com"
    recorded = run(declared.environment(cloud={"impersonate": account}))
    [provider] = [r for r in recorded.registrations if r.kind == "pulumi:providers:kubernetes"]
    assert f"--impersonate_service_account={account}" in json.dumps(provider.inputs["kubeconfig"])
