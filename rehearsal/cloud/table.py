"""What a resource type of a rehearsed cloud is, and what a cloud's table of them holds.

A table says in texts what can be said so. Lists of inputs are texts with blanks between them; an input inside another is
written with a dot (`vpcConfig.subnetIds`), whether there are lists between them or not. Patterns are texts in which
braces stand for: an input, by its name in the state (`{cidrBlock}`); `{account}`, `{region}`, `{id}`; an output that is
further up in the same table; `{hex17}`, `{digits12}`, `{upper16}`, `{lower26}`: so many random characters; `{uuid}`;
and a value of what an input refers to (`{vpcId.arn}`). Lists and dicts of patterns are patterns, too.
"""

from __future__ import annotations

import re
import secrets
import string
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError

Scope = Literal["world", "account", "region"]
_ALPHABETS = {
    "hex": string.hexdigits[:16],
    "digits": string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "lower": string.ascii_lowercase + string.digits,
}
_RANDOM = re.compile(r"(hex|digits|upper|lower)(\d+)|uuid")
_FIELD = re.compile(r"{([\w.]+)}")


@dataclass(frozen=True)
class Thing:
    """What stands in the cloud: a row of the state's table.

    Attributes:
        type: without the package: `ec2/vpc:Vpc`.
        id: as the provider's.
        account: account or project it is in.
        region: empty for none.
        name: what no other may have in its scope; empty when any number can be there.
        inputs: what it was made of, plain; a secret in them is kept as a digest only.
        outputs: what the cloud made; names that begin with `_` are the cloud's own and never told to the engine.
    """

    type: str
    id: str
    account: str
    region: str
    name: str
    inputs: Properties
    outputs: Properties

    def values(self) -> Properties:
        """Inputs and outputs as the provider tells them, one inside the other."""
        told = {name: item for name, item in self.outputs.items() if not name.startswith("_")}
        return {**merged(self.inputs, told), "id": self.id}


class Embedded(Protocol):
    """The real part behind a rehearsed thing; every method may be called again after one that was cut short."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it and return outputs, which go over those of the table; `inputs` hold secrets in plain."""

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it as `inputs` say, which hold secrets in plain; `thing` is as it was. Return outputs."""

    def read(self, thing: Thing) -> Properties | None:
        """Heal it and return outputs, or None when it is gone for good."""

    def delete(self, thing: Thing) -> None:
        """Delete it; one that is gone already is no failure. Raise ProviderError for one that can't be deleted."""


@dataclass(frozen=True)
class Making:
    """What patterns and functions of a table are given.

    Attributes:
        inputs: with defaults; plain.
        account: the caller's account or project.
        region: empty for none.
        settings: of the state: zones, offerings, quotas.
        find: the thing of a type that has, or gave out, a value.
        made: id and outputs so far.
        refers: of the type.
    """

    inputs: Properties
    account: str
    region: str
    settings: Mapping[str, Any]
    find: Callable[[str, str], Thing | None]
    made: Properties = field(default_factory=dict)
    refers: Mapping[str, str] = field(default_factory=dict)

    def filled(self, pattern: Any) -> Any:
        """What a pattern stands for.

        Raises:
            ProviderError: it needs an input that was not given.
        """
        match pattern:
            case str():
                whole = _FIELD.fullmatch(pattern)
                return self._of(whole[1]) if whole else _FIELD.sub(lambda found: str(self._of(found[1])), pattern)
            case Mapping():
                return {name: self.filled(item) for name, item in pattern.items()}
            case list():
                return [self.filled(item) for item in pattern]
            case _:
                return pattern(self) if callable(pattern) else pattern

    def referred(self, name: str) -> Thing:
        """What an input of `refers` refers to.

        Raises:
            ProviderError: it is not there.
        """
        value = next(values_at(self.inputs, name), None)
        for token in self.refers[name].split("|"):
            if isinstance(value, str) and (found := self.find(token, value)):
                return found
        raise ProviderError(f"{name}: there is no {self.refers[name]} {value}")

    def _of(self, name: str) -> Any:
        if _RANDOM.fullmatch(name):
            return _random(name)
        here = {"account": self.account, "region": self.region}
        for values in (self.made, here, self.inputs):
            if name in values:
                return values[name]
        first, _, rest = name.partition(".")
        if rest and first in self.refers:
            return next(values_at(self.referred(first).values(), rest), "")
        if (found := next(values_at({**self.inputs, **self.made}, name), None)) is not None:
            return found
        raise ProviderError(f"{name} must be given")


