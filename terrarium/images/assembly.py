"""An image's two documents: its configuration and its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrarium.images.base import Base
from terrarium.images.contents import CLIENT, DEPENDENCIES, HOME, USER
from terrarium.images.layers import Layer
from terrarium.images.registry import MANIFEST, digest_of, encoded
from terrarium.images.source import APP

_CONFIG = "application/vnd.oci.image.config.v1+json"
# An image is as old as the epoch: a clock would make every build another one. Its provenance knows the time.
_EPOCH = "1970-01-01T00:00:00Z"
ENTRYPOINT = ("python3", "-m", "terrarium.inside", "--")
"""What starts in every image, and starts what was built: people's arguments are added behind that."""


@dataclass(frozen=True)
class Image:
    """An image, not pushed yet.

    Args:
        config: Its configuration, encoded.
        manifest: Its manifest.
        layers: Its own layers; the base's come first and are not here.
        entrypoint: What a container runs.
    """

    config: bytes
    manifest: Mapping[str, Any]
    layers: Sequence[Layer]
    entrypoint: Sequence[str]

    @property
    def digest(self) -> str:
        """The digest of its manifest: which image it is."""
        return digest_of(encoded(self.manifest))


def assemble(base: Base, layers: Sequence[Layer], command: Sequence[str], labels: Mapping[str, str]) -> Image:
    """Return the image of a base and layers.

    Args:
        base: The base.
        layers: Above it, the lowest first.
        command: What to run.
        labels: Its labels.
    """
    entrypoint = [*ENTRYPOINT, *command]
    given = base.config.get("config", {})
    path = base.variables.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    variables = {
        **base.variables,
        "PATH": f"{DEPENDENCIES}/bin:{path}",
        # What a project locked comes before what terrarium brings.
        "PYTHONPATH": f"{APP}:{DEPENDENCIES}:{CLIENT}",
        "PYTHONUNBUFFERED": "1",
        "HOME": HOME,
    }
    config = {
        **base.config,
        "created": _EPOCH,
        "config": {
            **{key: value for key, value in given.items() if key not in {"Cmd", "Healthcheck", "OnBuild"}},
            "Entrypoint": entrypoint,
            "Env": [f"{key}={value}" for key, value in variables.items()],
            "Labels": {**(given.get("Labels") or {}), **labels},
            "User": str(USER),
            "WorkingDir": HOME,
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [*base.config["rootfs"]["diff_ids"], *(layer.plain for layer in layers)],
        },
        "history": [
            *(base.config.get("history") or []),
            *({"created": _EPOCH, "created_by": f"terrarium image build: {layer.what}"} for layer in layers),
        ],
    }
    data = encoded(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": digest_of(data), "size": len(data)},
        "layers": [*(_oci(layer) for layer in base.layers), *(layer.descriptor for layer in layers)],
        "annotations": {"org.opencontainers.image.base.name": base.reference},
    }
    return Image(data, manifest, layers, entrypoint)


def _oci(descriptor: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a layer's descriptor in OCI's words: Docker's name for the same bytes may not stand in OCI's manifest."""
    kinds = {"application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip"}
    kind = descriptor["mediaType"]
    return {**descriptor, "mediaType": kinds.get(kind, kind)}
