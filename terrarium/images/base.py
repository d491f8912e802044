"""The base image that everything is built on: which one it is, and what it brings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.rules import imageref
from terrarium.errors import InvalidInput, Refused
from terrarium.images import cache
from terrarium.images.registry import INDEXES, RegistryFailed, Repository

_KIND = "bases"


@dataclass(frozen=True)
class Base:
    """A base image.

    Args:
        reference: `host/path@sha256:…` of the one image, not of an index of several.
        architecture: As OCI says it.
        layers: Descriptors of its layers.
        config: Its own configuration document.
        manifest: Its manifest.
    """

    reference: str
    architecture: str
    layers: Sequence[Mapping[str, Any]]
    config: Mapping[str, Any] = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that it sets."""
        told = self.config.get("config", {}).get("Env") or []
        return dict(one.partition("=")[::2] for one in told)


def approve(base: str, approved: Sequence[str]) -> imageref.ImageReference:
    """Return a base image's reference, if security approves it.

    Args:
        base: As settings name it.
        approved: Security's list (policies/waivers/approved.yaml).

    Raises:
        Refused: It is not on the list; the message has the list.
    """
    reference = imageref.parse(base)
    if not any(reference.under(one) for one in approved):
        known = ", ".join(approved) or "none"
        raise Refused(
            f"{base} is no approved base image; approved are: {known}. Set `image.base` to one of them, or ask "
            "security to approve it (base_images in policies/waivers/approved.yaml)"
        )
    return reference


def read(reference: imageref.ImageReference, repository: Repository, architecture: str) -> Base:
    """Return what a base image is, from the cache if its digest says which it is.

    Args:
        reference: The reference; a tag is looked up.
        repository: Its repository.
        architecture: Which of several to take.

    Raises:
        InvalidInput: There is no such image, or none for the architecture.
    """
    digest = reference.digest or repository.digest(reference.tag)
    if digest is None:
        raise InvalidInput(f"the base image {reference.name}:{reference.tag} does not exist in its registry")
    key = cache.digest(reference.name, digest, architecture)
    if found := cache.note(_KIND, key):
        return Base(**found)
    manifest, digest = repository.manifest(digest)
    if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
        digest = _chosen(manifest, reference.name, architecture)
        manifest, _ = repository.manifest(digest)
    try:
        config = json.loads(repository.blob(manifest["config"]["digest"]))
        base = Base(
            f"{reference.name}@{digest}", config["architecture"], manifest["layers"], dict(config), dict(manifest)
        )
    except (ValueError, KeyError, TypeError):
        raise RegistryFailed(
            f"the base image {reference.name}@{digest} has no configuration that can be read"
        ) from None
    if base.architecture != architecture:
        raise InvalidInput(f"the base image {reference.name}@{digest} is for {base.architecture}, not {architecture}")
    cache.keep(_KIND, key, vars(base))
    return base


def check_python(base: Base, python: str) -> None:
    """Refuse settings that name another Python than the base says it has.

    Raises:
        InvalidInput: With both.
    """
    # Docker's official images set it, and ours.
    told = base.variables.get("PYTHON_VERSION", "")
    if told and told != python and not told.startswith(f"{python}."):
        raise InvalidInput(
            f"the base image {base.reference} has Python {told}, but `image.python` says {python}: correct one of them"
        )


def _chosen(index: Mapping[str, Any], name: str, architecture: str) -> str:
    listed = [one for one in index.get("manifests", []) if one.get("platform", {}).get("os") == "linux"]
    for one in listed:
        if one["platform"].get("architecture") == architecture:
            return str(one["digest"])
    known = ", ".join(sorted({str(one["platform"].get("architecture")) for one in listed})) or "nothing"
    raise InvalidInput(f"the base image {name} is for {known}, not {architecture}")
