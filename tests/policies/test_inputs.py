"""Declared inputs: what is asked at submit answers as the gates do, on all texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.stores import layout
from components.tiers import Tier
from policies.gates import submit
from policies.rules import inputs
from policies.rules.carriers import PARTIAL, PODS, metadata_beside
from policies.rules.inputs import refused_inputs

OWN, LAKE = "churn-prod", "lake:sales"


def test_the_kinds_are_those_of_stores() -> None:
    assert inputs.KINDS == layout.KINDS


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("churn-prod/datasets/sales/2026.parquet", ""),
        ("churn-prod/models/v1/", ""),
        ("lake:sales/datasets/postcodes.csv", ""),
        ("churn-dev/datasets/x", "another environment"),
        ("lake:other/datasets/x", "not approved"),
        ("sales/datasets/x", "is not entries"),
        ("lake:churn-prod/datasets/x", "is not entries"),
        ("churn-prod/datasets", "is not entries"),
        ("churn-prod/secrets/x", "is not entries"),
        ("churn-prod/datasets/..", "is not entries"),
        ("churn-prod/datasets/./x", "is not entries"),
        (" churn-prod/datasets/x", "is not entries"),
        ("churn-prod/datasets/x\n", "is not entries"),
        ("churn-prod/datasets/\u0000", "is not entries"),
    ],
)
def test_an_input_is_named_and_said_what_is_wrong_with_it(entry: str, says: str) -> None:
    found = refused_inputs(entry, OWN, {LAKE})
    assert [one.entry for one in found] == ([entry] if says else [])
    assert all(says in one.says for one in found)


@given(st.lists(st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_what_stands_beside_a_wrong_entry_does_not_save_it(entries: list[str]) -> None:
    together = refused_inputs(",".join(entries), OWN, {LAKE})
    assert together == tuple(found for entry in entries for found in refused_inputs(entry, OWN, {LAKE}))


def test_no_environment_is_its_own_without_a_name() -> None:
    assert refused_inputs("", "", ()) == ()
    assert refused_inputs("/datasets/x", "", ())


def test_each_template_on_the_way_to_a_pod_has_metadata() -> None:
    assert metadata_beside("spec.jobTemplate.spec.template.spec") == (
        "metadata",
        "spec.jobTemplate.metadata",
        "spec.jobTemplate.spec.template.metadata",
    )
    assert metadata_beside("spec") == ("metadata",)
    for path in (path for paths in (*PODS.values(), *PARTIAL.values()) for path in paths):
        assert metadata_beside(path)[0] == "metadata"


def _files(root: Path, rollout: str = "") -> Path:
    folder = root / "policies" / "waivers"
    folder.mkdir(parents=True)
    (folder / "approved.yaml").write_text(f"inputs: {{production: ['{LAKE}']}}", encoding="utf-8")
    (folder / "rollout.yaml").write_text(f"rules: {{{rollout}}}", encoding="utf-8")
    return root


def test_at_submit_security_s_files_are_asked(tmp_path: Path) -> None:
    root, lake = _files(tmp_path), f"{LAKE}/datasets/x"
    assert submit.refused(root, Tier.PRODUCTION, OWN, [f"{OWN}/models/x", lake]) == ()
    [found] = submit.refused(root, Tier.TESTING, "churn-test", ["churn-test/models/x", lake])
    assert found.entry == lake
    assert [one.entry for one in submit.refused(root, Tier.PRODUCTION, OWN, [lake, "churn-dev/scratch/x"])] == [
        "churn-dev/scratch/x"
    ]


def test_at_submit_nothing_is_refused_that_security_only_reports(tmp_path: Path) -> None:
    root = _files(tmp_path, "inputs-allowed: {mode: audit, why: tried first}")
    assert submit.refused(root, Tier.PRODUCTION, OWN, ["churn-dev/scratch/x"]) == ()
