"""Of Helm's releases the stand-in takes one, and only where what it would install runs already."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

import pytest

from rehearsal.plugins.helm import Provider
from rehearsal.plugins.kubernetes.client import Client, MissingError
from rehearsal.plugins.resource import InputError, ProviderError, Step
from rehearsal.plugins.serving import EngineLog

RELEASE = {
    **{"chart": "oci://registry.k8s.io/kueue/charts/kueue", "version": "0.19.2"},
    **{"name": "kueue", "namespace": "kueue-system", "values": {"a": "b"}},
}


def step(*, preview: bool = False) -> Step:
    return Step("urn:pulumi:x::terrarium::kubernetes:helm.sh/v3:Release::x", preview)


def provider(*, there: bool) -> Provider:
    made = Provider(Mock(spec=EngineLog))
    client = Mock(spec=Client)
    client.get.side_effect = None if there else MissingError("no such definition")
    made._client = client
    made.stopping = threading.Event()
    return made


@pytest.mark.parametrize("changed", [{"chart": "oci://registry.example/x"}, {"version": "0.16.2"}, {"version": None}])
def test_any_other_release_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="knows one release alone"):
        provider(there=True).check(step(), {}, RELEASE | changed, "x")


def test_where_kueue_runs_it_is_noted() -> None:
    identifier, state = provider(there=True).create(step(), RELEASE)
    assert identifier == "kueue-system/kueue"
    assert state == {**RELEASE, "status": {"name": "kueue", "status": "deployed"}}


def test_where_it_does_not_nothing_is_claimed() -> None:
    with pytest.raises(ProviderError, match="no Kueue runs on this cluster"):
        provider(there=False).create(step(), RELEASE)


def test_a_preview_asks_for_nothing_that_is_made_with_it() -> None:
    assert provider(there=False).create(step(preview=True), RELEASE)[0] == "kueue-system/kueue"


def test_changes_are_found_and_another_name_is_another_release() -> None:
    made = provider(there=True)
    _, state = made.create(step(), RELEASE)
    assert made.diff(step(), state, RELEASE) == ([], True)
    [changed], _ = made.diff(step(), state, RELEASE | {"values": {"a": "c"}})
    assert (str(changed), changed.replace) == ("values.a", False)
    [renamed], _ = made.diff(step(), state, RELEASE | {"name": "another"})
    assert renamed.replace
