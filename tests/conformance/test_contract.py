"""What every cloud owes the core: the contract's parts, the tiers' rules, two environments apart, nothing replaced.

Proves what a cloud's stacks ask of the engine, against answers that its harness gives. That a cloud takes it is for
`test_life.py`, and for a real account (docs/clouds.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components import clouds
from components.compute import Workers
from components.contract import CONTRACT_VERSION
from components.queues import EVERYWHERE
from components.settings.declaration import declare
from components.tiers import Tier
from tests.conformance.changes import Change
from tests.conformance.harness import Harness
from tests.support.recording import ROOT, Recorded, Registration

Declared = Callable[..., dict[str, Any]]
Run = Callable[..., Recorded]

EVERY_SDK = {"pulumi_aws", "pulumi_gcp", "pulumi_postgresql", "pulumi_random", "pulumi_kubernetes"}
# What gives a provider its name and place, and what is no resource of a cloud.
_LOCAL = ("pulumi:", "random:")
# What the protocol marks a secret with (sdk/go/common/resource/sig).
_SIGNATURE = "4dabf18193072939515e22adb298388d"


def test_the_cloud_is_installed(harness: Harness) -> None:
    assert harness.cloud in clouds.installed()


@pytest.mark.parametrize("tier", Tier)
def test_outputs_keep_the_contract(tier: Tier, harness: Harness, declared: Declared, run: Run) -> None:
    found = run(declared(tier)).outputs
    assert found["contractVersion"] == CONTRACT_VERSION
    assert {key: found[key] for key in ("kind", "id", "project", "name", "tier", "cloud")} == {
        "kind": "environment",
        "id": "sales-x",
        "project": "sales",
        "name": "x",
        "tier": tier.value,
        "cloud": harness.cloud,
    }
    assert found["namespace"] == "sales-x"
    assert found["cluster"]["name"]
    assert found["network"]["kind"]
    assert found["access"]
    json.dumps(found)


@pytest.mark.parametrize(("tier", "shared"), [*((tier, False) for tier in Tier), (Tier.TESTING, True)])
def test_how_it_is_reached_is_known_before_it_is_made(
    tier: Tier, shared: bool, declared: Declared, run: Run, tmp_path: Path
) -> None:
    block = declared(tier, shared=shared)
    found = run(block).outputs
    [file] = tmp_path.glob("*/Pulumi.conformance.yaml")
    declaration = declare(file.parent, "conformance")
    assert declaration.adapter.access(declaration.settings) == found["access"]


@pytest.mark.parametrize("tier", Tier)
def test_the_descriptor_says_what_the_outputs_say_and_nothing_secret(tier: Tier, declared: Declared, run: Run) -> None:
    recorded = run(declared(tier))
    descriptor = recorded.of("ConfigMap")["sales-x-descriptor"].inputs["data"]["descriptor.json"]
    assert isinstance(descriptor, str)  # a secret would be an object with a signature
    assert json.loads(descriptor) == json.loads(json.dumps(recorded.outputs))
    assert _SIGNATURE not in _shown(recorded.outputs)
    assert not {"password", "token", "secretKey", "private_key"} & set(_keys(json.loads(descriptor)))


def test_a_store_has_every_kind_and_identity(harness: Harness, declared: Declared, run: Run) -> None:
    store = run(declared(buckets={"alice": {}})).outputs["store"]
    if "store" not in harness.offers:
        assert store is None
        return
    assert set(store["objects"]["buckets"]) >= {"results", "datasets", "models", "scratch"}
    assert set(store["identities"]) == {"rw", "ro", "bucket-alice"}
    assert store["database"]["name"]


@pytest.mark.parametrize(("tier", "shared"), [*((tier, False) for tier in Tier), (Tier.TESTING, True)])
def test_jobs_are_told_where_they_may_run(tier: Tier, shared: bool, declared: Declared, run: Run) -> None:
    recorded = run(declared(tier, shared=shared, buckets={}))
    compute = recorded.outputs["compute"]
    pools = [Workers.model_validate(pool) for pool in compute["pools"]]
    assert len({pool.name for pool in pools}) == len(pools)
    assert all(pool.labels for pool in pools)
    assert {"cpu", "memory", "gpu", "pods"} <= set(compute["quota"])
    queues = recorded.of("ClusterQueue")
    if compute["queues"] is None:
        assert not queues
        return
    assert pools
    assert set(compute["priorities"]) == {"low", "normal", "high"}
    [queue] = queues.values()
    assert queue.metadata["name"] == "sales-x"
    of_pools, of_none = queue.inputs["spec"]["resourceGroups"]
    assert [flavor["name"] for flavor in of_pools["flavors"]] == [f"terrarium-{pool.name}" for pool in pools]
    assert [flavor["name"] for flavor in of_none["flavors"]] == [EVERYWHERE]
    # Testing and production share with nobody, whatever the cloud.
    assert ("cohortName" in queue.inputs["spec"]) <= (tier is Tier.EXPERIMENTATION)
    assert {r.metadata["name"] for r in recorded.of("LocalQueue").values()} == {"default"}


@pytest.mark.parametrize("tier", Tier)
def test_every_resource_has_an_explicit_provider(tier: Tier, declared: Declared, run: Run) -> None:
    forgotten = [
        f"{r.kind} {r.name}"
        for r in run(declared(tier)).registrations
        if r.custom and not r.kind.startswith("pulumi:providers:") and "pulumi:providers:" not in r.provider
    ]
    assert forgotten == []


def test_keys_and_passwords_are_secret_wherever_they_go(declared: Declared, run: Run) -> None:
    plain = [
        r.name
        for r in run(declared()).registrations
        if "password-of-" in _shown(r.inputs) and _SIGNATURE not in _shown(r.inputs)
    ]
    assert plain == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pod_security", "baseline"),
        ("network", {"egress": "open"}),
        ("people", {"members": ["team"]}),
        ("store", {"protected": False}),
        ("store", {"versioned": False}),
        ("buckets", {"alice": {"users": ["alice@example.org"]}}),
    ],
)
def test_productions_rules_hold_on_every_cloud(key: str, value: Any, declared: Declared, run: Run) -> None:
    block = declared("production")
    if isinstance(block.get(key), dict):
        value = {**block[key], **value}
    with pytest.raises(Exception, match=f"(?s){key}.*tier production takes"):
        run({**block, key: value})


def test_production_is_protected_from_plain_pulumi(declared: Declared, run: Run) -> None:
    recorded = run(declared("production"))
    stateful = {"Namespace", "Database", "Bucket", "Instance", "DatabaseInstance", "Cluster", "Key", "CryptoKey"}
    open_ = [
        f"{r.kind} {r.name}"
        for r in recorded.registrations
        # S3 itself refuses to delete a bucket that holds something.
        if r.short in stateful and not r.protect and r.kind != "aws:s3/bucket:Bucket"
    ]
    assert open_ == []


@pytest.mark.parametrize("shared", [False, True], ids=["apart", "slices"])
def test_two_environments_share_no_name(shared: bool, harness: Harness, declared: Declared, run: Run) -> None:
    in_one_cluster = shared or "clusters" not in harness.offers
    names = []
    for name in ("x", "y"):
        registered = run(declared(name=name, shared=shared)).registrations
        mine = [r for r in registered if in_one_cluster or not r.in_kubernetes]
        names.append({named for r in mine for named in _unique(harness, r)})
    assert names[0]
    assert names[0] & names[1] == set()


@pytest.mark.parametrize("tier", ["experimentation", "production"])
def test_nothing_is_replaced_when_something_small_changes(
    change: Change, tier: str, harness: Harness, declared: Declared, run: Run
) -> None:
    block = change.before(declared(tier))
    before, after = _by_name(run(block)), _by_name(run(change.after(block)))
    assert sorted(before.keys() - after.keys()) == []
    assert list(_replaced(harness, before, after)) == []
    assert before != after, "the change changes nothing: it proves nothing"


@pytest.mark.parametrize("tier", Tier)
def test_a_preview_registers_what_the_update_does(tier: Tier, declared: Declared, run: Run) -> None:
    block = declared(tier)
    assert _by_name(run(block, preview=True)).keys() == _by_name(run(block)).keys()


def test_a_slice_makes_no_network_and_no_cluster(harness: Harness, declared: Declared, run: Run) -> None:
    recorded = run(declared(shared=True))
    assert recorded.outputs["cluster"]["shared"] is True
    made = {r.short for r in recorded.registrations}
    assert made & {"Vpc", "Subnet", "Network", "Subnetwork", "Cluster", "NodePool", "PriorityClass"} == set()


def test_a_platform_takes_slices(harness: Harness, run: Run) -> None:
    block = {"name": "shared", "tiers": ["experimentation", "testing"]}
    found = run({**block, **harness.platform(block["tiers"])}, "platform").outputs
    assert (found["kind"], found["name"], found["tiers"]) == ("platform", "shared", ["experimentation", "testing"])


def test_stacks_in_use_keep_every_resource(harness: Harness, declared: Declared, run: Run) -> None:
    """What is recorded was made by an earlier version: a new one may change it, and must not replace or lose any.

    A resource that must be renamed gets an alias; then accept what changed: ACCEPT_RECORDED=1.
    """
    recorded = Path(sys.modules[type(harness).__module__].__file__ or "").with_suffix(".recorded.json")
    current = {tier: _by_name(run(declared(tier))) for tier in ("experimentation", "production")}
    if "ACCEPT_RECORDED" in os.environ:
        found = {
            tier: {name: {"kind": r.kind, "inputs": r.inputs} for name, r in every.items()}
            for tier, every in current.items()
        }
        recorded.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for tier, resources in json.loads(recorded.read_text(encoding="utf-8")).items():
        before = {
            name: Registration(r["kind"], name, "", "", False, True, r["inputs"]) for name, r in resources.items()
        }
        after = current[tier]
        assert sorted(before.keys() - after.keys()) == []
        assert list(_replaced(harness, before, after)) == []


_IMPORTED = """
import json, sys
from pathlib import Path
from tests.conformance.harness import load
from tests.support.recording import record
harness = load(sys.argv[1])
block = {"project": "sales", "name": "x", "tier": "production", **harness.block("production")}
record(Path(sys.argv[2]), "conformance", {"environment": block}, made=harness.made, answer=harness.answer)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules if name.startswith("pulumi_")})))
"""


def test_only_the_chosen_clouds_sdk_is_imported(harness: Harness, module: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED, module, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout))
    assert imported & EVERY_SDK <= harness.sdks | {"pulumi_kubernetes", "pulumi_random", "pulumi_postgresql"}


def _shown(value: object) -> str:
    """Return a value as text, to look for something in all of it."""
    return json.dumps(value, sort_keys=True, default=str)


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _by_name(recorded: Recorded) -> dict[str, Registration]:
    return {f"{r.kind} {r.name}": r for r in recorded.registrations if r.custom}


def _unique(harness: Harness, registration: Registration) -> Iterator[str]:
    """Yield what no other environment may have: names in the cloud, and names of what is not in a namespace."""
    if registration.in_kubernetes:
        metadata = registration.metadata
        yield f"{registration.short} {metadata.get('namespace', '')}/{metadata.get('name')}"
        return
    for key in harness.named(registration.kind):
        if value := registration.inputs.get(key):
            yield f"{registration.kind} {_shown(value)}"


def _replaced(harness: Harness, before: dict[str, Registration], after: dict[str, Registration]) -> Iterator[str]:
    for name in before.keys() & after.keys():
        one, other = before[name], after[name]
        if one.kind.startswith(_LOCAL):
            if one.kind.startswith("random:") and one.inputs != other.inputs:
                yield f"{name}: {one.inputs} to {other.inputs}"
            continue
        for path in _changed(one.inputs, other.inputs):
            if path not in other.ignored and harness.replaces(one.kind, path):
                yield f"{name}: {path}"


def _changed(one: object, other: object, path: str = "") -> Iterator[str]:
    """Yield the paths at which two values differ; lists are gone through without their indices."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _changed(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            yield from _changed(first, second, path)
    elif one != other:
        yield path
