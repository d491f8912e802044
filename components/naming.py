"""Names of real things: each service's length and alphabet, and how a name is composed to fit.

A name is refused rather than silently cut where people will type it; names that only machines read are shortened with a
digest, so that two long names can't become one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from components.quoting import quoted

_DIGEST = 8  # hexadecimal digits: 1 in 4 billion that two names of one environment meet


class NameRefused(ValueError):  # noqa: N818 - it is the service that refuses
    """A service would not take this name; the message says which, why and what it takes."""


@dataclass(frozen=True)
class NameRule:
    """What one service takes as a name.

    Args:
        service: The service and kind of thing, as its documentation says it, with its article.
        longest: Characters at most.
        pattern: A regular expression for the whole name.
        alphabet: The pattern in words.
        source: Where the limit is documented.
        shortest: Characters at least.
    """

    service: str
    longest: int
    pattern: str
    alphabet: str
    source: str
    shortest: int = 1

    def check(self, name: str) -> str:
        """Return the name unchanged.

        Raises:
            NameRefused: If the service would not take it.
        """
        if not self.shortest <= len(name) <= self.longest:
            raise NameRefused(
                f"{quoted(name)} has {len(name)} characters; {self.service} takes {self.shortest} to {self.longest}"
                f" ({self.source})"
            )
        if not re.fullmatch(self.pattern, name):
            raise NameRefused(f"{quoted(name)} can't name {self.service}: {self.alphabet} ({self.source})")
        return name

    def json_schema(self) -> dict[str, str | int]:
        """Return the rule as a JSON Schema, for editors."""
        return {
            "type": "string",
            "pattern": f"^(?:{self.pattern})$",
            "minLength": self.shortest,
            "maxLength": self.longest,
        }

    def fit(self, *parts: str) -> str:
        """Join parts with `-` and shorten with a digest if the whole is too long.

        Args:
            parts: The parts, most general first; each within the service's alphabet.

        Raises:
            NameRefused: If the service would not take the result for another reason than its length.
        """
        name = "-".join(parts)
        if len(name) > self.longest:
            digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
            name = f"{name[: self.longest - _DIGEST - 1].rstrip('-.')}-{digest}"
        return self.check(name)


_LABEL_TEXT = "lower-case letters, digits and `-`, starting and ending with a letter or digit"

NAMESPACE = NameRule(
    service="a Kubernetes namespace",
    longest=63,
    pattern=r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    alphabet=_LABEL_TEXT,
    source="RFC 1123 label, kubernetes.io/docs/concepts/overview/working-with-objects/names",
)
OBJECT = NameRule(
    service="a Kubernetes object",
    longest=253,
    pattern=r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    alphabet=f"{_LABEL_TEXT}; parts joined by `.`",
    source="RFC 1123 subdomain, kubernetes.io/docs/concepts/overview/working-with-objects/names",
)
LABEL_VALUE = NameRule(
    service="a Kubernetes label value",
    longest=63,
    pattern=r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?",
    alphabet="letters, digits, `-`, `_` and `.`, starting and ending with a letter or digit",
    source="kubernetes.io/docs/concepts/overview/working-with-objects/labels",
)


def environment_id(project: str, name: str) -> str:
    """Return the one name of an environment, `<project>-<name>`.

    It is unambiguous because an environment's name holds no `-` (settings refuse it): `a-b` + `c` is never `a` + `b-c`.
    """
    return f"{project}-{name}"
