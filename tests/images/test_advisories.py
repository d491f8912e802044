"""Which versions an advisory is about, as the OSV schema says, and where a registry's name leads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from terrarium.errors import InvalidInput
from terrarium.images.advisories import Hole, holes
from terrarium.images.places import place

RANGES = [
    # events, affected, not affected
    ([{"introduced": "0"}, {"fixed": "1.5"}], ["0.1", "1.4.9", "1.5rc1"], ["1.5", "2"]),
    ([{"introduced": "1.0"}, {"last_affected": "1.5"}], ["1.0", "1.5"], ["0.9", "1.5.1"]),
    ([{"introduced": "0"}], ["0.1", "99"], []),
    ([{"fixed": "2.1"}, {"introduced": "2.0"}, {"introduced": "0"}, {"fixed": "1.1"}], ["1.0", "2.0"], ["1.1", "2.1"]),
]


def advisory(**affected: Any) -> dict[str, Any]:
    package = {"package": {"ecosystem": "PyPI", "name": "Some_Package"}}
    return {"id": "X-1", "modified": "2026-11-20T10:00:00Z", "affected": [package | affected]}


def written(folder: Path, *advisories: dict[str, Any]) -> Path:
    for number, one in enumerate(advisories):
        (folder / f"{number}.json").write_text(json.dumps(one))
    return folder


@pytest.mark.parametrize(("events", "affected", "free"), RANGES)
def test_ranges(events: list[dict[str, str]], affected: list[str], free: list[str], tmp_path: Path) -> None:
    written(tmp_path, advisory(ranges=[{"type": "ECOSYSTEM", "events": events}]))
    for version in [*affected, *free]:
        found, newest = holes(tmp_path, {"some-package": version})
        assert bool(found) == (version in affected), version
        assert newest == "2026-11-20"


def test_versions_are_listed_too(tmp_path: Path) -> None:
    written(tmp_path, advisory(versions=["1.0", "bad version"]))
    assert holes(tmp_path, {"some-package": "1.0.0"})[0] == [Hole("some-package", "1.0.0", "X-1")]
    assert holes(tmp_path, {"some-package": "1.1", "other": "1.0"})[0] == []


def test_what_was_withdrawn_or_is_of_another_ecosystem(tmp_path: Path) -> None:
    other = advisory(versions=["1.0"], package={"ecosystem": "npm", "name": "some-package"})
    written(tmp_path, advisory(versions=["1.0"]) | {"withdrawn": "2026-01-01T00:00:00Z"}, other)
    assert holes(tmp_path, {"some-package": "1.0"})[0] == []


def test_one_hole_with_two_names_is_told_once_with_its_fix(tmp_path: Path) -> None:
    fixed = advisory(ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}])
    written(
        tmp_path,
        advisory(versions=["1.0"]) | {"id": "A", "aliases": ["CVE-1"]},
        fixed | {"id": "B", "aliases": ["CVE-1"]},
    )
    assert holes(tmp_path, {"some-package": "1.0"})[0] == [Hole("some-package", "1.0", "B", ("CVE-1",), ("2",))]


def test_osvs_own_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("X-1.json", json.dumps(advisory(versions=["1.0"])))
    assert len(holes(tmp_path / "all.zip", {"some-package": "1.0"})[0]) == 1


@given(st.lists(st.integers(0, 20), min_size=2, max_size=6, unique=True), st.integers(0, 20))
def test_between_what_introduced_and_what_fixed_it(bounds: list[int], version: int) -> None:
    from terrarium.images.advisories import _inside  # noqa: PLC0415 - the algorithm alone, without files

    bounds = sorted(bounds[: len(bounds) // 2 * 2])
    pairs = list(zip(bounds[::2], bounds[1::2], strict=True))
    events = [{"introduced": str(a)} for a, _ in pairs] + [{"fixed": str(b)} for _, b in pairs]
    assert _inside(events, Version(str(version))) == any(a <= version < b for a, b in pairs)


@pytest.mark.parametrize(
    ("repository", "url", "path"),
    [
        ("registry.internal/team/x", "http://10.0.0.1:5000", "team/x"),
        ("registry.internal/base/python", "https://mirror.example", "bases/python"),
        ("registry.internal.example/x", "https://registry.internal.example", "x"),
        ("one.wild.example/x", "https://wild.example", "all/x"),
        ("registry.example:5000/x", "https://registry.example:5000", "x"),
        ("docker.io/library/python", "https://registry-1.docker.io", "library/python"),
    ],
)
def test_where_a_name_leads(repository: str, url: str, path: str, tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text(
        '[[registry]]\nprefix = "registry.internal"\nlocation = "10.0.0.1:5000"\ninsecure = true\n'
        '[[registry]]\nprefix = "registry.internal/base"\nlocation = "mirror.example/bases"\n'
        '[[registry]]\nprefix = "*.wild.example"\nlocation = "wild.example/all"\n'
        '[[registry]]\nprefix = "blocked.example"\nblocked = true\n'
    )
    variables = {"CONTAINERS_REGISTRIES_CONF": str(conf)}
    found = place(repository, variables)
    assert (found.name, found.url, found.path) == (repository, url, path)
    with pytest.raises(InvalidInput, match=r"blocks"):
        place("blocked.example/x", variables)
    conf.write_text("[[registry]\n")
    with pytest.raises(InvalidInput, match=r"is no TOML"):
        place(repository, variables)
    with pytest.raises(InvalidInput, match=r"can't be read"):
        place(repository, {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "gone")})
