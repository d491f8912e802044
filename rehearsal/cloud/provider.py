"""A provider whose resources stand in a rehearsed cloud: what the official one answers, from a cloud's table."""

# ruff: noqa: N802, ARG002 - the methods' names and parameters are the protocol's.

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.cloud.faults import Faults
from rehearsal.cloud.ledger import Ledger, Order, Place
from rehearsal.cloud.state import State
from rehearsal.cloud.table import Caller, Cloud, Query, Thing, Type
from rehearsal.errors import RehearsalError
from rehearsal.plugins import schema
from rehearsal.plugins.base import Context, refuse
from rehearsal.plugins.changes import Change, changes
from rehearsal.plugins.properties import (
    UNKNOWN,
    Properties,
    Secret,
    Unknown,
    from_struct,
    holds,
    plain,
    to_struct,
    without_none,
)
from rehearsal.plugins.resource import InputError, ProviderError, ResourceProvider, Step
from rehearsal.plugins.serving import EngineLog
from rehearsal.plugins.trees import meaning, merged, restored, unknown_in
from rehearsal.rented.waking import wake

# What the engine's SDKs add to a provider's settings, and the annotation of a setting that is a text.
_ALWAYS = frozenset({"version", "pluginDownloadURL"})
_NO_SETTING = "_builtins.str"
_TEXT = re.compile(r"(?:Optional\[|pulumi\.Input\[)*_builtins\.str\]*")


