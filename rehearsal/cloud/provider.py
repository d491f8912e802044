"""A provider whose resources stand in a rehearsed cloud: what the official one answers, from a cloud's table."""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's.

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.cloud.faults import Faults
from rehearsal.cloud.ledger import Known, Ledger
from rehearsal.cloud.state import State
from rehearsal.cloud.table import ACCOUNT, REGIONS, Caller, Cloud, Making, Thing, Type
from rehearsal.plugins import schema
from rehearsal.plugins.base import Context
from rehearsal.plugins.changes import Change, changes
from rehearsal.plugins.properties import Properties, Secret, Unknown, from_struct, holds, plain, to_struct, without_none
from rehearsal.plugins.resource import Found, InputError, ProviderError, ResourceProvider, Step, told
from rehearsal.plugins.serving import EngineLog
from rehearsal.plugins.trees import digested, meaning, merged, restored, unknown_in
from rehearsal.rented.waking import wake


class CloudProvider(ResourceProvider):
    """The operations of all types of a cloud."""

    def __init__(self, log: EngineLog, cloud: Cloud, state: State | None = None) -> None:
        super().__init__(log)
        self.cloud, self.package = cloud, cloud.name
        self.state = state or State(cloud.name, cloud.settings)
        self.ledger = Ledger(cloud, self.state)
        self.faults = Faults(self.state, cloud.tries, self.stopping)
        self.caller: Caller = ("", "", {})
        self._told: set[tuple[str, str]] = set()

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Refuse settings that the SDK does not have."""
        settings = schema.settings_of(self.package, plain(from_struct(request.news)))
        found = schema.problems(self.package, "provider:Provider", settings)
        failures = [pb.CheckFailure(property=name, reason=problem) for name, problem in found.items()]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Find out who calls; ProviderError for a wrong account."""
        self.caller = self.cloud.caller(schema.settings_of(self.package, settings), self.state.settings())
        wake(self.package, self.caller[0])
        self.log("info", f"rehearsed: nothing is made on {self.cloud.title}, only noted in {self.state.file}")

    def check(self, step: Step, old_inputs: Properties, inputs: Properties, name: str) -> Properties:
        """Give a name to what has none, and refuse what the SDK's types or the cloud don't have."""
        token, kind = self._kind(step)
        given = without_none(inputs)
        if kind.named and kind.named not in given:
            given[kind.named] = old_inputs.get(kind.named) or name
        known = plain(given)
        sure = {key: item for key, item in known.items() if not holds(item, Unknown)}
        if found := schema.problems(self.package, token, known) or kind.problems(sure):
            raise InputError(found)
        return self._stored(token, given)

    def diff(self, step: Step, state: Properties, inputs: Properties) -> tuple[list[Change], bool]:
        """Compare what was given with what is given now; the documentation says what only a new resource can have."""
        token, kind = self._kind(step)
        stood = {name: item for name, item in plain(state).items() if name in self._place(token)}
        olds, news = (meaning(self._whole(token, one)) for one in ({**stood, **plain(step.given)}, plain(inputs)))
        # What the cloud has taken by itself stays when the program says nothing of it.
        olds = {name: item for name, item in olds.items() if name in news or name not in kind.outputs}
        found = changes(olds, olds, news, step.ignore)
        told = self._wanted(token, inputs)[0].outputs
        were, fixed = {name: plain(state).get(name) or {} for name in told}, (*kind.fixed.split(), ACCOUNT, *REGIONS)
        found += changes(were, were, told, step.ignore)
        for change in found:
            listed = [path for path in fixed if change.touches(path.removesuffix("?"))]
            # Of an input with a `?` only the coming and going needs a new resource.
            change.replace = any(not path.endswith("?") or change.verb != "update" for path in listed)
            if not listed and change.path[0] not in (self.cloud.tags[0], *told):
                self._tell(step.urn, token, str(change.path[0]))
        label = re.escape(step.urn.split("::", 3)[3])
        ours = re.fullmatch(rf"{label}-[0-9a-f]{{8}}", str(news.get(kind.named, "")))
        return found, bool(kind.named) and olds.get(kind.named) == news.get(kind.named) and not ours

    def create(self, step: Step, inputs: Properties) -> tuple[str, Properties]:
        """Make it; in a preview nothing that the cloud computes is known."""
        token, kind = self._kind(step)
        (wanted, whole), call = self._wanted(token, inputs), str(uuid.uuid4())
        if step.preview or holds(inputs, Unknown):
            return "", self._stored(token, merged({**unknown_in(dict(kind.outputs)), **wanted.outputs}, whole))
        thing = self.faults.call("create", token, step.urn, partial(self.ledger.make, wanted, plain(whole), call))
        return thing.id, self._of(thing, whole)

    def update(self, step: Step, state: Properties, inputs: Properties) -> Properties:
        """Change it in place."""
        token, kind = self._kind(step)
        wanted, whole = self._wanted(token, inputs, str(state["id"]))
        if step.preview or holds(inputs, Unknown):
            rest = {name: state[name] for name in (*kind.outputs, "id") if name in state}
            return self._stored(token, merged({**rest, **wanted.outputs}, whole))
        thing = self.faults.call("update", token, wanted.id, partial(self.ledger.change, wanted, plain(whole)))
        return self._of(thing, whole)

    def read(self, step: Step, identifier: str, state: Properties, inputs: Properties) -> Found | None:
        """Look at what stands there; inputs are what the cloud has, so that what was changed there is a difference."""
        token, _kind = self._kind(step)
        wanted = Thing(token, identifier, *self._where(state or inputs), "", {}, {})
        if (thing := self.faults.call("read", token, identifier, partial(self.ledger.look, wanted))) is None:
            return None
        found = restored(thing.inputs, inputs)
        return thing.id, self._of(thing, self._whole(token, found)), found

    def delete(self, step: Step, state: Properties) -> None:
        """Delete it, unless it is protected or something refers to it."""
        wanted = Thing(self._kind(step)[0], str(state["id"]), *self._where(state), "", {}, {})
        self.faults.call("delete", wanted.type, wanted.id, partial(self.ledger.remove, wanted))

    @told
    def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        """Answer a function."""
        token, given = request.tok.removeprefix(f"{self.package}:"), plain(without_none(from_struct(request.args)))
        answer = self.faults.call("invoke", token, "", lambda: self._answered(token, given))
        hidden = {name: _hidden(item) if name in self.cloud.secrets else item for name, item in answer.items()}
        response = pb.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(hidden))
        return response

    def _answered(self, token: str, given: Properties) -> Properties:
        if token not in self.cloud.invokes:
            raise ProviderError(f"the rehearsal of {self.cloud.title} has no such function; add it to its table")
        if strange := sorted(given.keys() - schema.arguments_of(self.package, token)):
            raise ProviderError(f"there is no argument {', '.join(strange)}")
        known = Known(self.cloud, self.state.things())
        making = Making(given, *self._where(given), self.state.settings(), known)
        return {**given, **making.filled(self.cloud.invokes[token])}

    def _kind(self, step: Step) -> tuple[str, Type]:
        token = step.token.removeprefix(f"{self.package}:")
        if token not in self.cloud.types:
            raise ProviderError(f"the rehearsal of {self.cloud.title} has no {token}; add it to its table")
        return token, self.cloud.types[token]

    def _place(self, token: str) -> Properties:
        """The inputs that say where a resource is, with what they are when the program says nothing."""
        known = schema.inputs_of(self.package, token)
        place = {ACCOUNT: self.caller[0], REGIONS[0]: self.caller[1]}
        return {name: item for name, item in place.items() if name in known and item}

    def _where(self, values: Properties) -> tuple[str, str]:
        """The account and region of what has such values."""
        region = next((values[name] for name in REGIONS if values.get(name)), self.caller[1])
        return str(values.get(ACCOUNT) or self.caller[0]), str(region)

    def _whole(self, token: str, inputs: Properties) -> Properties:
        return dict(merged({**self._place(token), **self.cloud.types[token].defaults}, inputs))

    def _wanted(self, token: str, inputs: Properties, identifier: str = "") -> tuple[Thing, Properties]:
        """What a program wants, with the outputs that hold all tags; and its inputs with defaults."""
        name, told = self.cloud.tags
        own, known = plain(inputs).get(name) or {}, schema.outputs_of(self.package, token)
        tags = own if isinstance(own, Unknown) else {**self.caller[2], **own}
        whole, outputs = self._whole(token, inputs), {one: tags for one in told if one in known}
        return Thing(token, identifier, *self._where(plain(whole)), "", digested(inputs), outputs), whole

    def _of(self, thing: Thing, whole: Properties) -> Properties:
        """What state keeps of a thing: what was given, with its secrets, over what the cloud tells."""
        return self._stored(thing.type, merged(replace(thing, inputs={}).values(), whole))

    def _stored(self, token: str, values: Properties) -> Properties:
        hidden = self.cloud.secrets | schema.secrets_of(self.package, token)
        return {name: _hidden(item) if name in hidden else item for name, item in values.items()}

    def _tell(self, urn: str, token: str, name: str) -> None:
        """Say once of an input that nobody has looked up whether it can be changed in place."""
        if (token, name) not in self._told:
            self._told.add((token, name))
            self.log("warning", f"unverified: whether {token} can change {name} in place; the rehearsal does", urn)


def _hidden(item: Any) -> Any:
    return item if isinstance(item, (Secret, Unknown)) else Secret(item)
