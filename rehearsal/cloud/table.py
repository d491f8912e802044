"""What a resource type of a rehearsed cloud is, and what a cloud's table of them holds.

Lists of inputs are texts with blanks between them; an input inside another has a dot (`vpcConfig.subnetIds`), and
lists on the way are gone through. Patterns are texts in which braces stand for an input (`{cidrBlock}`), `{account}`,
`{region}`, `{id}`, an output further up, random characters (`{hex17}`, `{digits12}`, `{upper16}`, `{lower26}`,
`{uuid}`), or a value of what an input refers to (`{vpcId.arn}`); lists and dicts of patterns, or functions of `Making`.
"""

from __future__ import annotations

import re
import secrets
import string
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.trees import merged, values_at

_ALPHABETS = {
    "hex": string.hexdigits[:16],
    "digits": string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "lower": string.ascii_lowercase + string.digits,
}
_FIELD = re.compile(r"{([\w.]+)}")
_RANDOM = re.compile(r"(hex|digits|upper|lower)(\d+)|uuid")


@dataclass(frozen=True)
class Thing:
    """What stands in the cloud, a row of the state; outputs that begin with `_` are never told to the engine.

    `type` is without the package, `name` what no other may have or empty, `inputs` keep only digests of secrets.
    """

    type: str
    id: str
    account: str
    region: str
    name: str
    inputs: Properties
    outputs: Properties

    def values(self) -> Properties:
        """Outputs and inputs as the provider tells them, one inside the other; what was given wins."""
        told = {name: item for name, item in self.outputs.items() if not name.startswith("_")}
        return {**merged(told, self.inputs), "id": self.id}


class Embedded(Protocol):
    """The real part behind a thing; a method may be called again after one that was cut short.

    Outputs that are returned go over those of the table; `inputs` hold secrets in plain.
    """

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it and return outputs."""

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it as `inputs` say, from what `thing` says it was; return outputs."""

    def read(self, thing: Thing) -> Properties | None:
        """Heal it and return outputs, or None when it is gone for good."""

    def delete(self, thing: Thing) -> None:
        """Delete it, if it is there; ProviderError when it can't be."""


@dataclass(frozen=True)
class Making:
    """What patterns and functions of a table are given: inputs plain and with defaults, the state's settings, what
    finds the thing of a type that has or gave out a value, id and outputs so far, and the type's `refers`.
    """

    inputs: Properties
    account: str
    region: str
    settings: Mapping[str, Any]
    find: Callable[[str, str], Thing | None]
    made: Properties = field(default_factory=dict)
    refers: Mapping[str, str] = field(default_factory=dict)

    def filled(self, pattern: Any) -> Any:
        """What a pattern stands for; ProviderError when it needs an input that was not given."""
        match pattern:
            case str():
                whole = _FIELD.fullmatch(pattern)
                return self._of(whole[1]) if whole else _FIELD.sub(lambda found: str(self._of(found[1])), pattern)
            case dict():
                return {name: self.filled(item) for name, item in pattern.items()}
            case list():
                return [self.filled(item) for item in pattern]
            case _:
                return pattern(self) if callable(pattern) else pattern

    def referred(self, name: str) -> Thing:
        """What an input of `refers` refers to; ProviderError when it is not there."""
        value = next(values_at(self.inputs, name), None)
        found = (self.find(token, str(value)) for token in self.refers[name].split("|"))
        if thing := next(filter(None, found), None):
            return thing
        raise ProviderError(f"{name}: there is no {self.refers[name]} {value}")

    def _of(self, name: str) -> Any:
        if found := _RANDOM.fullmatch(name):
            letters = _ALPHABETS.get(found[1], "")
            return "".join(secrets.choice(letters) for _ in range(int(found[2]))) if letters else str(uuid.uuid4())
        first, _, rest = name.partition(".")
        if rest and first in self.refers:
            return next(values_at(self.referred(first).values(), rest), "")
        known = {**self.inputs, "account": self.account, "region": self.region, **self.made}
        for value in values_at(known, name):
            return value
        raise ProviderError(f"{name} must be given")


