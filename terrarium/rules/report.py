"""What the rules say of a stack, as data: what fails, what is waived or only reported, what passes, what nobody reads.

It holds no property of any resource: violations name them and show no values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from policies.gates.book import Book
from policies.gates.files import DESTRUCTIVE, Waiver
from policies.gates.verdicts import Judge, Standing, Verdict
from policies.rules import STACK, Facts, Resource, Rule, Severity, catalogue, made_for, readers
from policies.rules.workloads import ANY_KUBERNETES

WORST_FIRST = list(Severity)


class State(StrEnum):
    """What came of a rule."""

    FAILED = "failed"
    WAIVED = "waived"
    REPORTED = "only reported"
    PASSED = "passed"
    UNREAD = "nothing to read"
    OFF = "off"


@dataclass(frozen=True)
class Line:
    """What came of one rule that binds in the stack's tier.

    Args:
        rule: The rule.
        state: What came of it: the worst of what it found.
        read: How many resources it was asked about; the stack as a whole counts as one.
        verdicts: What it found.
        why: Why it is off.
    """

    rule: Rule
    state: State
    read: int
    verdicts: tuple[Verdict, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Seen:
    """A type of resource in the stack.

    Args:
        type: Its token.
        resources: How many there are.
        rules: Ids of the rules about that type in particular.
    """

    type: str
    resources: int
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What the rules say of a stack.

    Args:
        stack: Its name.
        tier: The tier whose rules hold.
        today: The day of the report.
        commit: The checkout's commit; empty if there is none.
        resources: How many resources were judged.
        lines: Each rule that binds in the tier, the failed ones first, worst first.
        coverage: Each type of resource, the unread ones first.
        stale: Waivers of this stack that met no violation.
        approved: What is approved, by its name in security's file.
    """

    stack: str
    tier: str
    today: date
    commit: str
    resources: int
    lines: Sequence[Line]
    coverage: Sequence[Seen]
    stale: Sequence[Waiver]
    approved: Mapping[str, Any]

    def of(self, state: State) -> list[Line]:
        """Return the lines of a state."""
        return [line for line in self.lines if line.state is state]

    @property
    def failed(self) -> list[Line]:
        """The rules that refuse something."""
        return self.of(State.FAILED)

    @property
    def unread(self) -> list[Seen]:
        """Types that no rule is about."""
        return [seen for seen in self.coverage if not seen.rules]

    @property
    def counts(self) -> dict[State, int]:
        """How many rules there are of each state."""
        found = Counter(line.state for line in self.lines)
        return {state: found[state] for state in State}


def made(judge: Judge, resources: Sequence[Resource], commit: str = "") -> Report:
    """Judge a stack's resources and return what came of it.

    Args:
        judge: Who judges the stack.
        resources: All that it would be made of, providers before what they make.
        commit: The checkout's commit; empty if there is none.
    """
    verdicts = [verdict for one in resources for verdict in judge.resource(one)] + [*judge.whole(resources)]
    facts, book = judge.facts, judge.book
    asked = Counter(rule.id for one in resources if one.type != STACK for rule in _asked(one.type))
    asked.update(rule.id for rule in readers(STACK))
    lines = [_line(rule, asked[rule.id], verdicts, book) for rule in catalogue() if facts.tier in rule.tiers]
    return Report(
        stack=judge.stack,
        tier=facts.tier.value,
        today=facts.today,
        commit=commit,
        resources=sum(one.type != STACK for one in resources),
        lines=sorted(lines, key=lambda line: (list(State).index(line.state), WORST_FIRST.index(line.rule.severity))),
        coverage=sorted(_coverage(resources), key=lambda seen: (bool(seen.rules), seen.type)),
        stale=tuple(_stale(judge, verdicts)),
        approved=_approved(facts),
    )


def _asked(token: str) -> Iterator[Rule]:
    """Yield the rules that find something to read in a type: those about pods don't in each object of a cluster."""
    own = made_for(token)
    yield from (rule for rule in readers(token) if rule in own or ANY_KUBERNETES not in rule.types)


def _line(rule: Rule, asked: int, verdicts: Iterable[Verdict], book: Book) -> Line:
    rollout = book.rollout.get(rule.id)
    if rollout and rollout.mode == "off":
        return Line(rule, State.OFF, 0, why=rollout.why)
    own = tuple(verdict for verdict in verdicts if verdict.violation.rule == rule.id)
    standings = {verdict.standing for verdict in own}
    for standing, state in (
        (Standing.DENIED, State.FAILED),
        (Standing.AUDITED, State.REPORTED),
        (Standing.WAIVED, State.WAIVED),
    ):
        if standing in standings:
            return Line(rule, state, asked, own)
    return Line(rule, State.PASSED if asked else State.UNREAD, asked)


def _coverage(resources: Iterable[Resource]) -> Iterator[Seen]:
    for token, count in Counter(one.type for one in resources).items():
        # Providers and components are made of settings and of other resources: there is nothing of their own to read.
        if not token.startswith(("pulumi:", "terrarium:")):
            yield Seen(token, count, tuple(rule.id for rule in made_for(token)))


def _stale(judge: Judge, verdicts: Iterable[Verdict]) -> Iterator[Waiver]:
    used = {(verdict.violation.rule, verdict.violation.name) for verdict in verdicts}
    for waiver in judge.book.waivers:
        if waiver.stack == judge.stack and waiver.rule != DESTRUCTIVE and (waiver.rule, waiver.resource) not in used:
            yield waiver


def _approved(facts: Facts) -> dict[str, Any]:
    return {
        "registries": list(facts.registries),
        "base images": list(facts.base_images),
        "images with a record": len(facts.evidence),
        "regions": {cloud: sorted(regions) for cloud, regions in facts.regions.items()},
        "cost labels": list(facts.cost_keys),
        "cluster administrators": sorted(facts.cluster_admins),
        "deployed from": list(facts.branches),
    }
