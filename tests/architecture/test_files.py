"""What no committed file may hold: this machine, a registry's address, promises of later work, silenced checks."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

# Put together here, or this file would be the first to be found.
_HOSTS = [
    *(".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))),
    *(".".join(parts) for parts in (("proxy", "golang", "org"), ("sum", "golang", "org"), ("deb", "debian", "org"))),
    *(".".join(parts) for parts in (("index", "docker", "io"), ("goproxy", "io"), ("goproxy", "cn"))),
]
_HOST = re.compile("|".join(map(re.escape, _HOSTS)), re.IGNORECASE)
# A home or a work folder of one machine. `/tmp` and `/etc` are everywhere; `~` and `$HOME` are anybody's.
_MACHINE_PATH = re.compile(r"(?<![\w.~}$-])/(?:work|root|home/\w+|Users/\w+)(?:/|\b)")
_LATER = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
_SILENCED = re.compile(
    r"#\s*(?:ruff:\s*)?(?P<what>noqa|type:\s*ignore)(?P<codes>[:\[][\sA-Za-z0-9,\-\]]*?)?(?P<rest>\s+[-#].*)?$"
)


def test_no_file_names_a_registry_host(root: Path, committed: Sequence[Path]) -> None:
    assert not list(_matches(root, committed, _HOST)), "name the registry's kind (`a package registry`), not its host"


def test_no_file_names_a_path_of_one_machine(root: Path, committed: Sequence[Path]) -> None:
    assert not list(_matches(root, committed, _MACHINE_PATH)), "use a path relative to the checkout, or one from HOME"


def test_no_file_promises_later_work(root: Path, committed: Sequence[Path]) -> None:
    assert not list(_matches(root, committed, _LATER)), "do it now, or open an issue"


def test_silenced_checks_say_why(root: Path, committed: Sequence[Path]) -> None:
    files = [path for path in committed if path.suffix in {".py", ".pyi"}]
    assert files
    found = [f"{file}:{line}" for file in files for line in _unexplained((root / file).read_text(encoding="utf-8"))]
    assert not found, "say why beside it (`# noqa: S310 - the URL is a constant`) or in the comment above"


@pytest.mark.parametrize(
    "source",
    [
        "import a  # noqa: F401\n",
        "import a  # noqa\n",
        "import a  # type: ignore[import]\n",
        "x = 1\n# ruff: noqa: N802\n",
        "# why b is here\nimport b\nimport a  # noqa: F401\n",
    ],
)
def test_a_bare_silencer_is_found(source: str) -> None:
    assert list(_unexplained(source))


@pytest.mark.parametrize(
    "source",
    [
        "import a  # noqa: F401 - registers itself\n",
        "import a  # type: ignore[import]  # it has no types\n",
        "# ruff: noqa: N802, ARG002 - the protocol's names\n",
        "# Imported here: it costs 0.4 s.\nimport a  # noqa: PLC0415\nimport b  # noqa: PLC0415\n",
        "text = 'noqa'\n",
    ],
)
def test_an_explained_silencer_passes(source: str) -> None:
    assert not list(_unexplained(source))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (_HOST, "index-url = https://" + "pypi" + ".org/simple"),
        (_MACHINE_PATH, "see " + "/ro" + "ot/notes.md"),
        (_MACHINE_PATH, "cd /" + "home/ana/terrarium"),
        (_LATER, "# TO" + "DO: later"),
    ],
)
def test_what_is_looked_for_would_be_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize(
    "text", ["~/work/notes", "$HOME/work", "components/workspace/access.py", "/srv/x", "/var/root1"]
)
def test_other_paths_pass(text: str) -> None:
    assert not _MACHINE_PATH.search(text)


def _matches(root: Path, files: Sequence[Path], pattern: re.Pattern[str]) -> Iterator[str]:
    for file in files:
        try:
            text = (root / file).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image or another binary file
        for number, line in enumerate(text.splitlines(), 1):
            if found := pattern.search(line):
                yield f"{file}:{number}: {found[0]}"


def _unexplained(source: str) -> Iterator[int]:
    """Yield the lines whose silencer gives no reason, neither after it nor in the comment above its run of lines."""
    comments: dict[int, tuple[str, bool]] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = (token.string, token.line.strip().startswith("#"))
    for line, (text, _) in comments.items():
        silencer = _SILENCED.search(text)
        if not silencer or (silencer["codes"] and silencer["rest"]):
            continue
        above = line - 1
        while above in comments and _SILENCED.search(comments[above][0]) and not comments[above][1]:
            above -= 1
        if not (
            silencer["codes"] and above in comments and comments[above][1] and not _SILENCED.search(comments[above][0])
        ):
            yield line