@dataclass(frozen=True, kw_only=True)
class Type:
    """A resource type, in at most 15 lines of a table.

    Attributes:
        doc: page of the Terraform registry that `fixed` and `changed` are from, such as `aws_vpc`.
        id: pattern.
        outputs: patterns of what the cloud computes, in order; unknown in a preview. One that is an input, too, is what
            the cloud takes when the program says nothing; leaving it out later changes nothing.
        defaults: what the provider takes for inputs that are not given; known in a preview.
        named: the input that gets a made-up name when the program gives none; when it gave one, the resource is deleted
            before its successor is made.
        unique: inputs that no two may have alike within `scope`; none: any number can be there.
        taken: the cloud's code for a name that is taken.
        refers: inputs, and the types they refer to (`|` between two), by id, name, or any output.
        fixed: inputs that force a new resource; one with a `?` behind it when it comes or goes, not when it differs.
        changed: inputs that the documentation lets change in place; tags and labels always are. What is in neither list
            is changed in place, and reported once as unverified.
        protected: input that forbids deletion while it is true.
        outside: things of this type stand outside of the rehearsal, too: their ARNs need not exist here.
        secret: outputs that are secret.
        embedded: name of its `Embedded` class in `rehearsal.cloud.embedded`, made without arguments.
        problems: what else is wrong with inputs that fit the SDK's types, by input; unknown ones are left out.
    """

    doc: str
    id: Any
    outputs: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    named: str = ""
    unique: str = ""
    scope: Literal["world", "account", "region"] = "region"
    taken: str = "AlreadyExists"
    refers: Mapping[str, str] = field(default_factory=dict)
    fixed: str = ""
    changed: str = ""
    protected: str = ""
    outside: bool = False
    secret: str = ""
    embedded: str = ""
    problems: Callable[[Properties], Mapping[str, str]] = lambda _inputs: {}


@dataclass(frozen=True)
class Query:
    """What an invoke is given; `things` answers all of a type in the account, of every region."""

    arguments: Properties
    account: str
    region: str
    settings: Mapping[str, Any]
    things: Callable[[str], Sequence[Thing]]


@dataclass(frozen=True)
class Caller:
    """What provider settings lead to: account (or project) and region of what names none, default tags or labels."""

    account: str
    region: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud's table.

    Attributes:
        name: the provider's package, `aws`; its state is `<name>.sqlite`.
        title: for people, `AWS`.
        types: by token without the package: `ec2/vpc:Vpc`.
        invokes: by token without the package, `index/getCallerIdentity:getCallerIdentity`: what each answers.
        settings: what the state's settings hold at first; JSON values.
        caller: of the provider's settings (decoded) and the state's; ProviderError for a wrong account.
        account_input: input that names the account or project; empty for none.
        region_inputs: inputs that name the region; the first given one holds.
        tags: the input with tags or labels, and the outputs that have the provider's defaults with them.
        secrets: inputs of any type, and parts of answers, that are secret by their nature.
        tries: of a call that is throttled, as many as the official provider's.
    """

    name: str
    title: str
    types: Mapping[str, Type]
    invokes: Mapping[str, Callable[[Query], Properties]]
    settings: Mapping[str, Any]
    caller: Callable[[Mapping[str, Any], Mapping[str, Any]], Caller]
    account_input: str = ""
    region_inputs: tuple[str, ...] = ("region",)
    tags: tuple[str, tuple[str, ...]] = ("tags", ("tagsAll",))
    secrets: frozenset[str] = frozenset()
    tries: int = 25


def shape(pattern: Any) -> re.Pattern[str] | None:
    """What texts of a pattern look like; None when they can't be told from others: no ARN, nothing random in them."""
    if not isinstance(pattern, str) or not (random_in(pattern) or pattern.startswith("arn:")):
        return None
    return re.compile("".join(_shaped(part) for part in re.split(r"({[\w.]+})", pattern)))


def random_in(pattern: Any) -> bool:
    """Whether a pattern gives another value each time, or is a function: what it once gave is kept."""
    if isinstance(pattern, str):
        return any(_RANDOM.fullmatch(name) for name in _FIELD.findall(pattern))
    parts = pattern.values() if isinstance(pattern, dict) else pattern if isinstance(pattern, list) else ()
    return callable(pattern) or any(random_in(part) for part in parts)


def _shaped(part: str) -> str:
    found = _RANDOM.fullmatch(part.strip("{}"))
    if not part.startswith("{"):
        return re.escape(part)
    if not found:
        return "[^:/]+"
    return f"[{_ALPHABETS[found[1]]}]{{{found[2]}}}" if found[1] else "[0-9a-f-]{36}"
