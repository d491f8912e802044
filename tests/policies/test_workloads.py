"""Where each kind carries pods and images, path by path."""

from __future__ import annotations

import re
from typing import Any

import pytest

from policies.rules import UNKNOWN, Resource
from policies.rules.carriers import IMAGES, PARTIAL, PODS, Kind
from policies.rules.workloads import images, pods, unlisted_images

CARRIED = [(kind, path) for table in (PODS, PARTIAL) for kind, paths in table.items() for path in paths]
NAMED = [(kind, path) for kind, paths in IMAGES.items() for path in paths]
POD = {
    "containers": [{"name": "main", "image": "a"}],
    "initContainers": [{"name": "first", "image": "b"}],
    "ephemeralContainers": [{"name": "debug", "image": "c"}],
    "volumes": [{"name": "model", "image": {"reference": "d"}}, {"name": "scratch", "emptyDir": {}}],
}


@pytest.mark.parametrize(("kind", "path"), CARRIED, ids=str)
@pytest.mark.parametrize("form", ["", "List", "Patch"])
def test_each_kind_in_each_form(kind: Kind, path: str, form: str) -> None:
    body = _at(path, POD)
    properties: dict[str, Any] = {"items": [body]} if form == "List" else body
    for version in _versions(kind):
        resource = Resource(f"kubernetes:{version}:{kind.name}{form}", "it", properties)
        assert sorted(image.text for image in images(resource)) == ["a", "b", "c", "d"], version
        assert path.removesuffix("[]").replace(".*", ".Worker").replace("[]", "[0]") in _places(resource, form)
        assert list(unlisted_images(resource)) == []


@pytest.mark.parametrize(("kind", "path"), NAMED, ids=str)
def test_images_outside_of_pods(kind: Kind, path: str) -> None:
    resource = Resource(f"kubernetes:{kind.group}/v1:{kind.name}", "it", _at(path, "a"))
    assert [(image.path, image.text) for image in images(resource)] == [(path, "a")]
    assert list(unlisted_images(resource)) == []


@pytest.mark.parametrize(("kind", "path"), CARRIED, ids=str)
def test_a_pod_that_is_unknown_is_an_image_that_is_unknown(kind: Kind, path: str) -> None:
    for unknown in (path, f"{path}.containers", f"{path}.containers[]"):
        resource = Resource(f"kubernetes:{_versions(kind)[0]}:{kind.name}", "it", _at(unknown, UNKNOWN))
        found = list(images(resource)) + list(unlisted_images(resource))
        assert found, unknown
        assert all(image.unknown for image in found)


def test_a_list_of_anything_is_judged_by_what_it_holds() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": POD}
    jobs = {"apiVersion": "batch/v1", "kind": "JobList", "items": [{"spec": {"template": {"spec": POD}}}]}
    resource = Resource("kubernetes:v1:List", "it", {"apiVersion": "v1", "kind": "List", "items": [pod, jobs]})
    assert len(images(resource)) == 8


def test_what_the_properties_say_counts_beside_the_class() -> None:
    properties = {"apiVersion": "v1", "kind": "Pod", "spec": POD}
    assert len(images(Resource("kubernetes:core/v1:ConfigMap", "it", properties))) == 4


@pytest.mark.parametrize(
    "token",
    [
        "aws:eks/cluster:Cluster",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:core/v1:ConfigMap",
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "pulumi:providers:kubernetes",
    ],
)
def test_what_carries_no_pod(token: str) -> None:
    resource = Resource(token, "it", {"spec": POD, "data": {"image": "logo.png"}})
    assert list(images(resource)) == []
    assert list(unlisted_images(resource)) == []


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        ({"spec": {"image": "a"}}, ["spec.image"]),
        ({"spec": {"runtimeImage": "a"}}, ["spec.runtimeImage"]),
        ({"spec": {"images": ["a", "b"]}}, ["spec.images[0]", "spec.images[1]"]),
        ({"spec": {"images": [{"name": "a", "newTag": "1"}]}}, ["spec.images[0]"]),
        ({"spec": {"imageRef": {"reference": "a"}}}, ["spec.imageRef"]),
        ({"spec": {"podSpecPatch": "containers: []"}}, ["spec.podSpecPatch"]),
        ({"spec": {"conf": {"spark.driver.podTemplateFile": "a"}}}, ['spec.conf["spark.driver.podTemplateFile"]']),
        ({"spec": {"conf": {"container.image.pullPolicy": "Always"}}}, []),
        ({"spec": {"volumes": [{"image": {"reference": "a"}}]}}, ["spec.volumes[0].image.reference"]),
        ({"template": {"containers": [{"image": UNKNOWN}]}}, ["template.containers[0].image"]),
        ({"spec": UNKNOWN}, ["spec"]),
        ({"spec": {"imagePullPolicy": "Always", "imagePullSecrets": [{"name": "a"}]}}, []),
        ({"metadata": {"annotations": {"image": "a"}}, "status": {"image": "a"}}, []),
        ({"spec": {"image": "", "imageName": None}}, []),
    ],
)
def test_what_looks_like_an_image_in_a_kind_that_nobody_listed(properties: dict[str, Any], found: list[str]) -> None:
    resource = Resource("kubernetes:example.com/v1:Robot", "it", properties)
    assert [image.path for image in unlisted_images(resource)] == found


def _places(resource: Resource, form: str) -> set[str]:
    """Return where pods were found, without the list around them."""
    places = {pod.spec.path.removeprefix("items[0].") if form == "List" else pod.spec.path for pod in pods(resource)}
    return places | {place.removesuffix("[0]") for place in places}


def _versions(kind: Kind) -> list[str]:
    """Return API versions in the spellings of the SDK's classes and of custom resources."""
    if kind.group == "":
        return ["core/v1", "v1"]
    return [f"{kind.group}/{version}" for version in ("v1", "v1beta1", "v2alpha1")]


def _at(path: str, value: object) -> Any:
    """Return an object that has a value at a path of carriers.py."""
    for step in reversed(re.findall(r"[^.\[\]]+|\[\]", path)):
        value = [value] if step == "[]" else {"Worker" if step == "*" else step: value}
    return value
