"""What a job may declare to read and to keep."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.errors import InvalidInput
from terrarium.jobs import inputs

TMP = "/tmp"  # noqa: S108 - the pod's own


@pytest.mark.parametrize(
    ("said", "path", "reference"),
    [
        ("datasets:2026/sales.csv", "sales.csv", "churn-dev/datasets/2026/sales.csv"),
        ("datasets:2026/sales.csv:data/in.csv", "data/in.csv", "churn-dev/datasets/2026/sales.csv"),
        ("models:v1/", "v1", "churn-dev/models/v1/"),
        ("models:v1/:m", "m", "churn-dev/models/v1/"),
        ("lake:rain/2026.csv", "2026.csv", "lake:main/datasets/rain/2026.csv"),
        ("sales-prod/datasets:a.csv", "a.csv", "sales-prod/datasets/a.csv"),
        ("datasets:odd:key.csv:in.csv", "in.csv", "churn-dev/datasets/odd:key.csv"),
    ],
)
def test_inputs_are_read(said: str, path: str, reference: str) -> None:
    [found] = inputs.parse([said])
    assert (found.path, found.reference("churn-dev", None, "main")) == (path, reference)
    assert found.folder == (said.split(":")[1].endswith("/"))


def test_a_bucket_s_input_is_in_its_part_of_the_store() -> None:
    [found] = inputs.parse(["datasets:x.csv"])
    assert found.reference("churn-dev", "alice", None) == "churn-dev/datasets/buckets/alice/x.csv"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("sales.csv", "is not KIND:KEY[:PATH]"),
        ("datasets:", "is not KIND:KEY[:PATH]"),
        ("data:x", "there is no kind `data`; there are results, datasets"),
        ("datasets:/", "KEY is no object"),
        ("datasets:a/../b", "KEY is no object"),
        ("datasets:a,b", "with a comma"),
        ("datasets:x:/etc/passwd", "must be below the working folder"),
        ("datasets:x:../y", "must be below the working folder"),
        ("a/b/datasets:x", "only an environment's id stands before a kind"),
        ("main/lake:x", "only an environment's id stands before a kind"),
    ],
)
def test_bad_inputs_are_refused(said: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        inputs.parse([said, "models:fine"])
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "said",
    [["datasets:a/x", "models:b/x"], ["datasets:x:in", "models:y:in/deeper"], ["models:y:in/deeper", "datasets:x:in"]],
)
def test_two_inputs_at_one_place_are_refused(said: list[str]) -> None:
    with pytest.raises(InvalidInput, match="would both be at"):
        inputs.parse(said)


@given(st.lists(st.text(alphabet="datasetlk:/.,ab-\n ", min_size=1, max_size=30), max_size=3))
def test_no_input_leaves_the_working_folder(said: list[str]) -> None:
    try:
        found = inputs.parse(said)
    except InvalidInput:
        return
    for one in found:
        assert not PurePosixPath(one.path).is_absolute()
        assert ".." not in PurePosixPath(one.path).parts
        assert "," not in one.reference("e-x", None, "main")


def test_outputs_are_read() -> None:
    assert inputs.outputs(["model.pkl", "./plots/", f"{TMP}/out", "model.pkl"]) == ["model.pkl", "plots", f"{TMP}/out"]


@pytest.mark.parametrize("said", ["", ".", "../x", "/etc/passwd", TMP, "a/../../b", "/"])
def test_bad_outputs_are_refused(said: str) -> None:
    with pytest.raises(InvalidInput, match="output"):
        inputs.outputs([said])
