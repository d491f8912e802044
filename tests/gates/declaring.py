"""A program that registers the cases of the rules as raw resources, each under its case's number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi

from policies.rules import UNKNOWN, Resource, Secret
from tests.gates.by_case import CASES, about_stack, called

_PROVIDER = "pulumi:providers:"


def declare(numbers: Iterable[int]) -> None:
    """Register cases.

    Args:
        numbers: Which.
    """
    unseen = pulumi.CustomResource("kubernetes:core/v1:ConfigMap", "unseen")
    for number in numbers:
        _Declared(number, unseen.id).register()


class _Declared:
    """One case.

    Args:
        number: Its number.
        unseen: A value that is known only later.
    """

    def __init__(self, number: int, unseen: pulumi.Output[str]) -> None:
        self._number, self._unseen = number, unseen
        self._providers: dict[str, pulumi.ProviderResource] = {}

    def register(self) -> None:
        case = CASES[self._number]
        for one in case.facts.resources:
            self._resource(one)
        if not about_stack(case):
            self._resource(case.resource)

    def _resource(self, one: Resource) -> None:
        name, options = called(self._number, one.name), one.options
        opts = pulumi.ResourceOptions(protect=options.protect, provider=self._provider(one))
        properties = self._carried(one.properties)
        if one.type.startswith(_PROVIDER):
            package = one.type.removeprefix(_PROVIDER)
            self._providers[one.name] = pulumi.ProviderResource(package, name, properties, opts)
        else:
            pulumi.CustomResource(one.type, name, properties, opts)

    def _provider(self, one: Resource) -> pulumi.ProviderResource | None:
        """Return a resource's provider, made with the default tags of the case if the case does not make it itself."""
        name = one.options.provider
        if name and name not in self._providers:
            package = one.type.partition(":")[0]
            keys = dict.fromkeys(CASES[self._number].facts.default_tags.get(name, ()), "x")
            properties = {"defaultLabels": keys} if package == "gcp" else {"defaultTags": {"tags": keys}}
            self._providers[name] = pulumi.ProviderResource(package, called(self._number, name), properties)
        return self._providers.get(name)

    def _carried(self, value: Any) -> Any:
        if value is UNKNOWN:
            return self._unseen
        if isinstance(value, Secret):
            return pulumi.Output.secret(self._carried(value.inner))
        if isinstance(value, Mapping):
            return {key: self._carried(below) for key, below in value.items()}
        if isinstance(value, list):
            return [self._carried(entry) for entry in value]
        return value
