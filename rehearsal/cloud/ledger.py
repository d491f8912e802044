"""What a cloud does with the things in it: makes, changes, finds and deletes them, and keeps what others refer to."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rehearsal.cloud.state import State, put, settings, things
from rehearsal.cloud.table import Cloud, Embedded, Making, Thing, random_in, shape
from rehearsal.plugins.properties import Properties, plain, walk
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.trees import digested, merged, values_at

# Account (or project) and region.
Place = tuple[str, str]


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
        here = [kind for kind in cloud.types.values() if not kind.outside]
        patterns = [shape(pattern) for kind in here for pattern in (kind.id, kind.outputs.get("arn"))]
        self._shapes = [found for found in patterns if found]

    def find(self, token: str, value: str) -> Thing | None:
        """The thing of a type, or of any, that has or gave out a value."""
        return self._found.get((token, value))

    def referred(self, token: str, inputs: Properties) -> Iterator[tuple[str, Thing | None]]:
        """What inputs refer to: what each is, and the thing, if it is there."""
        refers = self.cloud.types[token].refers if token in self.cloud.types else {}
        for path, tokens in refers.items():
            for value in (value for value in values_at(inputs, path) if isinstance(value, str)):
                found = (self.find(one, value) for one in tokens.split("|"))
                yield f"{path}: there is no {tokens} {value}", next(filter(None, found), None)
        own = {name: item for name, item in inputs.items() if name != self.cloud.tags[0]}
        for value in {item for item in walk(own) if isinstance(item, str)}:
            if any(one.fullmatch(value) for one in self._shapes):
                yield f"there is no {value}", self.find("", value)

    def holders(self, thing: Thing) -> list[Thing]:
        """What refers to a thing."""
        others = (one for one in self.standing if one is not thing)
        return [one for one in others if any(found is thing for _, found in self.referred(one.type, one.inputs))]


@dataclass(frozen=True)
class Order:
    """What is wanted: inputs as the program gave them, `whole` with defaults, and the outputs that hold all tags."""

    token: str
    place: Place
    given: Properties
    whole: Properties
    tags: Properties


@dataclass(frozen=True)
class Ledger:
    """A cloud's things, in its state; `part` makes the real ones."""

    cloud: Cloud
    state: State
    part: Callable[[str], Embedded] = real_part

    def make(self, order: Order, call: str) -> Thing:
        """Make a thing, or find what an earlier try with the same client token, `call`, made.

        Raises:
            ProviderError: it refers to what is not there, its name is taken, or the real part can't be made.
        """
        kind, inputs, token = self.cloud.types[order.token], plain(order.whole), order.token
        with self.state.rows() as rows:
            known = Known(self.cloud, things(rows))
            thing = next((one for one in known.standing if one.outputs.get("_call") == call), None)
            if thing is None:
                thing = Thing(token, "", *order.place, "", digested(order.given), {**order.tags, "_call": call})
                thing = self._filled(thing, inputs, known, settings(rows))
                put(rows, thing)
        if not kind.embedded:
            return thing
        try:
            return self._noted(thing, self.part(kind.embedded).create(thing, inputs))
        except ProviderError:
            self.state.remove(thing)
            raise

    def change(self, order: Order, identifier: str) -> Thing:
        """Make a thing as it is wanted; ProviderError as `make`, or when it is gone."""
        kind, inputs = self.cloud.types[order.token], plain(order.whole)
        with self.state.rows() as rows:
            known = Known(self.cloud, things(rows))
            if not (old := _by_id(known.standing, order.token, identifier, order.place)):
                raise ProviderError(f"{identifier} is gone: `pulumi up --refresh` makes it anew")
            thing = replace(old, inputs=digested(order.given), outputs={**old.outputs, **order.tags})
            thing = self._filled(thing, inputs, known, settings(rows))
            put(rows, thing)
        return self._noted(thing, self.part(kind.embedded).update(old, inputs)) if kind.embedded else thing

    def look(self, token: str, identifier: str, place: Place) -> Thing | None:
        """The thing as it stands, healed; None when it is gone."""
        thing = _by_id(self.state.things(), token, identifier, place)
        if thing and (name := self.cloud.types[token].embedded):
            outputs = self.part(name).read(thing)
            if outputs is not None:
                return self._noted(thing, outputs)
            self.state.remove(thing)
            return None
        return thing

    def remove(self, token: str, identifier: str, place: Place) -> None:
        """Delete a thing, if it is there; ProviderError when it is protected, or something refers to it."""
        kind, known = self.cloud.types[token], Known(self.cloud, self.state.things())
        if not (thing := _by_id(known.standing, token, identifier, place)):
            return
        if kind.protected and thing.values().get(kind.protected):
            raise ProviderError(f"{identifier} is protected: set {kind.protected} to false first")
        if held := ", ".join(f"{one.type} {one.id}" for one in known.holders(thing)):
            raise ProviderError(f"DependencyViolation: {identifier} is used by {held}")
        if kind.embedded:
            self.part(kind.embedded).delete(thing)
        self.state.remove(thing)

    def _filled(self, thing: Thing, inputs: Properties, known: Known, settings: Properties) -> Thing:
        """The thing with its name, id and outputs; what is random in them stays as it was."""
        kind = self.cloud.types[thing.type]
        name = "/".join(str(value) for path in kind.unique.split() for value in values_at(inputs, path))
        lost = [what for what, found in known.referred(thing.type, inputs) if found is None]
        for one in known.standing if name else ():
            near = {"world": True, "account": one.account == thing.account}.get(
                kind.scope, _place(one) == _place(thing)
            )
            if one.type == thing.type and one.name == name and one.id != thing.id and near:
                lost.append(f"{kind.taken}: there is one with {kind.unique} {name} already")
        if lost:
            raise ProviderError("; ".join(lost))
        making = Making(inputs, thing.account, thing.region, settings, known.find, {}, kind.refers)
        making.made["id"] = thing.id or str(making.filled(kind.id))
        # What was given is not made up; inside an object the cloud adds to it.
        patterns = {one: item for one, item in kind.outputs.items() if one not in inputs or isinstance(item, dict)}
        for output, pattern in patterns.items():
            kept = output in thing.outputs and (kind.embedded or random_in(pattern))
            making.made[output] = thing.outputs[output] if kept else making.filled(pattern)
        outputs = {**thing.outputs, **{output: making.made[output] for output in patterns}}
        return replace(thing, id=making.made["id"], name=name, outputs=outputs)

    def _noted(self, thing: Thing, outputs: Properties) -> Thing:
        thing = replace(thing, outputs=merged(thing.outputs, outputs))
        self.state.put(thing)
        return thing


def _by_id(standing: Sequence[Thing], token: str, identifier: str, place: Place) -> Thing | None:
    found = [one for one in standing if one.type == token and one.id == identifier]
    # What is in no region, as a role, is noted in its maker's: another provider of the account finds it, too.
    return next((one for one in found if _place(one) == place), found[0] if found else None)


def _place(thing: Thing) -> Place:
    return thing.account, thing.region
