"""What is refused of a declaration for Google Cloud: by the files alone, and by what the project answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.settings.declaration import declare
from components.settings.problems import InvalidSettings
from tests.clouds import gcp_declared as declared
from tests.clouds.conftest import Run
from tests.clouds.gcp_answers import ZONES, Project

CREATE = {"folder": 123456789, "billing_account": "AAAAAA-BBBBBB-CCCCCC", "seed": "automation"}


def problems(folder: Path, block: dict[str, Any], kind: str = "environment") -> str:
    """Return what the files alone show, as people see it."""
    disabled = {"pulumi:disable-default-providers": ["*"]}
    content = {"config": {**disabled, f"terrarium:{kind}": block}}
    (folder / "Pulumi.x.yaml").write_text(json.dumps(content), encoding="utf-8")
    try:
        declare(folder, "x")
    except InvalidSettings as error:
        return str(error)
    return ""


def refused(run: Run, project: Project, block: dict[str, Any], kind: str = "environment") -> str:
    """Return what the project's answers show."""
    with pytest.raises(pulumi.RunError) as raised:
        run(block, kind, answer=project.answer)
    return str(raised.value)


@pytest.mark.parametrize(
    ("tier", "changed"),
    [
        ("experimentation", {}),
        ("testing", {}),
        ("production", {}),
        ("experimentation", {"cloud": {"create": CREATE}}),
        # Another sign-in's groups get rights in the cluster alone.
        ("experimentation", {"cloud": {"security_group": None}, "people": {"members": ["fraud-team"]}}),
    ],
)
def test_what_can_be_made_is_not_refused(tmp_path: Path, tier: str, changed: dict[str, Any]) -> None:
    assert problems(tmp_path, declared.environment(tier, **changed)) == ""


def test_platforms_slices_and_lakes_are_taken(tmp_path: Path) -> None:
    assert problems(tmp_path, declared.platform(), "platform") == ""
    assert problems(tmp_path, declared.piece()) == ""
    assert problems(tmp_path, declared.lake(), "lake") == ""


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (declared.environment(network={"cidr": "10.64.0.0/23"}), ["network.cidr", "needs a /22"]),
        (declared.environment(network={"cidr": "fd00::/48"}), ["network.cidr", "IPv6"]),
        (declared.environment(network=None), ["network.cidr", "is missing"]),
        (
            declared.environment(network={"cidr": "10.64.0.0/22"}, pools={"web": {"max": 100}}),
            ["network.cidr", "holds 4 machines of 64 pods", "give it a /17"],
        ),
        (declared.environment(cloud={"api": None}), ["cloud.gcp.api.cidrs", "is missing"]),
        (declared.environment(cloud={"api": {"cidrs": ["0.0.0.0/1"]}}), ["cloud.gcp.api.cidrs", "/16"]),
        (declared.environment(cloud={"api": {"cidrs": ["10.0.0.0/24"]}}), ["api.cidrs", "not of the internet"]),
        (
            declared.environment("production", {"api": {"cidrs": ["203.0.113.0/24"]}, "zones": 2}),
            ["production's API is private", "cloud.gcp.zones"],
        ),
        (declared.environment(pools={"web": {"cpu": "500", "max": 1}}), ["pools.web", "the largest, n2-standard-128"]),
        (
            declared.environment(pools={"train": {"machine": "gpu", "gpu": 3, "max": 1}}),
            ["pools.train", "has 3 GPUs; there are 1, 2, 4, 8"],
        ),
        (declared.environment(pools={"system": {"max": 1}}), ["pools.system", "another"]),
        (declared.environment(quota={"gpu": 4}), ["quota.gpu", "no pool has any"]),
        (declared.environment(cloud={"machines": {"wbe": {}}}), ["cloud.gcp.machines.wbe", "there are general"]),
        (declared.environment(project="f" * 32, name="averylongname"), ["name", "a GKE cluster", "1 to 40"]),
        (declared.environment(project="google-search"), ["name", "a Cloud Storage bucket", "google"]),
        (declared.environment(people={"members": ["fraud-team"]}), ["people.members", "no mail address"]),
        (
            declared.environment(cloud={"security_group": None}),
            ["cloud.gcp.security_group", "gke-security-groups@DOMAIN"],
        ),
        (declared.environment(cloud={"create": {**CREATE, "organization": 123456}}), ["cloud.gcp.create", "either"]),
        (declared.environment(cloud={"create": {**CREATE, "seed": "fraud-dev"}}), ["cloud.gcp.create.seed"]),
        (declared.environment(cloud={"adopt": {"network": "common"}}), ["network.cidr", "adopt.subnetwork"]),
        (declared.environment(cloud={"adopt": {"pods_range": "pods"}}), ["adopt.pods_range", "adopt.network"]),
        (declared.environment(cloud={"adopt": {"buckets": {"data": "b"}}}), ["adopt.buckets.data", "scratch"]),
        (
            declared.environment(budget={"monthly": 1, "notify": [f"{n}@example.org" for n in "abcdef"]}),
            ["cloud.gcp.billing_account", "budget.notify", "5 addresses"],
        ),
        (declared.environment(cloud={"images": ["quay.io/**"]}), ["cloud.gcp.images"]),
        (
            declared.environment(cloud={"database": {"storage_gb": 100, "max_storage_gb": 50}}),
            ["cloud.gcp.database.max_storage_gb", "50 is less"],
        ),
        (declared.environment(store={"lake": "shared"}), ["store.lake"]),
        (declared.piece(pools={"web": {"max": 1}}), ["pools", "has its own"]),
        (
            declared.piece({"api": {}, "security_group": declared.SECURITY}),
            ["cloud.gcp.api", "cloud.gcp.security_group"],
        ),
        (declared.environment(cloud={"project": "Fraud"}), ["cloud.gcp.project"]),
        (
            declared.environment(project="gcp-fraud", ci={"issuer": "github", "repository": "example/fraud"}),
            ["ci", "a workload identity pool", "not beginning with gcp-"],
        ),
    ],
)
def test_what_can_t_be_is_refused_by_the_files_alone(tmp_path: Path, block: dict[str, Any], said: list[str]) -> None:
    found = problems(tmp_path, block)
    for words in said:
        assert words in found


