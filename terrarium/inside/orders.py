"""What a pod is told of its job, by environment variables: nothing secret, and nothing that the script must know."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

JOB, RUN, ATTEMPT, PLAN = "TERRARIUM_JOB", "TERRARIUM_RUN", "TERRARIUM_ATTEMPT", "TERRARIUM_PLAN"
"""The job's name; the id of this one job of that name; the id of this attempt; what is left as JSON."""
INDEX = "JOB_COMPLETION_INDEX"
"""Which index of the array this is; Kubernetes sets it."""
PLACEHOLDER = "{index}"
"""Stands for the index in arguments of an array's command."""


@dataclass(frozen=True)
class Input:
    """An object, or a folder of objects, that is a file when the command begins.

    Args:
        kind: The kind of objects, or `lake`.
        key: The object, or the folder.
        folder: Which of both.
        path: Where it is to be in the working folder.
    """

    kind: str
    key: str
    folder: bool
    path: str


@dataclass(frozen=True)
class Orders:
    """What is to be done around the command.

    Args:
        job: The job's name.
        run: Id of this one job of that name.
        attempt: Id of this attempt.
        index: The index; 0 without an array.
        array: Whether there are several.
        inputs: What is brought.
        outputs: Paths to keep; empty for whatever is new in the working folder.
    """

    job: str
    run: str
    attempt: str
    index: int = 0
    array: bool = False
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()

    def command(self, words: Iterable[str]) -> list[str]:
        """Return the command of this index."""
        return [word.replace(PLACEHOLDER, str(self.index)) if self.array else word for word in words]


def written(*, array: bool, inputs: Iterable[Input], outputs: Iterable[str]) -> str:
    """Return the variable PLAN.

    Args:
        array: Whether the job has several indexes.
        inputs: What is brought.
        outputs: Paths to keep.
    """
    plan = {"array": array, "inputs": [asdict(one) for one in inputs], "outputs": list(outputs)}
    return json.dumps(plan, sort_keys=True)


def read(variables: Mapping[str, str] = os.environ) -> Orders | None:
    """Return the orders, or None where there are none: somebody started the image by hand.

    Args:
        variables: The environment variables.

    Raises:
        ValueError: If they can't be understood.
    """
    job = variables.get(JOB)
    if not job:
        return None
    try:
        plan = json.loads(variables.get(PLAN) or "{}")
        return Orders(
            job=job,
            run=variables[RUN],
            attempt=variables[ATTEMPT],
            index=int(variables.get(INDEX) or 0),
            array=bool(plan.get("array")),
            inputs=tuple(Input(**one) for one in plan.get("inputs", ())),
            outputs=tuple(plan.get("outputs", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"the variables {JOB}, {RUN}, {ATTEMPT} and {PLAN} are not what a job has") from None
