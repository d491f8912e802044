"""What a stack file can say of money: how much may be spent, and who is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from components.naming import NameRule
from components.settings.fields import Count, Settings

_ADDRESS = NameRule(
    service="a mail address",
    longest=254,
    pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+",
    alphabet="name@host",
    source="RFC 5321",
)
Address = Annotated[str, AfterValidator(_ADDRESS.check), WithJsonSchema(_ADDRESS.json_schema())]


def _percentages(values: tuple[int, ...]) -> tuple[int, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError("must rise, each once, as [50, 80, 100]")
    return values


Percentages = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1000)], ...],
    Field(min_length=1, max_length=5),  # AWS takes ten notifications, one of which is the forecast's
    AfterValidator(_percentages),
]


class BudgetSettings(Settings):
    """What may be spent in a month. It warns, and stops nothing."""

    monthly: Annotated[Count, Field(ge=1)]
    """Whole units of the currency in which the account is billed."""
    alert_at: Percentages = (50, 80, 100)
    """Percentages of it at which somebody is told (default 50, 80, 100)."""
    notify: Annotated[tuple[Address, ...], Field(min_length=1, max_length=10)]
    """Mail addresses of who is told."""
