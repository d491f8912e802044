"""The parser of image references: the traps that other engines fell into, and the grammar itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.rules.imageref import HUB, BadReferenceError, ImageReference, parse, prefix

A = "a" * 64
DIGEST = f"sha256:{A}"

# Text; what a runtime reads in it: host, path, tag, digest. Where it is from.
READ = [
    ("nginx", ("docker.io", "library/nginx", "", ""), "kubescape #90: implicit docker.io"),
    ("nginx:1.25", ("docker.io", "library/nginx", "1.25", ""), "trivy-checks #428: no slash"),
    ("team/app", ("docker.io", "team/app", "", ""), "distribution: no dot, no port, so no host"),
    ("library/foo/bar", ("docker.io", "library/foo/bar", "", ""), "distribution normalize_test"),
    ("docker.io/nginx", ("docker.io", "library/nginx", "", ""), "distribution normalize_test"),
    (f"index.{HUB}/nginx", ("docker.io", "library/nginx", "", ""), "glsec #343: aliases of Hub"),
    ("registry-1.docker.io/library/nginx", ("docker.io", "library/nginx", "", ""), "plumber #219: aliases of Hub"),
    ("Docker.IO/nginx", ("docker.io", "library/nginx", "", ""), "connaisseur #2130: case"),
    ("Docker/docker", ("docker", "docker", "", ""), "distribution: upper case makes it a host"),
    ("REG.example/app", ("reg.example", "app", "", ""), "oras-go #1388: case"),
    ("localhost/app", ("localhost", "app", "", ""), "distribution: localhost is a host"),
    ("reg:5000/app", ("reg:5000", "app", "", ""), "trivy #9328, anchore-image-validator #49: port, no tag"),
    ("reg:5000/app:1.0", ("reg:5000", "app", "1.0", ""), "trivy-checks #470"),
    ("192.168.0.1:80", ("docker.io", "library/192.168.0.1", "80", ""), "distribution: an image with a tag"),
    ("192.168.0.1:80/app", ("192.168.0.1:80", "app", "", ""), "distribution normalize_test"),
    ("[fc00::1]:5000/app", ("[fc00::1]:5000", "app", "", ""), "distribution normalize_test"),
    (f"reg.example/app@{DIGEST}", ("reg.example", "app", "", DIGEST), "the canonical form"),
    (f"reg.example/app:1.0@{DIGEST}", ("reg.example", "app", "", DIGEST), "checkov #535, kyverno #11861: digest wins"),
    (f"reg.example:5000/app@{DIGEST}", ("reg.example:5000", "app", "", DIGEST), "port and digest"),
    (f"app@{DIGEST}", ("docker.io", "library/app", "", DIGEST), "digest of a familiar name"),
    ("reg.example/a/b/c-d_e__f.g---h:T_1.x", ("reg.example", "a/b/c-d_e__f.g---h", "T_1.x", ""), "all separators"),
    (f"{A}:1", ("docker.io", f"library/{A}", "1", ""), "distribution: with a tag it is no id either"),
    (f"docker.io/{A}", ("docker.io", f"library/{A}", "", ""), "distribution: with a host it is no id"),
]
REFUSED = [
    ("", "nothing"),
    (":tag", "only a tag"),
    (f"@{DIGEST}", "only a digest"),
    (A, "an id names no repository"),
    ("reg.example/App", "upper case in the repository"),
    ("test:5000/Upper/lower:tag", "upper case after a port"),
    ("Upper:tag", "upper case without a host"),
    ("reg.example/app@x:y", "Kyverno *@*, Checkov '@' in image, gatekeeper's open regex"),
    ("reg.example/app@sha256:abc", "a short digest"),
    (f"reg.example/app@sha256:{'A' * 64}", "upper case in the digest"),
    (f"reg.example/app@sha256:{A}a", "a long digest"),
    (f"reg.example/app@md5:{'a' * 32}", "an algorithm that nobody trusts"),
    (f"reg.example/app@{DIGEST}@{DIGEST}", "two digests"),
    (f"reg.example/app@{DIGEST}:tag", "a tag after the digest"),
    (f"reg.example/app@{DIGEST}\n", "docker-image-py 0.2 takes a line feed at the end"),
    ("nginx\n", "the same without a digest"),
    (" nginx", "a space"),
    ("https://reg.example/app", "a URL"),
    ("reg.example//app", "an empty component"),
    ("reg.example/app/", "an empty component at the end"),
    ("reg.example/", "no repository"),
    ("reg.example/app:", "an empty tag"),
    ("reg.example/app:-x", "a tag that begins with a dash"),
    (f"reg.example/app:{'x' * 129}", "a long tag"),
    ("reg.example/a..b", "two dots"),
    ("reg.example/-a", "a dash in front"),
    ("-reg.example/app", "a dash in front of the host"),
    ("reg_1.example/app", "distribution reads a repository without any host"),
    ("reg..example/app", "two dots in the host"),
    ("[fe80::1%eth0]:5000/app", "a zone"),
    ("[fc00::1]", "a host alone"),
    ("reg.example/ápp", "letters that are not ASCII"),
    ("rég.example/app", "a host that is not ASCII"),
    ("reg.example/app:\uff11", "a digit that is not ASCII"),
    (f"reg.example/{'a/' * 127}aa", "a long repository"),
]


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

_LOWER, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
_alnum = st.text(_LOWER + _DIGITS, min_size=1, max_size=5)
_separator = st.sampled_from([".", "_", "__", "-", "--", "-----"])


@st.composite
def _components(draw: st.DrawFn) -> str:
    text = draw(_alnum)
    for separator, more in draw(st.lists(st.tuples(_separator, _alnum), max_size=2)):
        text += separator + more
    return text


_letter = st.sampled_from(_LOWER + _LOWER.upper() + _DIGITS)
_label = st.one_of(
    _letter,
    st.tuples(_letter, st.text(_LOWER + _LOWER.upper() + _DIGITS + "-", max_size=6), _letter).map("".join),
)
_name = st.lists(_label, min_size=2, max_size=3).map(".".join)
_ipv6 = st.text("0123456789abcdefABCDEF:", min_size=1, max_size=12).map(lambda text: f"[{text}]")
_port = st.text(_DIGITS, min_size=1, max_size=5)
_host = st.one_of(
    _name,
    st.just("localhost"),
    st.tuples(st.one_of(_name, _ipv6, _label), _port).map(":".join),
    _ipv6.filter(lambda text: ":" in text),
)
_path = st.lists(_components(), min_size=1, max_size=4).map("/".join)
_tag = st.tuples(st.sampled_from(_LOWER + _DIGITS + "_A"), st.text(_LOWER + _DIGITS + "_.-Z", max_size=20)).map("".join)
_digest = st.one_of(
    st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda text: f"sha256:{text}"),
    st.text("0123456789abcdef", min_size=128, max_size=128).map(lambda text: f"sha512:{text}"),
)


@given(_host, _path, st.one_of(st.just(""), _tag), st.one_of(st.just(""), _digest))
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


@given(_path, st.one_of(st.just(""), _tag))
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
