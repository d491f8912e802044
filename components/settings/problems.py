"""Problems found in what people wrote: all of them at once, each with where it stands and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Place:
    """Where a value was written.

    Args:
        file: The file as the reader knows it, relative to the project's root.
        line: The line, from 1; None where the file can't tell (a value given on the command line).
    """

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        key: The dotted key, from the top of its file (`terrarium:environment.network.cidr`).
        message: What is wrong and what is allowed, without the value where it might be a secret.
        place: Where it stands; None if no file holds it (a key that is missing everywhere).
        concerns: The stacks between which it lies, wherever it is placed; empty if it lies in its place alone.
    """

    key: str
    message: str
    place: Place | None = None
    concerns: frozenset[str] = frozenset()

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the problem for `--json`."""
        place = self.place
        return {
            "file": place.file if place else None,
            "line": place.line if place else None,
            "key": self.key,
            "message": self.message,
        }


class InvalidSettings(Exception):  # noqa: N818 - reads as what it says in the message people see
    """What was declared can't be built.

    Args:
        subject: What was read, such as `stack dev`.
        problems: Every problem found, never empty.
    """

    def __init__(self, subject: str, problems: Iterable[Problem]) -> None:
        self.subject = subject
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__(render(subject, self.problems))


def render(subject: str, problems: Sequence[Problem]) -> str:
    """Return all problems as one message for people."""
    count = len(problems)
    lines = [f"{subject}: {count} problem{'s' if count > 1 else ''}, nothing was changed"]
    for problem in problems:
        place = f"{problem.place}  " if problem.place else ""
        lines.append(f"  {place}{problem.key}")
        lines.extend(f"      {line}" for line in problem.message.splitlines())
    return "\n".join(lines)


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """Return `did you mean ...? ` for a near miss, then what is allowed.

    Args:
        word: What was written.
        allowed: What may be written.
    """
    choices = sorted(allowed)
    near = get_close_matches(word, choices, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    return f"{hint}Allowed: {', '.join(choices) or 'nothing'}"
