"""What the rules say of a stack, as data: what fails, what is waived or only reported, what passes, what nobody reads.

It holds no property of any resource: violations name them and show no values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policies.gates.files import DESTRUCTIVE, Approved, Waiver
from policies.gates.verdicts import Judge, Standing, Verdict
from policies.rules import STACK, Facts, Resource, Rule, Severity, Violation, catalogue, general, made_for
from terrarium.rules.listing import rolled_out

WORST_FIRST = list(Severity)


class State(StrEnum):
    """What came of a rule."""

    FAILED = "failed"
    WAIVED = "waived"
    REPORTED = "only reported"
    UNSEEN = "not seen yet"
    PASSED = "passed"
    UNREAD = "nothing to read"
    OFF = "off"


@dataclass(frozen=True)
class Line:
    """What came of one rule that binds in the stack's tier.

    Args:
        rule: The rule.
        state: What came of it: the worst of what it found.
        today: What it does today, by how far security has rolled it out.
        read: How many resources it read; for a rule about the stack itself None.
        verdicts: What it found.
        unseen: What it could not see, and let pass.
        why: Why it does not simply deny; empty if it does.
    """

    rule: Rule
    state: State
    today: str
    read: int | None
    verdicts: tuple[Verdict, ...] = ()
    unseen: tuple[Violation, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Seen:
    """A type of resource in the stack.

    Args:
        type: Its token.
        resources: How many there are.
        rules: Ids of the rules about that type in particular, of those that are in force here.
        general: Ids of such rules that read it as they read everything of its provider.
    """

    type: str
    resources: int
    rules: tuple[str, ...]
    general: tuple[str, ...]


@dataclass(frozen=True)
class Exempted:
    """An exception that security has made for the stack.

    Args:
        waiver: The waiver.
        days: Days that it still holds after today; negative if it has ended.
        met: How many violations it is for; None if it is the guard's, which judges changes.
    """

    waiver: Waiver
    days: int
    met: int | None

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.days < 0

    @property
    def left(self) -> str:
        """How long it still holds, in words."""
        count = f"{abs(self.days)} day{'s' if abs(self.days) != 1 else ''}"
        return f"ended {count} ago" if self.ended else f"{count} left" if self.days else "ends today"


@dataclass(frozen=True)
class Report:
    """What the rules say of a stack.

    Args:
        stack: Its name.
        tier: The tier whose rules hold.
        today: The day of the report.
        commit: The checkout's commit; empty if there is none.
        file: The stack's file, relative to the checkout.
        resources: How many resources were judged.
        lines: Each rule that binds in the tier, the failed ones first, worst first.
        coverage: Each type of resource, the unread ones first.
        waivers: Each exception for this stack, the ended ones first.
        approved: What is approved, in words.
    """

    stack: str
    tier: str
    today: date
    commit: str
    file: str
    resources: int
    lines: Sequence[Line]
    coverage: Sequence[Seen]
    waivers: Sequence[Exempted]
    approved: Mapping[str, Sequence[str]]

    def of(self, state: State) -> list[Line]:
        """Return the lines of a state."""
        return [line for line in self.lines if line.state is state]

    @property
    def failed(self) -> list[Line]:
        """The rules that refuse something."""
        return self.of(State.FAILED)

    @property
    def verdict(self) -> str:
        """What came of it all, in a sentence."""
        if not self.failed:
            return "No rule refuses this stack."
        found = Counter(line.rule.severity for line in self.failed)
        listed = ", ".join(f"{found[severity]} {severity.value}" for severity in WORST_FIRST if found[severity])
        return f"{len(self.failed)} rule{'s' if len(self.failed) > 1 else ''} would refuse this stack: {listed}."

    @property
    def unseen(self) -> list[Line]:
        """The rules that could not see something, and let it pass."""
        return [line for line in self.lines if line.unseen]

    @property
    def unread(self) -> list[Seen]:
        """Types that no rule is about."""
        return [seen for seen in self.coverage if not seen.rules]

    @property
    def stale(self) -> list[Exempted]:
        """Waivers that are for nothing that is there: they should go."""
        return [one for one in self.waivers if one.met == 0]

    @property
    def counts(self) -> dict[State, int]:
        """How many rules there are of each state."""
        found = Counter(line.state for line in self.lines)
        return {state: found[state] for state in State}


def made(judge: Judge, resources: Sequence[Resource], commit: str = "", file: str = "") -> Report:
    """Judge a stack's resources and return what came of it.

    Args:
        judge: Who judges the stack.
        resources: All that it would be made of, providers before what they make.
        commit: The checkout's commit; empty if there is none.
        file: The stack's file, relative to the checkout.
    """
    verdicts = [verdict for one in resources for verdict in judge.resource(one)] + [*judge.whole(resources)]
    facts, book = judge.facts, judge.book
    types = Counter(one.type for one in resources if one.type != STACK)
    unseen = judge.unseen(resources)
    lines = [_line(rule, types, verdicts, unseen, judge) for rule in catalogue() if facts.tier in rule.tiers]
    return Report(
        stack=judge.stack,
        tier=facts.tier.value,
        today=facts.today,
        commit=commit,
        file=file,
        resources=types.total(),
        lines=sorted(lines, key=lambda line: (list(State).index(line.state), WORST_FIRST.index(line.rule.severity))),
        coverage=sorted(_coverage(types, lines), key=lambda seen: (bool(seen.rules), seen.type)),
        waivers=sorted(_waivers(judge, verdicts), key=lambda one: (one.days, one.waiver.rule, one.waiver.resource)),
        approved=_approved(book.approved, facts),
    )


def _line(
    rule: Rule, types: Counter[str], verdicts: Iterable[Verdict], unseen: Iterable[Violation], judge: Judge
) -> Line:
    rollout, read = judge.book.rollout.get(rule.id), _read(rule, types)
    today, why = rolled_out(rollout, judge.today), rollout.why if rollout else ""
    if rollout and rollout.mode == "off":
        return Line(rule, State.OFF, today, read, why=why)
    own = tuple(verdict for verdict in verdicts if verdict.violation.rule == rule.id)
    hidden = tuple(one for one in unseen if one.rule == rule.id)
    standings = {verdict.standing for verdict in own}
    for standing, state in (
        (Standing.DENIED, State.FAILED),
        (Standing.AUDITED, State.REPORTED),
        (Standing.WAIVED, State.WAIVED),
    ):
        if standing in standings:
            return Line(rule, state, today, read, own, hidden, why)
    state = State.UNSEEN if hidden else State.UNREAD if read == 0 else State.PASSED
    return Line(rule, state, today, read, unseen=hidden, why=why)


def _read(rule: Rule, types: Counter[str]) -> int | None:
    """Return how many resources a rule finds to read; None for one about the stack itself, which is always there."""
    if STACK in rule.types and not (rule.about or rule.kinds):
        return None
    return sum(count for token, count in types.items() if rule in made_for(token) or rule in general(token))


def _coverage(types: Counter[str], lines: Iterable[Line]) -> Iterator[Seen]:
    # A rule that binds in another tier, or is off, reads nothing here.
    reading = {line.rule.id for line in lines if line.state is not State.OFF}
    for token, count in types.items():
        # Providers and components are made of settings and of other resources: there is nothing of their own to read.
        if not token.startswith(("pulumi:", "terrarium:")):
            made, every = (
                tuple(rule.id for rule in rules if rule.id in reading) for rules in (made_for(token), general(token))
            )
            yield Seen(token, count, made, every)


def _waivers(judge: Judge, verdicts: Iterable[Verdict]) -> Iterator[Exempted]:
    met = Counter((verdict.violation.rule, verdict.violation.name) for verdict in verdicts)
    for waiver in judge.book.waivers:
        if waiver.stack == judge.stack:
            count = None if waiver.rule == DESTRUCTIVE else met[waiver.rule, waiver.resource]
            yield Exempted(waiver, (waiver.until - judge.today).days, count)


def _approved(approved: Approved, facts: Facts) -> dict[str, Sequence[str]]:
    allowed = facts.sovereignty.allowed if facts.sovereignty.name else {}
    return {
        "registries": approved.registries,
        "base images": approved.base_images,
        "images with a record": [str(len(facts.evidence))],
        "a scan counts for": [f"{approved.scan_days} days"],
        "regions": [f"{cloud}: {', '.join(sorted(listed))}" for cloud, listed in sorted(approved.regions.items())],
        "cost labels": approved.cost_keys,
        "cluster administrators": approved.cluster_admins,
        "refs that this tier is deployed from": facts.branches,
        "refs with review": approved.protected_refs,
        "trusted CI": [f"{ci.repository} at {ci.issuer}" for ci in approved.ci],
        f"sovereignty {facts.sovereignty.name}".strip(): [
            f"{kind}: {', '.join(sorted(listed))}" for kind, listed in sorted(allowed.items())
        ]
        or ["none demanded"],
    }
