"""From what is asked for to a job in the cluster: looked at, built, judged, made. In this order."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from terrarium.errors import CommandFailed, InvalidInput, Refused
from terrarium.jobs import judging, source
from terrarium.jobs.asking import Wish
from terrarium.jobs.checks import Found, checked
from terrarium.jobs.manifest import NAME, Spec, manifest
from terrarium.jobs.place import Place
from terrarium.lifetimes import marks

_T = TypeVar("_T")
Say = Callable[[str], None]


class Build(Protocol):
    """Makes an image of a source."""

    def __call__(
        self, source: str, *, environment: str, root: Path | None, say: Say, requirements: Path | None = None
    ) -> str:
        """Return the image's reference, by digest."""


@dataclass(frozen=True)
class Submitted:
    """What was made.

    Args:
        kind: `Job` or `CronJob`.
        name: Its name.
        image: The image that it runs.
        pool: The pool that it was sent to; None where there is none to choose.
        queue: Its queue; None where nothing queues.
    """

    kind: str
    name: str
    image: str
    pool: str | None
    queue: str | None


def image_of(place: Place, wish: Wish, say: Say, build: Build) -> str:
    """Return the reference of the image to run, built if it is not given.

    Args:
        place: Where.
        wish: What is asked for.
        say: Takes sentences about what goes on.
        build: Makes the image.
    """
    if wish.image:
        return wish.image
    return build(
        wish.source or "", environment=place.environment, root=place.root, say=say, requirements=wish.requirements
    )


def built(source: str, *, environment: str, root: Path | None, say: Say, requirements: Path | None = None) -> str:
    """Return the reference of an image of a source; see `Build`."""
    # Imported here: a job of an image that there is builds none.
    from terrarium.images import build  # noqa: PLC0415

    return build(source, environment=environment, root=root, say=say, requirements=requirements).reference


def submit(place: Place, wish: Wish, say: Say, build: Build = built) -> Submitted:
    """Run a job, or refuse it before anything is made; arguments and errors as for `prepared`."""
    made, told = prepared(place, wish, say, build)
    place.workloads.create(made)
    return told


def prepared(place: Place, wish: Wish, say: Say, build: Build = built) -> tuple[dict[str, Any], Submitted]:
    """Return a job that may be made, and what to tell of it; or refuse it. The image is pushed, nothing else is made.

    Args:
        place: Where.
        wish: What is asked for.
        say: Takes sentences about what goes on.
        build: Makes the image.

    Raises:
        InvalidInput: If something that was asked for is wrong.
        Refused: If it is not allowed, or could never run.
    """
    called, found = looked_at(place, wish)
    if wish.schedule and place.workloads.schedule(called):
        raise Refused(
            f"{place.environment} has a schedule {called} already: end it (`terrarium jobs cancel {called} -e "
            f"{place.environment}`), or give this one another --name"
        )
    _tell_of_sleep(place, found, say)
    if found.identity is None:
        say(f"environment {place.environment} has no store: the job's log and outputs are kept nowhere")
    image = image_of(place, wish, say, build)
    made = manifest(spec(place, wish, found, image, called))
    judging.judge(made, place.tier, place.root)
    return made, Submitted(made["kind"], called, image, found.placement.pool, found.placement.queue)


def _tell_of_sleep(place: Place, found: Found, say: Say) -> None:
    slept = marks.sleep(place.annotations)
    if slept is None:
        return
    because = f" ({slept.because})" if slept.because else ""
    what = "it waits until" if found.placement.queue else "nothing queues jobs there, so it runs all the same; else"
    say(
        f"environment {place.environment} sleeps since {slept.since or 'some time'}{because}: {what} those who deploy "
        "it wake it (`terrarium wake`)"
    )


def looked_at(place: Place, wish: Wish, *, here: bool = False) -> tuple[str, Found]:
    """Return what the job is to be called, and what the checks found; nothing is made.

    Args:
        place: Where.
        wish: What is asked for.
        here: Whether it runs on this machine.

    Raises:
        InvalidInput: As `submit`.
        Refused: As `submit`.
    """
    wrong: list[InvalidInput | Refused] = []
    stem = _tried(wrong, lambda: _stem(place, wish))
    found = _tried(wrong, lambda: checked(place, wish, here=here))
    if stem is None or found is None:
        raise _together(wrong)
    return _name(wish.name or stem, once=wish.schedule is None), found


def _stem(place: Place, wish: Wish) -> str:
    """Return what the job is called after: its image, or its source, which is looked at."""
    if wish.image is None:
        return source.examined(wish.source or "", (place.descriptor.get("image") or {}).get("python"))
    judging.pinned(wish.image)
    return wish.image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _tried(wrong: list[InvalidInput | Refused], look: Callable[[], _T]) -> _T | None:
    try:
        return look()
    except (InvalidInput, Refused) as error:
        wrong.append(error)
        return None


def _together(wrong: Sequence[InvalidInput | Refused]) -> CommandFailed:
    """Return all that is wrong as one, each once: refused, if something of it is."""
    problems = list(dict.fromkeys(one for error in wrong for one in error.details.get("problems", [str(error)])))
    kind = Refused if any(isinstance(error, Refused) for error in wrong) else InvalidInput
    return kind("\n".join(problems), problems=problems)


def spec(place: Place, wish: Wish, found: Found, image: str, name: str) -> Spec:
    """Return all that the job is made of.

    Args:
        place: Where.
        wish: What is asked for.
        found: What the checks found.
        image: The image.
        name: What to call it.
    """
    return Spec(
        name=name,
        environment=place.environment,
        namespace=place.namespace,
        tier=place.tier,
        labels=_labels(place),
        placement=found.placement,
        image=image,
        arguments=wish.arguments,
        tasks=wish.array.count if wish.array else None,
        retries=wish.retries,
        timeout=wish.timeout,
        schedule=wish.schedule,
        identity=found.identity,
        inputs=found.inputs,
        references=found.references,
        outputs=wish.outputs,
        bucket=wish.bucket,
    )


def _name(stem: str, *, once: bool) -> str:
    """Return a job's name: no other job of the environment has or had it, but a schedule keeps its own."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in stem.lower()).strip("-") or "job"
    return NAME.fit(kept, secrets.token_hex(3)) if once else NAME.fit(kept)


def _labels(place: Place) -> dict[str, Any]:
    from components.labels import LABEL  # noqa: PLC0415 - with what it labels

    said = place.descriptor
    return {
        "app.kubernetes.io/managed-by": "terrarium-run",
        f"{LABEL}/environment": place.environment,
        f"{LABEL}/project": str(said["project"]),
        f"{LABEL}/tier": place.tier,
    }
