"""One parser of image references, to the grammar of github.com/distribution/reference 0.6 (regexp.go, normalize.go).

What other engines got wrong is in `tests/policies/test_imageref.py`, each with its source. In short: a port taken for a
tag, prefixes without a boundary, aliases of Docker Hub, upper case in hosts, `@x:y` taken for a digest, a line feed at
the end. Refused beyond the reference implementation is a host with an underscore, which it takes for part of a
repository without a host. Of the grammar only the canonical form is allowed in production: `host/path@sha256:…`,
nothing to fill in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB = "docker.io"
# registry-1 is where Hub's registry answers; the reference implementation leaves it distinct, so rules on docker.io
# were evaded by it. All of them serve the same images.
HUB_ALIASES = (f"index.{HUB}", f"registry-1.{HUB}", "registry.hub.docker.com")
LONGEST_PATH = 255  # by distribution/reference's RepositoryNameTotalLengthMax
HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}  # opencontainers/go-digest, algorithm.go

# The grammar, in words that Python's `re` and the API server's RE2 read alike: imageref_cel.py is made of it too.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
PATH = rf"{_PART}(?:/{_PART})*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}"
IDENTIFIER = r"[a-f0-9]{64}"

_HOST, _PATH, _TAG, _IDENTIFIER = (re.compile(one) for one in (HOST, PATH, TAG, IDENTIFIER))


class BadReferenceError(ValueError):
    """Text that is no image reference. The message says what is wrong with it and does not repeat it."""


@dataclass(frozen=True)
class ImageReference:
    """An image reference, with all that a runtime would fill in filled in.

    Args:
        host: Registry in lower case with its port, Docker Hub by its one name.
        path: Repository on it, `library/` included.
        tag: The tag; empty if there is none, or if a digest stands beside it and wins.
        digest: As `sha256:…`; empty if there is none.
        canonical: Whether the text was `host/path@digest` to the letter, with nothing left to fill in.
    """

    host: str
    path: str
    tag: str
    digest: str
    canonical: bool

    @property
    def name(self) -> str:
        """Host and path."""
        return f"{self.host}/{self.path}"

    @property
    def pinned(self) -> bool:
        """Whether a SHA-256 digest says which image it is."""
        return self.digest.startswith("sha256:")

    def under(self, prefix: str) -> bool:
        """Tell whether the image stands at or below a prefix, by whole components.

        Args:
            prefix: Host with an optional path, as `registry.example/team`. `registry.example` does not cover
                `registry.example.evil.com`, and `registry.example/team` not `registry.example/team-b`.
        """
        host, _, path = prefix.rstrip("/").partition("/")
        if _folded(host) != self.host:
            return False
        return not path or self.path == path or self.path.startswith(f"{path}/")


def parse(text: str) -> ImageReference:
    """Return what a container runtime reads in an image reference.

    Args:
        text: The reference, as a pod names it.

    Raises:
        BadReferenceError: If the text is outside the grammar.
    """
    name, at, digest = text.partition("@")
    if at:
        _check_digest(digest)
    # A colon after the last slash begins a tag; one before it a port: `reg:5000/app` has no tag.
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise BadReferenceError("its tag is outside the grammar")
    name = f"{head}{slash}{last}"
    if not name:
        raise BadReferenceError("it names no repository")
    if _IDENTIFIER.fullmatch(text):
        raise BadReferenceError("it is an image's id, which names no repository")
    host, path = _split(name)
    if not _HOST.fullmatch(host):
        raise BadReferenceError("its registry is no host name")
    if not _PATH.fullmatch(path):
        raise BadReferenceError("its repository is outside the grammar: lower case, digits, one of . _ - between them")
    if len(path) > LONGEST_PATH:
        raise BadReferenceError(f"its repository is longer than {LONGEST_PATH} characters")
    host = _folded(host)
    return ImageReference(host, path, "" if digest else tag, digest, canonical=text == f"{host}/{path}@{digest}")


def prefix(text: str) -> str:
    """Return an approved prefix in the form that references have, so that lists can't hold one that never matches.

    Args:
        text: Host with an optional path, as `registry.example/team`.

    Raises:
        BadReferenceError: If it is no host and path, or names a tag or digest.
    """
    host, slash, path = text.partition("/")
    if not _HOST.fullmatch(host) or not _is_host(host):
        raise BadReferenceError("a prefix begins with a registry's host, as registry.example/team")
    if slash and not _PATH.fullmatch(path):
        raise BadReferenceError("the path after the host is outside the grammar, or has a tag or digest")
    return f"{_folded(host)}{slash}{path}"


def _split(name: str) -> tuple[str, str]:
    """Split host from path as splitDockerDomain does: what has no host is Docker Hub's."""
    first, slash, rest = name.partition("/")
    if not slash:
        return HUB, f"library/{name}"
    if not _is_host(first):
        return HUB, name
    return (first, f"library/{rest}") if _folded(first) == HUB and "/" not in rest else (first, rest)


def _is_host(first: str) -> bool:
    # Upper case makes it a host too: no repository has any.
    return first == "localhost" or "." in first or ":" in first or first != first.lower()


def _folded(host: str) -> str:
    folded = host.lower()
    return HUB if folded in HUB_ALIASES else folded


def _check_digest(digest: str) -> None:
    algorithm, _, encoded = digest.partition(":")
    digits = HEX_DIGITS.get(algorithm)
    if digits is None:
        raise BadReferenceError("its digest is of no known algorithm, such as sha256")
    if not re.fullmatch(rf"[a-f0-9]{{{digits}}}", encoded, re.ASCII):
        raise BadReferenceError(f"its {algorithm} digest is not {digits} hexadecimal digits in lower case")
