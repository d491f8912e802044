"""Which container images may run: from where, which bytes exactly, built on what, and known to be sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from policies.rules import imageref
from policies.rules.model import (
    EVERY_TIER,
    PRODUCTION,
    SHARED_TIERS,
    Facts,
    Finding,
    Resource,
    Severity,
    Tier,
    rule,
)
from policies.rules.reading import Node, root
from policies.rules.records import Evidence
from policies.rules.workloads import ANY_KUBERNETES, EVERY_KIND, images, unlisted_images

_ANY = (ANY_KUBERNETES,)


@rule(
    "image-approved-registry",
    title="Images come from approved registries.",
    reason="Whoever owns the registry decides what runs, with the secrets and data that the pod may read.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("Kyv restrict-image-registries", "GK allowedreposv2", "KSV-0125", "EKS 5.1.4", "GKE 5.1.4"),
    remedy="Copy the image to an approved registry, or ask security to approve its registry.",
    types=_ANY,
    unknown=True,
    cel="variables.references.all(i, variables.registries.exists(prefix, (i.name + '/').startsWith(prefix)))",
)
def approved_registry(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """Each image stands under an approved host and path, by whole components."""
    for image, reference, wrong in resource.derived(_read):
        if reference is None:
            yield image.fault(wrong)
        elif not any(reference.under(prefix) for prefix in facts.registries):
            yield image.fault("is from a registry or a path in it that is not approved")


@rule(
    "image-digest-pinned",
    title="Images are named by digest.",
    reason="A tag can be moved: what was tested and scanned is not what starts tomorrow.",
    severity=Severity.HIGH,
    tiers=SHARED_TIERS,
    sources=("Kyv require-image-checksum", "GK imagedigests", "CKV_K8S_43"),
    remedy="Name the image as host/path@sha256:…, by the digest that the registry gave it.",
    types=_ANY,
    unknown=True,
    cel="variables.references.all(i, i.digest.startsWith('sha256:'))",
)
def digest_pinned(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each image has a whole SHA-256 digest."""
    for image, reference, wrong in resource.derived(_read):
        if reference is None:
            yield image.fault(wrong)
        elif not reference.pinned:
            yield image.fault("has no sha256 digest")


