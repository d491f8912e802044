"""A stand-in for one Helm release: Kueue's, on an embedded platform, where Kueue runs beside the API server.

The official plugin has Helm inside, which renders a chart and installs what it makes. Here nothing is rendered and
nothing installed: the release is noted if the cluster has that version of Kueue, and any other is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal import versions
from rehearsal.plugins.changes import Change, changes
from rehearsal.plugins.kubernetes import provider
from rehearsal.plugins.kubernetes.client import MissingError, NoSuchKindError
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import InputError, ProviderError, Step, run

_RELEASE = "kubernetes:helm.sh/v3:Release"
_CHART = "oci://registry.k8s.io/kueue/charts/kueue"
_KIND = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "clusterqueues.kueue.x-k8s.io"},
}
# What the official plugin makes a new release for.
_FIXED = ("name", "namespace")


class Provider(provider.Provider):
    """The provider of a cluster's objects, which takes that release, too."""

    def check(self, step: Step, old_inputs: Properties, inputs: Properties, name: str) -> Properties:
        """Refuse every release but that one."""
        if step.token != _RELEASE:
            return super().check(step, old_inputs, inputs, name)
        wanted = (_CHART, versions.kueue().removeprefix("v"))
        if (inputs.get("chart"), inputs.get("version")) != wanted:
            raise InputError({"chart": f"the stand-in knows one release alone, {wanted[0]} in version {wanted[1]}"})
        return inputs

    def diff(self, step: Step, state: Properties, inputs: Properties) -> tuple[list[Change], bool]:
        """Compare with what was noted."""
        if step.token != _RELEASE:
            return super().diff(step, state, inputs)
        before = {key: value for key, value in state.items() if key != "status"}
        found = changes(before, before, inputs, step.ignore)
        for change in found:
            change.replace = change.path[0] in _FIXED
        return found, True

    def create(self, step: Step, inputs: Properties) -> tuple[str, Properties]:
        """Note the release, if Kueue is there."""
        if step.token != _RELEASE:
            return super().create(step, inputs)
        if not step.preview:
            self._look()
        return f"{inputs['namespace']}/{inputs['name']}", self._noted(inputs)

    def update(self, step: Step, state: Properties, inputs: Properties) -> Properties:
        """Note what changed."""
        return super().update(step, state, inputs) if step.token != _RELEASE else self._noted(inputs)

    def read(
        self, step: Step, identifier: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """Return what was noted; there is nothing to look at."""
        return super().read(step, identifier, state, inputs) if step.token != _RELEASE else (identifier, state, inputs)

    def delete(self, step: Step, state: Properties) -> None:
        """Forget it: Kueue ends with the platform."""
        if step.token != _RELEASE:
            super().delete(step, state)

    def _noted(self, inputs: Properties) -> Properties:
        known: Mapping[str, Any] = {"status": {"name": inputs["name"], "status": "deployed"}}
        return {**inputs, **known}

    def _look(self) -> None:
        try:
            self._connected().get(_KIND)
        except (MissingError, NoSuchKindError):
            raise ProviderError(
                "no Kueue runs on this cluster, and the stand-in kubernetes provider installs no charts: start the "
                "platform with queues, or install the official plugin"
            ) from None


def main() -> None:
    """Serve one engine."""
    run(Provider)
