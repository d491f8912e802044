"""Gate 2: the rules inside the program itself. In production it judges each resource, with or without a policy pack.

The engine hands every registration back to a transform, in wire names and with providers and options as they will be.
At preview everything is judged, and all that is wrong is said at once. At `up` the first violation stops the
registration before anything is made of it; a preview has said it before. What only the stack as a whole shows is known
when all is declared, which at `up` is after most of it was made.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.output import Unknown

from policies.gates import wire
from policies.gates.refusal import refusal
from policies.gates.verdicts import Judge, Verdict
from policies.rules import UNKNOWN, Options, Resource, Secret

# What a program ends with that has already said why (pulumi-language-python-exec).
_SHOWN = 32
# Seconds between two looks at whether all registrations were judged.
_PAUSE = 0.01


@dataclass
class Gate:
    """What judges a program while it runs.

    Args:
        judge: Who judges.
    """

    judge: Judge
    _awaited: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Kept, as the loop forgets a task that nobody holds.
    _watching: list[asyncio.Future[None]] = field(default_factory=list)
    _judged: list[Resource] = field(default_factory=list)
    _verdicts: list[Verdict] = field(default_factory=list)
    _closed: bool = False

    def open(self) -> None:
        """Begin to judge: before the program declares anything."""
        # The older kind of transformation is called while the program declares, the newer by the engine, later: when
        # the newer has seen what the older has, all is judged.
        pulumi.runtime.register_stack_transformation(self._note)
        pulumi.runtime.register_resource_transform(self._transform)

    def close(self) -> pulumi.Output[dict[str, Any]]:
        """Return what the judgement comes to, once the program has declared everything; it fails if a rule refuses."""
        return pulumi.Output.from_input(self._outcome())

    def _note(self, args: pulumi.ResourceTransformationArgs) -> None:
        # What is only read is no registration: the engine hands none of it to a transform.
        if args.opts.id is None and args.opts.urn is None:
            # Counted, as two may have one type and one name under two parents.
            self._awaited[args.type_, args.name] += 1
            self._watching.append(asyncio.ensure_future(self._give_up(args)))

    async def _give_up(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Wait no longer for a resource that is not registered after all: its inputs failed, and the SDK says why."""
        try:
            await args.resource.urn.future(with_unknowns=True)
        except Exception:  # noqa: BLE001 - whatever its inputs fail with
            self._awaited[args.type_, args.name] -= 1

    async def _transform(self, args: pulumi.ResourceTransformArgs) -> None:
        resource = await _resource(args)
        found = self.judge.resource(resource)
        self._judged.append(resource)
        self._verdicts.extend(found)
        denied = [verdict.message for verdict in found if verdict.denied]
        if denied and not pulumi.runtime.is_dry_run():
            _end(denied, "and what is listed was not made")
        if self._closed:
            # Declared by what only comes when others are made: nobody looks at the whole after it.
            denied += [verdict.message for verdict in self.judge.whole(self._judged) if verdict.denied]
        if denied and self._closed:
            _end(denied, _what_exists())

    async def _outcome(self) -> dict[str, Any]:
        while not self._awaited <= Counter((one.type, one.name) for one in self._judged):
            await asyncio.sleep(_PAUSE)
        self._closed = True
        self._verdicts.extend(self.judge.whole(self._judged))
        denied = [verdict.message for verdict in self._verdicts if verdict.denied]
        if denied:
            raise pulumi.RunError(refusal(sorted(denied), _what_exists()))
        return self._summary()

    def _summary(self) -> dict[str, Any]:
        """Return what is kept among the stack's outputs: which rules were waived or only reported."""
        return {
            standing: sorted({v.violation.rule for v in self._verdicts if v.standing == standing})
            for standing in ("audited", "waived")
        }


def _what_exists() -> str:
    return "nothing was changed" if pulumi.runtime.is_dry_run() else "and what is listed may exist by now"


def _end(denied: list[str], done: str) -> None:
    """End the program before the engine has its answer: it then registers nothing, as after any program that failed.

    Whatever a transform raises instead, the SDK prints with its own frames, and once more where the program waits.
    """
    pulumi.log.error(refusal(denied, done))
    os._exit(_SHOWN)


async def _resource(args: pulumi.ResourceTransformArgs) -> Resource:
    """Return what the engine hands to a transform as the rules read it."""
    opts = args.opts
    provider = opts.provider
    name = (await provider.urn.future() or "").rpartition("::")[2] if provider else ""
    options = Options(protect=bool(opts.protect), provider=name)
    properties: Any = await _plain(args.props)
    return Resource(args.type_, args.name, properties, options)


async def _plain(value: Any) -> object:
    if isinstance(value, pulumi.Output):
        inner = await _plain(await value.future(with_unknowns=True)) if await value.is_known() else UNKNOWN
        return Secret(inner) if await value.is_secret() else inner
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, Mapping):
        if value.get(wire.SIGNATURE) == wire.SECRET:
            return Secret(await _plain(value.get("value")))
        return {key: await _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [await _plain(entry) for entry in value]
    return value
