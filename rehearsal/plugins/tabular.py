"""A provider whose resources are a table of kinds: what each takes, and how it is made, read, changed and deleted."""

# ruff: noqa: N802 - the methods' names are the protocol's.

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, TypeVar

from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.plugins.base import Context
from rehearsal.plugins.changes import Change, changes
from rehearsal.plugins.hiding import hidden_as
from rehearsal.plugins.properties import UNKNOWN, Properties, Secret, Unknown, from_struct, holds, plain, without_none
from rehearsal.plugins.resource import InputError, PartlyDoneError, ProviderError, ResourceProvider, Step

Remote = TypeVar("Remote")
Result = TypeVar("Result")
# What the engine's SDKs add to a provider's settings.
_ALWAYS = frozenset({"version", "pluginDownloadURL"})


@dataclass(frozen=True)
class Kind(ABC, Generic[Remote]):
    """A resource type; values are plain here, without marks.

    Attributes:
        required: inputs that must be given.
        defaults: all other inputs, each with its value when the program gives none.
        key: inputs that say which thing it is: two with the same can't be there at once; empty when any number can.
        fixed: inputs that only a new resource can have; None for those of `key`.
        ordered: inputs that are lists in which the order says something; in others it says nothing, nor do repetitions.
        outputs: what there is besides the inputs.
        importable: whether what is there can be taken over by its id.
    """

    required: tuple[str, ...]
    defaults: Properties = field(default_factory=dict)
    key: tuple[str, ...] = ()
    fixed: tuple[str, ...] | None = None
    ordered: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    importable: bool = True

    @property
    def inputs(self) -> tuple[str, ...]:
        """All inputs."""
        return (*self.required, *self.defaults)

    def problems(self, given: Properties) -> dict[str, str]:  # noqa: ARG002 - for those that have some
        """What is wrong with inputs, by input; those that aren't known yet are left out."""
        return {}

    def alike(self, name: str, one: Any, other: Any) -> bool:
        """Whether two values of an input mean the same."""
        unordered = isinstance(one, list) and isinstance(other, list) and name not in self.ordered
        return bool(set(one) == set(other) if unordered else one == other)

    @abstractmethod
    def create(self, remote: Remote, wanted: Properties) -> tuple[str, Properties]:
        """Make it, and return its id and what can't be read later."""

    def complete(self, remote: Remote, identifier: str, wanted: Properties) -> None:
        """What follows once it is there: when this fails, the resource stays in state."""

    @abstractmethod
    def read(self, remote: Remote, identifier: str, known: Properties) -> Properties | None:
        """The inputs and outputs that the server tells; None when it is not there; `known` is empty for an import."""

    @abstractmethod
    def update(self, remote: Remote, old: Properties, wanted: Properties) -> None:
        """Make what is there as it is wanted, whatever of it was done before."""

    @abstractmethod
    def delete(self, remote: Remote, state: Properties) -> None:
        """Delete it; one that is gone already is no failure."""


