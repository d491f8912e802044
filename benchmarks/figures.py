"""What was measured, and whether it keeps what was promised."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Samples of one quantity.

    Args:
        samples: In the order they were taken, in the quantity's unit.
    """

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median: on a machine that does other work too, a mean tells of that work."""
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile, interpolated between samples; of one sample, that sample twice."""
        if len(self.samples) == 1:
            return self.samples[0], self.samples[0]
        first, _, third = statistics.quantiles(self.samples, n=4, method="inclusive")
        return first, third

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types, with every sample."""
        return {"median": self.median, "quartiles": list(self.quartiles), "samples": list(self.samples)}


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Args:
        name: What was measured, for people.
        unit: `s` or `MiB`.
        ours: What ours took.
        reference: What the reference took, one sample for each of ours, taken right before or after it; None if the
            target is not relative.
        target: The most allowed: a factor of the reference where there is one, else in the unit. None if the figure
            only explains another one.
    """

    name: str
    unit: str
    ours: Spread
    target: float | None
    reference: Spread | None = None

    @property
    def ratio(self) -> float | None:
        """Ratio of the medians."""
        return self.ours.median / self.reference.median if self.reference else None

    @property
    def pairs(self) -> Spread | None:
        """Ratio of each pair. What slows both of a pair falls out of it."""
        if self.reference is None:
            return None
        return Spread(tuple(a / b for a, b in zip(self.ours.samples, self.reference.samples, strict=True)))

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the target; None where there is none."""
        if self.target is None:
            return None
        measured = self.ours.median if self.ratio is None else self.ratio
        return measured <= self.target

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours.as_json(),
            "reference": self.reference.as_json() if self.reference else None,
            "ratio": self.ratio,
            "pairs": self.pairs.as_json() if self.pairs else None,
            "target": self.target,
            "met": self.met,
        }


def missed(figures: Sequence[Figure]) -> list[str]:
    """Return the names of the figures that miss their target."""
    return [figure.name for figure in figures if figure.met is False]
