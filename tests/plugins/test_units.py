from __future__ import annotations

import base64
import threading
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.plugins import changes
from rehearsal.plugins.hiding import redacted
from rehearsal.plugins.kubernetes import diff, objects, ready
from rehearsal.plugins.kubernetes.client import ApiError, Object
from rehearsal.plugins.kubernetes.kubeconfig import load
from rehearsal.plugins.properties import UNKNOWN, Secret, from_struct, plain, to_struct
from rehearsal.plugins.resource import ProviderError

SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8) | st.just(UNKNOWN)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
PROPERTIES = st.dictionaries(st.text(max_size=4), VALUES | VALUES.map(Secret), max_size=4)


@given(PROPERTIES)
def test_properties_survive_the_protocol(properties: dict[str, Any]) -> None:
    assert from_struct(to_struct(properties)) == properties


@given(PROPERTIES)
def test_an_object_is_no_change_of_itself(properties: dict[str, Any]) -> None:
    inputs = objects.to_object(properties)
    known = [
        change for change in changes.changes(inputs, inputs, inputs) if changes.at(inputs, change.path) is not UNKNOWN
    ]
    assert known == []


def changed(old_inputs: Object, live: Object, inputs: Object) -> dict[str, str]:
    return {str(change): change.verb for change in changes.changes(old_inputs, live, inputs)}


def test_paths_are_written_as_pulumi_writes_them() -> None:
    old = {"metadata": {"labels": {"a.b/c": "1"}}, "spec": {"list": [{"x": 1}, {"x": 2}]}}
    new = {"metadata": {"labels": {"a.b/c": "2"}}, "spec": {"list": [{"x": 3}], "more": True}}
    assert changed(old, old, new) == {
        'metadata.labels["a.b/c"]': "update",
        "spec.list[0].x": "update",
        "spec.list[1]": "delete",
        "spec.more": "add",
    }


def test_the_servers_form_and_others_fields_are_no_change() -> None:
    inputs = {"spec": {"cpu": "1000m", "ports": []}}
    live = {"spec": {"cpu": "1", "default": True}, "status": {"ready": True}}
    assert changed(inputs, live, inputs) == {}
    assert changes.merged_inputs(inputs, live, live) == inputs
    drifted = {"spec": {"cpu": "2", "default": True}}
    assert changes.merged_inputs(inputs, live, drifted) == {"spec": {"cpu": "2", "ports": []}}
    assert changed({"spec": {"cpu": "2"}}, drifted, {"spec": {"cpu": "1000m"}}) == {"spec.cpu": "update"}


def test_ignored_paths_may_stand_for_every_item() -> None:
    old: Object = {"containers": [{"image": "a:1", "args": ["x"]}, {"image": "b:1"}], "labels": {"a/b": "1"}}
    new: Object = {"containers": [{"image": "a:2", "args": ["y"]}, {"image": "b:2"}], "labels": {"a/b": "2"}}
    for ignore, left in (
        (["containers[*].image"], ["containers[0].args[0]", 'labels["a/b"]']),
        (["containers[*]", "labels.*"], []),
        (["containers[1]", 'labels["a/b"]'], ["containers[0].args[0]", "containers[0].image"]),
        (["container"], ["containers[0].args[0]", "containers[0].image", "containers[1].image", 'labels["a/b"]']),
    ):
        assert [str(change) for change in changes.changes(old, old, new, ignore)] == left
    live: Object = {"containers": [{"image": "a:3", "args": ["z"]}, {"image": "b:3"}, {"image": "sidecar"}]}
    assert changes.kept(new, live, ["containers[*].image", "containers[0].args[0]", "containers[2].image"]) == {
        "containers": [{"image": "a:3", "args": ["z"]}, {"image": "b:3"}],
        "labels": {"a/b": "2"},
    }


FIXED = [
    ("v1", "PersistentVolume", "spec.csi.volumeHandle", True),
    ("v1", "PersistentVolume", "spec.hostPath.path", True),
    ("v1", "PersistentVolume", "spec.capacity.storage", False),
    ("v1", "PersistentVolumeClaim", "spec.storageClassName", True),
    ("v1", "ConfigMap", "metadata.namespace", True),
    ("apps/v1", "Deployment", "spec.selector.matchLabels.app", True),
    ("apps/v1", "Deployment", "spec.selectors", False),
]


@pytest.mark.parametrize(("version", "kind", "field", "replaced"), FIXED)
def test_the_official_table_says_what_is_replaced(version: str, kind: str, field: str, *, replaced: bool) -> None:
    obj = {"apiVersion": version, "kind": kind}
    change = changes.Change(changes.parsed(field), "update")
    diff.mark_fixed([change], obj, obj, set())
    assert change.replace is replaced


def test_what_the_server_calls_immutable_is_replaced() -> None:
    old: Object = {"spec": {"fixed": 1, "free": 1}}
    new: Object = {"spec": {"fixed": 2, "free": 2}}

    def refuse() -> Object:
        cause = {"field": "spec.fixed", "message": "Invalid value: 2: field is immutable"}
        raise ApiError(422, {"message": "invalid", "details": {"causes": [cause]}})

    live = {"kind": "Garden", **old}
    found = diff.settle(changes.changes(old, old, new), old, live, refuse)
    assert {str(change): change.replace for change in found} == {"spec.fixed": True, "spec.free": False}
    with pytest.raises(ProviderError, match=r"invalid\. This PersistentVolume can't be changed so: undo"):
        diff.settle(changes.changes(old, old, new), old, {**live, "kind": "PersistentVolume"}, refuse)