class CloudProvider(ResourceProvider):
    """The operations of all types of a cloud."""

    def __init__(self, log: EngineLog, cloud: Cloud, state: State | None = None) -> None:
        super().__init__(log)
        self.cloud, self.package = cloud, cloud.name
        self.state = state or State(cloud.name, cloud.settings)
        self.ledger = Ledger(cloud, self.state)
        self.faults = Faults(self.state, cloud.tries, self.stopping)
        self.caller = Caller("", "")
        self._told: set[tuple[str, str]] = set()

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Refuse settings that the SDK does not have."""
        found = schema.problems(self.package, "provider:Provider", self._decoded(plain(from_struct(request.news))))
        failures = [pb.CheckFailure(property=name, reason=problem) for name, problem in found.items()]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        """Find out who calls."""
        try:
            return super().Configure(request, context)
        except ProviderError as error:
            refuse(context, f"configuring the {self.package} provider: {error}")

    def configure(self, settings: Mapping[str, str]) -> None:
        """Find out who calls; ProviderError for a wrong account."""
        self.caller = self.cloud.caller(self._decoded(settings), self.state.settings())
        try:
            wake(self.package, self.caller.account)
        except RehearsalError as error:
            raise ProviderError(str(error)) from None
        self.log("info", f"rehearsed: nothing is made on {self.cloud.title}, only noted in {self.state.file}")

    def _decoded(self, settings: Mapping[str, Any]) -> Properties:
        """Settings as the program gave them: the SDK sends all but texts as JSON."""
        kinds = schema.inputs_of(self.package, "provider:Provider")
        known = {name: item for name, item in settings.items() if name not in _ALWAYS and item not in ("", None)}
        return {
            name: json.loads(item)
            if isinstance(item, str) and not _TEXT.fullmatch(kinds.get(name, _NO_SETTING))
            else item
            for name, item in known.items()
        }

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
        hidden = self.cloud.secrets | schema.secrets_of(self.package, token)
        return {key: _hidden(item) if key in hidden else item for key, item in given.items()}

    def diff(self, step: Step, state: Properties, inputs: Properties) -> tuple[list[Change], bool]:
        """Compare what was given with what is given now; the documentation says what only a new resource can have."""
        token, kind = self._kind(step)
        stood = {name: item for name, item in plain(state).items() if name in self._place(token)}
        olds, news = (meaning(self._whole(token, one)) for one in ({**stood, **plain(step.given)}, plain(inputs)))
        # What the cloud has taken by itself stays when the program says nothing of it.
        olds = {name: item for name, item in olds.items() if name in news or name not in kind.outputs}
        found = changes(olds, olds, news, step.ignore)
        told = self._order(token, inputs).tags
        were = {name: plain(state).get(name) or {} for name in told}
        found += changes(were, were, told, step.ignore)
        where = {self.cloud.account_input, *self.cloud.region_inputs} - {""}
        for change in found:
            change.replace = any(_forces(path, change) for path in {*kind.fixed.split(), *where})
            self._tell(step, token, kind, change)
        label = re.escape(step.urn.split("::", 3)[3])
        ours = re.fullmatch(rf"{label}-[0-9a-f]{{8}}", str(news.get(kind.named, "")))
        return found, bool(kind.named) and olds.get(kind.named) == news.get(kind.named) and not ours

    def create(self, step: Step, inputs: Properties) -> tuple[str, Properties]:
        """Make it; in a preview nothing that the cloud computes is known."""
        token, kind = self._kind(step)
        order, call = self._order(token, inputs), str(uuid.uuid4())
        if step.preview or holds(inputs, Unknown):
            return "", self._stored(token, merged({**unknown_in(dict(kind.outputs)), **order.tags}, order.whole))
        make = partial(self.ledger.make, order, call)
        thing = self.faults.call("create", token, step.urn, make)
        return thing.id, self._of(thing, order.whole)

    def update(self, step: Step, state: Properties, inputs: Properties) -> Properties:
        """Change it in place."""
        token, kind = self._kind(step)
        order, key = self._order(token, inputs), str(state["id"])
        if step.preview or holds(inputs, Unknown):
            rest = {name: state[name] for name in (*kind.outputs, "id") if name in state}
            return self._stored(token, merged({**rest, **order.tags}, order.whole))
        thing = self.faults.call("update", token, key, partial(self.ledger.change, order, key))
        return self._of(thing, order.whole)

    def read(
        self, step: Step, identifier: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """Look at what stands there; inputs are what the cloud has, so that what was changed there is a difference."""
        (token, _kind), place = self._kind(step), self._where(state or inputs)
        thing = self.faults.call("read", token, identifier, partial(self.ledger.look, token, identifier, place))
        if thing is None:
            return None
        found = restored(thing.inputs, inputs)
        return thing.id, self._of(thing, self._whole(token, found)), found

    def delete(self, step: Step, state: Properties) -> None:
        """Delete it, unless it is protected or something refers to it."""
        (token, _kind), key, place = self._kind(step), str(state["id"]), self._where(state)
        self.faults.call("delete", token, key, partial(self.ledger.remove, token, key, place))

    def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        """Answer a function."""
        token, given = request.tok.removeprefix(f"{self.package}:"), plain(without_none(from_struct(request.args)))
        try:
            answer = self.faults.call("invoke", token, "", lambda: self._answered(token, given))
        except ProviderError as error:
            refuse(context, f"{request.tok}: {error}")
        except Exception as error:  # noqa: BLE001 - a fault of ours, told in one line
            refuse(context, f"{request.tok}: a fault of the rehearsal, {type(error).__name__}: {error}")
        hidden = {name: _hidden(item) if name in self.cloud.secrets else item for name, item in answer.items()}
        response = pb.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(hidden))
        return response

    def _answered(self, token: str, given: Properties) -> Properties:
        if token not in self.cloud.invokes:
            raise ProviderError(f"the rehearsal of {self.cloud.title} has no such function; add it to its table")
        if strange := sorted(given.keys() - schema.arguments_of(self.package, token)):
            raise ProviderError(f"there is no argument {', '.join(strange)}")
        account, region = self._where(given)
        standing = [thing for thing in self.state.things() if thing.account == account]
        of = {kind: [thing for thing in standing if thing.type == kind] for kind in self.cloud.types}
        return self.cloud.invokes[token](Query(given, account, region, self.state.settings(), of.__getitem__))

    def _kind(self, step: Step) -> tuple[str, Type]:
        token = step.token.removeprefix(f"{self.package}:")
        if token not in self.cloud.types:
            raise ProviderError(f"the rehearsal of {self.cloud.title} has no {token}; add it to its table")
        return token, self.cloud.types[token]

    def _place(self, token: str) -> Properties:
        """The inputs that say where a resource is, with what they are when the program says nothing."""
        known = schema.inputs_of(self.package, token)
        place = {self.cloud.account_input: self.caller.account, self.cloud.region_inputs[0]: self.caller.region}
        return {name: item for name, item in place.items() if name in known and item}

    def _where(self, values: Properties) -> Place:
        """The account and region of what has such values."""
        region = next((values[name] for name in self.cloud.region_inputs if values.get(name)), self.caller.region)
        return str(values.get(self.cloud.account_input) or self.caller.account), str(region)

    def _whole(self, token: str, inputs: Properties) -> Properties:
        whole: Properties = merged({**self._place(token), **self.cloud.types[token].defaults}, inputs)
        return whole

    def _order(self, token: str, inputs: Properties) -> Order:
        tags, told = self.cloud.tags
        own = plain(inputs).get(tags) or {}
        known = schema.outputs_of(self.package, token)
        all_tags = {name: own if own is UNKNOWN else {**self.caller.tags, **own} for name in told if name in known}
        whole = self._whole(token, inputs)
        return Order(token, self._where(plain(whole)), inputs, whole, all_tags)

    def _of(self, thing: Thing, whole: Properties) -> Properties:
        """What state keeps of a thing: what was given, with its secrets, over what the cloud tells."""
        return self._stored(thing.type, merged(replace(thing, inputs={}).values(), whole))

    def _stored(self, token: str, values: Properties) -> Properties:
        hidden = {*self.cloud.types[token].secret.split(), *schema.secrets_of(self.package, token)}
        return {name: _hidden(item) if name in hidden else item for name, item in values.items()}

    def _tell(self, step: Step, token: str, kind: Type, change: Change) -> None:
        """Say once of an input that nobody has looked up whether it can be changed in place."""
        known = (*kind.changed.split(), *kind.fixed.replace("?", "").split(), self.cloud.tags[0], *self.cloud.tags[1])
        told = (token, str(change.path[0]))
        if told in self._told or any(change.touches(path) for path in known):
            return
        self._told.add(told)
        said = f"unverified: whether {token} can change {told[1]} in place; the rehearsal does"
        self.log("warning", said, step.urn)


def _forces(path: str, change: Change) -> bool:
    """Whether a change of a fixed input needs a new resource; of one with a `?` only its coming and going does."""
    return change.touches(path.removesuffix("?")) and not (path.endswith("?") and change.verb == "update")


def _hidden(item: Any) -> Any:
    return item if isinstance(item, (Secret, Unknown)) else Secret(item)
