from __future__ import annotations

import threading
from pathlib import Path
from unittest.mock import Mock

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as pb

from rehearsal.engine import OFFICIAL, STAND_IN
from rehearsal.plugins.kubernetes import ready
from rehearsal.plugins.kubernetes.client import Client, MissingError, Object
from rehearsal.plugins.kubernetes.provider import Provider
from rehearsal.plugins.properties import to_struct
from rehearsal.plugins.resource import PartlyDoneError, ProviderError, Step
from rehearsal.plugins.serving import EngineLog

from .project import NAMESPACE, Project

SECRET = "correct-horse-battery"  # noqa: S105 - made up for these tests

LIFE = """
import pulumi, pulumi_kubernetes as k8s

provider = k8s.Provider("cluster", kubeconfig={kubeconfig!r}, enable_config_map_mutable=True)
on = pulumi.ResourceOptions(provider=provider)
space = k8s.core.v1.Namespace("team", opts=on)
def meta(name, **more):
    return {{"name": name, "namespace": space.metadata.name, **more}}

settings = k8s.core.v1.ConfigMap(
    "settings", metadata=meta("settings", labels={labels}), data={data}, opts=on)
secret = k8s.core.v1.Secret("secret", metadata=meta("secret"), string_data={{"password": {secret!r}}}, opts=on)
work = k8s.apps.v1.Deployment("work", metadata=meta("work"), spec={{
    "replicas": 0,
    "selector": {{"matchLabels": {{"app": "{app}"}}}},
    "template": {{
        "metadata": {{"labels": {{"app": "{app}"}}}},
        "spec": {{"containers": [{{"name": "main", "image": "example.invalid/a",
                                  "resources": {{"requests": {{"cpu": "1000m"}}}}}}]}},
    }},
}}, opts=on)
role = k8s.rbac.v1.RoleBinding("role", metadata=meta("role"), subjects=[],
    role_ref={{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "{role}"}}, opts=on)
deny = k8s.networking.v1.NetworkPolicy("deny", metadata=meta("deny"),
    spec={{"podSelector": {{}}, "ingress": [], "policyTypes": ["Ingress"]}}, opts=on)
kind = k8s.apiextensions.v1.CustomResourceDefinition("kind", metadata={{"name": "gardens.tests.invalid"}}, spec={{
    "group": "tests.invalid",
    "scope": "Namespaced",
    "names": {{"kind": "Garden", "plural": "gardens", "singular": "garden"}},
    "versions": [{{"name": "v1", "served": True, "storage": True, "schema": {{"openAPIV3Schema": {{
        "type": "object",
        "properties": {{"spec": {{"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}}}}}}],
}}, opts=on)
garden = k8s.apiextensions.CustomResource("garden", api_version="tests.invalid/v1", kind="Garden",
    metadata=meta("garden", annotations={{"pulumi.com/deletionPropagationPolicy": "background"}}), spec={{"size": 3}},
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[kind]))
pulumi.export("namespace", space.metadata.name)
pulumi.export("password", secret.data["password"])
"""


def life(cluster: Path, **changed: object) -> str:
    given: dict[str, object] = {
        "kubeconfig": str(cluster),
        "labels": {"a/b": "1"},
        "data": {"color": "blue", "old": "yes"},
        "app": "one",
        "role": "view",
        "secret": SECRET,
    }
    return LIFE.format(**given | changed)


def config_map(namespace: str, name: str = "settings", **data: str) -> Object:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


# The same life on both, so that "behaves like the official one" can be contradicted.
on_both = pytest.mark.parametrize("project", [STAND_IN, OFFICIAL], indirect=True)


