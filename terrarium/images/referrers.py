"""Papers that refer to an image: artifacts with a `subject`, and the list of them where a registry keeps none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrarium.errors import InvalidInput
from terrarium.images.registry import INDEX, MANIFEST, Repository, digest_of, encoded

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True)
class Paper:
    """A document about an image.

    Args:
        kind: What it is, as a media type.
        form: The media type of its bytes, where they are in an envelope.
        data: The document.
        annotations: What tells it from others of its kind.
    """

    kind: str
    form: str
    data: bytes
    annotations: Mapping[str, str]


def attach(repository: Repository, image: Mapping[str, Any], papers: Sequence[Paper]) -> None:
    """Push papers, each as an artifact of its own.

    Args:
        repository: The image's.
        image: The image's manifest.
        papers: The papers.
    """
    data = encoded(image)
    subject = {"mediaType": image["mediaType"], "digest": digest_of(data), "size": len(data)}
    repository.put_blob(digest_of(_EMPTY), _EMPTY)
    unlisted = []
    for paper in papers:
        repository.put_blob(digest_of(paper.data), paper.data)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": paper.kind,
            "config": {"mediaType": _EMPTY_TYPE, "digest": digest_of(_EMPTY), "size": len(_EMPTY)},
            "layers": [{"mediaType": paper.form, "digest": digest_of(paper.data), "size": len(paper.data)}],
            "subject": subject,
            "annotations": dict(paper.annotations),
        }
        answer = repository.put_manifest(manifest)
        if "OCI-Subject" not in answer:
            unlisted.append(_entry(manifest))
    if unlisted:
        # A registry of before 1.1 knows no referrers: the specification keeps their list under a tag ("Pushing
        # Manifests with Subject").
        tag = _tag(str(subject["digest"]))
        known = {one["digest"]: one for one in [*_listed(repository, tag), *unlisted]}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [known[digest] for digest in sorted(known)]}
        repository.put_manifest(index, tag)


def listed(repository: Repository, digest: str) -> Sequence[Mapping[str, Any]]:
    """Return the descriptors of an image's papers.

    Args:
        repository: The image's.
        digest: The image's.
    """
    native = repository.referrers(digest)
    return _listed(repository, _tag(digest)) if native is None else native


def read(repository: Repository, descriptor: Mapping[str, Any]) -> bytes:
    """Return the document of a paper.

    Raises:
        ValueError: It is not there, or what refers to it is no paper.
        LookupError: As the second.
        TypeError: As the second.
    """
    try:
        manifest, _ = repository.manifest(_checked(descriptor["digest"]))
        return repository.blob(_checked(manifest["layers"][0]["digest"]))
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _checked(digest: Any) -> str:
    """Return a digest that a registry can be asked for: anything else that somebody wrote there may be its fault."""
    if not _DIGEST.fullmatch(str(digest)):
        raise ValueError("names something by what is no digest")
    return str(digest)


def _listed(repository: Repository, tag: str) -> Sequence[Mapping[str, Any]]:
    try:
        index, _ = repository.manifest(tag)
    except InvalidInput:
        return []
    known = index.get("manifests")
    return [one for one in known if isinstance(one, dict)] if isinstance(known, list) else []


def _tag(digest: str) -> str:
    return digest.replace(":", "-", 1)


def _entry(manifest: Mapping[str, Any]) -> dict[str, Any]:
    data = encoded(manifest)
    return {
        "mediaType": MANIFEST,
        "digest": digest_of(data),
        "size": len(data),
        "artifactType": manifest["artifactType"],
        "annotations": manifest["annotations"],
    }
