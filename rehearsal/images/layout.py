"""Images as files: layers from files, and an archive of the OCI's image layout that `ctr images import` takes.

The same input makes the same bytes, whenever and wherever.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from rehearsal.files import write

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
# The OCI's names for processors are Go's.
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
# Files of a layer are as old as the epoch: a clock would make every build another image.
_EPOCH = "1970-01-01T00:00:00Z"


def layer(files: Mapping[str, Path | bytes], *, mode: int = 0o755) -> bytes:
    """Return a layer, a tar, with files owned by root.

    Args:
        files: Content, or a file of this machine, by absolute path inside the image.
        mode: Permissions of each file.
    """
    contents = {path.lstrip("/"): content for path, content in files.items()}
    folders = {str(above) for path in contents for above in PurePosixPath(path).parents if str(above) != "."}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted([*folders, *contents]):
            entry = tarfile.TarInfo(path)
            if path in folders:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
                continue
            content = contents[path]
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def image_archive(
    path: Path,
    *,
    name: str,
    layers: Sequence[Path | bytes],
    entrypoint: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Write an image as one archive (a tar of the OCI's image layout) and return its manifest's digest, `sha256:...`.

    Args:
        path: The file to write; it is replaced at once.
        name: What the image is called after its import, such as `registry.internal/cluster/pause:1`.
        layers: Tars, not compressed, the lowest first: as bytes, or as a file of this machine.
        entrypoint: What a container runs.
        settings: More of the image's `config`, such as {"User": "65532", "Env": ["PATH=/bin"]}.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        blobs = Path(scratch) / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        manifest = image_blobs(blobs, layers=layers, entrypoint=entrypoint, settings=settings)
        # containerd reads its own annotation; others read the OCI's, which holds a tag alone.
        tag = name.rpartition(":")[2] if ":" in name.rpartition("/")[2] else "latest"
        called = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [{**manifest, "annotations": called}]}
        (Path(scratch) / "index.json").write_bytes(_json(index))
        (Path(scratch) / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
        archive = Path(scratch) / "archive.tar"
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            for file in [*sorted(blobs.iterdir()), Path(scratch) / "index.json", Path(scratch) / "oci-layout"]:
                entry = tarfile.TarInfo(str(file.relative_to(scratch)))
                entry.size, entry.mode = file.stat().st_size, 0o644
                with file.open("rb") as content:
                    tar.addfile(entry, content)
        archive.replace(path)
    return str(manifest["digest"])


def image_blobs(
    folder: Path,
    *,
    layers: Sequence[Path | bytes],
    entrypoint: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write an image's blobs, each a file named by the hex of its SHA-256, and return its manifest's descriptor.

    Args:
        folder: Where to; it exists.
        layers: As `image_archive` takes them.
        entrypoint: What a container runs.
        settings: More of the image's `config`.
    """
    compressed = [_compress(folder, source) for source in layers]
    config = {
        "architecture": _MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": _EPOCH,
        "config": {**({"Entrypoint": [*entrypoint]} if entrypoint else {}), **(settings or {})},
        "rootfs": {"type": "layers", "diff_ids": [plain for _, plain in compressed]},
        "history": [{"created": _EPOCH, "created_by": "terrarium rehearsal"} for _ in compressed],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _keep(folder, _CONFIG, config),
        "layers": [descriptor for descriptor, _ in compressed],
    }
    return _keep(folder, _MANIFEST, manifest)


def _keep(folder: Path, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    data = _json(document)
    digest = hashlib.sha256(data).hexdigest()
    write(folder / digest, data, mode=0o644)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def _compress(folder: Path, source: Path | bytes) -> tuple[dict[str, Any], str]:
    """Write a layer compressed; return its descriptor, and its digest before that."""
    stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    plain = hashlib.sha256()
    partial = folder / ".layer"
    with (
        stream,
        partial.open("wb") as raw,
        # No name and no time in its head.
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
    ):
        while chunk := stream.read(1 << 20):
            plain.update(chunk)
            packed.write(chunk)
    with partial.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    size = partial.stat().st_size
    shutil.move(partial, folder / digest)
    return {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": size}, f"sha256:{plain.hexdigest()}"


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
