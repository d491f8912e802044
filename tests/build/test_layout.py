"""Archives of images: what is in them, and that the same input makes the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from rehearsal.images.layout import image_archive, layer


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {entry.name: stream.read() for entry in tar if (stream := tar.extractfile(entry))}


def blob(found: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = found["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
    assert len(content) == descriptor["size"]
    assert "sha256:" + hashlib.sha256(content).hexdigest() == descriptor["digest"]
    return content


def test_an_archive_leads_from_its_name_to_every_file(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    path = tmp_path / "pause.tar"
    name = "registry.internal/cluster/pause:1"
    digest = image_archive(
        path, name=name, layers=[layer({"/bin/pause": program})], entrypoint=["/bin/pause"], settings={"User": "65535"}
    )

    found = members(path)
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [described] = json.loads(found["index.json"])["manifests"]
    assert described["digest"] == digest
    assert described["annotations"] == {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": "1",
    }
    manifest = json.loads(blob(found, described))
    config = json.loads(blob(found, manifest["config"]))
    assert config["config"] == {"Entrypoint": ["/bin/pause"], "User": "65535"}
    [packed] = manifest["layers"]
    plain = gzip.decompress(blob(found, packed))
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(plain).hexdigest()]
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert [(entry.name, entry.mode, entry.uid, entry.mtime) for entry in tar] == [
            ("bin", 0o755, 0, 0),
            ("bin/pause", 0o755, 0, 0),
        ]


def test_the_same_input_makes_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        files: dict[str, Path | bytes] = {"/etc/b": b"2", "/etc/a": b"1", "/opt/deep/er": b"3"}
        tar = tmp_path / f"{folder}.layer"
        tar.write_bytes(layer(files))
        image_archive(tmp_path / folder / "image.tar", name="r/i:1", layers=[tar, layer({"x": b""})])
    assert (tmp_path / "one" / "image.tar").read_bytes() == (tmp_path / "other" / "image.tar").read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["image.tar"]
