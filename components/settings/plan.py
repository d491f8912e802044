"""What only several stack files together can show: one address plan, one owner of each name, platforms that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from components import addressing
from components.addressing import Network
from components.quoting import quoted
from components.settings.declaration import NAMESPACE, Declaration
from components.settings.documents import Document, Path_
from components.settings.models import EnvironmentSettings, LakeSettings, PlatformSettings
from components.settings.organisation import OrganisationSettings
from components.settings.problems import Place, Problem
from components.tiers import Tier, admits

_DISABLE = "pulumi:disable-default-providers"


def plan_problems(
    declarations: Mapping[str, Declaration], organisation: OrganisationSettings | None
) -> Iterator[Problem]:
    """Yield what is wrong between stacks that are each valid alone.

    Args:
        declarations: Every stack's declaration, by the stack's name.
        organisation: For the address plan's outer range; None leaves only the stacks to be compared with each other.
    """
    every = [declarations[stack] for stack in sorted(declarations)]
    yield from _duplicates(every)
    yield from _ranges(every, organisation)
    yield from _platforms(every)
    yield from _shared_clusters(every)
    yield from _shared_accounts(every)
    yield from _automation(every)


def default_provider_problems(document: Document) -> Iterator[Problem]:
    """Yield a problem unless a stack file turns the default providers off.

    A resource that forgot its provider would silently be made wherever the ambient kubeconfig or credentials point
    (pulumi/pulumi#16171); without default providers the engine refuses it.
    """
    config = document.data.get("config")
    value = config.get(_DISABLE) if isinstance(config, Mapping) else None
    if not (isinstance(value, list) and "*" in value):
        message = (
            f'must be ["*"]: write `{_DISABLE}: ["*"]` under `config`, so that a resource without a provider fails'
        )
        yield Problem(_DISABLE, message, document.place(("config", _DISABLE)))


def _duplicates(every: Iterable[Declaration]) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Declaration] = {}
    for declaration in every:
        settings = declaration.settings
        name = settings.id if isinstance(settings, EnvironmentSettings) else settings.name
        first = seen.setdefault((declaration.kind, name), declaration)
        if first is not declaration:
            message = (
                f"{declaration.kind} {name} is already declared by {_named(first, ('name',))}; give it another name"
            )
            yield _problem(declaration, ("name",), message, first)


def _ranges(every: Iterable[Declaration], organisation: OrganisationSettings | None) -> Iterator[Problem]:
    owners = {d.stack: d for d in every}
    plan = {stack: network for stack, d in owners.items() if (network := _network(d)) is not None}
    addresses = organisation.addresses if organisation else None
    supernet = addressing.parse(addresses.supernet) if addresses else None
    for stack, network in plan.items():
        if supernet is not None and not addressing.contains(supernet, network):
            message = f"{network} is outside the organisation's range {supernet}{_free(supernet, plan, network)}"
            yield _problem(owners[stack], ("network", "cidr"), message)
    for first, second in addressing.conflicts(plan):
        other = _named(owners[first], ("network", "cidr"))
        message = f"{plan[second]} overlaps {plan[first]} of {other}{_free(supernet, plan, plan[second])}"
        yield _problem(owners[second], ("network", "cidr"), message, owners[first])


def _network(declaration: Declaration) -> Network | None:
    settings = declaration.settings
    if not isinstance(settings, LakeSettings) and settings.network.cidr:
        return addressing.parse(settings.network.cidr)
    return None


def _free(supernet: Network | None, plan: Mapping[str, Network], like: Network) -> str:
    if supernet is None or supernet.version != like.version:
        return ""
    free = addressing.next_free(supernet, plan.values(), like.prefixlen)
    return f"; no /{like.prefixlen} is free there" if free is None else f"; the next free /{like.prefixlen} is {free}"


def _platforms(every: Sequence[Declaration]) -> Iterator[Problem]:
    """Compare environments with the platforms declared here; others speak for themselves when they are read."""
    platforms = {d.settings.name: d for d in every if isinstance(d.settings, PlatformSettings)}
    for declaration in every:
        platform = platforms.get(declaration.adapter.platform or "")
        if platform is None:
            yield from _slice_of_an_owner(declaration, every)
            yield from _slice_of_nobody(declaration, platforms.values())
        settings = declaration.settings
        if platform is None or not isinstance(settings, EnvironmentSettings):
            continue
        name, block = declaration.adapter.platform, ("cloud", declaration.adapter.name)
        if not admits(platform.tiers, settings.tier):
            takes = ", ".join(sorted(tier.value for tier in platform.tiers))
            message = f"platform {name} takes {takes}, not {settings.tier.value} ({_named(platform, ('tiers',))})"
            yield _problem(declaration, ("tier",), message, platform)
        if declaration.adapter.name != platform.adapter.name:
            message = f"platform {name} is on {platform.adapter.name} ({_named(platform, ('cloud',))})"
            yield _problem(declaration, block, message, platform)
        elif declaration.adapter.cluster_id != platform.adapter.cluster_id:
            own, other = declaration.adapter.cluster_id, platform.adapter.cluster_id
            message = f"{own} is not the cluster of platform {name}, {other} ({_named(platform, ('cloud',))})"
            yield _problem(declaration, block, message, platform)


def _slice_of_nobody(declaration: Declaration, platforms: Iterable[Declaration]) -> Iterator[Problem]:
    """Find a platform's name that is none here, on a cluster that one here has: mostly a slip of the pen."""
    adapter = declaration.adapter
    if adapter.platform is None or adapter.cluster_id is None:
        return
    for platform in platforms:
        if (platform.adapter.name, platform.adapter.cluster_id) == (adapter.name, adapter.cluster_id):
            message = (
                f"{adapter.cluster_id} is the cluster of platform {platform.settings.name}, not {adapter.platform}"
            )
            yield _problem(declaration, ("cloud", adapter.name, "platform"), message, platform)


def _slice_of_an_owner(declaration: Declaration, every: Sequence[Declaration]) -> Iterator[Problem]:
    """Refuse a slice of an environment that owns its cluster: what is inside serves that environment alone."""
    adapter, block = declaration.adapter, ("cloud", declaration.adapter.name)
    if adapter.platform is None:
        return
    for owner in every:
        if not isinstance(owner.settings, EnvironmentSettings) or owner.adapter.platform is not None:
            continue
        cluster = None if owner.adapter.name != adapter.name else owner.adapter.cluster_id
        if adapter.platform == owner.settings.id or (cluster is not None and cluster == adapter.cluster_id):
            message = (
                f"environment {owner.settings.id} has its cluster to itself and takes no slices "
                f"({_named(owner, ('cloud',))}): name a shared platform and its cluster"
            )
            yield _problem(declaration, block, message, owner)


def _shared_clusters(every: Iterable[Declaration]) -> Iterator[Problem]:
    """Refuse two owners of one cluster: both would make what a cluster has once."""
    owners: dict[tuple[str, str], Declaration] = {}
    for declaration in every:
        cluster = declaration.adapter.cluster_id
        if cluster is None or declaration.adapter.platform is not None:
            continue
        first = owners.setdefault((declaration.adapter.name, cluster), declaration)
        if first is not declaration:
            message = (
                f"{cluster} already belongs to {_named(first, ('cloud',))}: "
                "name that stack's platform here, or use another cluster"
            )
            yield _problem(declaration, ("cloud", declaration.adapter.name), message, first)


def _shared_accounts(every: Sequence[Declaration]) -> Iterator[Problem]:
    """Refuse production an account that another tier has: whoever administers one of them has both."""
    owners: dict[tuple[str, str], Declaration] = {}
    for declaration in every:
        if (account := declaration.adapter.account) is None:
            continue
        first = owners.setdefault((declaration.adapter.name, account), declaration)
        if (Tier.PRODUCTION in first.tiers) != (Tier.PRODUCTION in declaration.tiers):
            other = _named(first, ("cloud", first.adapter.name))
            message = (
                f"{account} is also {other}'s: production shares it with no other tier; name another here or there"
            )
            yield _problem(declaration, ("cloud", declaration.adapter.name), message, first)


def _automation(every: Sequence[Declaration]) -> Iterator[Problem]:
    """Refuse people in the groups that deploy to production, in any stack of the project; its own, its tier refuses."""
    environments = [(d, d.settings) for d in every if isinstance(d.settings, EnvironmentSettings)]
    for production, settings in environments:
        if settings.tier is not Tier.PRODUCTION:
            continue
        for other, others in environments:
            if other is production or others.project != settings.project:
                continue
            of_buckets = {group for bucket in others.buckets.values() for group in bucket.groups}
            kinds = {kind: {*getattr(others.people, kind)} for kind in ("members", "readers", "promoters")}
            for key, named in {
                **{f"people.{kind}": found for kind, found in kinds.items()},
                "buckets": of_buckets,
            }.items():
                for group in sorted({*settings.people.automation} & named):
                    message = (
                        f"{quoted(group)} deploys to production as people.automation of "
                        f"{_named(production, ('people', 'automation'))}: a person in it could deploy without review; "
                        "keep people and CI in different groups"
                    )
                    yield _problem(other, tuple(key.split(".")), message, production)


def _problem(declaration: Declaration, path: Path_, message: str, *others: Declaration) -> Problem:
    key = ".".join((f"{NAMESPACE}:{declaration.kind}", *map(str, path)))
    concerns = frozenset(d.stack for d in (declaration, *others))
    return Problem(key, message, _place(declaration, path), concerns)


def _named(declaration: Declaration, path: Path_) -> str:
    place = _place(declaration, path)
    return f"stack {declaration.stack}" + (f", {place}" if place else "")


def _place(declaration: Declaration, path: Path_) -> Place | None:
    """Return where the value of a path, or the first value below it, was last written."""
    for where, said in declaration.origins.items():
        if where[: len(path)] == path and said[-1].place and said[-1].value is not None:
            return said[-1].place
    return None
