"""What is refused before anything is made, each with what to do about it; and what is made when all is well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
from terrarium.errors import CommandFailed, Exit, InvalidInput, Refused
from terrarium.jobs import checks, submitting
from terrarium.jobs.asking import Wish, asked
from terrarium.jobs.place import Place
from tests.jobs.fakes import Rights, never, place, tier_of
from tests.jobs.world import IMAGE, descriptor

CREATE = ("create jobs", "create cronjobs")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "train.py"
    file.write_text("print('trained')\n")
    return file


@pytest.fixture(autouse=True)
def _others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_tier_of", tier_of)


def refused(where: Place, wish: Wish) -> CommandFailed:
    with pytest.raises(CommandFailed) as error:
        submitting.submit(where, wish, print, never)
    assert where.workloads.made == []  # type: ignore[attr-defined]  # of the fake
    return error.value


BAD: Mapping[str, tuple[dict[str, Any], Exit, tuple[str, ...]]] = {
    "too much": ({"needs": "gpu=9"}, Exit.REFUSED, ("could never run in churn-dev", "4 GPUs", "The largest job")),
    "a pool of GPUs without one": ({"needs": "gpu=0,pool=gpu"}, Exit.REFUSED, ("kept for jobs that use its GPUs",)),
    "too many at a time": ({"needs": "gpu=1", "array": "0-9%9"}, Exit.REFUSED, ("at most 2 machines",)),
    "production's data": (
        {"inputs": ["churn-prod/datasets:x.csv"]},
        Exit.REFUSED,
        ("churn-prod is production and churn-dev experimentation", "data is promoted"),
    ),
    "another environment's data": (
        {"inputs": ["fraud-dev/datasets:x.csv"]},
        Exit.REFUSED,
        ("can't read the store of fraud-dev", "terrarium store cp"),
    ),
    "data of who knows whom": ({"inputs": ["else-where/datasets:x"]}, Exit.REFUSED, ("can't read the store",)),
    "a tag": ({"image": "registry.example/churn/train:v1"}, Exit.INVALID, ("has no digest", "terrarium image build")),
    "no image": ({"image": "@@"}, Exit.INVALID, ("image",)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_anything_is_made(case: str, script: Path) -> None:
    said, code, words = BAD[case]
    wish = asked(None if "image" in said else str(script), **said)
    error = refused(place(descriptor(), Rights(*CREATE)), wish)
    assert error.code is code
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (None, "train.py", "does not exist"),
        ("def f(:\n", "train.py", "does not compile: line 1"),
        ("x = 1\n", "train.txt", "neither a Python script"),
        (b"\x00", "train.py", "does not compile"),
        (b"# -*- coding: nonsense -*-\n", "train.py", "does not compile"),
    ],
)
def test_a_script_that_is_none(tmp_path: Path, content: str | bytes | None, name: str, words: str) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    error = refused(place(descriptor(), Rights(*CREATE)), asked(str(file)))
    assert error.code is Exit.INVALID
    assert words in str(error)


@pytest.mark.parametrize(("python", "refuses"), [("3.9", True), ("3.99", False)])
def test_what_a_newer_python_may_know_is_left_to_it(tmp_path: Path, python: str, refuses: bool) -> None:
    file = tmp_path / "train.py"
    file.write_text("words of a later day\n")
    where = place({**descriptor(), "image": {"base": IMAGE, "python": python}}, Rights(*CREATE))
    if refuses:
        assert "does not compile" in str(refused(where, asked(str(file))))
    else:
        assert submitting.looked_at(where, asked(str(file)))[0].startswith("train")


def test_a_script_and_what_it_asks_for_are_looked_at_together(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("def f(:\n")
    wish = asked(str(tmp_path / "train.py"), needs="cpu=99", inputs=["churn-prod/models:m"])
    error = refused(place(descriptor(), Rights(*CREATE)), wish)
    assert error.code is Exit.REFUSED
    problems = error.details["problems"]
    assert [any(word in one for one in problems) for word in ("does not compile", "99 cores", "churn-prod is")] == [
        True
    ] * 3


def test_requirements_are_a_source_s(script: Path) -> None:
    assert asked(str(script), requirements="reqs.txt").requirements == Path("reqs.txt")
    with pytest.raises(InvalidInput, match="an image has its own"):
        asked(None, image=IMAGE, requirements="reqs.txt")


def test_a_module_beside_the_script_must_compile_too(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import helper\n")
    (tmp_path / "helper.py").write_text("def f(:\n")
    error = refused(place(descriptor(), Rights(*CREATE)), asked(str(tmp_path / "train.py")))
    assert "helper.py" in str(error)


def test_who_may_not_run_jobs_is_told_who_may(script: Path) -> None:
    error = refused(place(descriptor("testing"), Rights()), asked(str(script)))
    assert error.code is Exit.REFUSED
    assert "people.automation or people.promoters" in str(error)


def test_all_that_is_wrong_is_said_at_once(script: Path) -> None:
    wish = asked(str(script), needs="gpu=9,cpu=99", inputs=["churn-prod/models:m"])
    error = refused(place(descriptor(), Rights()), wish)
    assert len(error.details["problems"]) == 3
    for word in ("you may not run jobs", "99 cores", "churn-prod is production"):
        assert word in str(error)


def test_production_takes_what_a_release_names_and_nothing_else(script: Path) -> None:
    for wish in (asked(str(script)), asked(None, image=IMAGE), asked(str(script), schedule="@daily")):
        error = refused(place(descriptor("production"), Rights(*CREATE)), wish)
        assert error.code is Exit.REFUSED
        assert "only what a release names" in str(error)


def test_production_reads_nothing_of_another_tier() -> None:
    wish = asked(None, image=IMAGE, inputs=["fraud-dev/datasets:x", "churn-dev/datasets:y"])
    problems = refused(place(descriptor("production"), Rights(*CREATE)), wish).details["problems"]
    assert len(problems) == 2
    assert "fraud-dev is experimentation and churn-dev production" in problems[1]


def test_a_bucket_that_there_is_not(script: Path) -> None:
    error = refused(place(descriptor(), Rights(*CREATE), bucket="bob"), asked(str(script), bucket="bob"))
    assert "has no bucket `bob`; it has: alice" in str(error)


def test_inputs_without_a_store_or_a_lake(script: Path) -> None:
    bare = {**descriptor(), "store": None}
    assert "has no store" in str(refused(place(bare, Rights(*CREATE)), asked(str(script), inputs=["models:x"])))
    said = descriptor()
    said["store"] = {**said["store"], "lake": None}
    assert "reads no lake" in str(refused(place(said, Rights(*CREATE)), asked(str(script), inputs=["lake:x"])))


def test_a_folder_of_keys_runs_nothing(folders: Mapping[str, Path]) -> None:
    with pytest.raises(InvalidInput, match="jobs are run from outside"):
        Environment(Folder(folders["rw"])).run("train.py")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("datasets:no/such.csv", "datasets:no/such.csv does not exist"),
        ("datasets:there", "is a folder; write `/`"),
        ("datasets:there/x.csv/", "is an object, not a folder"),
        ("lake:rain/1999.csv", "does not exist"),
    ],
)
def test_inputs_are_looked_for(folders: Mapping[str, Path], script: Path, said: str, words: str) -> None:
    with Environment(Folder(folders["rw"])) as env:
        env.store.datasets.pipe("there/x.csv", b"1")
    where = place(descriptor(), Rights(*CREATE), folders["ro"])
    error = refused(where, asked(str(script), inputs=[said]))
    assert error.code is Exit.INVALID
    assert words in str(error)


def test_inputs_that_are_there_are_taken(folders: Mapping[str, Path], script: Path) -> None:
    with Environment(Folder(folders["rw"])) as env:
        env.store.datasets.pipe("there/x.csv", b"1")
    where = place(descriptor(), Rights(*CREATE), folders["ro"])
    wish = asked(str(script), inputs=["datasets:there/x.csv", "datasets:there/:all", "lake:rain/2026.csv"])
    submitting.submit(where, wish, print, lambda *_, **__: IMAGE)
    [made] = where.workloads.made  # type: ignore[attr-defined]  # of the fake
    assert made["metadata"]["annotations"]["terrarium.dev/inputs"] == (
        "churn-dev/datasets/there/x.csv,churn-dev/datasets/there/,lake:main/datasets/rain/2026.csv"
    )


def test_a_job_is_made_and_told(script: Path) -> None:
    rights = Rights(*CREATE)
    wish = asked(str(script), ["--epochs", 3], needs="gpu=1", array=3, bucket="alice")
    done = submitting.submit(place(descriptor(), rights, bucket="alice"), wish, print, lambda *_, **__: IMAGE)
    [made] = rights.made
    assert made["metadata"]["name"] == done.name
    assert (done.kind, done.pool, done.queue) == ("Job", "gpu", "bucket-alice")
    pod = made["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == ["--epochs", "3"]
    assert [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one] == ["store-bucket-alice-1"]


def test_a_schedule_of_the_name_is_not_replaced(script: Path) -> None:
    where = place(descriptor(), Rights(*CREATE))
    submitting.submit(where, asked(str(script), schedule="@daily"), print, lambda *_, **__: IMAGE)
    with pytest.raises(Refused, match=r"has a schedule train already: end it \(`terrarium jobs cancel train"):
        submitting.submit(where, asked(str(script), schedule="@weekly"), print, lambda *_, **__: IMAGE)


def test_without_a_store_it_is_said_that_nothing_is_kept(script: Path) -> None:
    said: list[str] = []
    where = place({**descriptor(), "store": None}, Rights(*CREATE))
    submitting.submit(where, asked(str(script)), said.append, lambda *_, **__: IMAGE)
    assert any("kept nowhere" in sentence for sentence in said)