def _nothing(_inputs: Properties) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Type:
    """A resource type, in at most 15 lines of a table.

    Attributes:
        doc: the page of the provider's documentation that `fixed` and `changed` were read from and checked against the
            cloud's own: the name that the Terraform registry gives it, such as `aws_vpc`.
        id: pattern.
        outputs: patterns of what the cloud computes, in order; unknown in a preview. One that is an input, too, is what
            the cloud takes when the program says nothing; leaving it out later changes nothing.
        defaults: what the provider takes for inputs that are not given; known in a preview.
        named: the input that gets a made-up name when the program gives none; such a resource is deleted before its
            successor is made when the program did give one.
        unique: inputs that no two may have alike within `scope`; none given: any number can be there.
        scope: where they must be unique.
        taken: the cloud's code for a name that is taken.
        refers: inputs, and the types they refer to (`|` between two): by id, name, or any output of it.
        fixed: inputs that force a new resource.
        changed: inputs that the documentation lets change in place. What is in neither is changed in place and
            reported once as unverified; so tags and labels, which are always in this list.
        protected: input that forbids deletion while it is true.
        outside: things of this type stand outside of the rehearsal, too: their ARNs need not exist here.
        secret: outputs that are secret.
        embedded: name in `rehearsal.cloud.embedded` of what makes the real part: `Callable[[], Embedded]`.
        problems: what else is wrong with inputs that fit the schema, by input; unknown ones are left out.
    """

    doc: str
    id: Any
    outputs: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    named: str = ""
    unique: str = ""
    scope: Scope = "region"
    taken: str = "AlreadyExists"
    refers: Mapping[str, str] = field(default_factory=dict)
    fixed: str = ""
    changed: str = ""
    protected: str = ""
    outside: bool = False
    secret: str = ""
    embedded: str = ""
    problems: Callable[[Properties], Mapping[str, str]] = _nothing


@dataclass(frozen=True)
class Query:
    """What an invoke is given.

    Attributes:
        arguments: plain, checked against the SDK's names; `without_none`.
        account: the caller's account or project.
        region: the argument's or the provider's.
        settings: of the state.
        things: all things of a type in the account, in every region.
    """

    arguments: Properties
    account: str
    region: str
    settings: Mapping[str, Any]
    things: Callable[[str], Sequence[Thing]]


@dataclass(frozen=True)
class Caller:
    """Who calls: what a provider's settings lead to.

    Attributes:
        account: account or project of what names none.
        region: of what names none.
        tags: default tags or labels of all that is made.
    """

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
        invokes: by token without the package: `index/getCallerIdentity:getCallerIdentity`; what each answers, or
            ProviderError.
        settings: what the state's settings hold at first; JSON values.
        caller: of the provider's settings (by name, decoded) and the state's settings; ProviderError for a wrong account.
        account_input: the input that names the account or project; empty for none.
        region_inputs: inputs that name the region, the first given one holds.
        tags: the input with tags or labels, and the outputs that have the provider's defaults with them.
        secret_inputs: inputs of any type that are secret by their nature.
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
    secret_inputs: frozenset[str] = frozenset()
    tries: int = 25


def shape(pattern: Any) -> re.Pattern[str] | None:
    """What ids of a pattern look like, or None when they can't be told from other texts: nothing in them is random."""
    if not isinstance(pattern, str) or not any(_RANDOM.fullmatch(name) for name in _FIELD.findall(pattern)):
        return None
    return re.compile("".join(_shaped(part) for part in re.split(r"({[\w.]+})", pattern)))


def random_in(pattern: Any) -> bool:
    """Whether a pattern gives another value each time, or runs a function: what it once gave is kept."""
    match pattern:
        case str():
            return any(_RANDOM.fullmatch(name) for name in _FIELD.findall(pattern))
        case Mapping():
            return any(random_in(item) for item in pattern.values())
        case list():
            return any(random_in(item) for item in pattern)
        case _:
            return callable(pattern)


def values_at(value: Any, path: str) -> Iterator[Any]:
    """The values at a path with dots; lists on the way are gone through."""
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        first, _, rest = path.partition(".")
        if first in value:
            yield from values_at(value[first], rest)


def merged(one: Any, other: Any) -> Any:
    """`other` over `one`, dicts inside each other; lists of dicts of one length item by item."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{name: merged(one.get(name), item) for name, item in other.items()}}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [merged(*pair) for pair in zip(one, other, strict=True)]
    return other


def _shaped(part: str) -> str:
    name = part.strip("{}")
    if not part.startswith("{"):
        return re.escape(part)
    if name == "uuid":
        return "[0-9a-f-]{36}"
    if found := _RANDOM.fullmatch(name):
        return f"[{re.escape(_ALPHABETS[found[1]])}]{{{found[2]}}}"
    return "[^:]+"


def _random(name: str) -> str:
    if name == "uuid":
        return str(uuid.uuid4())
    found = _RANDOM.fullmatch(name)
    assert found  # noqa: S101 - the caller has matched it
    return "".join(secrets.choice(_ALPHABETS[found[1]]) for _ in range(int(found[2])))
