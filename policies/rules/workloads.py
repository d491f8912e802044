"""Where each kind of object carries pods and images, so that no kind is a way around the rules.

Engines that knew only Pods missed what controllers make (kyverno #2850), those that knew Kubernetes' own controllers
missed PyTorchJob, RayJob and JobSet in silence (kyverno #16477). Here a kind that is not listed may carry no image, and
one that is listed carries them nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from policies.rules.carriers import IMAGES, PARTIAL, PODS, Kind
from policies.rules.model import Resource
from policies.rules.reading import Node, root

ANY_KUBERNETES = "kubernetes:*"
EVERY_KIND = ("any",)


@dataclass(frozen=True)
class Pod:
    """A pod's specification, wherever it stands.

    Args:
        spec: The specification.
        metadata: The metadata of the object that it stands in.
        partial: Whether it changes a pod that is described elsewhere, so that what it lacks is not absent.
    """

    spec: Node
    metadata: Node
    partial: bool

    @cached_property
    def containers(self) -> tuple[Node, ...]:
        """Containers of all sorts; an ephemeral one runs as well as any other, and Spark has its sidecars."""
        sorts = ("containers", "initContainers", "ephemeralContainers", "sidecars")
        return tuple(container for sort in sorts for container in self.spec.get(sort).entries())


# Kubernetes' own groups: all kinds in them that make pods are listed above.
_OWN_GROUPS = frozenset({"", "apps", "autoscaling", "batch", "extensions", "policy"})
_OWN_K8S_IO = re.compile(
    r"(?:admissionregistration|apiextensions|apiregistration|auditregistration|authentication|authorization"
    r"|certificates|coordination|discovery|events|(?:flowcontrol|internal)\.apiserver|networking|node"
    r"|rbac\.authorization|resource|scheduling|settings|storage|storagemigration)\.k8s\.io"
)
# Kinds of Pulumi's SDK that make objects, each of which is judged by itself (helm's Release is a rule's own matter).
_PULUMI_OWN = re.compile(r"kubernetes:(?:helm\.sh/v\d+|yaml(?:/v\d+)?|kustomize(?:/v\d+)?):\w+")
# Spark takes an image by its configuration too, as `spark.kubernetes.container.image`. `podSpecPatch` is text that is
# merged into a pod when it starts, and a template file stands in an image: whatever is in them, nobody sees it before.
_IMAGE_KEY = re.compile(
    r"(?:.*[./_-])?(?:(?:image|\w*Image)(?:s|Name|Ref|Reference|Repository|Tag|Digest|Ur[il]|URL)?"
    r"|podSpecPatch|podTemplateFile)"
)
_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d+)?")
_MARKER = re.compile(r"[^.\[\]]+|\[\]")


def objects(resource: Resource) -> tuple[tuple[Kind, Node, bool], ...]:
    """Return each Kubernetes object of a resource: itself, or what a list holds.

    Args:
        resource: Any resource.

    Returns:
        Of each its kind, the object, and whether it changes one that is described elsewhere.
    """
    return resource.derived(_objects)


def pods(resource: Resource) -> tuple[Pod, ...]:
    """Return each pod specification that an object carries, in the objects of a list too.

    Args:
        resource: Any resource; one that is no Kubernetes object carries none.
    """
    return resource.derived(_pods)


def images(resource: Resource) -> tuple[Node, ...]:
    """Return each image reference that an object carries, absent where a container names none.

    Args:
        resource: Any resource.
    """
    return resource.derived(_images)


def _objects(resource: Resource) -> tuple[tuple[Kind, Node, bool], ...]:
    named = _token_kind(resource.type)
    if named is None:
        return ()
    node = root(resource)
    partial = is_patch(resource)
    # The provider makes what the properties name, whatever class of the SDK they were given to.
    written = _written_kind(node)
    kinds = dict.fromkeys(one for one in (_stripped(named), written and _stripped(written)) if one)
    return tuple(found for kind in kinds for found in _nested(kind, node, partial, depth=0))


def _pods(resource: Resource) -> tuple[Pod, ...]:
    found = []
    for kind, node, partial in objects(resource):
        metadata = node.get("metadata")
        for path in PODS.get(kind, ()):
            for spec in follow(node, path):
                found.append(Pod(spec, metadata, partial))
        for path in PARTIAL.get(kind, ()):
            for spec in follow(node, path):
                found.append(Pod(spec, metadata, partial=True))
    return tuple(found)


def _images(resource: Resource) -> tuple[Node, ...]:
    found = []
    for pod in pods(resource):
        for container in pod.containers:
            image = container.get("image")
            if not (image.absent and pod.partial):
                found.append(image)
        for volume in pod.spec.get("volumes").entries():
            image = volume.get("image")
            if not image.absent:
                found.append(image.get("reference"))
    for kind, node, _ in objects(resource):
        for path in IMAGES.get(kind, ()):
            found.extend(image for image in follow(node, path) if not image.absent)
    return tuple(found)


def unlisted_images(resource: Resource) -> Iterator[Node]:
    """Yield what looks like an image where carriers.py lists none: in unlisted kinds, or elsewhere in a listed one.

    Args:
        resource: Any resource.
    """
    # Kubernetes' own kinds are all known, and what a ConfigMap calls an image is none.
    strange = [(kind, node) for kind, node, _ in objects(resource) if not _kubernetes_own(kind.group)]
    if not strange:
        return
    listed = {image.path for image in images(resource)}
    for _, node in strange:
        for key, below in node.fields():
            if key in {"", "spec"} and below.unknown:
                yield below
            elif key not in {"apiVersion", "kind", "metadata", "status"}:
                yield from (found for found in _image_like(key, below) if found.path not in listed)


def is_patch(resource: Resource) -> bool:
    """Tell whether a resource changes an object that is described elsewhere.

    Args:
        resource: Any resource.
    """
    return resource.type.startswith("kubernetes:") and resource.type.endswith("Patch")


def _nested(kind: Kind, node: Node, partial: bool, depth: int) -> Iterator[tuple[Kind, Node, bool]]:
    items = node.get("items").entries()
    if not kind.name.endswith("List") or not items:
        yield kind, node, partial
        return
    item_kind = Kind(kind.group, kind.name.removesuffix("List"))
    for item in items:
        inner = _written_kind(item) or item_kind
        if depth < 3:  # lists of lists are refused by the API server long before
            yield from _nested(inner, item, partial, depth + 1)


@cache
def _kubernetes_own(group: str) -> bool:
    return group in _OWN_GROUPS or _OWN_K8S_IO.fullmatch(group) is not None


@cache
def _token_kind(token: str) -> Kind | None:
    if not token.startswith("kubernetes:") or _PULUMI_OWN.fullmatch(token):
        return None
    _, _, rest = token.partition(":")
    version, _, name = rest.rpartition(":")
    return Kind(_group(version), name) if version else None


def _written_kind(node: Node) -> Kind | None:
    name = node.get("kind").text
    return Kind(_group(node.get("apiVersion").text), name) if name else None


def _group(version: str) -> str:
    group, slash, _ = version.rpartition("/")
    if not slash:
        return "" if _VERSION.fullmatch(version) else version
    return "" if group == "core" else group


def _stripped(kind: Kind) -> Kind:
    listed = kind in PODS or kind in PARTIAL
    return kind if listed else Kind(kind.group, kind.name.removesuffix("Patch"))


@cache
def _steps(path: str) -> tuple[str, ...]:
    return tuple(_MARKER.findall(path))


def follow(node: Node, path: str) -> list[Node]:
    """Return what stands at a path, without what is absent.

    Args:
        node: Where the path begins.
        path: As in carriers.py.
    """
    nodes = [node]
    for step in _steps(path):
        if step == "[]":
            nodes = [entry for one in nodes for entry in one.entries()]
        elif step == "*":
            nodes = [below for one in nodes for _, below in one.fields()]
        else:
            nodes = [one.get(step) for one in nodes]
        nodes = [one for one in nodes if not one.absent]
    return nodes


def _image_like(key: str, node: Node) -> Iterator[Node]:
    if isinstance(node.value, Mapping):
        # `image: {repository, tag}` names one in parts, and an image volume has its own reference.
        volume = key == "image" and "reference" in node.value
        if _IMAGE_KEY.fullmatch(key) and not volume:
            yield node
            return
        for name, below in node.fields():
            yield from _image_like("imageReference" if volume and name == "reference" else name, below)
    elif isinstance(node.value, list | tuple):
        for entry in node.entries():
            yield from _image_like(key, entry)
    elif _IMAGE_KEY.fullmatch(key) and (node.text or node.unknown):
        yield node
