"""Pools become flavors, environments queues: what is lent, to whom, and what nobody of a team may change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components.compute import Compute, Kueue, Workers
from components.descriptor import PlatformDescriptor, PlatformRefused, check_queues
from components.queues import EVERYWHERE, shares
from components.settings.models import QuotaSettings
from components.workspace.access import RULES

Block = Callable[..., dict[str, Any]]
POOLS = {
    "general": {"labels": {"pool": "general"}, "cpu": 4, "memory": "16Gi", "max": 5, "spot": True},
    "training": {
        **{"labels": {"pool": "training"}, "cpu": 8, "memory": "32Gi", "max": 2, "gpu": 1},
        "taints": [{"key": "nvidia.com/gpu", "value": "present"}, {"key": "soft", "effect": "PreferNoSchedule"}],
    },
}


def _compute(*, everywhere: str | None = EVERYWHERE, **gpus: int) -> Compute:
    pools = [
        Workers(name=name, labels={"pool": name}, cpu="4", memory="16Gi", gpu=count, max=5)
        for name, count in {"general": 0, **gpus}.items()
    ]
    return Compute(queues=True, pools=tuple(pools), everywhere=everywhere)


def _quota(**changes: Any) -> QuotaSettings:
    usual = {"cpu": "16", "memory": "64Gi", "gpu": 0, "pods": 100, "storage": "1Ti", "volumes": 5, "borrow_percent": 50}
    return QuotaSettings.model_validate(usual | changes)


def _shares(spec: dict[str, Any]) -> dict[str, dict[str, tuple[str, str | None]]]:
    """What of each flavor is its own, and what may be borrowed, by resource."""
    groups = spec["resourceGroups"]
    for group in groups:
        for flavor in group["flavors"]:
            assert [entry["name"] for entry in flavor["resources"]] == group["coveredResources"]
    return {
        flavor["name"]: {
            entry["name"]: (entry["nominalQuota"], entry.get("borrowingLimit")) for entry in flavor["resources"]
        }
        for group in groups
        for flavor in group["flavors"]
    }


def test_an_environment_has_its_quota_of_each_pool_and_no_more_than_the_pool_has() -> None:
    found = _shares(shares(_compute(), "x", _quota(cpu="30"), None))
    assert found == {
        "terrarium-general": {
            "cpu": ("20", None),
            "memory": ("64Gi", None),
        },
        # Disk is covered, or Kueue lets no job in that asks for some; and bounded by nothing.
        EVERYWHERE: {"pods": ("100", None), "ephemeral-storage": ("1Pi", None)},
    }


def test_pods_are_counted_once_however_many_pools_there_are() -> None:
    found = _shares(shares(_compute(training=1), "x", _quota(gpu=2), None))
    assert [flavor for flavor, share in found.items() if "pods" in share] == [EVERYWHERE]


def test_a_platform_that_was_made_before_there_was_a_flavor_for_it_counts_them_by_pool() -> None:
    """An environment may be brought up again before its platform is: a queue must name no flavor that is not there."""
    found = _shares(shares(_compute(everywhere=None, training=1), "x", _quota(), None))
    assert set(found) == {"terrarium-general", "terrarium-training"}
    assert all({"pods", "ephemeral-storage"} <= set(share) for share in found.values())


def test_what_experiments_leave_unused_is_lent_within_the_limit() -> None:
    spec = shares(_compute(training=1), "x", _quota(gpu=2), "shared-experimentation")
    assert spec["cohortName"] == "shared-experimentation"
    assert spec["preemption"]["reclaimWithinCohort"] == "Any"
    assert spec["preemption"]["borrowWithinCohort"] == {"policy": "Never"}
    found = _shares(spec)
    assert found["terrarium-general"] == {
        "cpu": ("16", "8"),
        "memory": ("64Gi", "32Gi"),
        "nvidia.com/gpu": ("0", "0"),
    }
    assert found[EVERYWHERE] == {"pods": ("100", "0"), "ephemeral-storage": ("1Pi", "0")}
    assert found["terrarium-training"]["nvidia.com/gpu"] == ("2", "1")


def test_without_a_cohort_nothing_is_borrowed_and_nothing_is_lent() -> None:
    spec = shares(_compute(training=1), "x", _quota(gpu=2), None)
    assert "cohortName" not in spec
    assert spec["preemption"]["reclaimWithinCohort"] == "Never"
    assert "Limit" not in json.dumps(spec)


def test_a_queue_takes_jobs_of_its_own_namespace_alone() -> None:
    selector = shares(_compute(), "churn-x", _quota(), None)["namespaceSelector"]
    assert selector == {"matchLabels": {"kubernetes.io/metadata.name": "churn-x"}}


def test_an_environment_has_one_queue_for_all_and_one_for_each_bucket(run: Any) -> None:
    recorded = run("dev")
    [queue] = recorded.of("ClusterQueue").values()
    assert queue.metadata["name"] == "churn-dev"
    assert queue.inputs["spec"]["cohortName"] == "shared-experimentation"
    local = {r.metadata["name"]: r.inputs["spec"] for r in recorded.of("LocalQueue").values()}
    assert set(local) == {"default", "bucket-alice"}
    assert all(spec == {"clusterQueue": "churn-dev"} for spec in local.values())
    assert recorded.outputs["compute"]["queues"] == {"default": "default", "buckets": {"alice": "bucket-alice"}}


@pytest.mark.parametrize("stack", ["test", "prod"])
def test_testing_and_production_share_with_nobody(stack: str, run: Any) -> None:
    [queue] = run(stack).of("ClusterQueue").values()
    assert "cohortName" not in queue.inputs["spec"]


def test_the_namespace_lets_in_what_may_be_borrowed_and_no_more(run: Any, environment: Block) -> None:
    cloud = {"kubernetes": {"context": "c", "platform": "shared", "kueue": True}}
    quota = {"cpu": 10, "memory": "40Gi", "gpu": 4, "borrow_percent": 50}
    hard = run("dev", environment(cloud=cloud, quota=quota)).of("ResourceQuota")["churn-x-quota"].inputs["spec"]["hard"]
    assert (hard["requests.cpu"], hard["requests.memory"], hard["limits.memory"]) == ("15", "60Gi", "60Gi")
    assert hard["requests.nvidia.com/gpu"] == "6"
    testing = run("dev", environment("testing", cloud=cloud, quota={"cpu": 32})).of("ResourceQuota")
    assert testing["churn-x-quota"].inputs["spec"]["hard"]["requests.cpu"] == "32"


def test_without_kueue_there_are_no_queues_and_the_quota_is_what_is_said(run: Any, environment: Block) -> None:
    recorded = run("dev", environment(quota={"cpu": 10}))
    assert not recorded.of("ClusterQueue")
    assert not recorded.of("LocalQueue")
    assert recorded.outputs["compute"]["queues"] is None
    assert recorded.of("ResourceQuota")["churn-x-quota"].inputs["spec"]["hard"]["requests.cpu"] == "10"


def _platform(**kubernetes: Any) -> dict[str, Any]:
    return {
        **{"name": "shared", "tiers": ["experimentation", "testing"], "owner": "o", "cost_centre": "c"},
        "cloud": {"kubernetes": {"context": "c", **kubernetes}},
    }


def test_a_platform_makes_a_flavor_of_each_pool(run: Any) -> None:
    recorded = run("platform", _platform(kueue=True, pools=POOLS))
    flavors = {r.metadata["name"]: r.inputs["spec"] for r in recorded.of("ResourceFlavor").values()}
    assert flavors == {
        "terrarium-general": {"nodeLabels": {"pool": "general"}},
        "terrarium-training": {
            "nodeLabels": {"pool": "training"},
            # What only prefers keeps nobody away.
            "nodeTaints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
        },
        # Selects no machine, and tolerates no taint.
        EVERYWHERE: {},
    }
    published = recorded.outputs["compute"]
    assert [pool["name"] for pool in published["pools"]] == ["general", "training"]
    assert published["everywhere"] == EVERYWHERE
    assert published["priorities"] == {"low": "terrarium-low", "normal": "terrarium-normal", "high": "terrarium-high"}
    assert "Release" not in {r.short for r in recorded.registrations}


def test_priorities_go_from_low_to_high_and_normal_is_that_of_jobs_that_say_nothing(run: Any) -> None:
    values = {r.metadata["name"]: r.inputs["value"] for r in run("platform").of("WorkloadPriorityClass").values()}
    assert values["terrarium-low"] < values["terrarium-normal"] == 0 < values["terrarium-high"]


def test_a_platform_without_kueue_has_pools_and_no_queues(run: Any) -> None:
    recorded = run("platform", _platform(pools=POOLS))
    assert not recorded.of("ResourceFlavor")
    assert recorded.outputs["compute"]["queues"] is False
    assert [pool["name"] for pool in recorded.outputs["compute"]["pools"]] == ["general", "training"]


@pytest.mark.parametrize(
    ("queues", "kueue", "says"),
    [
        (True, "none", "wait in queues.*kueue: true"),
        (False, "found", "has no queues.*kueue: false"),
        (False, "made", "has no queues"),
    ],
)
def test_a_slice_says_what_its_platform_says_of_queues(queues: bool, kueue: Kueue, says: str) -> None:
    said = {"kind": "platform", "name": "shared", "shared": True, "tiers": ["testing"], "priorityClasses": {}}
    platform = PlatformDescriptor.model_validate({**said, "compute": {"queues": queues}})
    with pytest.raises(PlatformRefused, match=says):
        check_queues(platform, kueue=kueue)
    assert check_queues(platform, kueue="found" if queues else "none") == platform


@pytest.mark.parametrize("right", RULES)
def test_whoever_sees_jobs_sees_why_they_wait_and_nobody_changes_a_queue(right: Any) -> None:
    rules = [rule for rule in RULES[right] if "kueue.x-k8s.io" in (rule.api_groups or ())]
    assert [(rule.resources, rule.verbs) for rule in rules] == [
        (["localqueues", "workloads"], ["get", "list", "watch"])
    ]
