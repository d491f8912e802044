"""From what the rules find to what a gate does about it: denied, only reported, or waived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from policies.gates.book import Book
from policies.gates.files import Waiver
from policies.rules import STACK, Facts, Resource, Violation, check, stack_of, unseen
from policies.rules.reading import root

# Where a provider says what it puts on everything: AWS' below `tags`, Google Cloud's at once.
_DEFAULTS = (("defaultTags", "tags"), ("defaultLabels",))


class Standing(StrEnum):
    """What becomes of a violation."""

    DENIED = "denied"
    AUDITED = "audited"
    WAIVED = "waived"


@dataclass(frozen=True)
class Verdict:
    """A violation, and what becomes of it.

    Args:
        violation: What a rule found.
        standing: What becomes of it.
        because: Why it is not denied; for a denied one the waiver that has ended, empty without.
        waiver: The waiver that holds, or has ended.
    """

    violation: Violation
    standing: Standing
    because: str = ""
    waiver: Waiver | None = None

    @property
    def denied(self) -> bool:
        """Whether it stops what is being done."""
        return self.standing is Standing.DENIED

    @property
    def message(self) -> str:
        """What to tell people: the rule's id first."""
        return " ".join(part for part in (self.violation.message, self.because) if part)


@dataclass
class Judge:
    """Judges what one stack declares, resource by resource and then as a whole.

    Args:
        stack: The stack's name.
        facts: What the rules are told; tags that providers give are learned from the providers themselves.
        book: What security has decided.
    """

    stack: str
    facts: Facts
    book: Book
    _providers: list[Resource] = field(default_factory=list)
    _tags: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The day by which waivers end and rules begin to deny."""
        return self.facts.today

    def resource(self, resource: Resource) -> tuple[Verdict, ...]:
        """Return the verdicts on one resource. Providers come before what they make, as the engine has them.

        Args:
            resource: The resource.
        """
        if resource.type == STACK:
            return ()  # it is judged as a whole, when all of it is known
        if resource.is_provider:
            self._providers.append(resource)
            self._tags[resource.name] = _default_tags(resource)
        return tuple(self._verdicts(check(resource, self._told())))

    def whole(self, resources: Iterable[Resource]) -> tuple[Verdict, ...]:
        """Return the verdicts on the stack as a whole.

        Args:
            resources: All of its resources.
        """
        return tuple(self._verdicts(check(stack_of(self.stack), self._all(resources))))

    def unseen(self, resources: Sequence[Resource]) -> tuple[Violation, ...]:
        """Return what nobody can see yet, and what is let pass for it, once each resource was judged.

        Args:
            resources: All of the stack's resources.
        """
        told = self._told()
        found = [one for resource in resources if resource.type != STACK for one in unseen(resource, told)]
        return (*found, *unseen(stack_of(self.stack), self._all(resources)))

    def _told(self) -> Facts:
        """Return what rules are told about one resource: the providers that there are by now."""
        return replace(self.facts, default_tags=self._tags, resources=tuple(self._providers))

    def _all(self, resources: Iterable[Resource]) -> Facts:
        """Return what rules are told about the stack as a whole."""
        # The engine has them in another order each time. Which of two is blamed must not change with it, as a waiver
        # names one of them.
        return replace(self.facts, resources=tuple(sorted(resources, key=lambda one: (one.type, one.name))))

    def _verdicts(self, found: Iterable[Violation]) -> Iterator[Verdict]:
        for violation in found:
            state = self.book.rollout.get(violation.rule)
            if state and state.mode == "off":
                continue
            waiver = next(iter(self.book.waivers_of(violation.rule, self.stack, violation.name, violation.type)), None)
            if waiver and self.today <= waiver.until:
                because = f"Waived until {waiver.until} by {waiver.who}: {waiver.why}"
                yield Verdict(violation, Standing.WAIVED, because, waiver)
            elif state and state.mode == "audit":
                yield Verdict(violation, Standing.AUDITED, f"Only reported: {state.why}")
            elif state and state.from_ and self.today < state.from_:
                yield Verdict(violation, Standing.AUDITED, f"Only reported until {state.from_}: {state.why}")
            else:
                because = f"Its waiver ended on {waiver.until}." if waiver else ""
                yield Verdict(violation, Standing.DENIED, because, waiver)


def _default_tags(provider: Resource) -> frozenset[str]:
    """Return the keys of the tags or labels that a provider puts on what it makes."""
    found: set[str] = set()
    for way in _DEFAULTS:
        node = root(provider)
        for key in way:
            # Providers' own nested inputs travel as JSON text.
            node = node.get(key).document()
        if isinstance(node.value, Mapping):
            found |= {key for key, _ in node.fields()}
    return frozenset(found)
