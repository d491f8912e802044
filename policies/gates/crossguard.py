"""Gate 1: the rules as a CrossGuard policy pack, for the engine's `--policy-pack`.

Four policies in all, where the catalogue has a hundred rules: the SDK reads each resource anew for each policy (0.4 ms,
measured), and our runner asks only the rules that read the resource's type. A policy has one level, so what refuses and
what is only reported are two; and a resource by itself and the stack as a whole are two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policies.gates.verdicts import Judge, Verdict
from policies.rules import UNKNOWN, Options, Resource


@dataclass(frozen=True)
class Told:
    """What the engine says of a stack to its policy packs.

    Args:
        stack: The stack's name.
        config: Its configuration: text by full key.
    """

    stack: str
    config: Mapping[str, str]


@dataclass
class Pack:
    """The policies of a pack.

    Args:
        appoint: Finds who judges, from what the engine says of the stack.
    """

    appoint: Callable[[Told], Judge]
    _judge: Judge | None = None
    _verdicts: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)

    def begin(self, told: Told) -> None:
        """Take what the engine says of the stack, before it asks about any resource.

        Raises:
            InvalidSettings: If nobody can judge that stack.
        """
        self._judge = self.appoint(told)

    @property
    def judge(self) -> Judge:
        """Who judges.

        Raises:
            RuntimeError: If the engine has not said which stack it is about: it then stops, and nothing passes.
        """
        if self._judge is None:
            raise RuntimeError("the engine has not said which stack is judged")
        return self._judge

    def policies(self) -> list[Policy]:
        """Return them: for each resource and for the stack, what refuses and what is only reported."""
        return [
            ResourceValidationPolicy(
                "rules", "What is declared breaks a rule.", self._resource(denied=True), EnforcementLevel.MANDATORY
            ),
            ResourceValidationPolicy(
                "rules-reported",
                "What is declared breaks a rule that is waived or only reported.",
                self._resource(denied=False),
                EnforcementLevel.ADVISORY,
            ),
            StackValidationPolicy(
                "stack-rules", "The stack breaks a rule.", self._stack(denied=True), EnforcementLevel.MANDATORY
            ),
            StackValidationPolicy(
                "stack-rules-reported",
                "The stack breaks a rule that is waived or only reported.",
                self._stack(denied=False),
                EnforcementLevel.ADVISORY,
            ),
        ]

    def _resource(self, *, denied: bool) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            _report(self._found(args), report, denied=denied)

        return validate

    def _stack(self, *, denied: bool) -> Callable[[StackValidationArgs, ReportViolation], None]:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            _report(self.judge.whole(map(_plain_resource, args.resources)), report, denied=denied)

        return validate

    def _found(self, args: ResourceValidationArgs) -> tuple[Verdict, ...]:
        """Return the verdicts on a resource; the second policy is asked about what the first has judged."""
        found = self._verdicts.pop(args.urn, None)
        if found is None:
            found = self._verdicts[args.urn] = self.judge.resource(_plain_resource(args))
        return found


def _report(verdicts: Iterable[Verdict], report: ReportViolation, *, denied: bool) -> None:
    for verdict in verdicts:
        if verdict.denied == denied:
            report(verdict.message, None)


def _plain_resource(args: Any) -> Resource:
    """Return what the SDK hands to a policy, alone or among a stack's, as the rules read it."""
    provider = args.provider.name if args.provider else ""
    options = Options(protect=bool(args.opts.protect), provider=provider)
    properties: Any = _plain(args.props)
    return Resource(args.resource_type, args.name, properties, options)


def _plain(value: Any) -> object:
    """Return a value without the SDK's proxies, which compare equal to nothing and raise at what is unknown."""
    if isinstance(value, Mapping):
        return {key: _at(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_at(value, index) for index in range(len(value))]
    return value


def _at(container: Any, key: Any) -> object:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN
