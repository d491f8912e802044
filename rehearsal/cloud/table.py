"""What a resource type of a rehearsed cloud is, and what a cloud's table of them holds.

Lists of inputs are texts with blanks between them; an input inside another has a dot (`vpcConfig.subnetIds`), and
lists on the way are gone through. Patterns are texts in which braces stand for an input (`{cidrBlock}`), `{account}`,
`{region}`, `{id}`, an output further up, random characters (`{hex17}`, `{digits12}`, `{upper16}`, `{lower26}`,
`{uuid}`), a value of what an input refers to (`{vpcId.arn}`), or one of the state's settings; lists and dicts of
patterns, or functions of `Making`.
"""

from __future__ import annotations

import re
import secrets
import string
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.trees import merged, values_at

if TYPE_CHECKING:
    from rehearsal.cloud.ledger import Known

_LETTERS = string.ascii_uppercase + string.digits
_ALPHABETS = {"hex": string.hexdigits[:16], "digits": string.digits, "upper": _LETTERS, "lower": _LETTERS.lower()}
_FIELD = re.compile(r"{([\w.]+)}")
_RANDOM = re.compile(r"(hex|digits|upper|lower)(\d+)|uuid")
# Inputs that say where a thing is: account or project, and region.
ACCOUNT, REGIONS = "project", ("region", "location")


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

    @property
    def place(self) -> tuple[str, str]:
        """Account (or project) and region."""
        return self.account, self.region

    def values(self) -> Properties:
        """Outputs and inputs as the provider tells them, one inside the other; what was given wins."""
        told = {name: item for name, item in self.outputs.items() if not name.startswith("_")}
        return {**merged(told, self.inputs), "id": self.id}


class Embedded(ABC):
    """The real part behind a thing; a method may be called again after one that was cut short.

    Outputs that are returned go over those of the table; `inputs` hold secrets in plain. RehearsalError: can't be done.
    """

    @abstractmethod
    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it, or what is missing of it, and return outputs."""

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it as `inputs` say, from what `thing` says it was; return outputs."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Heal it and return outputs, or None when it is gone for good."""
        # The state has a digest of a password only: without one, the login's stays as it is.
        return self.create(thing, {**thing.inputs, "password": None})

    @abstractmethod
    def delete(self, thing: Thing) -> None:
        """Delete it, if it is there."""


@dataclass(frozen=True)
class Making:
    """What patterns and functions are given: inputs whole and plain, or arguments; `made`, id and outputs so far."""

    inputs: Properties
    account: str
    region: str
    settings: Mapping[str, Any]
    known: Known
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
        if thing := self.known.find(self.refers[name], str(value)):
            return thing
        raise ProviderError(f"{name}: there is no {self.refers[name]} {value}")

    def things(self, token: str) -> list[Properties]:
        """The values of all things of a type in the account, and in the region unless the type's are in none."""
        here = self.known.cloud.types[token].scope == "region"
        found = [one for one in self.known.standing if (one.type, one.account) == (token, self.account)]
        return [one.values() for one in found if not here or one.region == self.region]

    def _of(self, name: str) -> Any:
        if found := _RANDOM.fullmatch(name):
            letters = _ALPHABETS.get(found[1], "")
            return "".join(secrets.choice(letters) for _ in range(int(found[2]))) if letters else str(uuid.uuid4())
        first, _, rest = name.partition(".")
        if rest and first in self.refers:
            return next(values_at(self.referred(first).values(), rest), "")
        known = {**self.settings, **self.inputs, "account": self.account, "region": self.region, **self.made}
        if name not in known:
            raise ProviderError(f"{name} must be given")
        return known[name]


