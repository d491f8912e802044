"""What resources and functions take and give, read from the installed SDK's own text: importing it takes seconds."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rehearsal.plugins.properties import Unknown
from rehearsal.plugins.resource import ProviderError

_GETTER = re.compile(
    r"@pulumi\.getter(?:\(name=\"(\w+)\"\))?\n(?:    @_utilities\.deprecated\(.*\)\n)?    def (\w+)\(self\) -> (.+):\n"
)
# What the engine's SDKs add to a provider's settings, and the annotation of a setting that is a text.
_ALWAYS = frozenset({"version", "pluginDownloadURL"})
_NO_SETTING = "_builtins.str"
_TEXT = re.compile(r"(?:Optional\[|pulumi\.Input\[)*_builtins\.str\]*")
_Problems = Iterator[tuple[str, str]]
# One SDK writes `Optional[Input[X]]`, another `Input[Optional[X]]`.
_OPTIONAL = re.compile(r"(pulumi\.Input\[)?Optional\[")
_PLAIN = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
_TITLES = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}


@cache
def inputs_of(package: str, token: str) -> Mapping[str, str]:
    """The inputs of a type, `ec2/vpc:Vpc` or `provider:Provider`, with their annotations; ProviderError: none such."""
    module, name = _module(package, token), token.rsplit(":", 1)[-1]
    # Where a type has a part of that name, too, the SDK calls its own `...InitArgs`.
    return _members(module, f"{name}InitArgs") or _members(module, f"{name}Args")


@cache
def outputs_of(package: str, token: str) -> Mapping[str, str]:
    """All properties of a type, or of a function's answer, with their annotations."""
    name = token.rsplit(":", 1)[-1]
    of_function = f"{name[0].upper()}{name[1:]}Result"
    return _members(_module(package, token), of_function if name[0].islower() else name)


@cache
def arguments_of(package: str, token: str) -> frozenset[str]:
    """The arguments of a function, `ec2/getSubnet:getSubnet`."""
    return frozenset(re.findall(r"__args__\['(\w+)'\] = ", _text(_module(package, token))))


@cache
def secrets_of(package: str, token: str) -> frozenset[str]:
    """The properties of a type that its SDK asks to be kept secret."""
    found = re.search(r"additional_secret_outputs=\[(.*)\]", _text(_module(package, token)))
    return frozenset(re.findall(r'"(\w+)"', found[1] if found else ""))


def settings_of(package: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """A provider's settings as the program gave them: the SDK sends all but texts as JSON."""
    kinds = {**dict.fromkeys(sent, _NO_SETTING), **inputs_of(package, "provider:Provider")}
    known = {name: item for name, item in sent.items() if name not in _ALWAYS and item not in ("", None)}
    written = {name for name, item in known.items() if isinstance(item, str) and not _TEXT.fullmatch(kinds[name])}
    return {name: json.loads(item) if name in written else item for name, item in known.items()}


def problems(package: str, token: str, given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with plain inputs, by path: unknown, missing or mistyped, at any depth."""
    return dict(_of_object(_module(package, token), inputs_of(package, token), given, ""))


def _of_object(module: Path, known: Mapping[str, str], given: Mapping[str, Any], path: str) -> _Problems:
    for name, value in given.items():
        if name not in known:
            near = " or ".join(get_close_matches(name, known)) or ", ".join(sorted(known))
            yield f"{path}{name}", f"there is no {name}; there is {near}"
        else:
            yield from _of_value(module, ast.parse(known[name], mode="eval").body, value, f"{path}{name}")
    for name, annotation in known.items():
        if name not in given and not _OPTIONAL.match(annotation):
            yield f"{path}{name}", f"{name} is required"


def _of_value(module: Path, kind: ast.expr, value: Any, path: str) -> _Problems:  # noqa: C901, PLR0912 - one case a form
    match kind, value:
        case _, Unknown():
            return
        case ast.Subscript(value=outer, slice=inner), _:
            match ast.unparse(outer).removeprefix("pulumi."):
                case "Optional" | "Input":
                    yield from _of_value(module, inner, value, path)
                case "Sequence" if isinstance(value, list):
                    for index, item in enumerate(value):
                        yield from _of_value(module, inner, item, f"{path}[{index}]")
                case "Mapping" if isinstance(value, dict) and isinstance(inner, ast.Tuple):
                    for name, item in value.items():
                        yield from _of_value(module, inner.elts[1], item, f"{path}.{name}")
                case "Union" if isinstance(inner, ast.Tuple):
                    tried = [list(_of_value(module, one, value, path)) for one in inner.elts]
                    yield from () if [] in tried else tried[0]
                case other:
                    yield path, f"must be a {'list' if other == 'Sequence' else 'map'}, not {_said(value)}"
        case ast.Attribute(attr=name), _ if name in _PLAIN:
            # In Python a bool is an int, for the provider it is not.
            if not isinstance(value, _PLAIN[name]) or (isinstance(value, bool) and name != "bool"):
                yield path, f"must be {_TITLES[name]}, not {_said(value)}"
        case ast.Constant(value=str(name)), _ if members := _members(module.with_name("_inputs.py"), name):
            if isinstance(value, dict):
                yield from _of_object(module, members, value, f"{path}.")
            else:
                yield path, f"must be an object, not {_said(value)}"


def _said(value: Any) -> str:
    """What a value is, never the value: it may be secret."""
    titles = {"str": "a text", "bool": "true or false", "list": "a list", "dict": "a map"}
    return titles.get(type(value).__name__, "a number")


@cache
def _members(file: Path, name: str) -> Mapping[str, str]:
    """The properties of a class with their annotations; none where there is no such class, as for an enumeration."""
    found = re.search(rf"^class {name}(?:\(.*\))?:\n(?:(?: .*)?\n)+", _text(file), re.M)
    return {wire or name: kind for wire, name, kind in _GETTER.findall(found[0])} if found else {}


@cache
def _module(package: str, token: str) -> Path:
    spec = find_spec(f"pulumi_{package}")
    (folder, _, _), name = token.rsplit(":", 1)[0].rpartition("/"), token.rsplit(":", 1)[1]
    file = Path(next(iter(spec.submodule_search_locations or ()), "") if spec else "") / folder.removeprefix("index")
    # As the SDK is generated: IAMMember is in iam_member.py.
    file /= re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower() + ".py"
    if not spec or not file.exists():
        raise ProviderError(f"the installed SDK, pulumi_{package}, has no {token}")
    return file


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
