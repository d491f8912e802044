"""Requirements from wherever they stand, and packages."""

from __future__ import annotations

import subprocess
import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from terrarium.errors import InvalidInput
from terrarium.images import build, cache, contents, uv
from terrarium.images.layers import known
from terrarium.images.locking import lock
from terrarium.images.source import opened
from tests.images.conftest import script

TARGET = uv.target("3.11", "amd64")
PYPROJECT = """
[project]
name = "calm-trainer"
version = "1"
requires-python = ">=3.11"
dependencies = ["six<2"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["calm_trainer"]
"""


def locked(where: Path, given: Path | None = None, *, anew: bool = False) -> tuple[dict[str, str], bool]:
    with opened(str(where), "3.11") as found:
        made = lock(found, given, TARGET, anew=anew)
        assert all(pin.hashes for pin in made.pins)
        return {pin.name: pin.version for pin in made.pins}, made.made


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "calm_trainer").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "calm_trainer" / "__init__.py").write_text("")
    (folder / "calm_trainer" / "__main__.py").write_text("print('calm')\n")
    return folder


@pytest.mark.usefixtures("cache_folder")
def test_every_place_that_requirements_stand_at(tmp_path: Path, package: Path) -> None:
    assert locked(script(tmp_path)) == ({}, False)
    declared = script(tmp_path, "", "six==1.16.0", name="declared.py")
    assert locked(declared) == ({"six": "1.16.0"}, True)
    unpinned = tmp_path / "requirements.in"
    unpinned.write_text("six<1.17\n")
    assert locked(declared, unpinned) == ({"six": "1.16.0"}, True)

    uv.run("lock", "--script", str(declared))
    assert locked(declared) == ({"six": "1.16.0"}, False)
    assert locked(package)[1]
    uv.run("lock", "--project", str(package))
    assert list(locked(package)[0]) == ["six"]
    assert not locked(package)[1]

    standard = tmp_path / "pylock.toml"
    uv.run(
        "pip", "compile", str(unpinned), *TARGET, "--generate-hashes", "--format", "pylock.toml", "-o", str(standard)
    )
    assert locked(declared, standard) == ({"six": "1.16.0"}, False)


@pytest.mark.usefixtures("cache_folder")
def test_a_script_that_declares_nothing_has_what_lies_beside_it(tmp_path: Path) -> None:
    plain = script(tmp_path)
    (tmp_path / "requirements.txt").write_text("six==1.16.0\n")
    assert locked(plain) == ({"six": "1.16.0"}, True)
    # Who says it in the script says all of it there.
    assert locked(script(tmp_path, "", "six==1.15.0", name="declared.py")) == ({"six": "1.15.0"}, True)
    empty = tmp_path / "empty.py"
    empty.write_text("# /// script\n# dependencies = []\n# ///\n")
    assert locked(empty) == ({}, False)
    (tmp_path / "requirements.txt").write_text("no-such-package-of-ours==1\n")
    with pytest.raises(InvalidInput, match=r"requirements.txt can't be resolved"):
        locked(plain)


@pytest.mark.usefixtures("cache_folder")
def test_what_was_resolved_stays_until_it_is_resolved_anew(tmp_path: Path) -> None:
    path = script(tmp_path, "# stays\n", "six>=1.15")
    first, _ = locked(path)
    notes = [file for file in (cache.folder() / "locks").glob("*.json") if str(path) in file.read_text()]
    [note] = notes
    older = note.read_text().replace(f"six=={first['six']}", "six==1.16.0")
    note.write_text(older)
    assert locked(path)[0] == {"six": "1.16.0"}
    assert locked(path, anew=True)[0] == first


@pytest.mark.usefixtures("cache_folder")
def test_a_package_is_built_and_can_be_run(package: Path, tmp_path: Path) -> None:
    with opened(str(package), "3.11") as found:
        made = lock(found, None, TARGET)
        layer = contents.code_layer(found, made, TARGET, "3.11")
    with tarfile.open(layer.path) as tar:
        tar.extractall(tmp_path, filter="data")
    assert (tmp_path / "app" / "calm_trainer" / "__main__.py").is_file()
    assert not list((tmp_path / "app").glob("*.dist-info/direct_url.json"))
    ended = subprocess.run(
        ["python3", "-m", "calm_trainer"], cwd=tmp_path / "app", capture_output=True, text=True, check=True
    )
    assert ended.stdout == "calm\n"


# A backend of a package's own, as one that compiles is: it needs no compiler here.
BACKEND = """
import zipfile

def build_wheel(folder, config=None, metadata=None):
    name = "calm_trainer-1-{tag}.whl"
    about = "calm_trainer-1.dist-info"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("calm_trainer/__main__.py", "")
        wheel.writestr("calm_trainer/fast.so", "")
        wheel.writestr(about + "/METADATA", "Metadata-Version: 2.1\\nName: calm-trainer\\nVersion: 1\\n")
        wheel.writestr(about + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n")
        wheel.writestr(about + "/RECORD", "")
    return name
"""


@pytest.mark.usefixtures("cache_folder")
@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("cp311-cp311-linux_x86_64", "compiles code for this machine alone"),
        ("cp311-cp311-macosx_11_0_arm64", "can't be built: "),
        ("cp311-cp311-manylinux_2_39_x86_64", "can't be built: "),
        ("cp312-cp312-manylinux_2_28_x86_64", "can't be built: "),
        ("cp311-cp311-manylinux_2_28_x86_64", ""),
    ],
)
def test_a_package_that_compiles_must_fit_the_base(package: Path, tag: str, said: str) -> None:
    (package / "pyproject.toml").write_text(
        '[project]\nname = "calm-trainer"\nversion = "1"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text(BACKEND.replace("{tag}", tag))
    refused = pytest.raises(InvalidInput, match=said) if said else nullcontext()
    with opened(str(package), "3.11") as found, refused:
        contents.code_layer(found, lock(found, None, TARGET), TARGET, "3.11")


@pytest.mark.usefixtures("advisories")
def test_a_package_becomes_an_image(project: Path, package: Path) -> None:
    built = build(str(package), environment="dev")
    assert built.reference.startswith("registry.internal/churn-dev/calm-trainer@sha256:")
    assert built.entrypoint[-3:] == ("python3", "-m", "calm_trainer")


@pytest.mark.usefixtures("cache_folder")
def test_a_script_of_a_package_starts_everywhere(tmp_path: Path) -> None:
    path = script(tmp_path, "", "charset-normalizer==3.4.0")
    with opened(str(path), "3.11") as found:
        layer = contents.dependencies_layer(lock(found, None, TARGET), TARGET, "3.11")
    assert layer is not None
    with tarfile.open(layer.path) as tar:
        entry = tar.extractfile("opt/dependencies/bin/normalizer")
        assert entry is not None
        assert entry.read().startswith(b"#!/usr/bin/env python3\n")
    assert known("no such layer") is None
