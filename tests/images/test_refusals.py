"""Bad input: refused before anything is pushed, with what is wrong and what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rehearsal.images.loopback import BASE, Served, push_base
from rehearsal.images.push import Registry
from terrarium.errors import CommandFailed, Exit
from terrarium.images import build
from terrarium.images.known import find
from terrarium.images.target import target
from tests.images.conftest import approve, declare, script
from tests.support.image_registry import tags

pytestmark = pytest.mark.usefixtures("advisories")


def no_script(_: Path) -> str:
    return "missing.py"


def no_python(folder: Path) -> str:
    (folder / "train.sh").write_text("echo\n")
    return "train.sh"


def syntax_error(folder: Path) -> str:
    script(folder, "def train(:\n")
    return "train.py"


def no_text(folder: Path) -> str:
    (folder / "train.py").write_bytes(b"\xff\xfe")
    return "train.py"


def no_package(folder: Path) -> str:
    (folder / "code").mkdir()
    return "code"


def package_that_does_not_run(folder: Path) -> str:
    code = folder / "code"
    (code / "src" / "calm").mkdir(parents=True)
    (code / "src" / "calm" / "__init__.py").write_text("")
    (code / "pyproject.toml").write_text(
        '[project]\nname = "calm"\nversion = "1"\n[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'
    )
    return "code"


def unresolvable(folder: Path) -> str:
    script(folder, "", "terrarium-no-such-package>=1")
    return "train.py"


def contradictory(folder: Path) -> str:
    script(folder, "", "urllib3==2.2.0", "botocore==1.34.0", "urllib3<2")
    return "train.py"


def no_requirement(folder: Path) -> str:
    script(folder, "", "six ==")
    return "train.py"


def only_a_source_archive(folder: Path) -> str:
    script(folder, "", "docopt==0.6.2")
    return "train.py"


def from_a_repository(folder: Path) -> str:
    script(folder, "", "six @ git+https://git.example/six")
    return "train.py"


def known_hole(folder: Path) -> str:
    script(folder, "", "six==1.15.0")
    return "train.py"


def other_python(folder: Path) -> str:
    (folder / "train.py").write_text('# /// script\n# requires-python = ">=3.13"\n# ///\n')
    return "train.py"


def no_commit(folder: Path) -> str:
    script(folder)
    return "nowhere:train.py"


def no_address(_: Path) -> str:
    return "git+train.py"


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (no_script, Exit.INVALID, "missing.py does not exist: name a script"),
        (no_python, Exit.INVALID, "neither a Python script (.py) nor a package's folder"),
        (syntax_error, Exit.INVALID, "train.py:1 is no Python: "),
        (no_text, Exit.INVALID, "is no text in UTF-8"),
        (no_package, Exit.INVALID, "has no pyproject.toml"),
        (package_that_does_not_run, Exit.INVALID, "can't be run: `python -m calm`"),
        (unresolvable, Exit.INVALID, "terrarium-no-such-package was not found in the package registry"),
        (contradictory, Exit.INVALID, "your requirements are unsatisfiable"),
        (no_requirement, Exit.INVALID, "Unexpected end of version specifier"),
        (only_a_source_archive, Exit.INVALID, "docopt==0.6.2 has no usable wheels"),
        (from_a_repository, Exit.INVALID, "can't be pinned by hash; publish the package"),
        (known_hole, Exit.REFUSED, "six 1.15.0: PYSEC-2099-1 (CVE-2099-0001), fixed in 1.16.0"),
        (other_python, Exit.INVALID, "needs Python >=3.13, and the environment's images have 3.11"),
        (no_commit, Exit.INVALID, "no git repository is around this folder"),
        (no_address, Exit.INVALID, "is not git+URL@REV"),
    ],
)
def test_bad_sources(make: Callable[[Path], str], code: Exit, said: str, project: Path, registry: Served) -> None:
    source = make(project)
    with pytest.raises(CommandFailed) as refused:
        build(source, environment="dev", name="refused")
    assert said in str(refused.value)
    assert refused.value.code == code
    assert tags(registry, "churn-dev/refused") == []
    assert not (registry.folder / "images/docker/registry/v2/repositories/churn-dev/refused").exists()


def test_another_hash_than_the_locks_is_refused(project: Path) -> None:
    script(project)
    wrong = hashlib.sha256(b"another").hexdigest()
    (project / "requirements.txt").write_text(f"six==1.17.0 --hash=sha256:{wrong}\n")
    with pytest.raises(CommandFailed, match=r"Hash mismatch for `six==1.17.0`"):
        build("train.py", environment="dev", requirements=Path("requirements.txt"))


def test_every_line_that_can_not_be_locked_is_named(project: Path) -> None:
    script(project)
    text = "-e .\n--index-url https://index.example\nsix  # fine\n./local\nother @ file:///other.whl\n-r more.txt\n"
    (project / "requirements.txt").write_text(text)
    with pytest.raises(CommandFailed) as refused:
        build("train.py", environment="dev", requirements=Path("requirements.txt"))
    told = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in told] == [f"requirements.txt, line {n}" for n in (1, 2, 4, 5, 6)]


def test_a_base_that_security_did_not_approve(project: Path) -> None:
    declare(project, "dev", "experimentation", image={"base": "docker.io/library/python:3.11", "python": "3.11"})
    script(project)
    with pytest.raises(CommandFailed, match=f"no approved base image; approved are: {BASE}"):
        build("train.py", environment="dev")


def test_a_registry_that_security_did_not_approve(project: Path) -> None:
    approve(project, registries=["registry.example/team"])
    script(project)
    with pytest.raises(CommandFailed, match=r"in no approved registry, .*approved are: registry.example/team"):
        build("train.py", environment="dev")


def test_a_base_that_is_not_there(project: Path) -> None:
    declare(project, "dev", "experimentation", image={"base": f"{BASE}:3.99", "python": "3.11"})
    script(project)
    with pytest.raises(CommandFailed, match=f"the base image {BASE}:3.99 does not exist"):
        build("train.py", environment="dev")


def test_a_base_with_another_python(project: Path, registry: Served) -> None:
    digest = push_base(Registry(registry.address), registry.folder, Env=["PYTHON_VERSION=3.12.4"])
    declare(project, "dev", "experimentation", image={"base": f"{BASE}@{digest}", "python": "3.11"})
    script(project)
    with pytest.raises(CommandFailed, match=r"has Python 3.12.4, but `image.python` says 3.11"):
        build("train.py", environment="dev")


def test_an_environment_that_says_nothing_of_images(project: Path) -> None:
    organisation = project / "organisation.yaml"
    lines = organisation.read_text().splitlines(keepends=True)
    organisation.write_text("".join(line for line in lines if "image:" not in line))
    declare(project, "dev", "experimentation")
    script(project)
    with pytest.raises(CommandFailed, match="churn-dev does not say what images are built on"):
        build("train.py", environment="dev")


def test_which_environment(project: Path) -> None:
    script(project)
    with pytest.raises(CommandFailed, match=r"Name it with -e; there are: dev \(churn-dev\), test \(churn-test\)"):
        build("train.py")


def test_an_environment_without_a_registry(project: Path) -> None:
    wanted = replace(target("dev", None), repository=None)
    for ask in (wanted.of, lambda name: find(f"{name}:v1", wanted)):
        with pytest.raises(CommandFailed, match="nothing says where images of churn-dev are"):
            ask("train")


def test_what_was_not_scanned_is_for_experiments_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRARIUM_ADVISORIES", "http://127.0.0.1:9/v1/query")
    script(project, "print('unscanned')\n")
    said: list[str] = []
    built = build("train.py", environment="dev", say=said.append)
    assert built.scan.day is None
    assert any("NOT SCANNED" in sentence for sentence in said)
    with pytest.raises(CommandFailed, match="tier testing, which takes no image that was not scanned"):
        build("train.py", environment="test")


def test_advisories_that_are_not_there(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    script(project, "print('no advisories')\n")
    for place, said in ((tmp_path / "gone.zip", "can't be read"), (tmp_path / "empty", "holds no advisories")):
        monkeypatch.setenv("TERRARIUM_ADVISORIES", str(place))
        with pytest.raises(CommandFailed, match=said):
            build("train.py", environment="dev")