class TabularProvider(ResourceProvider, Generic[Remote]):
    """The operations of all kinds.

    No changed setting replaces what was made, as with the official ones: a store whose port moved keeps its data.

    Attributes:
        remote: makes the connection that all kinds use, at its first use, which no preview is: of the settings, and of
            what is set when the engine cancels.
        kinds: by type, without the package: `s3/bucket:Bucket`.
        settings: of the provider, that can be met.
        hidden: inputs and outputs of any kind that are secret by their nature.
        instead: what a person can do about a type that is not among the kinds.
    """

    remote: Callable[[Mapping[str, str], threading.Event], Remote]
    kinds: Mapping[str, Kind[Remote]]
    settings: frozenset[str]
    hidden: frozenset[str]
    instead: str

    given: Mapping[str, str] = {}

    def configure(self, settings: Mapping[str, str]) -> None:
        """Keep the settings until something is done with them."""
        self.given = settings

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:  # noqa: ARG002 - protocol
        """Refuse settings that can't be met instead of ignoring them."""
        given = {name: item for name, item in plain(from_struct(request.news)).items() if item not in (None, "")}
        unmet = sorted(given.keys() - self.settings - _ALWAYS)
        problems = dict.fromkeys(unmet, f"the stand-in {self.package} provider can't do this: leave it out")
        failures = [pb.CheckFailure(property=name, reason=reason) for name, reason in problems.items()]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def check(self, step: Step, old_inputs: Properties, inputs: Properties, name: str) -> Properties:  # noqa: ARG002 - nothing is named here
        """Fill in defaults; refuse what can't be used."""
        kind, inputs = self._kind(step), without_none(inputs)
        problems = {
            item: f"the stand-in {self.package} provider can't do this: leave it out, or use one of "
            f"{', '.join(kind.inputs)}"
            for item in sorted(inputs.keys() - set(kind.inputs))
        }
        problems |= {item: f"{item} is required" for item in kind.required if item not in inputs}
        filled = without_none({**kind.defaults, **inputs})
        known = {item: value for item, value in plain(filled).items() if not holds(value, Unknown)}
        problems |= kind.problems(known) if not problems else {}
        if problems:
            raise InputError(problems)
        return self.with_secrets(filled)

    def diff(self, step: Step, state: Properties, inputs: Properties) -> tuple[list[Change], bool]:
        """Compare by meaning; a thing that keeps its key is deleted before its successor is made."""
        kind = self._kind(step)
        olds, news = _of(kind, state), _of(kind, inputs)
        fixed = kind.key if kind.fixed is None else kind.fixed
        for name in kind.inputs:
            if _same(kind, name, olds, news):
                news = {**news, name: olds[name]} if name in olds else _without(news, name)
        found = changes(olds, olds, news, step.ignore)
        for change in found:
            change.replace = change.path[0] in fixed
        return found, bool(kind.key) and all(olds.get(name) == news.get(name) for name in kind.key)

    def create(self, step: Step, inputs: Properties) -> tuple[str, Properties]:
        """Make it; what is there but unfinished stays in state."""
        kind = self._kind(step)
        if step.preview or holds(inputs, Unknown):
            return "", self._stored(inputs, dict.fromkeys(kind.outputs, UNKNOWN))
        remote, wanted = self._remote(), plain(inputs)
        identifier, made = kind.create(remote, wanted)
        made["id"] = identifier
        try:
            kind.complete(remote, identifier, wanted)
            live = kind.read(remote, identifier, {**wanted, **made}) or {}
        except ProviderError as error:
            raise PartlyDoneError(identifier, self._stored(inputs, made), inputs, (str(error),)) from error
        return identifier, self._stored(inputs, {**made, **_in_known_forms(kind, wanted, live)})

    def update(self, step: Step, state: Properties, inputs: Properties) -> Properties:
        """Change it in place."""
        kind = self._kind(step)
        rest = {name: item for name, item in state.items() if name not in kind.inputs}
        if step.preview or holds(inputs, Unknown):
            return self._stored(inputs, {**rest, **inputs})
        remote, wanted = self._remote(), plain(inputs)
        kind.update(remote, plain(state), wanted)
        live = kind.read(remote, plain(state)["id"], {**plain(rest), **wanted}) or {}
        return self._stored(inputs, {**rest, **_in_known_forms(kind, wanted, live)})

    def read(
        self, step: Step, identifier: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """Look at what is there."""
        kind, known = self._kind(step), plain(state)
        if not known and not kind.importable:
            raise ProviderError(f"a {step.token.rsplit(':', 1)[-1]} can't be imported")
        live = kind.read(self._remote(), identifier, known)
        if live is None:
            return None
        live = _in_known_forms(kind, known, live)
        unseen = {name: item for name, item in kind.defaults.items() if item is not None} | known
        values = without_none({**unseen, **live, "id": live.get("id", identifier)})
        given = inputs if known else kind.inputs
        found = hidden_as(inputs, {name: values[name] for name in given if name in values})
        return values["id"], self._stored(inputs, values), self.with_secrets(found)

    def delete(self, step: Step, state: Properties) -> None:
        """Delete it."""
        self._kind(step).delete(self._remote(), plain(state))

    def with_secrets(self, inputs: Properties) -> Properties:
        """Mark what is secret by its nature."""
        return {
            name: Secret(item) if name in self.hidden and not isinstance(item, Secret) else item
            for name, item in inputs.items()
        }

    def _stored(self, inputs: Properties, values: Properties) -> Properties:
        """What state keeps: inputs and what the server says, marked secret where one of them is."""
        return self.with_secrets(without_none(hidden_as(inputs, {**plain(inputs), **values})))

    def _kind(self, step: Step) -> Kind[Remote]:
        token = step.token.removeprefix(f"{self.package}:")
        if token not in self.kinds:
            raise ProviderError(
                f"the stand-in {self.package} provider has no {token}; it has {', '.join(sorted(self.kinds))}: "
                f"{self.instead}"
            )
        return self.kinds[token]

    _connecting = threading.Lock()
    _connection: Remote | None = None

    def _remote(self) -> Remote:
        with self._connecting:
            self._connection = self._connection or type(self).remote(self.given, self.stopping)
            return self._connection


def _of(kind: Kind[Any], properties: Properties) -> Properties:
    """The inputs among properties, without what is empty: none and an empty list mean the same."""
    found = {name: plain(properties[name]) for name in kind.inputs if name in properties}
    return {name: item for name, item in found.items() if item not in (None, [], {})}


def _without(properties: Properties, name: str) -> Properties:
    return {key: item for key, item in properties.items() if key != name}


def _same(kind: Kind[Any], name: str, olds: Properties, news: Properties) -> bool:
    one, other = olds.get(name), news.get(name)
    if one is None or other is None or holds(other, Unknown):
        return one is None and other is None
    return kind.alike(name, one, other)


def _in_known_forms(kind: Kind[Any], known: Properties, live: Properties) -> Properties:
    """What the server says, inputs as they were written where both mean the same: a refresh then shows no change."""
    olds, news = _of(kind, known), _of(kind, live)
    same = {name for name in kind.inputs if name in known and name in live and _same(kind, name, olds, news)}
    return {name: known[name] if name in same else item for name, item in live.items()}


def persistently(attempt: Callable[[], Result], worth: Callable[[Exception], int], stopping: threading.Event) -> Result:
    """Try again, in pauses that grow to 20 seconds and that a cancellation ends.

    Args:
        attempt: what may fail.
        worth: after how many tries such a failure is final; 0 when another try can't help.
        stopping: set when the engine cancels.
    """
    for tried in count(1):
        try:
            return attempt()
        except Exception as error:
            # Jitter, or the engine's parallel steps would come back all at once.
            pause = random.random() * min(2**tried / 4, 20)  # noqa: S311 - no secret
            if tried > worth(error) or stopping.wait(pause):
                raise
    raise AssertionError("counting has no end")
