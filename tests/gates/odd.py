"""A program whose resources are malformed wherever they can be, and hold a secret there."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

import pulumi

from policies import cases as case_files
from policies.rules import Facts, Resource, catalogue, checking
from policies.rules.model import Finding
from tests.policies.judging import paths

MARK = "s3cr3t-never-shown"
"""The secret of these programs."""
BROKEN = "stateful-protected"
"""The rule that is made to fail."""
_DEEP = 60
_EVERY = 4
_PROVIDER = "pulumi:providers:"


def declare() -> None:
    """Register a compliant resource of each type, again and again with another of its values odd."""
    unseen = pulumi.CustomResource("kubernetes:core/v1:ConfigMap", "unseen")
    odd = list(_odd(unseen).items())
    turn = itertools.count()
    for base, described in case_files._bases()["resources"].items():
        for number, path in enumerate(paths(described["properties"])):
            # One of a few, so that one run holds them; every path with every value is tried without an engine.
            if (number + len(base)) % _EVERY == 0:
                name, make = odd[next(turn) % len(odd)]
                properties = case_files._copied(described["properties"])
                case_files._put(properties, path, make())
                _register(described["type"], f"{base}-{number}-{name}", properties)
        _register(described["type"], f"{base}-secret", _secret(described["properties"]))


def _register(token: str, name: str, properties: dict[str, Any]) -> None:
    if token.startswith(_PROVIDER):
        pulumi.ProviderResource(token.removeprefix(_PROVIDER), name, properties)
    else:
        pulumi.CustomResource(token, name, properties)


def fail_one_rule() -> None:
    """Let one rule fail by a mistake of its own, quoting what it has seen."""

    def fails(_resource: Resource, _facts: Facts) -> Iterator[Finding]:
        raise RuntimeError(MARK)

    rules = tuple(dataclasses.replace(one, check=fails) if one.id == BROKEN else one for one in catalogue())
    mock.patch.object(checking, "catalogue", return_value=rules).start()


def _odd(unseen: pulumi.CustomResource) -> Mapping[str, Callable[[], Any]]:
    secret = pulumi.Output.secret
    deep: Any = MARK
    for level in range(_DEEP):
        deep = [deep] if level % 2 else {"deeper": deep}
    return {
        "nothing": lambda: None,
        "unseen": lambda: unseen.id,
        "unseen-secret": lambda: secret(unseen.id),
        "text": lambda: secret(MARK),
        "reference": lambda: secret(f"{MARK}/{MARK}:{MARK}@sha256:{MARK}"),
        "json": lambda: secret(f'{{"Statement": "{MARK}"}}'),
        "brackets": lambda: "[" * 5000,
        "number": lambda: 3.5,
        "truth": lambda: True,
        "empty": lambda: {},
        "list": lambda: [None, unseen.id, [secret(MARK)], {"": secret(MARK)}],
        "mapping": lambda: {"": None, "image": unseen.id, "Statement": [[secret(MARK)]], "name": {"x": secret(MARK)}},
        "deep": lambda: secret(deep),
        "keys": lambda: secret({MARK: {MARK: [MARK]}, "__internal": MARK}),
        "asset": lambda: pulumi.StringAsset("text"),
        "archive": lambda: pulumi.AssetArchive({"file": pulumi.StringAsset("text")}),
        "resource": lambda: unseen,
    }


def _secret(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _secret(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_secret(entry) for entry in value]
    return pulumi.Output.secret(f"{MARK}-{value}")
