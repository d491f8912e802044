from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from rehearsal.plugins.kubernetes.client import ApiError, Client, Object
from rehearsal.plugins.kubernetes.kubeconfig import load

from .project import Project

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
    metadata=meta("garden"), spec={{"size": 3}}, opts=pulumi.ResourceOptions(provider=provider, depends_on=[kind]))
pulumi.export("namespace", space.metadata.name)
pulumi.export("password", secret.data["password"])
"""


@pytest.fixture
def api(cluster: Path) -> Client:
    return Client(load(str(cluster)))


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


def test_a_stack_lives_and_ends(project: Project, cluster: Path, api: Client) -> None:
    project.write(life(cluster))
    assert "10 to create" in project.pulumi("preview")
    written = project.up()
    namespace: str = project.resources()["team"]["id"]
    assert namespace.startswith("team-")
    assert len(namespace) == len("team-") + 8
    live = api.get(config_map(namespace))
    assert live["data"] == {"color": "blue", "old": "yes"}
    # Secret: in no output and not plain in the state, although the program did not mark it.
    assert SECRET not in written + project.pulumi("stack", "output")
    assert SECRET not in project.stored()
    assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in project.stored() + written
    assert SECRET not in project.pulumi("stack", "export")
    project.pulumi("preview", "--expect-no-changes")

    # In place: a value changed, and a field left out goes, although it was made under another owner's name.
    project.write(life(cluster, data={"color": "red"}, labels={}, app="two", role="edit"))
    steps = project.steps()
    assert steps["settings"] == ("update", {"data.color", "data.old", 'metadata.labels["a/b"]'})
    assert steps["work"][0] == steps["role"][0] == "replace"
    assert "spec.selector.matchLabels.app" in steps["work"][1]
    assert steps["role"][1] == {"roleRef.name"}
    before = api.get(config_map(namespace))["metadata"]["uid"]
    project.up()
    live = api.get(config_map(namespace))
    assert live["data"] == {"color": "red"}
    assert not live["metadata"].get("labels")
    assert live["metadata"]["uid"] == before

    # Someone changes one object and deletes another: a refresh shows it, the next update mends it.
    api.request(
        "PUT",
        api.path(live),
        query={"fieldManager": "kubectl-edit"},
        body={**live, "data": {"color": "green", "theirs": "too"}},
    )
    api.delete(
        {"apiVersion": "tests.invalid/v1", "kind": "Garden", "metadata": {**live["metadata"], "name": "garden"}},
        "Background",
    )
    assert "~ 1 updated" in project.pulumi("refresh", "--yes", "--skip-preview")
    steps = project.steps()
    assert steps == {"settings": ("update", {"data.color"}), "garden": ("create", set())}
    project.up()
    # What was set with kubectl is taken over, so that it goes too.
    assert api.get(config_map(namespace))["data"] == {"color": "red"}
    project.pulumi("preview", "--refresh", "--expect-no-changes")

    project.pulumi("destroy", "--yes", "--skip-preview")
    with pytest.raises(ApiError) as gone:
        api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    assert gone.value.code == 404


SMALL = """
import pulumi, pulumi_kubernetes as k8s
on = pulumi.ResourceOptions(provider=k8s.Provider("cluster", kubeconfig={kubeconfig!r}, enable_config_map_mutable=True))
"""


def small(cluster: Path, body: str) -> str:
    return SMALL.format(kubeconfig=str(cluster)) + textwrap.dedent(body)


def test_another_owner_is_named_and_can_be_overruled(project: Project, cluster: Path, api: Client) -> None:
    body = """
        k8s.core.v1.ConfigMap("shared", metadata={{"name": "shared", "annotations": {annotations}}},
            data={{"color": "{color}"}}, opts=on)
    """
    project.write(small(cluster, body.format(color="blue", annotations={})))
    project.up()
    api.apply(config_map("default", "shared", color="black"), "team-x", force=True)
    project.write(small(cluster, body.format(color="red", annotations={})))
    written = project.up(fails=True)
    assert "team-x" in written
    assert ".data.color" in written
    assert "patchForce" in written
    assert api.get(config_map("default", "shared"))["data"] == {"color": "black"}
    project.write(small(cluster, body.format(color="red", annotations={"pulumi.com/patchForce": "true"})))
    project.up()
    assert api.get(config_map("default", "shared"))["data"] == {"color": "red"}
    # The same object once more: refused with what to do, instead of two resources that fight over it.
    again = "\nk8s.core.v1.ConfigMap('twin', metadata={'name': 'shared'}, opts=on)"
    project.write(small(cluster, body.format(color="red", annotations={"pulumi.com/patchForce": "true"}) + again))
    assert "import" in project.up(fails=True)
    project.pulumi("destroy", "--yes", "--skip-preview")


def test_what_does_not_get_ready_stays_in_state_with_the_reason(project: Project, cluster: Path) -> None:
    body = """
        k8s.apps.v1.Deployment("work", metadata={{"name": "work", "annotations": {{"pulumi.com/timeoutSeconds": "2"}}}},
            spec={{"replicas": {replicas}, "selector": {{"matchLabels": {{"app": "work"}}}}, "template": {{
                "metadata": {{"labels": {{"app": "work"}}}},
                "spec": {{"containers": [{{"name": "main", "image": "example.invalid/a",
                    "env": [{{"name": "TOKEN", "value": pulumi.Output.secret("{secret}")}}]}}]}}}}}}, opts=on)
    """
    project.write(small(cluster, body.format(replicas=1, secret=SECRET)))
    written = project.up(fails=True)
    assert "0 of 1 replicas are available" in written
    assert project.resources()["work"]["initErrors"]
    assert SECRET not in project.stored() + written
    project.write(small(cluster, body.format(replicas=0, secret=SECRET)))
    project.up()
    assert not project.resources()["work"].get("initErrors")
    # The server quotes what it refuses; a secret in it is not passed on.
    wrong = body.format(replicas=0, secret=SECRET).replace(
        '"image":', '"imagePullPolicy": pulumi.Output.secret("Sometimes"), "image":'
    )
    project.write(small(cluster, wrong))
    written = project.up(fails=True)
    assert "Sometimes" not in written
    assert "[secret]" in written
    project.pulumi("destroy", "--yes", "--skip-preview")


def test_an_object_made_elsewhere_is_imported(project: Project, cluster: Path, api: Client) -> None:
    api.create(config_map("default", "found", color="blue"), "someone")
    project.write(
        small(
            cluster,
            """
            k8s.core.v1.ConfigMap("found", metadata={"name": "found", "namespace": "default"}, data={"color": "blue"},
                opts=pulumi.ResourceOptions.merge(on, pulumi.ResourceOptions(import_="default/found")))
            """,
        )
    )
    assert "1 imported" in project.up()
    project.pulumi("preview", "--refresh", "--expect-no-changes")
    project.pulumi("destroy", "--yes", "--skip-preview")
    with pytest.raises(ApiError):
        api.get(config_map("default", "found"))


def test_a_cluster_that_does_not_answer_loses_nothing(project: Project, cluster: Path, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster.read_text())
    project.write(small(kubeconfig, 'k8s.core.v1.ConfigMap("kept", data={"color": "blue"}, opts=on)'))
    project.up()
    server = load(str(cluster)).server
    kubeconfig.write_text(cluster.read_text().replace(server, "https://127.0.0.1:1"))
    for command in (["preview"], ["refresh", "--yes", "--skip-preview"], ["destroy", "--yes", "--skip-preview"]):
        written = project.pulumi(*command, fails=True)
        assert "https://127.0.0.1:1 refuses connections" in written
        assert "kept" in project.resources()
    kubeconfig.write_text(cluster.read_text())
    project.pulumi("destroy", "--yes", "--skip-preview")


def test_some_fields_of_an_object_made_elsewhere(project: Project, cluster: Path, api: Client) -> None:
    api.create(config_map("default", "theirs", color="blue"), "someone")
    body = """
        late = k8s.core.v1.ConfigMap("late", data={"a": "b"}, opts=on)
        part = k8s.core.v1.ConfigMapPatch("part", metadata={"name": "theirs", "labels": {"ours": "yes"}},
            data={"size": "3", "from": late.metadata.uid}, opts=on)
        seen = k8s.core.v1.ConfigMap.get("seen", "default/theirs",
            opts=pulumi.ResourceOptions.merge(on, pulumi.ResourceOptions(depends_on=[part])))
        pulumi.export("color", seen.data["color"])
    """
    project.write(small(cluster, body))
    project.pulumi("preview")
    project.up()
    live = api.get(config_map("default", "theirs"))
    assert live["data"]["color"] == "blue"
    assert live["data"]["size"] == "3"
    assert live["metadata"]["labels"] == {"ours": "yes"}
    assert project.pulumi("stack", "output", "color").strip() == "blue"
    project.pulumi("preview", "--expect-no-changes")
    project.pulumi("destroy", "--yes", "--skip-preview")
    live = api.get(config_map("default", "theirs"))
    assert live["data"] == {"color": "blue"}
    assert not live["metadata"].get("labels")


def test_what_is_no_object_is_refused(project: Project, cluster: Path) -> None:
    project.write(small(cluster, 'k8s.core.v1.ConfigMapList("many", items=[], opts=on)'))
    assert "create its items one by one" in project.pulumi("preview", fails=True)