@on_both
def test_a_stack_lives_and_ends(project: Project, cluster: Path, api: Client) -> None:
    project.write(life(cluster))
    written = project.up()
    assert "10 created" in written.replace("+ ", "")
    namespace: str = project.resources()["team"]["id"]
    assert namespace.startswith("team-")
    assert len(namespace) == len("team-") + 8
    live = api.get(config_map(namespace))
    assert live["data"] == {"color": "blue", "old": "yes"}
    # Secret: in no output and not plain in the state, although the program did not mark it.
    for text in (written, project.pulumi("stack", "output"), project.stored()):
        assert SECRET not in text
        assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in text

    # In place: a value changed, and a field left out goes, although it was made under another owner's name.
    project.write(life(cluster, data={"color": "red"}, labels={}, app="two", role="edit"))
    steps = project.steps()
    assert steps["settings"] == ("update", {"data.color", "data.old", 'metadata.labels["a/b"]'})
    assert steps["work"][0] == steps["role"][0] == "replace"
    assert "spec.selector.matchLabels.app" in steps["work"][1]
    assert steps["role"][1] == {"roleRef.name"}
    assert set(steps) == {"settings", "work", "role"}
    before = live["metadata"]["uid"]
    project.up()
    live = api.get(config_map(namespace))
    assert live["data"] == {"color": "red"}
    assert not live["metadata"].get("labels")
    assert live["metadata"]["uid"] == before

    # Someone changes one object and deletes another: an update that refreshes first shows and mends it.
    edited = {**live, "data": {"color": "green", "theirs": "too"}}
    api.request("PUT", api.path(live), query={"fieldManager": "kubectl-edit"}, body=edited)
    garden = {"apiVersion": "tests.invalid/v1", "kind": "Garden", "metadata": {**live["metadata"], "name": "garden"}}
    api.delete(garden, "Background")
    written = project.up("--refresh")
    assert "~ 1 updated" in written
    assert "+ 1 created" in written
    # What was set with kubectl is taken over, so that it goes too.
    assert api.get(config_map(namespace))["data"] == {"color": "red"}
    project.pulumi("preview", "--refresh", "--expect-no-changes")

    project.pulumi("destroy", "--yes", "--skip-preview")
    with pytest.raises(MissingError):
        api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


TROUBLES = """
import pulumi, pulumi_kubernetes as k8s
on = pulumi.ResourceOptions(provider=k8s.Provider(
    "cluster", kubeconfig={kubeconfig!r}, namespace="plugins", enable_config_map_mutable=True))
k8s.core.v1.ConfigMap("shared", metadata={{"name": "shared", "annotations": {annotations}}},
    data={{"color": "{color}"}}, opts=on)
work = k8s.apps.v1.Deployment("work", metadata={{"annotations": {{"pulumi.com/timeoutSeconds": "2"}}}}, spec={{
    "replicas": {replicas}, "selector": {{"matchLabels": {{"app": "work"}}}}, "template": {{
        "metadata": {{"labels": {{"app": "work"}}}},
        "spec": {{"nodeSelector": {{"tests.invalid/node": "none"}}, "containers": [{{
            "name": "main", "image": "example.invalid/a", "imagePullPolicy": pulumi.Output.secret("{policy}"),
            "env": [{{"name": "TOKEN", "value": pulumi.Output.secret("{secret}")}}]}}]}}}}}}, opts=on)
found = k8s.core.v1.ConfigMap("found", metadata={{"name": "found", "namespace": "plugins"}}, data={{"color": "blue"}},
    opts=pulumi.ResourceOptions.merge(on, pulumi.ResourceOptions(import_="plugins/found")))
"""


def troubles(kubeconfig: Path, **changed: object) -> str:
    given: dict[str, object] = {"color": "blue", "annotations": {}, "replicas": 0, "policy": "Always", "secret": SECRET}
    return TROUBLES.format(kubeconfig=str(kubeconfig), **given | changed)


@on_both
def test_troubles_are_told_and_lose_nothing(project: Project, cluster: Path, api: Client, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster.read_text())
    api.create(config_map(NAMESPACE, "found", color="blue"), "someone", dry_run=False)

    # What does not get ready stays in state, with the reason; what was made elsewhere is imported.
    project.write(troubles(kubeconfig, replicas=1))
    written = project.up(fails=True)
    project.told(written, "0 of 1 replicas are available", "nodes are available")
    assert "1 imported" in written
    assert project.resources()["work"]["initErrors"]
    assert SECRET not in project.stored() + written

    # Another owner is named; an object that exists is no new one; what the server refuses is told without its secret.
    api.apply(config_map(NAMESPACE, "shared", color="black"), "team-x", force=True)
    twin = "k8s.core.v1.ConfigMap('twin', metadata={'name': 'shared'}, opts=on)\n"
    project.write(troubles(kubeconfig, color="red", policy="Sometimes") + twin)
    written = project.up("--continue-on-error", fails=True)
    assert "team-x" in written
    assert ".data.color" in written
    project.told(written, "patchForce", "pulumi import", "[secret]")
    assert "Sometimes" not in written
    assert api.get(config_map(NAMESPACE, "shared"))["data"] == {"color": "black"}

    project.write(troubles(kubeconfig, color="red", annotations={"pulumi.com/patchForce": "true"}))
    project.up()
    assert api.get(config_map(NAMESPACE, "shared"))["data"] == {"color": "red"}
    assert not project.resources()["work"].get("initErrors")

    # A cluster that does not answer: nothing is forgotten.
    kubeconfig.write_text(cluster.read_text().replace(api.access.server.url, "https://127.0.0.1:1"))
    for command in ("refresh", "destroy"):
        written = project.pulumi(command, "--yes", "--skip-preview", fails=True)
        project.told(written, "https://127.0.0.1:1 refuses connections")
        assert {"shared", "work", "found"} <= set(project.resources())
    kubeconfig.write_text(cluster.read_text())
    project.pulumi("destroy", "--yes", "--skip-preview")
    with pytest.raises(MissingError):
        api.get(config_map(NAMESPACE, "found"))