@pytest.mark.parametrize(
    "changed",
    [
        {"project": "fraud-dev\n"},
        {"region": "europe-west3\n"},
        {"universe_domain": "googleapis.com\n"},
        {"impersonate": "deploy@fraud-dev.iam.gserviceaccount.com\n"},
        {"security_group": "gke-security-groups@example.org\n"},
        {"billing_account": "AAAAAA-BBBBBB-CCCCCC\n"},
        {"create": {**CREATE, "folder": "123456789\n"}},
        {"adopt": {"network": "common\n"}},
        {"database": {"tier": "db-custom-2-7680\n"}},
        {"database": {"version": "POSTGRES_17\n"}},
    ],
)
def test_a_line_break_at_the_end_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert "line break" in problems(tmp_path, declared.environment(cloud=changed))


def test_what_is_wrong_with_platforms_and_lakes_is_said(tmp_path: Path) -> None:
    wrong = declared.platform(cloud={"platform": "other", "database": {"storage_gb": 20}})
    found = problems(tmp_path, wrong, "platform")
    assert "cloud.gcp.platform" in found
    assert "cloud.gcp.database" in found
    found = problems(tmp_path, declared.lake(cloud=declared.block()), "lake")
    assert "is missing: a lake is a slice" in found
    assert "cloud.gcp.api" in found


def test_many_mistakes_are_one_message(tmp_path: Path) -> None:
    block = declared.environment(
        network={"cidr": "10.64.0.0/24"},
        cloud={"api": None, "machines": {"none": {}}},
        pools={"web": {"cpu": "500", "max": 1}},
        quota={"gpu": 1},
    )
    found = problems(tmp_path, block)
    for key in ("network.cidr", "api.cidrs", "machines.none", "pools.web", "quota.gpu"):
        assert key in found


def test_a_project_that_the_credentials_do_not_see_is_one_problem(run: Run) -> None:
    said = refused(run, Project(number=""), declared.environment())
    assert said.count("\n") == 0
    assert "cloud.gcp.project: fraud-dev" in said


def test_an_unknown_region_names_the_likely_one(run: Run) -> None:
    said = refused(run, Project(), declared.environment(cloud={"region": "europe-west33"}))
    assert "there is no region europe-west33; did you mean `europe-west3`?" in said


def test_all_that_the_project_would_refuse_is_said_at_once_and_nothing_is_made(run: Run) -> None:
    pools = {
        "train": {"machine": "gpu", "max": 4},
        "odd": {"size": "n2-standrad-4", "cpu": "4", "memory": "16Gi", "max": 1},
        "web": {"cpu": "32", "max": 20},
    }
    over = {"web": {"disk_size": 100}}
    project = Project(
        offered=lambda kind, _: kind.startswith(("n2-standard-3", "e2")),
        quotas={"N2-CPUS-per-project-region": 64},
    )
    said = refused(run, project, declared.environment(pools=pools, cloud={"machines": over}))
    assert "pools.train: no machine with GPUs of this kind" in said
    assert "pools.odd: no such machine" in said
    assert "640 N2 cores, and the project's quota in europe-west3 is 64" in said
    assert "cloud.gcp.machines.web.disk_size: node_config has no such field; did you mean `disk_size_gb`?" in said


def test_gpus_that_no_quota_allows_are_refused(run: Run) -> None:
    block = declared.environment(pools={"train": {"machine": "gpu", "max": 4}})
    said = refused(run, Project(quotas={"GPUS-ALL-REGIONS-per-project": 0}), block)
    assert "4 GPUs in all regions, and the project's quota in europe-west3 is 0" in said


