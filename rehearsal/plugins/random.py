"""A stand-in for the official `pulumi-random` provider: random values that stay the same until their inputs change.

Same inputs, outputs and ids. Not the same: a `seed` gives other values than the official provider's generator, and
`bcryptHash` is left out (Python has no bcrypt).
"""

from __future__ import annotations

import base64
import binascii
import random
import secrets
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rehearsal.plugins.changes import Change
from rehearsal.plugins.properties import UNKNOWN, Properties, Secret, Unknown, holds, plain
from rehearsal.plugins.resource import InputError, ProviderError, ResourceProvider, Step, run

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
_ADJECTIVES = (
    "able brave calm daring eager fair gentle happy keen lively merry noble proud quick quiet sunny swift wise"
)
_ADVERBS = "barely boldly briefly calmly fairly finely gladly kindly neatly nicely openly partly rarely safely warmly"
_ANIMALS = (
    "badger beaver bison crane dingo falcon gecko heron ibis koala lemur marmot newt otter owl puffin seal tapir wren"
)


class BadInputError(ProviderError):
    """An input or an import id that can't be used; the message says what is wrong."""


@dataclass(frozen=True)
class Kind:
    """A resource type: its inputs with their defaults, what it makes, and how an existing value is imported."""

    defaults: Properties
    make: Callable[[Properties], tuple[str, Properties]]
    required: tuple[str, ...] = ()
    adopt: Callable[[str], tuple[str, Properties]] | None = None
    secret: frozenset[str] = field(default_factory=frozenset)
    outputs: tuple[str, ...] = ("result",)


def _id(inputs: Properties) -> tuple[str, Properties]:
    if inputs["byteLength"] < 1:
        raise BadInputError("byteLength must be at least 1")
    return _id_of(secrets.token_bytes(inputs["byteLength"]), inputs["prefix"] or "")


def _id_of(data: bytes, prefix: str) -> tuple[str, Properties]:
    url = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return url, {
        "b64Url": prefix + url,
        "b64Std": prefix + base64.b64encode(data).decode(),
        "hex": prefix + data.hex(),
        "dec": prefix + str(int.from_bytes(data)),
    }


def _adopt_id(text: str) -> tuple[str, Properties]:
    prefix, _, encoded = text.rpartition(",")
    try:
        data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError) as error:
        raise BadInputError("a RandomId is imported by its b64Url, or PREFIX,b64Url") from error
    identifier, outputs = _id_of(data, prefix)
    return identifier, {**outputs, "byteLength": len(data), "prefix": prefix or None}


def _text(inputs: Properties) -> str:
    special = inputs["overrideSpecial"] or SPECIAL
    classes = (
        ("lower", "minLower", string.ascii_lowercase),
        ("upper", "minUpper", string.ascii_uppercase),
        ("numeric", "minNumeric", string.digits),
        ("special", "minSpecial", special),
    )
    on = dict(inputs)
    if inputs["number"] is not None:
        # The old name of `numeric`; both may be in one program for a while.
        on["numeric"] = inputs["number"]
    allowed = "".join(letters for name, _, letters in classes if on[name])
    if not allowed:
        raise BadInputError("lower, upper, numeric and special are all false: no character is left")
    picked = [secrets.choice(letters) for _, least, letters in classes for _ in range(inputs[least])]
    if len(picked) > inputs["length"] or inputs["length"] < 1:
        raise BadInputError(
            "length must be at least 1, and at least the sum of minLower, minUpper, minNumeric, minSpecial"
        )
    picked += [secrets.choice(allowed) for _ in range(inputs["length"] - len(picked))]
    secrets.SystemRandom().shuffle(picked)
    return "".join(picked)


def _string(inputs: Properties) -> tuple[str, Properties]:
    text = _text(inputs)
    return text, {"result": text}


def _password(inputs: Properties) -> tuple[str, Properties]:
    # The id is shown everywhere, so it is not the password.
    return "none", {"result": _text(inputs)}


def _integer(inputs: Properties) -> tuple[str, Properties]:
    if inputs["max"] < inputs["min"]:
        raise BadInputError(f"max {inputs['max']} is less than min {inputs['min']}")
    number = _source(inputs["seed"]).randint(inputs["min"], inputs["max"])
    return str(number), {"result": number}


def _adopt_integer(text: str) -> tuple[str, Properties]:
    parts = text.split(",")
    try:
        result, low, high = (int(part) for part in parts[:3])
    except ValueError as error:
        raise BadInputError("a RandomInteger is imported by RESULT,MIN,MAX or RESULT,MIN,MAX,SEED") from error
    seed = parts[3] if len(parts) > 3 else None
    return str(result), {"result": result, "min": low, "max": high, "seed": seed}


def _uuid(_inputs: Properties) -> tuple[str, Properties]:
    made = str(uuid.uuid4())
    return made, {"result": made}


def _adopt_uuid(text: str) -> tuple[str, Properties]:
    try:
        found = str(uuid.UUID(text))
    except ValueError as error:
        raise BadInputError("a RandomUuid is imported by its value") from error
    return found, {"result": found}


def _shuffle(inputs: Properties) -> tuple[str, Properties]:
    source, items = _source(inputs["seed"]), list(inputs["inputs"])
    wanted = len(items) if inputs["resultCount"] is None else inputs["resultCount"]
    results: list[Any] = []
    while items and len(results) < wanted:
        results += source.sample(items, min(len(items), wanted - len(results)))
    return "-", {"results": results}