class AbortedError(Exception):
    pass


@pytest.fixture
def context() -> Mock:
    """The engine's side of a call, which raises what the provider tells."""
    made = Mock(spec=grpc.ServicerContext)
    made.abort.side_effect = lambda _code, message: (_ for _ in ()).throw(AbortedError(message))
    return made


@pytest.fixture
def provider(cluster: Path) -> Provider:
    """A provider in this process."""
    made = Provider(EngineLog(""))
    made.configure({"kubeconfig": str(cluster), "namespace": NAMESPACE, "upsertExistingObjects": "true"})
    return made


def urn(kind: str) -> str:
    return f"urn:pulumi:dev::tests::kubernetes:{kind}::it"


@pytest.mark.parametrize(
    "kind", ["core/v1:ConfigMapList", "apps/v1:DeploymentPatch", "helm.sh/v3:Release", "yaml:ConfigFile"]
)
def test_what_is_no_object_is_refused(kind: str, context: Mock) -> None:
    with pytest.raises(AbortedError, match="create whole objects, one by one"):
        Provider(EngineLog("")).Check(pb.CheckRequest(urn=urn(kind)), context)


def test_settings_that_cannot_be_met_are_refused(context: Mock) -> None:
    settings = {"renderYamlToDirectory": "out", "enableServerSideApply": "true", "context": "any"}
    checked = Provider(EngineLog("")).CheckConfig(pb.CheckRequest(news=to_struct(settings)), context)
    assert [failure.property for failure in checked.failures] == ["renderYamlToDirectory"]


def test_a_provider_that_points_elsewhere_makes_all_anew(cluster: Path, context: Mock) -> None:
    same = {"kubeconfig": str(cluster), "enablePatchForce": "true"}
    other = {"kubeconfig": cluster.read_text().replace("https://", "https://elsewhere.")}
    for news, replaces in ((same, False), (other, True)):
        request = pb.DiffRequest(olds=to_struct({"kubeconfig": cluster.read_text()}), news=to_struct(news))
        assert bool(Provider(EngineLog("")).DiffConfig(request, context).replaces) is replaces


