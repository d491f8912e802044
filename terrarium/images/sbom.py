"""What is in an image, in CycloneDX: its base, and every Python package with its version, licence and hashes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_version

from terrarium.images.layers import Package

if TYPE_CHECKING:
    from cyclonedx.model import HashType

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_LONGEST_LICENCE = 64


def sbom(
    reference: str,
    base: str,
    packages: Sequence[Package],
    hashes: Mapping[tuple[str, str], Sequence[str]],
    made: datetime,
) -> bytes:
    """Return the document.

    Args:
        reference: The image, `host/path@sha256:…`.
        base: What it is built on, likewise.
        packages: The Python packages in it.
        hashes: By package and version, as `canonicalize_version` has it (terrarium's client may bring another version
            of the same): of the files that it may have been installed from, as `sha256:…`.
        made: When.
    """
    # 0.5 s: imported only where a document is made.
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415 - 0.5 s, where a document is made
    from cyclonedx.model import Property  # noqa: PLC0415 - as above
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415 - as above
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415 - as above
    from packageurl import PackageURL  # noqa: PLC0415 - as above

    licences = LicenseFactory()
    name, _, digest = reference.partition("@")
    image = Component(name=name, version=digest, type=ComponentType.CONTAINER, bom_ref=reference)
    below, _, below_digest = base.partition("@")
    bom = Bom(
        # The same image has the same number, whoever describes it.
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, reference),
        metadata=BomMetaData(component=image, timestamp=made),
    )
    bom.components.add(
        Component(name=below, version=below_digest, type=ComponentType.CONTAINER, bom_ref=f"base:{base}")
    )
    for one in packages:
        locked = hashes.get((one.name, canonicalize_version(one.version)), ())
        component = Component(
            name=one.name,
            version=one.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"pypi:{one.name}@{one.version}",
            purl=PackageURL("pypi", None, one.name, one.version),
            hashes=_hashes(locked),
        )
        if one.licence:
            component.licenses.add(licences.make_from_string(one.licence[:_LONGEST_LICENCE]))
        # Of several files the lock allows any; one hash is the file's own, several are no fact of one component.
        component.properties.update(Property(name="terrarium:locked-hash", value=value) for value in locked)
        bom.components.add(component)
    bom.register_dependency(image, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1).encode()


def _hashes(told: Sequence[str]) -> Sequence[HashType]:
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415 - see sbom

    if len(told) != 1:
        return ()
    algorithm, _, content = told[0].partition(":")
    return (HashType(alg=HashAlgorithm(_ALGORITHMS[algorithm]), content=content),)
