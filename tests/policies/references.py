"""Image references: the traps that other engines fell into, and the grammar as hypothesis makes texts of it."""

from __future__ import annotations

from hypothesis import strategies as st

from policies.rules.imageref import HUB

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
HOSTS = st.one_of(
    _name,
    st.just("localhost"),
    st.tuples(st.one_of(_name, _ipv6, _label), _port).map(":".join),
    _ipv6.filter(lambda text: ":" in text),
)
PATHS = st.lists(_components(), min_size=1, max_size=4).map("/".join)
TAGS = st.tuples(st.sampled_from(_LOWER + _DIGITS + "_A"), st.text(_LOWER + _DIGITS + "_.-Z", max_size=20)).map("".join)
DIGESTS = st.one_of(
    st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda text: f"sha256:{text}"),
    st.text("0123456789abcdef", min_size=128, max_size=128).map(lambda text: f"sha512:{text}"),
)

# Hosts about which readers differ, often enough that approved ones are among them.
_FAMILIAR = st.sampled_from(
    [
        *("", "docker.io/", f"index.{HUB}/", "Registry-1.docker.io/", "registry.hub.docker.com/", "localhost/", "reg/"),
        *("registry.example/", "Registry.example/", "registry.example:5000/", "registry.example.evil.com/", "[abc]/"),
        *("registry.example/churn/", "registry.example/churn-b/", "[::1]/", "[::1]:5000/", "Docker/", "a_b.example/"),
    ]
)
_WHOLE = st.tuples(
    st.one_of(_FAMILIAR, HOSTS.map(lambda host: f"{host}/")),
    st.one_of(PATHS, st.sampled_from(["app", "library/app", A, "a" * 254, f"{'a/' * 123}aaaaaaaa"])),
    st.one_of(st.just(""), st.just(":latest"), TAGS.map(lambda tag: f":{tag}")),
    st.one_of(st.just(""), st.just(f"@{DIGEST}"), DIGESTS.map(lambda digest: f"@{digest}")),
).map("".join)


_DAMAGE = st.sampled_from([*"/:@.-_A[]%é \n\t", "//", "::"])


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    text = draw(_WHOLE)
    place, lost = draw(st.integers(0, len(text))), draw(st.integers(0, 1))
    return f"{text[:place]}{draw(_DAMAGE)}{text[place + lost :]}"


TEXTS = st.one_of(
    _WHOLE, _damaged(), st.from_regex(r"[a-zA-Z0-9./:@_\[\]-]{1,40}(?:@sha256:[a-f0-9]{64})?\n?", fullmatch=True)
)
"""References, damaged ones, and texts that are none."""
