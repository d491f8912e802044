"""What is looked at before anything is made: rights, room, inputs. All that is wrong is said at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components.tiers import TIERS, Right, Tier
from terrarium.client.store import Store
from terrarium.errors import CommandFailed, InvalidInput, Refused
from terrarium.inside import orders
from terrarium.jobs import compute, router
from terrarium.jobs.asking import Wish
from terrarium.jobs.inputs import LAKE, Declared
from terrarium.jobs.manifest import Identity
from terrarium.jobs.place import Place
from terrarium.jobs.router import Impossible, Placement

NO_RELEASE = (
    "production runs only what a release names, started by those who may promote or by a schedule, and {environment} "
    "has no release: run it in testing"
)


@dataclass(frozen=True)
class Found:
    """What the checks found out.

    Args:
        placement: Where the job runs.
        identity: By whose right it uses the store; None without a store.
        inputs: What it reads, as `orders` say it.
        references: The same, as the annotation says it.
    """

    placement: Placement
    identity: Identity | None
    inputs: tuple[orders.Input, ...]
    references: tuple[str, ...]


def checked(place: Place, wish: Wish, *, here: bool = False) -> Found:
    """Return what must be known of a job, or refuse it.

    Args:
        place: Where.
        wish: What is asked for.
        here: Whether it runs on this machine: then it needs no room in the cluster.

    Raises:
        Refused: If it is not allowed, or could never run.
        InvalidInput: If an input does not exist, or the environment can't be understood.
    """
    if place.tier == Tier.PRODUCTION:
        reasons = [NO_RELEASE.format(environment=place.environment), *crossing(place, wish.inputs)]
        raise Refused("\n".join(reasons), problems=reasons)
    refused: list[str] = [] if here else list(_rights(place, wish))
    placement = _placement(place, wish, refused, here=here)
    lake = ((place.descriptor.get("store") or {}).get("lake") or {}).get("name")
    references = tuple(one.reference(place.environment, place.bucket, lake) for one in wish.inputs)
    foreign = [*crossing(place, wish.inputs), *_unapproved(place, wish.inputs, references)]
    refused += foreign
    invalid = [] if foreign else list(_missing(place, wish.inputs))
    if refused or invalid:
        kind: type[CommandFailed] = Refused if refused else InvalidInput
        raise kind("\n".join([*refused, *invalid]), problems=[*refused, *invalid])
    return Found(
        placement=placement,
        identity=identity(place),
        inputs=tuple(orders.Input(one.kind, one.key, one.folder, one.path) for one in wish.inputs),
        references=references,
    )


def identity(place: Place) -> Identity | None:
    """Return by whose right a job uses the store: the bucket's, or the whole environment's; None without a store."""
    store = place.descriptor.get("store")
    if not store:
        return None
    said = store["identities"]["rw" if place.bucket is None else f"bucket-{place.bucket}"]
    return Identity(said["secret"], said.get("serviceAccount") or "runner", said.get("audience"))


def crossing(place: Place, inputs: Iterable[Declared]) -> Iterator[str]:
    """Yield why inputs are refused that are not the environment's own: no job's identity reaches another's store.

    Args:
        place: Where the job runs.
        inputs: What it declares.
    """
    for one in inputs:
        if one.owner is None or one.owner == place.environment:
            continue
        tier = _tier_of(place, one.owner)
        if tier is not None and Tier.PRODUCTION in (tier, place.tier) and tier != place.tier:
            yield (
                f"input {one}: {one.owner} is {tier} and {place.environment} {place.tier}: production reads nothing of "
                "another tier, and no other tier reads production's; data is promoted"
            )
        else:
            yield (
                f"input {one}: jobs of {place.environment} can't read the store of {one.owner}: copy it to "
                f"{place.environment} (`terrarium store cp`), or share it by the lake"
            )


def _unapproved(place: Place, inputs: Sequence[Declared], references: Sequence[str]) -> Iterator[str]:
    """Yield why inputs are refused that are the environment's own, or a lake's, by security's files."""
    if place.root is None or not inputs:
        return  # admission alone judges
    from policies.gates import submit  # noqa: PLC0415 - for jobs with inputs alone

    own = {ref: one for ref, one in zip(references, inputs, strict=True) if one.owner in (None, place.environment)}
    for found in submit.refused(place.root, Tier(place.tier), place.environment, list(own)):
        # A lake that the environment does not read is said with what does not exist.
        if own[found.entry].kind != LAKE or (place.descriptor.get("store") or {}).get("lake"):
            yield f"input {own[found.entry]}: {found.says}; security approves what a tier reads besides its own"


def _tier_of(place: Place, environment: str) -> str | None:
    from terrarium.client.sources import InCluster  # noqa: PLC0415 - for inputs of others alone

    source = InCluster(environment, {"context": place.source.cluster.context}, place.source.cluster.kubeconfig)
    try:
        return str(source.descriptor().get("tier"))
    except CommandFailed:
        # Not in this cluster, or not this person's to see.
        return None


def _rights(place: Place, wish: Wish) -> Iterator[str]:
    resource = "cronjobs" if wish.schedule else "jobs"
    if place.workloads.may("create", "batch", resource):
        return
    given = TIERS[Tier(place.tier)].rights if place.tier in set(Tier) else {}
    who = " or ".join(f"people.{kind}" for kind, right in given.items() if right is not Right.READ) or "nobody"
    yield (
        f"you may not run jobs in {place.environment}: that is for the groups that its stack file names under {who}"
        + ("" if place.tier == Tier.EXPERIMENTATION else "; in an experimentation environment the whole team may")
    )


def _placement(place: Place, wish: Wish, refused: list[str], *, here: bool) -> Placement:
    if here:
        # Nothing is reserved; but rules look at what a pod asks for.
        return Placement(requests={"cpu": router.CPU, "memory": router.MEMORY})
    found = router.route(
        compute.read(place.descriptor),
        wish.needs,
        environment=place.environment,
        bucket=place.bucket,
        tasks=wish.array.count if wish.array else 1,
        at_a_time=wish.array.at_a_time if wish.array else None,
    )
    if isinstance(found, Impossible):
        refused.append(f"this could never run in {place.environment}: {found}")
        return Placement()
    return found


def _missing(place: Place, inputs: Sequence[Declared]) -> Iterator[str]:
    """Yield what is wrong with inputs of the own store, as far as this person may look."""
    described: dict[str, Any] = place.descriptor.get("store") or {}
    if inputs and not described:
        yield f"environment {place.environment} has no store, so that there is nothing to read"
        return
    for one in inputs:
        if one.kind == LAKE and not described.get("lake"):
            yield f"input {one}: environment {place.environment} reads no lake"
        elif place.store is not None:
            problem = _problem(place.store, one)
            if problem:
                yield f"input {one}: {problem}"


def _problem(store: Store, one: Declared) -> str | None:
    files = store.files(one.kind)
    try:
        found = files.info(one.key)
    except OSError as error:
        return error.strerror or str(error)
    if one.folder and found["type"] != "directory":
        return "is an object, not a folder; leave the `/` at its end out"
    if not one.folder and found["type"] == "directory":
        return "is a folder; write `/` at its end to bring all of it"
    return None