@rule(
    "image-no-mutable-tag",
    title="Images have a tag that is not `latest`, or a digest.",
    reason="Nobody can say later which code an experiment ran.",
    severity=Severity.MEDIUM,
    tiers=frozenset({Tier.EXPERIMENTATION}),
    sources=("Kyv disallow-latest-tag", "CKV_K8S_14", "KSV-0013"),
    remedy="Name a version, better a digest.",
    types=_ANY,
    cel="variables.references.all(i, i.digest != '' || !(i.tag in ['', ':latest']))",
)
def no_mutable_tag(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No image is `latest`, said or meant. The other tiers demand a digest."""
    for image, reference, wrong in resource.derived(_read):
        if reference is None:
            yield image.fault(wrong)
        elif not reference.digest and reference.tag in {"", "latest"}:
            yield image.fault("has the tag latest, or none, which means the same")


@rule(
    "image-canonical",
    title="Images are written in full: host/path@sha256:…, nothing else.",
    reason="Each tool fills in hosts, aliases and tags in its own way, so that a short name is judged as one image and "
    "pulled as another.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("own",),
    remedy="Write the registry's host in lower case, the whole path and the digest, without a tag.",
    types=_ANY,
    unknown=True,
    cel="variables.references.all(i, i.digest != '' && i.text == i.name + '@' + i.digest)",
)
def canonical(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Each image is in the one form that leaves nothing to fill in."""
    for image, reference, wrong in resource.derived(_read):
        if reference is None:
            yield image.fault(wrong)
        elif not reference.canonical:
            yield image.fault("is not in the form host/path@sha256:…")


@rule(
    "image-evidence",
    title="Images are scanned, signed and part of a release.",
    reason="A digest says which bytes run, not that anybody looked at them.",
    severity=Severity.CRITICAL,
    tiers=PRODUCTION,
    sources=("Kyv require-vulnerability-scan", "Kyv verify-image", "EKS 5.1.1", "GKE 5.1.1"),
    remedy="Have the image scanned, signed and named in a release.",
    types=_ANY,
    unknown=True,
    # The API server has no records and no clock, but a list of what obeys. How old a scan is it doesn't ask: a pod that
    # must move to another node can't wait for a new one.
    cel="variables.references.all(i, variables.digests.exists(known, i.digest in known))",
)
def evidence(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """The records of each image's digest are there, good and fresh."""
    for image, reference, wrong in resource.derived(_read):
        if reference is None:
            yield image.fault(wrong)
            continue
        known = facts.evidence.get(reference.digest)
        lacks = "is in no record" if known is None else ", ".join(_lacks(known, facts))
        if lacks:
            yield image.fault(lacks)


@rule(
    "image-base-approved",
    title="Images are built on approved base images.",
    reason="What a base image carries is in every image built on it; security patches few bases, not each image.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("own",),
    remedy="Build the image on one of the approved base images, named by digest.",
    types=_ANY,
    unknown=True,
)
def base_approved(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """The build's record names a base that is on security's list, by digest."""
    for image, reference, _ in resource.derived(_read):
        known = facts.evidence.get(reference.digest) if reference else None
        if known is None or not _approved(known.base, facts):
            yield image.fault("is not known to be built on an approved base image")


@rule(
    "image-unlisted-kind",
    title="Only kinds of objects that the rules can read carry images.",
    reason="An operator makes pods of what a custom resource says, and rules that don't know the kind see none of it.",
    severity=Severity.HIGH,
    tiers=SHARED_TIERS,
    sources=("kyverno #16477", "own"),
    remedy="Have the kind and the paths of its images listed in policies/rules/carriers.py.",
    types=_ANY,
    kinds=EVERY_KIND,
    unknown=True,
)
def unlisted_kind(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """Nothing that looks like an image stands where carriers.py lists none."""
    for image in unlisted_images(resource):
        yield image.fault("looks like an image, in a kind or at a place that the rules don't know")


_OPAQUE = "renders a chart where no rule can see what it makes"
_OF_A_RELEASE = ("chart", "version", "values", "name", "namespace", "createNamespace", "timeout", "compat")


@rule(
    "no-opaque-helm",
    title="Charts are rendered before they are deployed.",
    reason="A Helm release renders its manifests inside the provider or the cluster: no gate before sees its images.",
    severity=Severity.HIGH,
    tiers=SHARED_TIERS,
    sources=("pulumi-kubernetes #3054",),
    remedy="Use kubernetes:helm.sh/v4:Chart, commit the rendered manifests to what Flux pulls, or have security list "
    "this version of the chart.",
    types=_ANY,
    kinds=EVERY_KIND,
    unknown=True,
)
def no_opaque_helm(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """There is no Helm release, neither of the provider's nor of Flux', but of a chart and with values on the list."""
    version, _, kind = resource.type.removeprefix("kubernetes:").rpartition(":")
    if version.startswith("helm.toolkit.fluxcd.io/") and kind.startswith("HelmRelease"):
        yield Finding("", _OPAQUE)
    elif version.startswith("helm.sh/") and kind == "Release":
        yield from _release(root(resource), facts)


def _release(release: Node, facts: Facts) -> Iterator[Finding]:
    values = facts.charts.get(f"{release.get('chart').text}@{release.get('version').text}")
    if values is None:
        yield Finding("", _OPAQUE)
        return
    # With values from files, another repository or a program's changes it is not what security looked at.
    for key, given in release.fields():
        if key not in _OF_A_RELEASE and not given.absent:
            yield given.fault("changes what an approved chart makes")
    yield from _values(release.get("values"), (), values)


def _values(node: Node, path: tuple[str, ...], allowed: frozenset[str]) -> Iterator[Finding]:
    if ".".join(path) in allowed or node.absent:
        return
    if not isinstance(node.value, Mapping):
        yield node.fault("is no value that the approved chart may be given")
        return
    for key, below in node.fields():
        yield from _values(below, (*path, key), allowed)


def _read(resource: Resource) -> tuple[tuple[Node, imageref.ImageReference | None, str], ...]:
    """Return each image with its reference, or with what is wrong with it."""
    return tuple(_one(image) for image in images(resource))


def _one(image: Node) -> tuple[Node, imageref.ImageReference | None, str]:
    if not image.text:
        return image, None, "names no image" if image.absent or image.value == "" else "is no text"
    try:
        return image, imageref.parse(image.text), ""
    except imageref.BadReferenceError as error:
        return image, None, f"is no image reference: {error}"


def _lacks(known: Evidence, facts: Facts) -> Iterator[str]:
    if known.scanned_on is None:
        yield "was never scanned"
    elif facts.today - known.scanned_on > timedelta(days=facts.scan_days):
        yield "was scanned too long ago"
    elif not known.clean:
        yield "has known vulnerabilities"
    if not known.signed:
        yield "is not signed by an approved signer"
    if not known.release:
        yield "is in no release"


def _approved(base: str, facts: Facts) -> bool:
    try:
        reference = imageref.parse(base)
    except imageref.BadReferenceError:
        return False
    return reference.pinned and any(reference.under(approved) for approved in facts.base_images)
