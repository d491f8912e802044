"""Stacks on the clouds, run against a monitor that records what they register and answers as each cloud would.

Each cloud's module `tests/clouds/<cloud>_answers.py` has `made(args)` (what the cloud computes of a resource) and
`answer(args)` (what it answers when it is asked), as tests/support/recording.py says.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.recording import Answer, Recorded, record

# As in tests/unit: a shared runner stalls now and then, and a run depends on nothing old.
settings.register_profile("terrarium", deadline=None, database=None, derandomize=True)
settings.load_profile("terrarium")

Run = Callable[..., Recorded]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs a declaration and returns what it asked for.

    Its arguments: the block of a stack file; `kind` of the stack, by default `environment`; `preview`, whether outputs
    that only an update knows stay unknown; `answer`, in place of what the cloud would answer.
    """

    def run_stack(
        block: dict[str, Any], kind: str = "environment", *, preview: bool = False, answer: Answer | None = None
    ) -> Recorded:
        [cloud] = block["cloud"]
        answers = importlib.import_module(f"tests.clouds.{cloud}_answers")
        return record(tmp_path, "x", {kind: block}, preview=preview, made=answers.made, answer=answer or answers.answer)

    return run_stack