def workload(kind: str, **spec: object) -> Object:
    name = kind.lower()
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "example.invalid/a"}]},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def test_each_kind_is_awaited_and_deleted(provider: Provider) -> None:
    port = {"ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "open", "namespace": NAMESPACE}}
    wanted = [
        workload("Deployment", replicas=2),
        workload("StatefulSet", replicas=1, serviceName="open"),
        workload("DaemonSet"),
        {**service, "spec": {"selector": {"app": "deployment"}, **port}},
    ]
    for obj in wanted:
        step = Step(urn(f"{obj['apiVersion']}:{obj['kind']}"), timeout=30)
        _, state = provider.create(step, obj)
        # Ready, not only made: simulated nodes run the pods.
        if obj["kind"] != "Service":
            assert state["status"].get("numberAvailable", state["status"].get("readyReplicas"))
        provider.create(step, obj)
    for obj in reversed(wanted):
        provider.delete(Step(urn("it"), timeout=30), obj)


def test_every_containers_image_is_left_to_others(provider: Provider, api: Client) -> None:
    obj = workload("Deployment", replicas=0)
    step = Step(urn("apps/v1:Deployment"), timeout=30, ignore=["spec.template.spec.containers[*].image"])
    _, state = provider.create(step, obj)
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.invalid/theirs"}
    ready.wait_ready(api, {}, api.json_patch(obj, [image]), 30, threading.Event())
    _, state, inputs = provider.read(step, f"{NAMESPACE}/deployment", state, obj) or ("", {}, {})
    assert inputs["spec"]["template"]["spec"]["containers"][0]["image"] == "example.invalid/theirs"
    assert provider.diff(step, state, obj)[0] == []
    state = provider.update(step, state, workload("Deployment", replicas=0, minReadySeconds=1))
    assert state["spec"]["minReadySeconds"] == 1
    assert state["spec"]["template"]["spec"]["containers"][0]["image"] == "example.invalid/theirs"
    provider.delete(step, state)


def test_an_imported_object_has_the_id_of_a_made_one(cluster: Path) -> None:
    provider = Provider(EngineLog(""))
    provider.configure({"kubeconfig": str(cluster)})
    step = Step(urn("core/v1:ConfigMap"))
    inputs = provider.check(step, {}, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bare"}}, "")
    made, state = provider.create(step, inputs)
    try:
        found = provider.read(step, "bare", {}, {})
        assert found
        assert made == found[0] == "default/bare"
    finally:
        provider.delete(step, state)


def test_what_has_not_changed_needs_no_cluster() -> None:
    obj = config_map(NAMESPACE, color="blue")
    state = {**obj, "__inputs": obj}
    away = Provider(EngineLog(""))
    assert away.diff(Step(urn("core/v1:ConfigMap")), state, obj) == ([], False)
    with pytest.raises(ProviderError, match="not configured"):
        away.diff(Step(urn("core/v1:ConfigMap")), state, config_map(NAMESPACE, color="red"))


CLAIM = {"accessModes": ["ReadWriteOnce"], "storageClassName": "no", "resources": {"requests": {"storage": "1Gi"}}}


def test_the_servers_refusal_is_told_before_data_is_lost(provider: Provider) -> None:
    meta = {"name": "kept", "namespace": NAMESPACE, "annotations": {"pulumi.com/skipAwait": "true"}}
    obj = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": CLAIM}
    step = Step(urn("core/v1:PersistentVolumeClaim"), preview=True)
    _, state = provider.create(Step(step.urn), obj)
    with pytest.raises(ProviderError, match=r"(?s)spec is immutable after creation.* a replacement would delete"):
        provider.diff(step, state, {**obj, "spec": CLAIM | {"volumeMode": "Block"}})
    # The official table decides where it can.
    found, _ = provider.diff(step, state, {**obj, "spec": CLAIM | {"storageClassName": "other"}})
    assert [change.replace for change in found] == [True]
    provider.delete(Step(step.urn), state)
    # What holds no data is made anew.
    level = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "plugins"}, "value": 1}
    step = Step(urn("scheduling.k8s.io/v1:PriorityClass"), preview=True)
    _, state = provider.create(Step(step.urn), level)
    found, _ = provider.diff(step, state, {**level, "value": 2})
    assert [(str(change), change.replace) for change in found] == [("value", True)]
    provider.delete(Step(step.urn), state)


def test_a_quota_is_in_force_when_it_is_up(provider: Provider, api: Client) -> None:
    meta = {"name": "bound", "namespace": NAMESPACE}
    step, quota = Step(urn("core/v1:ResourceQuota"), timeout=30), {"apiVersion": "v1", "kind": "ResourceQuota"}
    # 3000m is not how the server writes it.
    obj = {**quota, "metadata": meta, "spec": {"hard": {"requests.cpu": "3000m", "pods": "90"}}}
    _, state = provider.create(step, obj)
    assert state["status"]["hard"] == {"requests.cpu": "3", "pods": "90"}
    state = provider.update(step, state, {**obj, "spec": {"hard": {"requests.cpu": "2500m", "pods": "95"}}})
    assert state["status"]["hard"] == {"requests.cpu": "2500m", "pods": "95"}
    provider.delete(step, state)


MISSING: list[tuple[str, Object, dict[str, str], str]] = [
    ("PersistentVolumeClaim", {"spec": CLAIM}, {}, "storage class no: .* not found"),
    ("Service", {"spec": {"selector": {"app": "no"}, "ports": [{"port": 80}]}}, {}, "no ready pod matches"),
    ("ConfigMap", {}, {"pulumi.com/waitFor": "jsonpath={}"}, "condition=TYPE"),
]


@pytest.mark.parametrize(("kind", "rest", "annotations", "told"), MISSING)
def test_what_is_missing_is_told(
    provider: Provider, kind: str, rest: Object, annotations: dict[str, str], told: str
) -> None:
    annotations = {"pulumi.com/timeoutSeconds": "1", **annotations}
    meta = {"name": "missing", "namespace": NAMESPACE, "annotations": annotations}
    obj = {"apiVersion": "v1", "kind": kind, "metadata": meta, **rest}
    with pytest.raises(PartlyDoneError, match=told):
        provider.create(Step(urn(f"core/v1:{kind}")), obj)
    provider.delete(Step(urn(f"core/v1:{kind}"), timeout=30), obj)
