"""Proves: a store on Google Cloud Storage is used as any other, by the credentials that the machine or the pod has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.stores import files
from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
from terrarium.client.store import Store
from tests.support.google_storage import Google, google


@pytest.fixture
def gcs() -> Iterator[Google]:
    with google() as found:
        yield found


@pytest.fixture
def folder(gcs: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An identity's files, and a machine whose credentials ask nobody for a token."""
    key = tmp_path / "service-account.json"
    key.write_text(json.dumps({"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(key))
    monkeypatch.setenv("GOOGLE_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    content = {
        "environment": "churn-x",
        "identity": "rw",
        "bucket": None,
        "objects": {
            "protocol": "gs",
            "endpoint": gcs.url,
            "region": "europe-west1",
            "buckets": {"results": "churn-x-results", "models": "churn-x-models"},
            "prefix": "buckets/alice/",
        },
        "database": None,
        "lake": None,
    }
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / files.DESCRIPTION).write_text(files.description(content))
    return folder


@pytest.fixture
def opened(folder: Path) -> Store:
    return Environment(Folder(folder)).store


def test_objects_are_files_as_anywhere(opened: Store, gcs: Google) -> None:
    opened.results.pipe_file("run1/metrics.csv", b"a,b\n1,2\n")
    assert gcs.objects == {"churn-x-results/buckets/alice/run1/metrics.csv": b"a,b\n1,2\n"}
    assert opened.results.cat_file("run1/metrics.csv") == b"a,b\n1,2\n"
    assert opened.results.ls("") == ["run1"]
    assert opened.results.find("") == ["run1/metrics.csv"]
    with opened.results.open("run1/metrics.csv") as file:
        assert file.read(3) == b"a,b"
    opened.results.cp_file("run1/metrics.csv", "run2/metrics.csv")
    opened.results.rm("run1/metrics.csv")
    assert opened.results.find("") == ["run2/metrics.csv"]
    with pytest.raises(FileNotFoundError, match="results:run1"):
        opened.results.cat_file("run1/metrics.csv")


def test_the_command_lists_and_copies_also_from_one_kind_to_another(
    store: Any, folder: Path, gcs: Google, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_bytes(b"w" * 100)
    (tmp_path / "empty").write_bytes(b"")
    store("cp", "weights", "results:weights", folder=folder)
    store("cp", "empty", "results:empty", folder=folder)
    store("cp", "results:weights", "results:again", folder=folder)
    assert not [path for path in gcs.asked if path.startswith("GET")], "a copy within a bucket does not pass here"
    store("cp", "results:weights", "models:weights", folder=folder)
    store("cp", "results:empty", "models:empty", folder=folder)
    assert gcs.objects["churn-x-models/buckets/alice/weights"] == b"w" * 100
    assert gcs.objects["churn-x-models/buckets/alice/empty"] == b""
    assert "weights" in store("ls", "models:", folder=folder)
    kinds = json.loads(store("ls", "--json", folder=folder))["kinds"]
    assert kinds["results"] == "gs://churn-x-results/buckets/alice/"


def test_a_refusal_names_the_identity_and_quotes_nothing(opened: Store, gcs: Google) -> None:
    gcs.refused = True
    with pytest.raises(PermissionError, match="identity rw of churn-x may not do this") as refused:
        opened.results.cat_file("x")
    assert "hidden" not in str(refused.value)


def test_credentials_of_another_kind_are_refused_with_what_helps(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_SERVICE_ACCOUNT")
    foreign = tmp_path / "adc.json"
    foreign.write_text(json.dumps({"type": "external_account", "audience": "hidden"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(foreign))
    with pytest.raises(PermissionError, match="gcloud auth application-default login") as refused:
        _ = Environment(Folder(folder)).store.results
    assert "hidden" not in str(refused.value)


def test_files_with_keys_of_s3_are_not_asked_for(opened: Store) -> None:
    assert opened.connection.objects.protocol == "gs"
    assert "store-rw" in repr(opened.connection.objects.keys)