def _pet(inputs: Properties) -> tuple[str, Properties]:
    words = [secrets.choice(_ADVERBS.split()) for _ in range(inputs["length"] - 2)]
    words += [secrets.choice(_ADJECTIVES.split())] if inputs["length"] > 1 else []
    words += [secrets.choice(_ANIMALS.split())]
    name = inputs["separator"].join(([inputs["prefix"]] if inputs["prefix"] else []) + words)
    return name, {}


def _source(seed: str | None) -> random.Random:
    return random.Random(seed) if seed else secrets.SystemRandom()  # noqa: S311 - asked to be repeatable


_TEXT: Properties = {
    **{"lower": True, "upper": True, "numeric": True, "special": True, "number": None, "overrideSpecial": None},
    **dict.fromkeys(("minLower", "minUpper", "minNumeric", "minSpecial"), 0),
    **{"length": None, "keepers": None},
}
_ID = ("b64Url", "b64Std", "hex", "dec")
KINDS: dict[str, Kind] = {
    "randomId:RandomId": Kind(
        {"byteLength": None, "prefix": None, "keepers": None}, _id, ("byteLength",), _adopt_id, outputs=_ID
    ),
    "randomString:RandomString": Kind(
        _TEXT, _string, ("length",), lambda text: (text, {"result": text, "length": len(text)})
    ),
    "randomPassword:RandomPassword": Kind(
        _TEXT,
        _password,
        ("length",),
        lambda text: ("none", {"result": text, "length": len(text)}),
        secret=frozenset({"result"}),
    ),
    "randomInteger:RandomInteger": Kind(
        {"min": None, "max": None, "seed": None, "keepers": None}, _integer, ("min", "max"), _adopt_integer
    ),
    "randomUuid:RandomUuid": Kind({"keepers": None}, _uuid, (), _adopt_uuid),
    "randomShuffle:RandomShuffle": Kind(
        {"inputs": None, "resultCount": None, "seed": None, "keepers": None},
        _shuffle,
        ("inputs",),
        outputs=("results",),
    ),
    "randomPet:RandomPet": Kind({"length": 2, "separator": "-", "prefix": None, "keepers": None}, _pet, outputs=()),
}


def _filled(kind: Kind, inputs: Properties) -> Properties:
    given = plain(inputs)
    return {name: default if given.get(name) is None else given[name] for name, default in kind.defaults.items()}


def _stored(kind: Kind, inputs: Properties, outputs: Properties) -> Properties:
    """What state keeps: inputs with their defaults, and what was made, marked secret where it is."""
    kept = {**{name: item for name, item in _filled(kind, inputs).items() if item is not None}, **outputs}
    if "number" in kind.defaults:
        kept["number"] = kept["numeric"] = kept.get("number", kept["numeric"])
    hidden = kind.secret | {name for name, item in inputs.items() if holds(item, Secret)}
    return {name: Secret(item) if name in hidden else item for name, item in kept.items() if item is not None}


class Provider(ResourceProvider):
    """The operations; nothing outside of the state is read or written."""

    package = "random"

    def check(self, step: Step, old_inputs: Properties, inputs: Properties, name: str) -> Properties:
        """Refuse unknown types, and inputs that are missing or unknown to the type."""
        del old_inputs, name
        kind = _kind(step)
        problems = {name: f"{name} is required" for name in kind.required if plain(inputs.get(name)) is None}
        for name in sorted(inputs.keys() - kind.defaults.keys()):
            problems[name] = f"there is no {name}; there are {', '.join(kind.defaults)}"
        if problems:
            raise InputError(problems)
        return inputs

    def diff(self, step: Step, state: Properties, inputs: Properties) -> tuple[list[Change], bool]:
        """Replace on any change: a random value can't be changed in place."""
        kind = _kind(step)
        olds, news = _filled(kind, state), _filled(kind, inputs)
        if "number" in olds:
            # State keeps both names of `numeric`; a program gives one or none.
            olds["number"] = news["number"] if news["number"] is None else olds["number"]
            news["numeric"] = olds["numeric"] if news["number"] is not None else news["numeric"]
        changed = [name for name in kind.defaults if olds[name] != news[name] and name not in step.ignore]
        return [Change((name,), "update", replace=True) for name in changed], False

    def create(self, step: Step, inputs: Properties) -> tuple[str, Properties]:
        """Make the value; in a preview it is unknown."""
        kind = _kind(step)
        if step.preview or holds(inputs, Unknown):
            return "", _stored(kind, inputs, dict.fromkeys(kind.outputs, UNKNOWN))
        identifier, outputs = kind.make(_filled(kind, inputs))
        return identifier, _stored(kind, inputs, outputs)

    def read(
        self, step: Step, identifier: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties]:
        """Answer the state as it is; without one, import a value made elsewhere."""
        if state:
            return identifier, state, inputs
        kind = _kind(step)
        if kind.adopt is None:
            raise ProviderError(f"a {_type(step)} can't be imported, as in the official provider")
        identifier, values = kind.adopt(identifier)
        inputs = {name: item for name, item in values.items() if name in kind.defaults and item is not None}
        outputs = {name: item for name, item in values.items() if name not in kind.defaults}
        return identifier, _stored(kind, inputs, outputs), inputs


def _type(step: Step) -> str:
    return step.token.rsplit(":", 1)[-1]


def _kind(step: Step) -> Kind:
    token = step.token.removeprefix("random:index/")
    if token not in KINDS:
        names = ", ".join(name.rsplit(":", 1)[-1] for name in KINDS)
        raise ProviderError(f"the stand-in random provider has no {_type(step)}; it has {names}")
    return KINDS[token]


def main() -> None:
    """Serve one engine."""
    run(Provider)
