"""What a cloud does with the things in it: makes, changes, finds and deletes them, and keeps what others refer to."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rehearsal.cloud.state import State
from rehearsal.cloud.table import Cloud, Embedded, Making, Thing, random_in, shape
from rehearsal.errors import RehearsalError
from rehearsal.plugins.properties import Properties, walk
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.trees import merged, values_at


def real_part(name: str) -> Embedded:
    """What makes the real part of a type; imported late: the embedded platform's modules take time."""
    made: Embedded = getattr(importlib.import_module("rehearsal.cloud.embedded"), name)()
    return made


class Known:
    """All that stands in the cloud, found by what it is called and by what it gave out."""

    def __init__(self, cloud: Cloud, standing: Sequence[Thing]) -> None:
        self.cloud, self.standing = cloud, standing
        self._found: dict[tuple[str, str], Thing] = {}
        # What a thing is comes before what others tell of it: a cluster's answer has the ids of its subnets in it, too.
        for told in (lambda one: (one.id, one.outputs.get("arn"), one.name), lambda one: walk(one.outputs)):
            for thing in standing:
                for value in (value for value in told(thing) if isinstance(value, str)):
                    self._found.setdefault((thing.type, value), thing)
                    self._found.setdefault(("", value), thing)
        patterns = (one for kind in cloud.types.values() for one in (kind.id, kind.outputs.get("arn")))
        self._shapes = [found for found in map(shape, patterns) if found]

    def find(self, tokens: str, value: str) -> Thing | None:
        """The thing of a type, of one of several (`|` between them), or of any, that has or gave out a value."""
        return next((self._found[token, value] for token in tokens.split("|") if (token, value) in self._found), None)

    def same(self, wanted: Thing) -> Thing | None:
        """The thing of a type and id, in its place if it is in one."""
        found = [one for one in self.standing if (one.type, one.id) == (wanted.type, wanted.id)]
        # What is in no region, as a role, is noted in its maker's: another provider of the account finds it, too.
        return next((one for one in found if one.place == wanted.place), found[0] if found else None)

    def referred(self, token: str, inputs: Properties) -> Iterator[tuple[str, Thing | None]]:
        """What inputs refer to: what each is, and the thing, if it is there."""
        refers = self.cloud.types[token].refers if token in self.cloud.types else {}
        for path, tokens in refers.items():
            for value in (value for value in values_at(inputs, path) if isinstance(value, str)):
                yield f"{path}: there is no {tokens} {value}", self.find(tokens, value)
        own = {name: item for name, item in inputs.items() if name != self.cloud.tags[0]}
        for value in {item for item in walk(own) if isinstance(item, str)}:
            if any(one.fullmatch(value) for one in self._shapes):
                yield f"there is no {value}", self.find("", value)

    def holders(self, thing: Thing) -> list[Thing]:
        """What refers to a thing."""
        others = (one for one in self.standing if one is not thing)
        return [one for one in others if any(found is thing for _, found in self.referred(one.type, one.inputs))]


@dataclass(frozen=True)
class Ledger:
    """A cloud's things, in its state; `part` makes the real ones.

    What is wanted is a thing with the outputs that hold tags; `inputs` are plain, and whole with defaults.
    """

    cloud: Cloud
    state: State
    part: Callable[[str], Embedded] = real_part

    def make(self, wanted: Thing, inputs: Properties, call: str) -> Thing:
        """Make a thing, or find what an earlier try with the same client token, `call`, made.

        RehearsalError: it refers to what is not there, its name is taken, or the real part can't be made.
        """
        with self.state.rows() as rows:
            known = Known(self.cloud, self.state.things(rows))
            thing = next((one for one in known.standing if one.outputs.get("_call") == call), None)
            if thing is None:
                wanted = replace(wanted, outputs={**wanted.outputs, "_call": call})
                thing = self._filled(wanted, inputs, known, rows)
        try:
            name = self.cloud.types[thing.type].embedded
            return self._noted(thing, self.part(name).create(thing, inputs)) if name else thing
        except RehearsalError:
            self.state.remove(thing)
            raise

    def change(self, wanted: Thing, inputs: Properties) -> Thing:
        """Make a thing as it is wanted; RehearsalError as `make`, or when it is gone."""
        with self.state.rows() as rows:
            known = Known(self.cloud, self.state.things(rows))
            if not (old := known.same(wanted)):
                raise ProviderError(f"{wanted.id} is gone: `pulumi up --refresh` makes it anew")
            thing = replace(old, inputs=wanted.inputs, outputs={**old.outputs, **wanted.outputs})
            thing = self._filled(thing, inputs, known, rows)
        name = self.cloud.types[thing.type].embedded
        return self._noted(thing, self.part(name).update(old, inputs)) if name else thing

    def look(self, wanted: Thing) -> Thing | None:
        """The thing as it stands, healed; None when it is gone."""
        thing, name = Known(self.cloud, self.state.things()).same(wanted), self.cloud.types[wanted.type].embedded
        if thing is None or not name:
            return thing
        if (outputs := self.part(name).read(thing)) is not None:
            return self._noted(thing, outputs)
        self.state.remove(thing)
        return None

    def remove(self, wanted: Thing) -> None:
        """Delete a thing, if it is there; RehearsalError when it is protected, or something refers to it."""
        kind, known = self.cloud.types[wanted.type], Known(self.cloud, self.state.things())
        if not (thing := known.same(wanted)):
            return
        if kind.protected and thing.values().get(kind.protected):
            raise ProviderError(f"{thing.id} is protected: set {kind.protected} to false first")
        if held := ", ".join(f"{one.type} {one.id}" for one in known.holders(thing)):
            raise ProviderError(f"DependencyViolation: {thing.id} is used by {held}")
        if kind.embedded:
            self.part(kind.embedded).delete(thing)
        self.state.remove(thing)

    def _filled(self, thing: Thing, inputs: Properties, known: Known, rows: sqlite3.Connection) -> Thing:
        """Note the thing with its name, id and outputs; what is random in them stays as it was."""
        kind = self.cloud.types[thing.type]
        unique = kind.unique or kind.named
        name = "/".join(str(value) for path in unique.split() for value in values_at(inputs, path))
        lost = [what for what, found in known.referred(thing.type, inputs) if found is None]
        # Of account and region; a name in the world is nobody else's.
        scope = slice({"world": 0, "account": 1, "region": 2}[kind.scope])
        for one in known.standing if name else ():
            near = one.place[scope] == thing.place[scope]
            if near and (one.type, one.name) == (thing.type, name) and one.id != thing.id:
                lost.append(f"{kind.taken}: there is one with {unique} {name} already")
        if lost:
            raise ProviderError("; ".join(lost))
        making = Making(inputs, *thing.place, self.state.settings(rows), known, {}, kind.refers)
        making.made["id"] = thing.id or str(making.filled(kind.id))
        # What was given is not made up; inside an object the cloud adds to it.
        patterns = {one: item for one, item in kind.outputs.items() if one not in inputs or isinstance(item, dict)}
        for output, pattern in patterns.items():
            kept = output in thing.outputs and (kind.embedded or random_in(pattern))
            making.made[output] = thing.outputs[output] if kept else making.filled(pattern)
        thing = replace(thing, id=making.made.pop("id"), name=name, outputs={**thing.outputs, **making.made})
        self.state.put(thing, rows)
        return thing

    def _noted(self, thing: Thing, outputs: Properties) -> Thing:
        thing = replace(thing, outputs=merged(thing.outputs, outputs))
        self.state.put(thing)
        return thing
