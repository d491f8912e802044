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

    def fit(self, *parts: str, joint: str = "-") -> str:
        """Join parts and shorten with a digest if the whole is too long.

        Args:
            parts: The parts, most general first; each within the service's alphabet.
            joint: What stands between them; also before the digest.

        Raises:
            NameRefused: If the service would not take the result for another reason than its length.
        """
        name = joint.join(parts)
        if len(name) > self.longest:
            digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
            name = f"{name[: self.longest - _DIGEST - 1].rstrip('-._')}{joint}{digest}"
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

S3_BUCKET = NameRule(
    service="an S3 bucket",
    shortest=3,
    longest=63,
    # Not the prefixes and suffixes that Amazon keeps for itself.
    pattern=r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][-a-z0-9]*[a-z0-9](?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)",
    alphabet=f"{_LABEL_TEXT}; not beginning with xn--, sthree- or amzn-s3-demo-",
    source="docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html",
)
IAM_USER = NameRule(
    service="an IAM user",
    longest=64,
    pattern=r"[A-Za-z0-9+=,.@_-]+",
    alphabet="letters, digits and +=,.@_-",
    source="docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html",
)
POSTGRESQL = NameRule(
    service="a PostgreSQL database, role or schema",
    longest=63,
    pattern=r"(?!pg_)[a-z][a-z0-9_]*",
    alphabet="lower-case letters, digits and `_`, starting with a letter and not with pg_, which is PostgreSQL's own",
    source="postgresql.org/docs/current/sql-syntax-lexical.html and sql-createrole.html",
)
BUCKET = NameRule(
    service="a bucket",
    longest=30,
    pattern=r"(?!pg-)(?!(?:public|information-schema)$)[a-z]([-a-z0-9]*[a-z0-9])?",
    alphabet=(
        "lower-case letters, digits and `-`, starting with a letter and not ending with `-`; not beginning with pg-, "
        "and not public or information-schema"
    ),
    source="it becomes a schema of the database, and PostgreSQL keeps these for itself",
)


def environment_id(project: str, name: str) -> str:
    """Return the one name of an environment, `<project>-<name>`.

    It is unambiguous because an environment's name holds no `-` (settings refuse it): `a-b` + `c` is never `a` + `b-c`.
    """
    return f"{project}-{name}"
