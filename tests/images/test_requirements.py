"""Requirements and locks as text."""

from __future__ import annotations

import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.errors import InvalidInput
from terrarium.images import uv
from terrarium.images.requirements import Pin, check, inline, lines, locked, normalised, pins, pylock

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True).map(normalised)
VERSIONS = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
HASHES = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format), max_size=3)
PINS = st.builds(Pin, NAMES, VERSIONS, HASHES.map(tuple))


def written(pin: Pin, joint: str) -> str:
    return joint.join([f"{pin.name}=={pin.version}", *(f"--hash={one}" for one in pin.hashes)])


@given(st.lists(PINS), st.sampled_from([" ", " \\\n    ", "\\\n  "]), st.sampled_from(["", "# a comment\n", "\n\n"]))
def test_what_is_written_is_read(found: list[Pin], joint: str, between: str) -> None:
    # Without a blank before it a `\` would join name and hash; uv writes one.
    joint = f" {joint.lstrip()}"
    text = between.join(f"{written(pin, joint)}  # why\n" for pin in found)
    assert pins(text) == found
    assert locked(text) == all(pin.hashes for pin in found)
    check(text, "a lock")


@given(st.text(string.printable, max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    list(lines(text))
    assert locked(text) in {True, False}
    with suppress(InvalidInput):
        check(text, "it")


@pytest.mark.parametrize("text", ["six", "six>=1", "six==1.*", "six==1.0", "six==1,==2 --hash=sha256:00", "=="])
def test_what_is_not_pinned_by_hash_is_no_lock(text: str) -> None:
    assert not locked(text)


def test_a_script_says_what_it_needs() -> None:
    block = '# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n#   "six",\n# ]\n# ///\n'
    script = f"#!/usr/bin/env python3\n{block}"
    assert inline(script, "x") == {"requires-python": ">=3.11", "dependencies": ["six"]}
    assert inline("# /// other\n# a = 1\n# ///\n", "x") is None
    with pytest.raises(InvalidInput, match=r"x has 2 blocks"):
        inline(script * 2, "x")
    with pytest.raises(InvalidInput, match=r"is no TOML"):
        inline("# /// script\n# six\n# ///\n", "x")


def test_locks_by_pep_751() -> None:
    wheel = '[[packages.wheels]]\nname = "six-1.17.0-py2.py3-none-any.whl"\nhashes = {sha256 = "00"}\n'
    text = f'lock-version = "1.0"\n[[packages]]\nname = "Six"\nversion = "1.17.0"\n{wheel}'
    assert pylock(text, "x") == [Pin("six", "1.17.0", ("sha256:00",))]
    with pytest.raises(InvalidInput, match=r"locks six without a wheel"):
        pylock('[[packages]]\nname = "six"\nversion = "1"\n', "x")
    for wrong in ("", "a = b", "packages = 1", "packages = [1]"):
        with pytest.raises(InvalidInput, match=r"is no lock by PEP 751"):
            pylock(wrong, "x")


def test_uv_speaks_in_sentences() -> None:
    said = (
        "error: No solution found when resolving dependencies\n  cause: Because a was not found\n"
        "         and you require a.\n\nhint: Wheels are required\n"
    )
    assert uv.in_words(said) == "Because a was not found and you require a. (Wheels are required)"
    assert (
        uv.in_words("error: Failed to download `six`\n  cause: Hash mismatch\n")
        == "Failed to download `six`: Hash mismatch"
    )
    assert uv.in_words("") == "uv gave no reason"


def test_uv_works_for_the_image_and_not_for_this_machine() -> None:
    assert "aarch64-manylinux_2_28" in uv.target("3.12", "arm64")
    with pytest.raises(InvalidInput, match=r"is for riscv64"):
        uv.target("3.12", "riscv64")


def test_the_clients_lock_is_one() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "requirements" / "client.txt").read_text()
    assert locked(text)
    runtime = {pin.name: pin.version for pin in pins((root / "requirements" / "runtime.txt").read_text())}
    assert {pin.name: runtime.get(pin.name) for pin in pins(text)} == {pin.name: pin.version for pin in pins(text)}
