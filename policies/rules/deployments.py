"""What is deployed from where: which branches a tier takes, and who vouches for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.rules.model import PRODUCTION, SHARED_TIERS, STACK, Facts, Finding, Resource, Severity, rule


@rule(
    "deploy-branch",
    title="Each tier takes the branches that it lists; production takes protected ones only.",
    reason="What nobody reviewed would run with the rights of what was.",
    severity=Severity.CRITICAL,
    tiers=SHARED_TIERS,
    sources=("own",),
    remedy="Merge to a branch that this tier takes.",
    types=(STACK,),
)
def deploy_branch(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """The ref matches one of the tier's patterns; in production it is also one that needs review to push to."""
    ref = facts.deployment.ref
    if not any(_matches(ref, pattern) for pattern in facts.branches):
        yield Finding("ref", "is no branch that this tier takes")
    elif facts.tier in PRODUCTION and ref not in facts.protected_refs:
        yield Finding("ref", "is not protected: anybody could push to it")


@rule(
    "deploy-attested",
    title="CI vouches for what is deployed.",
    reason="A checkout says of itself what its owner likes: any tree can be called main.",
    severity=Severity.CRITICAL,
    tiers=SHARED_TIERS,
    sources=("own",),
    remedy="Deploy by CI, which signs branch and commit.",
    types=(STACK,),
)
def deploy_attested(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """The claim is signed by a trusted CI, and the tree is exactly the commit."""
    if not facts.deployment.attested:
        yield Finding("attested", "is not said by a trusted CI")
    if not facts.deployment.clean:
        yield Finding("clean", "is not said: the tree may differ from the commit")


@rule(
    "deploy-reviewed",
    title="Somebody else has approved what is deployed.",
    reason="One stolen account, or one tired person, is then not enough.",
    severity=Severity.HIGH,
    tiers=SHARED_TIERS,
    sources=("own",),
    remedy="Have the change approved by somebody who did not write it.",
    types=(STACK,),
)
def deploy_reviewed(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """The attestation says that it was reviewed."""
    if not (facts.deployment.attested and facts.deployment.reviewed):
        yield Finding("reviewed", "is not said by a trusted CI")


def _matches(ref: str, pattern: str) -> bool:
    # fnmatch would take [ ] and ? as well, and git allows none of them in names.
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return bool(ref) and re.fullmatch(expression, ref) is not None
