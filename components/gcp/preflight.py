"""What Google Cloud would refuse after half of an environment is made, found before anything is. Pure: answers come in.

Follows cloud.google.com: Compute Engine ("Regions and zones", "Allocation quotas"), Cloud Quotas API (quota ids), VPC
("Private services access"). Quotas say what a project may have, not what it has already: no invoke tells that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from components import addressing
from components.gcp import machines, ranges
from components.gcp.facts import Facts, Offered
from components.gcp.machines import Quota
from components.gcp.settings import GcpSettings
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings
from components.settings.pools import PoolSettings, pools_of
from components.settings.problems import suggestion

ALL_CPUS = Quota("CPUS-ALL-REGIONS-per-project", "cores in all regions")
ALL_GPUS = Quota("GPUS-ALL-REGIONS-per-project", "GPUs in all regions")


def makes_cluster(settings: AnySettings, block: GcpSettings) -> bool:
    """Tell whether a stack makes a cluster of its own.

    Args:
        settings: The declaration.
        block: Its `cloud.gcp`.
    """
    return not (isinstance(settings, LakeSettings) or block.platform or block.adopt.cluster)


def makes_network(settings: AnySettings, block: GcpSettings) -> bool:
    """Tell whether a stack makes a network of its own; see `makes_cluster`."""
    return makes_cluster(settings, block) and not block.adopt.network


def pools(settings: AnySettings, block: GcpSettings) -> Mapping[str, PoolSettings]:
    """Return the pools that the stack makes; none where the cluster is not its own."""
    if isinstance(settings, LakeSettings) or not makes_cluster(settings, block):
        return {}
    return pools_of(settings)


def most_machines(settings: AnySettings, block: GcpSettings) -> int:
    """Return how many machines there are at most: of all pools, with one more in each while it is upgraded."""
    wanted = pools(settings, block)
    return sum(pool.max + 1 for pool in wanted.values()) + machines.SYSTEM_MAX + 1


def machine_type(name: str, pool: PoolSettings, block: GcpSettings) -> str:
    """Return the machine type of a pool, the stack file's own word first.

    Raises:
        NoMachine: If no type has what the pool asks for.
    """
    return str(block.machines.get(name, {}).get("machine_type") or machines.chosen(pool))


def wanted_types(settings: AnySettings, block: GcpSettings) -> list[str]:
    """Return the machine types of all pools, and of what GKE itself runs on, sorted."""
    own = {machine_type(name, pool, block) for name, pool in pools(settings, block).items()}
    return sorted(own | {machines.SYSTEM_TYPE}) if own else []


def offered(facts: Facts, settings: AnySettings, block: GcpSettings) -> dict[str, Offered]:
    """Return each pool's machine type as the cluster's zones have it; pools whose type is nowhere are left out."""
    found = {}
    for name, pool in pools(settings, block).items():
        kind = machine_type(name, pool, block)
        offers = {zone: offer for zone, offer in facts.offers.get(kind, {}).items() if zone in _zones(facts, block)}
        if offers:
            offer = next(iter(offers.values()))
            given = attached(block.machines.get(name, {})) or (offer.accelerator, offer.gpus)
            found[name] = Offered(kind, offer.cpus, *given, tuple(sorted(offers)))
    return found


def wanted_quotas(facts: Facts, settings: AnySettings, block: GcpSettings) -> dict[Quota, int]:
    """Return what all pools at their maximum count, by quota; where machines are spot, by both that may hold."""
    found: dict[Quota, int] = defaultdict(int)
    for name, each in offered(facts, settings, block).items():
        pool = pools(settings, block)[name]
        cores = machines.cpu_quota(each.machine_type)
        found[cores] += each.cpus * pool.max
        found[ALL_CPUS] += each.cpus * pool.max
        if each.accelerator:
            found[machines.gpu_quota(each.accelerator)] += each.gpus * pool.max
            found[ALL_GPUS] += each.gpus * pool.max
    return dict(found)


def spot_only(facts: Facts, settings: AnySettings, block: GcpSettings) -> set[Quota]:
    """Return the quotas that spot machines alone count against: there a project's spot quota helps, too."""
    usual: set[Quota] = set()
    spot: set[Quota] = set()
    for name, each in offered(facts, settings, block).items():
        gpus = [machines.gpu_quota(each.accelerator)] if each.accelerator else []
        (spot if pools(settings, block)[name].spot else usual).update([machines.cpu_quota(each.machine_type), *gpus])
    return spot - usual


