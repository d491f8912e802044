"""A build, on a real registry: what is in the image, what is attached to it, and what a second build does."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import urllib3

from rehearsal.images.loopback import Served
from terrarium.images import build
from terrarium.images.known import find
from terrarium.images.target import target
from tests.images.conftest import script
from tests.support.image_registry import document

pytestmark = pytest.mark.usefixtures("advisories")


def blob(registry: Served, repository: str, digest: str) -> bytes:
    return urllib3.request("GET", f"http://{registry.address}/v2/{repository}/blobs/{digest}").data


def files(registry: Served, repository: str, descriptor: dict[str, Any]) -> dict[str, tarfile.TarInfo]:
    plain = gzip.decompress(blob(registry, repository, descriptor["digest"]))
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {entry.name: entry for entry in tar}


def test_a_script_becomes_an_image(project: Path, registry: Served) -> None:
    script(project, "import helper, six\nprint(helper.x)\n", "six==1.17.0")
    (project / "helper.py").write_text("x = 1\n")
    built = build("train.py", environment="dev")

    assert built.reference == f"registry.internal/churn-dev/train@{built.digest}"
    assert built.entrypoint == ("python3", "-m", "terrarium.inside", "--", "python3", "/app/train.py")
    assert built.base == f"registry.internal/base/python@{registry.base}"
    assert built.scan.clean
    manifest = document(registry, f"churn-dev/train/manifests/{built.digest}")
    config = json.loads(blob(registry, "churn-dev/train", manifest["config"]["digest"]))["config"]
    assert config["Entrypoint"] == list(built.entrypoint)
    assert config["User"] == "65532"
    assert "Cmd" not in config
    variables = dict(one.split("=", 1) for one in config["Env"])
    assert variables["PYTHONPATH"] == "/app:/opt/dependencies:/opt/terrarium"
    assert variables["PYTHON_VERSION"] == "3.11.2"
    below, client, dependencies, code = (files(registry, "churn-dev/train", one) for one in manifest["layers"])
    assert "etc/os-release" in below
    assert {"opt/terrarium/terrarium/client/environment.py", "opt/terrarium/obstore/__init__.py"} <= client.keys()
    assert "opt/dependencies/six.py" in dependencies
    assert {"app/train.py", "app/helper.py", "opt/terrarium-lock/requirements.txt"} <= code.keys()
    # Nothing that a container runs as its user can be changed by it.
    assert {entry.uid for entry in (client | dependencies).values()} == {0}
    assert code["srv/nonroot"].uid == 65532


def test_unchanged_code_is_not_built_again(project: Path, registry: Served) -> None:
    script(project, "print('unchanged')\n")
    first = build("train.py", environment="dev")
    second = build("train.py", environment="dev")
    assert (first.cached, second.cached) == (False, True)
    assert first.reference == second.reference
    script(project, "print('changed')\n")
    assert build("train.py", environment="dev").reference != first.reference


def test_what_a_registry_lost_is_pushed_again(project: Path, registry: Served) -> None:
    script(project, "print('lost')\n")
    built = build("train.py", environment="dev")
    url = f"http://{registry.address}/v2/churn-dev/train/manifests/{built.digest}"
    assert urllib3.request("DELETE", url).status == 202
    again = build("train.py", environment="dev")
    assert (again.cached, again.reference) == (False, built.reference)
    assert document(registry, f"churn-dev/train/manifests/{built.digest}")["config"]


def test_its_papers_are_attached(project: Path) -> None:
    script(project, "import six\n", "six==1.17.0", name="papers.py")
    built = build("papers.py", environment="dev")
    found = find(built.reference, target("dev", None))
    told = found.papers
    assert not told.wrong
    assert "six 1.17.0" in told.components
    assert f"registry.internal/base/python {found.base.partition('@')[2]}" in told.components
    assert told.scan is not None
    assert told.scan.clean
    assert told.provenance is not None
    definition = told.provenance["buildDefinition"]
    source, base = definition["resolvedDependencies"][:2]
    assert len(source["digest"]["sha256"]) == 64
    assert base["uri"] == "oci://registry.internal/base/python"
    assert dict(found.record) == {
        "base": built.base,
        "scanned_on": told.scan.day,
        "clean": True,
        "signed": False,
        "release": "",
    }
