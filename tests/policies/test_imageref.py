"""The parser of image references: the traps that other engines fell into, and the grammar itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.rules.imageref import HUB, BadReferenceError, ImageReference, parse, prefix
from tests.policies.references import DIGEST, DIGESTS, HOSTS, PATHS, READ, REFUSED, TAGS


@pytest.mark.parametrize(("text", "parts", "_source"), READ, ids=lambda value: str(value)[:60])
def test_read_as_runtimes_do(text: str, parts: tuple[str, str, str, str], _source: str) -> None:
    read = parse(text)
    assert (read.host, read.path, read.tag, read.digest) == parts


@pytest.mark.parametrize(("text", "_why"), REFUSED, ids=lambda value: repr(value)[:60])
def test_refused(text: str, _why: str) -> None:
    with pytest.raises(BadReferenceError) as refused:
        parse(text)
    assert not text or text.strip() not in str(refused.value), "the message repeats what may be a secret"


@pytest.mark.parametrize(
    "text",
    [
        f"reg.example/app:1.0@{DIGEST}",
        f"Reg.example/app@{DIGEST}",
        f"index.{HUB}/library/app@{DIGEST}",
        f"docker.io/app@{DIGEST}",
        f"app@{DIGEST}",
        "reg.example/app:1.0",
        "reg.example/app",
    ],
)
def test_only_one_form_is_canonical(text: str) -> None:
    assert not parse(text).canonical


@pytest.mark.parametrize(
    ("image", "approved", "holds"),
    [
        ("gcr.io/team/app", "gcr.io", True),
        ("gcr.io.evil.com/team/app", "gcr.io", False),  # kubescape #70, gatekeeper-library #80
        ("evil-gcr.io/team/app", "gcr.io", False),  # KSV-0125 matches the end
        ("gcr.io/team-b/app", "gcr.io/team", False),
        ("gcr.io/team/app", "gcr.io/team", True),
        ("gcr.io/team/app", "gcr.io/team/", True),
        ("gcr.io/team", "gcr.io/team", True),
        ("other.io/gcr.io/team/app", "gcr.io/team", False),  # allowed-image-repos compares the last component only
        ("gcr.io:5000/team/app", "gcr.io", False),
        ("team/app", "docker.io/team", True),
        ("registry-1.docker.io/team/app", f"index.{HUB}/team", True),
        ("GCR.io/team/app", "gcr.io/team", True),
        ("123456789012.dkr.ecr.eu-west-3.amazonaws.com/app", "amazonaws.com", False),  # KSV-0125 trusts every account
    ],
)
def test_prefixes_end_at_a_component(image: str, approved: str, holds: bool) -> None:
    assert parse(image).under(approved) is holds


@pytest.mark.parametrize("text", ["Reg.Example/team", "reg.example:5000", "localhost/team"])
def test_prefixes_are_brought_into_the_form_of_references(text: str) -> None:
    assert prefix(text) == text.lower()
    assert parse(f"{text}/app").under(prefix(text))


@pytest.mark.parametrize(
    "text", ["", "team", "team/app", "reg.example/", "reg.example/App", "reg.example/a:1", "*.example"]
)
def test_a_prefix_that_would_never_match_is_refused(text: str) -> None:
    with pytest.raises(BadReferenceError):
        prefix(text)


# ------------------------------------------------------------------ the grammar, generated


@given(HOSTS, PATHS, st.one_of(st.just(""), TAGS), st.one_of(st.just(""), DIGESTS))
def test_all_of_the_grammar_is_read(host: str, path: str, tag: str, digest: str) -> None:
    text = f"{host}/{path}{tag and f':{tag}'}{digest and f'@{digest}'}"
    read = parse(text)
    assert read.host == host.lower()
    assert read.path == path
    assert read.tag == ("" if digest else tag)
    assert read.digest == digest
    assert read.canonical == (bool(digest) and not tag and host == host.lower())
    assert read.under(f"{host}/{path}")
    assert not read.under(f"{host}x/{path}")
    assert not read.under(f"{host}/{path}x")


@given(PATHS, st.one_of(st.just(""), TAGS))
def test_what_has_no_host_is_of_docker_hub(path: str, tag: str) -> None:
    first, slash, _ = path.partition("/")
    if re.fullmatch(r"[a-f0-9]{64}", path) or (slash and ("." in first or first == "localhost")):
        return
    read = parse(f"{path}{tag and f':{tag}'}")
    assert (read.host, read.path) == ("docker.io", path if slash else f"library/{path}")


@given(st.one_of(st.text(), st.from_regex(r"[a-zA-Z0-9./:@_\[\]-]{0,40}(?:@sha256:[a-f0-9]{64})?\n?", fullmatch=True)))
def test_any_text_is_read_or_refused_and_what_is_read_can_be_written(text: str) -> None:
    try:
        read = parse(text)
    except BadReferenceError:
        return
    written = _written(read)
    again = parse(written)
    assert (again.host, again.path, again.tag, again.digest) == (read.host, read.path, read.tag, read.digest)
    assert read.canonical == (bool(read.digest) and text == written)


def _written(read: ImageReference) -> str:
    return f"{read.name}{read.tag and f':{read.tag}'}{read.digest and f'@{read.digest}'}"