def problems(facts: Facts, settings: AnySettings, block: GcpSettings) -> list[str]:
    """Return everything that Google Cloud would refuse, one problem each.

    Args:
        facts: What it answered.
        settings: The declaration.
        block: Its `cloud.gcp`.
    """
    found = list(facts.refused)
    if facts.regions and block.region not in facts.regions:
        found.append(f"cloud.gcp.region: there is no region {block.region}; {suggestion(block.region, facts.regions)}")
        return [*found, *_adopted(facts, settings, block)]
    if makes_cluster(settings, block) and not facts.refused and len(facts.zones) < block.zones:
        has = f"{block.region} has {', '.join(facts.zones) or 'none'}"
        found.append(f"cloud.gcp.zones: {block.zones} zones are asked for, and {has}")
    return [
        *found,
        *_machines(facts, settings, block),
        *_quotas(facts, settings, block),
        *_adopted(facts, settings, block),
    ]


def _zones(facts: Facts, block: GcpSettings) -> tuple[str, ...]:
    return facts.zones[: block.zones]


def _machines(facts: Facts, settings: AnySettings, block: GcpSettings) -> Iterator[str]:
    if not facts.zones:
        return
    there = offered(facts, settings, block)
    for name, pool in pools(settings, block).items():
        kind = machine_type(name, pool, block)
        if name not in there:
            elsewhere = sorted(set(facts.offers.get(kind, {})) - set(_zones(facts, block)))
            hint = f"; of the region's zones {', '.join(elsewhere)} has it" if elsewhere else ""
            what = "no machine with GPUs of this kind" if pool.machine == "gpu" else "no such machine"
            where = ", ".join(_zones(facts, block))
            yield f"pools.{name}: {what} in {where}: {kind}{hint}; name another size or region"
        elif pool.machine == "gpu" and not there[name].accelerator:
            yield f"pools.{name}: {kind} comes without GPUs; name a size that has some, or leave the choice to us"


def _quotas(facts: Facts, settings: AnySettings, block: GcpSettings) -> Iterator[str]:
    spot = spot_only(facts, settings, block)
    for quota, wanted in wanted_quotas(facts, settings, block).items():
        limit = facts.quotas.get(quota.id)
        if limit is None or limit < 0:  # not told, or unlimited
            continue
        if quota in spot:
            limit = max(limit, facts.quotas.get(machines.spot_quota(quota).id, 0))
        if wanted > limit:
            yield (
                f"pools: all pools at their maximum have {wanted} {quota.what}, and the project's quota in "
                f"{block.region} is {limit} ({quota.id}); ask for less, or Google for more (IAM, Quotas)"
            )


def attached(override: Mapping[str, object]) -> tuple[str, int] | None:
    """Return type and number of the GPUs that a stack file attaches to machines that come without.

    Args:
        override: What it puts over the machines' configuration.
    """
    found = override.get("guest_accelerators")
    if isinstance(found, list) and found and isinstance(found[0], Mapping) and "type" in found[0]:
        return str(found[0]["type"]), int(str(found[0].get("count") or 1))
    return None


def _adopted(facts: Facts, settings: AnySettings, block: GcpSettings) -> Iterator[str]:
    adopt = block.adopt
    for key, value in (("pods_range", adopt.pods_range), ("services_range", adopt.services_range)):
        if value and facts.subnetwork and value not in facts.ranges:
            yield f"cloud.gcp.adopt.{key}: {facts.subnetwork} has no range {value}; {suggestion(value, facts.ranges)}"
    pods = facts.ranges.get(adopt.pods_range or "")
    wanted = most_machines(settings, block)
    if pods and (held := ranges.by_pods(addressing.parse(pods).prefixlen, block.pods_per_node)) < wanted:
        yield (
            f"cloud.gcp.adopt.pods_range: {adopt.pods_range}, {pods}, serves {held} machines of {block.pods_per_node} "
            f"pods, and there may be {wanted}; name a larger one, or lower pools or cloud.gcp.pods_per_node"
        )
    needs = isinstance(settings, EnvironmentSettings) and not makes_network(settings, block)
    if needs and not facts.database and not facts.refused:
        yield (
            "cloud.gcp.adopt.database_range: is missing: name the network's range for private services access, in "
            "which Cloud SQL gets its address"
        )
