"""What a job says it needs: `cpu=4,memory=64Gi,gpu=1,spot=false,pool=training,priority=high,disk=20Gi`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from components.settings import quantities
from terrarium.errors import InvalidInput

PRIORITIES = ("low", "normal", "high")
"""Before whom a job is let in, among those that wait in the same environment."""
_SMALLEST_CPU = quantities.parse("1m")  # Kubernetes counts no finer
_SMALLEST_MEMORY = quantities.parse("6Mi")  # less, and the container itself does not start (runc's own minimum)


@dataclass(frozen=True)
class Needs:
    """What one pod of a job needs. What is None was not said.

    Args:
        cpu: Cores, as a Kubernetes quantity.
        memory: Memory.
        gpu: GPUs.
        disk: Room for files that the job writes.
        spot: True for machines that the cloud may take back alone, False for none of them.
        pool: The pool to run on.
        priority: One of `PRIORITIES`.
    """

    cpu: str | None = None
    memory: str | None = None
    gpu: int | None = None
    disk: str | None = None
    spot: bool | None = None
    pool: str | None = None
    priority: str = "normal"


def parse(said: str | Mapping[str, object]) -> Needs:
    """Return what was said.

    Args:
        said: `KEY=VALUE` with commas between, as on the command line, or a mapping, as from Python.

    Raises:
        InvalidInput: With everything that is wrong with it.
    """
    problems: list[str] = []
    pairs = _pairs(said, problems) if isinstance(said, str) else {str(key): _text(v) for key, v in said.items()}
    found: dict[str, object] = {}
    for key, value in pairs.items():
        read = _KEYS.get(key)
        if read is None:
            problems.append(_unknown(key))
            continue
        try:
            found[key] = read(value)
        except ValueError as error:
            problems.append(f"{key}: {error}")
    if problems:
        raise InvalidInput(listed("needs", problems), problems=problems)
    return Needs(**found)  # type: ignore[arg-type]  # each value was made by its key's own reader


def listed(what: str, problems: list[str]) -> str:
    """Return problems as one message: a single one on the same line, more of them one a line.

    Args:
        what: What they are about.
        problems: The problems.
    """
    if len(problems) == 1:
        return f"{what}: {problems[0]}"
    return "\n".join([f"{what}: {len(problems)} problems", *(f"  {problem}" for problem in problems)])


def _pairs(said: str, problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in said.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            problems.append(f"`{part}` is not KEY=VALUE, such as gpu=1")
        elif found.setdefault(key, value) != value:
            problems.append(f"{key} is said twice, as {found[key]} and as {value}")
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unknown(key: str) -> str:
    near = get_close_matches(key, _KEYS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f"there is no need `{key}`{hint} there are {', '.join(_KEYS)}"


def _cores(value: str) -> str:
    if quantities.parse(value) < _SMALLEST_CPU:
        raise ValueError(f"{value} is too little: at least 1m, a thousandth of a core")
    return value


def _memory(value: str) -> str:
    found = quantities.parse(value)
    if found < _SMALLEST_MEMORY:
        meant = f"; did you mean {value}Gi?" if value.isdigit() else ""
        raise ValueError(f"{value} is {found} bytes, too little for any program{meant}")
    return value


def _gpus(value: str) -> int:
    if not value.isdecimal() or not value.isascii() or len(value) > 4:
        raise ValueError(f"`{value}` is no count of GPUs, as 0, 1 or 8")
    return int(value)


def _switch(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f"`{value}` is neither true nor false")
    return value == "true"


def _name(value: str) -> str:
    if value != value.strip() or not value:
        raise ValueError("must be a pool's name")
    return value


def _priority(value: str) -> str:
    if value not in PRIORITIES:
        raise ValueError(f"`{value}` is none of {', '.join(PRIORITIES)}")
    return value


_KEYS: Mapping[str, Callable[[str], object]] = {
    "cpu": _cores,
    "memory": _memory,
    "gpu": _gpus,
    "disk": _memory,
    "spot": _switch,
    "pool": _name,
    "priority": _priority,
}