def test_a_spot_quota_counts_for_spot_machines(run: Run) -> None:
    pools = {"train": {"machine": "gpu", "max": 4, "spot": True}}
    quotas = {"NVIDIA-L4-GPUS-per-project-region": 0, "PREEMPTIBLE-NVIDIA-L4-GPUS-per-project-region": 8}
    assert run(declared.environment(pools=pools), answer=Project(quotas=quotas).answer).outputs


def test_gpus_are_where_they_are(run: Run) -> None:
    project = Project(offered=lambda kind, zone: not kind.startswith("g2") or zone == ZONES[1])
    recorded = run(declared.environment(pools={"train": {"machine": "gpu", "max": 1}}), answer=project.answer)
    [pool] = [r for r in recorded.registrations if r.name == "fraud-dev-pool-train"]
    assert pool.inputs["nodeLocations"] == [ZONES[1]]


def test_too_few_zones_are_said(run: Run) -> None:
    said = refused(run, Project(zones=ZONES[:2]), declared.environment())
    assert "cloud.gcp.zones: 3 zones are asked for, and europe-west3 has" in said


def test_a_zone_that_is_down_moves_nothing(run: Run) -> None:
    project = Project()
    run(declared.environment(), answer=project.answer)
    [asked] = [arguments for name, arguments in project.asked if name == "getZones"]
    assert "status" not in asked


def test_a_platform_that_is_not_there_is_said(run: Run) -> None:
    said = refused(run, Project(clusters=()), declared.piece())
    assert "cloud.gcp.platform: cluster shared: Google Cloud does not tell it" in said


def test_a_bucket_elsewhere_is_not_adopted(run: Run) -> None:
    block = declared.environment(cloud={"adopt": {"buckets": {"datasets": "existing"}}})
    said = refused(run, Project(location="US"), block)
    assert "cloud.gcp.adopt.buckets.datasets: existing is in US" in said


def test_what_is_adopted_lacks_a_range(run: Run) -> None:
    adopt = {"network": "common", "subnetwork": "fraud", "pods_range": "pdos", "services_range": "services"}
    said = refused(run, Project(), declared.environment(network=None, cloud={"adopt": adopt}))
    assert "cloud.gcp.adopt.pods_range" in said
    assert "did you mean `pods`?" in said
    assert "cloud.gcp.adopt.database_range: is missing" in said


def test_what_is_adopted_serves_too_few_machines(run: Run) -> None:
    adopt = {"network": "common", "subnetwork": "fraud", "pods_range": "services", "services_range": "services"}
    cloud = {"adopt": {**adopt, "database_range": "databases"}}
    said = refused(run, Project(), declared.environment(network=None, pools={"web": {"max": 40}}, cloud=cloud))
    assert "services, 10.81.0.0/20, serves 32 machines of 64 pods, and there may be 45" in said


def test_quotas_that_can_t_be_asked_for_do_not_stop_anything(run: Run) -> None:
    class Closed(Project):
        def _getSQuotaInfo(self, quotaId: str, **_: Any) -> Any:  # noqa: N802, N803 - the function's and Google's name
            raise LookupError(f"Cloud Quotas API has not been used in project, asked for {quotaId}")

    assert run(declared.environment(), answer=Closed().answer).outputs


def test_a_quota_that_is_not_told_hides_no_other(run: Run) -> None:
    class Silent(Project):
        def _getSQuotaInfo(self, quotaId: str, **more: Any) -> Any:  # noqa: N802, N803 - see above
            if quotaId == "CPUS-ALL-REGIONS-per-project":
                raise LookupError("no such quota")
            return super()._getSQuotaInfo(quotaId=quotaId, **more)

    project = Silent(quotas={"N2-CPUS-per-project-region": 1, "PREEMPTIBLE-CPUS-per-project-region": 1})
    assert "N2-CPUS-per-project-region" in refused(run, project, declared.environment())


def test_a_project_that_is_made_here_is_asked_nothing(run: Run) -> None:
    project = Project()
    run(declared.environment(cloud={"create": CREATE}), answer=project.answer)
    assert {name for name, _ in project.asked} == {
        "getRegions",
        "getZones",
        "getMachineTypes",
        "getProjectServiceAccount",
    }
    catalogue = [args["project"] for name, args in project.asked if name != "getProjectServiceAccount"]
    assert set(catalogue) == {"automation"}


def test_a_partners_cloud_that_lacks_what_an_environment_is_made_of_is_refused_by_name(tmp_path: Path) -> None:
    cloud = {"universe_domain": "s3nsapis.fr", "private_access": "177.222.88.0/30"}
    found = problems(tmp_path, declared.environment(cloud=cloud))
    assert "cloud.gcp.universe_domain" in found
    assert "no private services access" in found


def test_ci_of_one_slice_would_administer_all_of_them_and_is_refused(run: Run) -> None:
    with pytest.raises(Exception, match="would administer its platform's cluster"):
        run(declared.piece(ci={"issuer": "github", "repository": "example/fraud"}))
