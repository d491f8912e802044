"""Keys that encrypt data: replaced in time, and open to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.documents import allowed, public
from policies.rules.model import EVERY_TIER, SHARED_TIERS, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import root

KMS = "aws:kms/key:Key"
CRYPTO_KEY = "gcp:kms/cryptoKey:CryptoKey"
_YEAR = 366 * 24 * 3600  # seconds; AWS' default is 365 days
# Nothing replaces keys of other purposes by itself (Cloud KMS, "Key rotation"; AWS KMS, "Rotating keys").
_ROTATED_PURPOSES = (None, "ENCRYPT_DECRYPT")
_ROTATED_SPECS = (None, "SYMMETRIC_DEFAULT")


@rule(
    "key-rotation",
    title="Keys are replaced at least once a year.",
    reason="The longer one key is used, the more a leak of it opens.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("CKV_AWS_7", "KMS.4", "CKV_GCP_43"),
    remedy="AWS: enableKeyRotation true. Google Cloud: rotationPeriod of at most a year, as 7776000s.",
    types=(KMS, CRYPTO_KEY),
)
def rotation(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Rotation is on: both clouds' default is off."""
    node = root(resource)
    if resource.type == KMS:
        if node.get("customerMasterKeySpec").value in _ROTATED_SPECS:
            yield from node.get("enableKeyRotation").must_be_true("is not true")
        return
    period = node.get("rotationPeriod")
    if node.get("purpose").value in _ROTATED_PURPOSES and not 0 < _seconds(period.text) <= _YEAR:
        yield period.fault("is not set, or more than a year")


@rule(
    "key-not-public",
    title="No key's policy names everybody.",
    reason="Whoever may use the key reads what it encrypts; whoever may change its policy locks its owner out.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_33", "KMS.5"),
    remedy="Name the account's root and the roles that use it.",
    types=(KMS,),
)
def not_public(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No statement that allows is about everybody; without a policy the account alone may use it."""
    for statement in allowed(root(resource).get("policy")):
        if statement.get("Condition", "StringEquals", "kms:CallerAccount").text:
            continue  # everybody of one account, through one service: AWS' own form for its services
        for who in public(statement):
            yield who.fault("is everybody")


def _seconds(text: str) -> float:
    try:
        return float(text.removesuffix("s"))
    except ValueError:
        return 0