@dataclass(frozen=True)
class Type:
    """A resource type, in at most 15 lines of a table: what programs of ours use of it.

    Attributes:
        doc: page of the Terraform registry that `fixed` is from, such as `aws_vpc`.
        id: pattern.
        outputs: patterns of what the cloud computes, in order; unknown in a preview. One that is an input, too, is what
            the cloud takes when the program says nothing; leaving it out later changes nothing.
        defaults: what the provider takes for inputs that are not given; known in a preview.
        named: the input that gets a made-up name when the program gives none; when it gave one, the resource is deleted
            before its successor is made.
        unique: inputs that no two may have alike within `scope`; `named` by default, and without it there is no limit.
        taken: the cloud's code for a name that is taken.
        refers: inputs, and the types they refer to (`|` between two), by id, name, or any output.
        fixed: inputs that force a new resource; one with a `?` behind it when it comes or goes, not when it differs.
            All others are changed in place, and reported once as unverified; tags and labels without a word.
        protected: input that forbids deletion while it is true.
        embedded: name of its class in `rehearsal.cloud.embedded`.
        problems: what else is wrong with inputs that fit the SDK's types, by input; unknown ones are left out.
    """

    doc: str
    id: Any
    _: KW_ONLY
    outputs: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    named: str = ""
    unique: str = ""
    scope: Literal["world", "account", "region"] = "region"
    taken: str = "AlreadyExists"
    refers: Mapping[str, str] = field(default_factory=dict)
    fixed: str = ""
    protected: str = ""
    embedded: str = ""
    problems: Callable[[Properties], Mapping[str, str]] = lambda _inputs: {}


@dataclass(frozen=True)
class Find:
    """An invoke that finds what stands by its values, by tags, and by filters in EC2's words.

    Attributes:
        type: of what is looked for.
        missing: the cloud's words when nothing fits, or more than one thing.
        ids: output that tells the ids of all that fit; by default the one that does is told whole.
        lists: parts of it that the answer has in lists, by their names' plurals.
    """

    type: str
    missing: str = ""
    ids: str = ""
    lists: str = ""

    def __call__(self, query: Making) -> Properties:
        """The answer; ProviderError when one thing should fit and none or more do."""
        asked = {name: [query.inputs[name]] for name in query.inputs.keys() - {"filters", "tags", ACCOUNT, *REGIONS}}
        filters = {one["name"]: one["values"] for one in query.inputs.get("filters", ())}
        asked |= {re.sub("-(.)", lambda found: found[1].upper(), name): item for name, item in filters.items()}
        standing = [{**one, "tags": one.get("tagsAll", {})} for one in query.things(self.type)]
        tagged = [one for one in standing if query.inputs.get("tags", {}).items() <= one["tags"].items()]
        found = [one for one in tagged if all(one.get(name) in allowed for name, allowed in asked.items())]
        if self.ids:
            return {self.ids: [one["id"] for one in found], "id": query.region}
        if len(found) != 1:
            raise ProviderError(f"{self.missing}: {len(found)} match {query.inputs}, one must")
        lists = {re.sub("y$", "ie", name) + "s": [found[0][name]] for name in self.lists.split() if name in found[0]}
        # Other blocks a data source has in lists, too, and the SDK takes no other form.
        told = {key: it for key, it in found[0].items() if key in ("tags", "vpcConfig") or not isinstance(it, dict)}
        return told | lists


# Account (or project) and region of what names none, default tags or labels.
Caller = tuple[str, str, Mapping[str, str]]


@dataclass(frozen=True)
class Cloud:
    """A cloud's table.

    Attributes:
        name: the provider's package, `aws`; its state is `<name>.sqlite`.
        title: for people, `AWS`.
        types: by token without the package, `ec2/vpc:Vpc`.
        invokes: patterns of answers by token, `ec2/getVpc:getVpc`; their inputs are the arguments.
        settings: what the state's settings hold at first; JSON values.
        caller: of the provider's settings (decoded) and the state's; ProviderError for a wrong account.
        secrets: inputs and outputs of any type, and parts of answers, that are secret by their nature.
        tags: the input with tags or labels, and the outputs that have the provider's defaults with them.
        tries: of a call that is throttled, as many as the official provider's.
    """

    name: str
    title: str
    types: Mapping[str, Type]
    invokes: Mapping[str, Any]
    settings: Mapping[str, Any]
    caller: Callable[[Mapping[str, Any], Mapping[str, Any]], Caller]
    secrets: frozenset[str]
    tags: tuple[str, tuple[str, ...]] = ("tags", ("tagsAll",))
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
