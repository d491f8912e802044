"""What the rules are told of a stack: its declaration, what security has decided, and what the others stand on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from components.contract import CloudAdapter
from components.settings.declaration import Declaration
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings
from components.settings.tierfiles import same_backend
from components.stores import layout
from components.tiers import Tier as DeclaredTier
from policies.gates.book import Book
from policies.rules import Deployment, Facts, Sovereignty, Tier
from policies.rules.regions import KINDS

# What a declaration says; the fourth kind, the state, its backend says.
_COMPARED = ("account", "cluster", "store")


def facts(
    declaration: Declaration,
    book: Book,
    today: date,
    *,
    others: Iterable[Declaration] = (),
    backend: str = "",
    backends: Mapping[DeclaredTier, str] | None = None,
    secrets_provider: str = "",
    deployment: Deployment | None = None,
) -> Facts:
    """Return what the rules are told of a stack.

    Args:
        declaration: The stack's.
        book: What security has decided.
        today: The present day.
        others: Declarations of the project's other stacks.
        backend: URL of the state backend; empty if it is not known.
        backends: That of each tier, as far as it is known.
        secrets_provider: Name of the state's secrets provider; empty if it is not known.
        deployment: What CI attests.
    """
    approved, tier = book.approved, strictest(declaration.tiers)
    state = {"state": backend} if backend else {}
    return Facts(
        tier=tier,
        today=today,
        registries=approved.registries,
        base_images=approved.base_images,
        charts={chart: frozenset(values) for chart, values in approved.charts.items()},
        evidence=book.evidence,
        scan_days=approved.scan_days,
        cluster_admins=frozenset(approved.cluster_admins),
        cost_keys=approved.cost_keys,
        regions={cloud: frozenset(regions) for cloud, regions in approved.regions.items()},
        expiring=_expiring(declaration.settings),
        deploying=_deploying(declaration.settings),
        inputs=frozenset(approved.inputs.get(DeclaredTier(tier.value), ())),
        networks=frozenset(approved.networks.get(declaration.stack, ())),
        deployment=deployment or Deployment(),
        branches=approved.branches.get(DeclaredTier(tier.value), ()),
        protected_refs=approved.protected_refs,
        places={**_compared(declaration.adapter), **state},
        occupied={
            **_occupied(other for other in others if other.stack != declaration.stack),
            **_states(backend, backends or {}, declaration.tiers),
        },
        sovereignty=_sovereignty(declaration, book, backend, secrets_provider),
    )


def strictest(tiers: Iterable[DeclaredTier]) -> Tier:
    """Return the tier whose rules hold for a stack that serves these: the one nearest to production."""
    return max((Tier(tier.value) for tier in tiers), key=list(Tier).index)


def _expiring(settings: AnySettings) -> frozenset[str]:
    """Return the logical names of an environment's buckets that hold only what has an end."""
    if not isinstance(settings, EnvironmentSettings):
        return frozenset()
    return frozenset(f"{settings.id}-store-{kind}" for kind in (layout.SCRATCH, layout.BACKUPS))


def _deploying(settings: AnySettings) -> frozenset[str]:
    """Return the logical names of what gives the declared CI its rights, on AWS; other clouds list them one by one."""
    if isinstance(settings, LakeSettings) or settings.ci is None:
        return frozenset()
    owner = settings.id if isinstance(settings, EnvironmentSettings) else settings.name
    return frozenset({f"{owner}-deploy-PowerUserAccess"})


def _compared(adapter: CloudAdapter) -> dict[str, str]:
    """Return the places that production may not share: regions and operators are everybody's."""
    return {kind: place for kind, place in adapter.places.items() if kind in _COMPARED}


def _occupied(others: Iterable[Declaration]) -> Mapping[str, Mapping[str, frozenset[Tier]]]:
    found: dict[str, dict[str, frozenset[Tier]]] = defaultdict(dict)
    for other in others:
        tiers = frozenset(Tier(tier.value) for tier in other.tiers)
        for kind, place in _compared(other.adapter).items():
            found[kind][place] = found[kind].get(place, frozenset()) | tiers
    return found


def _states(
    backend: str, backends: Mapping[DeclaredTier, str], own: frozenset[DeclaredTier]
) -> Mapping[str, Mapping[str, frozenset[Tier]]]:
    """Return the other tiers whose state is in the same place as this stack's."""
    shared = {tier for tier, url in backends.items() if tier not in own and same_backend(url, backend)}
    tiers = frozenset(Tier(tier.value) for tier in shared)
    return {"state": {backend: tiers}} if backend and tiers else {}


def _sovereignty(declaration: Declaration, book: Book, backend: str, secrets_provider: str) -> Sovereignty:
    settings, adapter, approved = declaration.settings, declaration.adapter, book.approved
    name = settings.sovereignty
    if name is None:
        return Sovereignty()
    ci = None if isinstance(settings, LakeSettings) else settings.ci
    used = {
        "cloud": (adapter.places.get("operator", adapter.name),),
        "region": (adapter.places.get("region", ""),),
        "state_backend": (backend,),
        "secrets_provider": (secrets_provider,),
        "registry": tuple(prefix.partition("/")[0] for prefix in approved.registries),
        "ci": (ci.host or ci.issuer,) if ci else (),
    }
    # What security says of every stack comes beside what this one says of itself, never in its place.
    all_used = {kind: (*approved.services.get(kind, ()), *filter(None, used.get(kind, ()))) for kind in KINDS}
    return Sovereignty(
        name,
        {kind: frozenset(listed) for kind, listed in approved.sovereignty.get(name, {}).items()},
        {kind: tuple(dict.fromkeys(listed)) for kind, listed in all_used.items() if listed},
    )
