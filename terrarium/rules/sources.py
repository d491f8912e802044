"""Where the sources of rules can be read: only addresses that follow from a source's name."""

from __future__ import annotations

import re

# Those of checkov, trivy, gatekeeper and kyverno follow from no id; the CIS benchmarks are read by members.
_PATTERNS = (
    # AWS Foundational Security Best Practices, by service and number.
    (
        re.compile(r"(?P<service>EC2|ECR|EKS|IAM|KMS|RDS|S3)\.(?P<number>\d+)"),
        "https://docs.aws.amazon.com/securityhub/latest/userguide/{service}-controls.html#{service}-{number}",
    ),
    (re.compile(r"(?P<id>cve-\d{4}-\d+)", re.IGNORECASE), "https://www.cve.org/CVERecord?id={id}"),
    (re.compile(r"PSS \w+"), "https://kubernetes.io/docs/concepts/security/pod-security-standards/"),
    (re.compile(r"kubernetes PR #(?P<number>\d+)"), "https://github.com/kubernetes/kubernetes/pull/{number}"),
    (re.compile(r"kyverno #(?P<number>\d+)"), "https://github.com/kyverno/kyverno/issues/{number}"),
    (re.compile(r"pulumi-kubernetes #(?P<number>\d+)"), "https://github.com/pulumi/pulumi-kubernetes/issues/{number}"),
)


def address(source: str) -> str | None:
    """Return where a source can be read; None if its name doesn't tell.

    Args:
        source: As a rule names it, such as `EKS.1`.
    """
    for pattern, form in _PATTERNS:
        if match := pattern.fullmatch(source):
            found = match.groupdict()
            return form.format_map(found | {"service": found["service"].lower()} if "service" in found else found)
    return None
