"""What a person asks for, in the words of the command or of Python, with everything that is wrong with it at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.naming import NameRefused
from terrarium.errors import InvalidInput
from terrarium.jobs import indexes, times
from terrarium.jobs.indexes import Array
from terrarium.jobs.inputs import Declared
from terrarium.jobs.inputs import outputs as parse_outputs
from terrarium.jobs.inputs import parse as parse_inputs
from terrarium.jobs.manifest import NAME
from terrarium.jobs.needs import Needs
from terrarium.jobs.needs import parse as parse_needs

_T = TypeVar("_T")
_MOST_RETRIES = 100


@dataclass(frozen=True)
class Wish:
    """What is asked for, understood, and nothing of it looked at yet.

    Args:
        source: What to run; None where `image` says it.
        image: The image to run, by digest; None to have one built.
        arguments: What the command is given.
        needs: What one pod needs.
        array: The indexes; None for one pod.
        inputs: What it reads.
        outputs: Paths to keep; empty for whatever is new in the working folder.
        name: What to call it; None for the source's own name.
        retries: How often an index is repeated that failed by itself.
        timeout: Seconds that all of it may run.
        schedule: When it is run again; None for once, now.
        bucket: The bucket whose job it is.
        requirements: A file with the source's requirements or their lock; None for what it declares.
    """

    source: str | None
    image: str | None
    arguments: tuple[str, ...]
    needs: Needs
    array: Array | None
    inputs: tuple[Declared, ...]
    outputs: tuple[str, ...]
    name: str | None
    retries: int
    timeout: int | None
    schedule: str | None
    bucket: str | None
    requirements: Path | None = None


def asked(
    source: str | None,
    arguments: Sequence[object] = (),
    *,
    image: str | None = None,
    needs: str | Mapping[str, object] = "",
    array: str | int | None = None,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    name: str | None = None,
    retries: int = 0,
    timeout: str | int | None = None,
    schedule: str | None = None,
    bucket: str | None = None,
    requirements: str | os.PathLike[str] | None = None,
) -> Wish:
    """Return what is asked for; the arguments are those of `terrarium run`.

    Args:
        source: What to run.
        arguments: What the command is given.
        image: See `Wish`.
        needs: As text or a mapping.
        array: As `0-19`; or how many, from Python.
        inputs: Each `KIND:KEY[:PATH]`.
        outputs: Paths.
        name: See `Wish`.
        retries: See `Wish`.
        timeout: As `90m`, or seconds.
        schedule: Five fields of cron.
        bucket: See `Wish`.
        requirements: See `Wish`.

    Raises:
        InvalidInput: With everything that is wrong.
    """
    problems: list[str] = []
    if (source is None) == (image is None):
        problems.append("name what to run: a script or package, or else an image that has its command (--image)")
    if image is not None and requirements is not None:
        problems.append(
            "requirements are those of a script or package; an image has its own (leave --requirements out)"
        )
    if not 0 <= retries <= _MOST_RETRIES:
        problems.append(f"retries: {retries} is not 0 to {_MOST_RETRIES}")
    if name is not None:
        _tried(problems, lambda: NAME.check(name), None)
    wish = Wish(
        source=source,
        image=image,
        arguments=tuple(str(argument) for argument in arguments),
        needs=_tried(problems, lambda: parse_needs(needs), Needs()),
        array=_tried(problems, lambda: _array(array), None),
        inputs=tuple(_tried(problems, lambda: parse_inputs(inputs), [])),
        outputs=tuple(_tried(problems, lambda: parse_outputs(outputs), [])),
        name=name,
        retries=retries,
        timeout=None if timeout is None else _tried(problems, lambda: times.seconds(str(timeout)), None),
        schedule=None if schedule is None else _tried(problems, lambda: times.schedule(schedule), None),
        bucket=bucket,
        requirements=None if requirements is None else Path(requirements),
    )
    if problems:
        raise InvalidInput("\n".join(problems), problems=problems)
    return wish


def _array(said: str | int | None) -> Array | None:
    if said is None:
        return None
    return indexes.parse(f"0-{said - 1}" if isinstance(said, int) else said)


def _tried(problems: list[str], read: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return read()
    except InvalidInput as error:
        problems.append(str(error))
    except NameRefused as error:
        problems.append(f"name: {error}")
    return otherwise