def test_secrets_are_hidden_in_every_form() -> None:
    value = "correct-horse"
    encoded = base64.b64encode(value.encode()).decode()
    secret = {"kind": "Secret", "apiVersion": "v1", "data": {"a": encoded}}
    assert (
        redacted(f"refused {value} and {encoded}", objects.mark_secrets(secret, secret))
        == "refused [secret] and [secret]"
    )
    marked = objects.mark_secrets(secret, {})
    assert isinstance(marked["data"], Secret)
    assert plain(marked) == secret
    assert value not in repr(Secret(value))
    nested = {"spec": {"env": [{"value": Secret(value)}], "name": "shown"}}
    marked = objects.mark_secrets(plain(nested), nested)
    assert isinstance(marked["spec"]["env"], Secret)
    assert marked["spec"]["name"] == "shown"


@pytest.mark.parametrize(
    ("text", "context", "told"),
    [
        ("/nowhere/kubeconfig", None, "there is no kubeconfig at /nowhere/kubeconfig"),
        ("a: [\n", None, "not of the form that kubectl reads"),
        ("- a\n- b\n", None, "Expected key current-context"),
        ("clusters: []\ncontexts: [{name: one, context: {}}]\n", None, "Expected key current-context"),
        ("clusters: []\ncontexts: [{name: one, context: {}}]\n", "two", "Expected object with name two"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_explained(text: str, context: str | None, told: str) -> None:
    with pytest.raises(ProviderError, match=told):
        load(text, context)


def test_credentials_of_an_exec_plugin() -> None:
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t-1"}}'
    config = f"""
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:1/"}}}}]
users:
- name: u
  user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: echo, args: ['{answer}'],
    interactiveMode: Never}}}}
contexts: [{{name: x, context: {{cluster: c, user: u, namespace: team}}}}]
current-context: x
"""
    access = load(config)
    assert access.headers() == {"authorization": "Bearer t-1"}
    assert (access.server.url, access.namespace) == ("https://127.0.0.1:1", "team")
    with pytest.raises(ProviderError, match="gives no credentials; run it to see why"):
        load(config.replace("command: echo", "command: 'false'"))


READY = [
    ("Job", {"conditions": [{"type": "Complete", "status": "True"}]}, None),
    ("Job", {"conditions": [{"type": "Suspended", "status": "True"}]}, None),
    ("Job", {}, "it is not Complete or Suspended"),
    ("Job", {"conditions": [{"type": "Failed", "status": "True", "message": "too often"}]}, "too often"),
    ("Pod", {"phase": "Succeeded"}, None),
    (
        "Pod",
        {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "message": "no answer"}]},
        "no answer",
    ),
    ("ResourceQuota", {"hard": {"cpu": "1"}}, "the quota controller has not taken over its limits"),
    ("ResourceQuota", {"hard": {"cpu": "2"}}, None),
    ("ReplicationController", {"replicas": 1, "availableReplicas": 1}, "1 of 1 replicas are available"),
    ("ReplicationController", {"replicas": 1, "availableReplicas": 1, "fullyLabeledReplicas": 1}, None),
    ("Namespace", {"phase": "Active"}, None),
    ("CustomResourceDefinition", {}, "it is not Established"),
    ("CustomResourceDefinition", {"conditions": [{"type": "Established", "status": "True"}]}, None),
]
SPECS: dict[str, Object] = {"ResourceQuota": {"hard": {"cpu": "2"}}, "ReplicationController": {"replicas": 1}}
VERSIONS = {"Job": "batch/v1", "CustomResourceDefinition": "apiextensions.k8s.io/v1"}


@pytest.mark.parametrize(("kind", "status", "told"), READY)
def test_states_tell_what_is_up(kind: str, status: Object, told: str | None) -> None:
    version, spec = VERSIONS.get(kind, "v1"), SPECS.get(kind, {})
    live: Object = {"apiVersion": version, "kind": kind, "metadata": {}, "spec": spec, "status": status}
    rule = ready.rule_of(live, {})
    assert rule
    try:
        reasons = ready.hindrances(Mock(), live, rule)
    except ready.NotReadyError as error:
        assert status["conditions"][0]["type"] == "Failed"
        reasons = list(error.reasons)
    assert told in "; ".join(reasons) if told else not reasons


def test_an_object_of_another_uid_is_not_waited_for() -> None:
    going: Object = {"metadata": {"name": "one", "uid": "1", "deletionTimestamp": "now"}}
    client = Mock()
    client.get.return_value = {"metadata": going["metadata"] | {"uid": "2"}}
    ready.wait_gone(client, {}, going, 0.1, threading.Event())
    client.get.return_value = going
    with pytest.raises(ready.NotReadyError, match="still there after 0 seconds, held by nobody"):
        ready.wait_gone(client, {}, going, 0.1, threading.Event())


def test_annotations_change_what_is_awaited() -> None:
    live: Object = {"apiVersion": "tests.invalid/v1", "kind": "Garden", "status": {}}
    assert ready.rule_of(live, {}) is None
    annotations = {"pulumi.com/waitFor": "condition=Watered"}
    rule = ready.rule_of(live, {"metadata": {"annotations": annotations}})
    assert rule
    assert ready.hindrances(Mock(), live, rule) == ["it is not Watered"]
    live["status"] = {"conditions": [{"type": "Watered", "status": "True"}]}
    assert ready.hindrances(Mock(), live, rule) == []
    assert ready.rule_of(live, {"metadata": {"annotations": annotations | {"pulumi.com/skipAwait": "true"}}}) is None
