"""How long a job may take, and when it is run again. Pure."""

from __future__ import annotations

import re

from terrarium.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(?:[0-9]{1,6}[smhd])+|[0-9]{1,9}", re.ASCII)
_LONGEST = 366 * 86400
_MACROS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_FIELDS = (("minute", 0, 59, ()), ("hour", 0, 23, ()), ("day of the month", 1, 31, ()))
_FIELDS += (
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)  # type: ignore[assignment]  # tuples of two lengths
_STEP = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>[0-9]{1,4}))?", re.ASCII)


def seconds(text: str) -> int:
    """Return a time span in seconds.

    Args:
        text: As `90m`, `1h30m`, `2d`, or plain seconds.

    Raises:
        InvalidInput: If it is none, or nothing, or more than a year.
    """
    if not _SPAN.fullmatch(text):
        raise InvalidInput(f"timeout: `{text}` is no time span, as 90m, 1h30m or 2d")
    found = int(text) if text.isdigit() else sum(int(n) * _UNITS[u] for n, u in re.findall(r"([0-9]+)([smhd])", text))
    if not 0 < found <= _LONGEST:
        raise InvalidInput(f"timeout: `{text}` must be more than nothing and at most 366d")
    return found


def schedule(text: str) -> str:
    """Return a schedule as Kubernetes takes it; times are UTC.

    Args:
        text: Five fields of cron, or a word as `@daily`.

    Raises:
        InvalidInput: With everything that is wrong with it.
    """
    if text in _MACROS:
        return text
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise InvalidInput(
            f"schedule: `{text}` is not five fields, minute hour day month weekday, as `0 6 * * 1-5`; or one of "
            f"{', '.join(_MACROS)}"
        )
    problems = [
        f"`{part}` is no {name}, {low} to {high}"
        for field, (name, low, high, names) in zip(fields, _FIELDS, strict=True)
        for part in field.split(",")
        if not _valid(part, low, high, names)
    ]
    if problems:
        raise InvalidInput(f"schedule: {'; '.join(problems)}", problems=problems)
    return " ".join(fields)


def _valid(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    match = _STEP.fullmatch(part)
    if not match or match["step"] == "0" or (match["from"] == "*" and match["to"]):
        return False
    ends = [_number(end, low, names) for end in (match["from"], match["to"]) if end not in (None, "*")]
    return all(end is not None and low <= end <= high for end in ends) and (len(ends) < 2 or ends[0] <= ends[1])  # type: ignore[operator]  # none is None here


def _number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text in names:
        return names.index(text) + low
    return int(text) if text.isdigit() else None
