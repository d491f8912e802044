"""Where data may be, and who may reach it by law."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.documents import is_own_server
from policies.rules.model import EVERY_TIER, STACK, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node, root

_PROVIDERS = ("pulumi:providers:aws", "pulumi:providers:gcp", "pulumi:providers:scaleway")
_NOWHERE = {"global", "-"}  # what is nowhere in particular holds no data: names, policies, pools of identities
# Kinds of services by which data, or the keys to it, may leave; docs/rules.md says what each is.
KINDS = (
    "cloud",
    "region",
    "state_backend",
    "secrets_provider",
    "registry",
    "scanner",
    "sign_in_issuer",
    "ci",
)


@rule(
    "region-allowed",
    title="Everything is made in an approved region.",
    reason="Law and contracts say where data may be, and a network or budget is planned for some regions only.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy="Set the provider's region to an approved one; leave a resource's own region unset.",
    types=(*_PROVIDERS, "aws:*", "gcp:*", "scaleway:*"),
    unknown=True,
)
def region_allowed(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """Each provider says a region that is allowed, and no resource says another."""
    node = root(resource)
    provider = resource.type in _PROVIDERS
    cloud = resource.type.rpartition(":")[2] if provider else resource.type.partition(":")[0]
    allowed = facts.regions.get(cloud, frozenset())
    if is_own_server(resource):
        return
    if provider:
        region = node.get("region")
        if region.text not in allowed:
            yield region.fault("is not set: the environment of whoever runs it decides" if region.absent else _NO)
        return
    for key in ("region", "location", "zone", "availabilityZone"):
        if not node.get(key).absent and not _within(node.get(key), allowed):
            yield node.get(key).fault(_NO)


@rule(
    "sovereignty",
    title="Where sovereignty is demanded, no service on the way is outside its list.",
    reason="A foreign law reaches data through any of them: the state backend and the scanner as well as the cloud.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy="Choose a service that is on the list of that sovereignty, or have the list's owner decide.",
    types=(STACK,),
)
def sovereignty(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """Each kind of service is said, and each that is used is on the list; a kind without a list allows nothing."""
    demanded = facts.sovereignty
    if not demanded.name:
        return
    for kind in KINDS:
        used = demanded.used.get(kind, ())
        if not used:
            yield Finding(kind, "is not said, so that nobody can tell whose it is")
        elif not set(used) <= demanded.allowed.get(kind, frozenset()):
            yield Finding(kind, "is not on the list of that sovereignty")


_NO = "is not an approved region"


def _within(region: Node, allowed: frozenset[str]) -> bool:
    """Tell whether a region, or a zone of one, is allowed: AWS writes eu-west-3a, Google Cloud europe-west9-a."""
    said = region.text.lower()
    zones = (said, said.rpartition("-")[0], said.rstrip("abcdef"))
    return said in _NOWHERE or any(one in allowed for one in zones)
