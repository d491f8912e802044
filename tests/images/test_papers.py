"""Who signed what: keys, envelopes, and what is not believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from policies.rules import Evidence
from rehearsal.images.loopback import Served
from terrarium.errors import CommandFailed, Exit, InvalidInput, Refused
from terrarium.images import build, referrers, sbom, statements
from terrarium.images.inputs import Built
from terrarium.images.known import find, verify
from terrarium.images.layers import Package
from terrarium.images.papers import Paper
from terrarium.images.places import place
from terrarium.images.registry import INDEX, MANIFEST, Repository, digest_of, encoded
from terrarium.images.signing import opened, seal, signer
from terrarium.images.target import Target, target
from tests.images.conftest import approve, script

pytestmark = pytest.mark.usefixtures("advisories")


def key_pair(folder: Path, name: str, key: Any = None) -> tuple[Path, Path]:
    """A private and a public key's file."""
    made = key or Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def ci(project: Path) -> Path:
    """The private key of a signer whom security approves."""
    private, public = key_pair(project, "ci")
    (project / "policies" / "waivers" / "ci.pub").write_bytes(public.read_bytes())
    approve(project, signers={"ci": "ci.pub"})
    return private


def signed(project: Path, ci: Path, word: str) -> tuple[Built, Target, Repository]:
    """An image that CI has signed, of a script that says a word; and where it is."""
    script(project, f"print('{word}')\n")
    built = build("train.py", environment="dev", sign_key=str(ci))
    wanted = target("dev", None)
    return built, wanted, repository_of(wanted)


def repository_of(wanted: Target) -> Repository:
    return Repository(place("registry.internal/churn-dev/train", wanted.variables))


def test_what_ci_signed_is_vouched_for(project: Path, ci: Path) -> None:
    built, wanted, _ = signed(project, ci, "signed")
    found = find(built.reference, wanted)
    verify(found, wanted)
    assert found.papers.signer == found.papers.scan_signer == "ci"
    assert found.record["signed"] is True
    # The record is what security's file takes, and the rules read.
    evidence = Evidence(**found.record)
    assert (evidence.base, evidence.clean, evidence.signed) == (built.base, True, True)


def test_what_nobody_signed_is_not(project: Path, ci: Path) -> None:
    script(project, "print('unsigned')\n")
    built = build("train.py", environment="dev")
    wanted = target("dev", None)
    with pytest.raises(CommandFailed, match="its provenance is signed by nobody who counts") as refused:
        verify(find(built.reference, wanted), wanted)
    assert refused.value.code == Exit.REFUSED
    # The same build, with a key: only the papers are new.
    signed = build("train.py", environment="dev", sign_key=str(ci))
    assert (signed.reference, signed.cached) == (built.reference, True)
    verify(find(built.reference, wanted), wanted)


def test_the_key_in_the_environment_signs_whoever_builds(
    project: Path, ci: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(project, "print('variable')\n")
    monkeypatch.setenv("TERRARIUM_SIGN_KEY", str(ci))
    built = build("train.py", environment="dev")
    wanted = target("dev", None)
    verify(find(built.reference, wanted), wanted)


def test_a_scan_that_nobody_signed_is_signed_later(
    project: Path, ci: Path, advisories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(project, "print('daily')\n")
    built = build("train.py", environment="dev", sign_key=str(ci))
    # On another day, or with other data, it is looked at again: by somebody without a key.
    monkeypatch.setenv("TERRARIUM_ADVISORIES", str(advisories.rename(advisories.with_name("tomorrow"))))
    assert build("train.py", environment="dev").signer == built.signer
    wanted = target("dev", None)
    scanned = find(built.reference, wanted).papers.scan
    assert scanned is not None
    assert scanned.source == "advisories"
    assert build("train.py", environment="dev", sign_key=str(ci)).cached
    # In whatever order the registry lists them: by digest, it is another one each time.
    listed = [*referrers.listed(repository_of(wanted), built.digest)]
    for order in (listed, listed[::-1]):
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": order}
        repository_of(wanted).put_manifest(index, built.digest.replace(":", "-"))
        papers = find(built.reference, wanted).papers
        assert papers.scan is not None
        assert (papers.scan.source, papers.scan_signer) == ("tomorrow", "ci")


def noted(cache_folder: Path, digest: str) -> Path:
    """What is noted of the build of an image."""
    [note] = [file for file in (cache_folder / "builds").glob("*.json") if digest in file.read_text()]
    return note


def test_papers_are_of_the_image_that_is_there(project: Path, ci: Path, cache_folder: Path) -> None:
    script(project, "print('before')\n")
    before = build("train.py", environment="dev")
    script(project, "print('after')\n")
    after = build("train.py", environment="dev")
    # As if the same inputs had made another image before.
    note = noted(cache_folder, after.digest)
    note.write_text(note.read_text().replace(after.digest, before.digest))
    signed = build("train.py", environment="dev", sign_key=str(ci))
    assert (signed.reference, signed.cached) == (after.reference, False)
    wanted = target("dev", None)
    verify(find(after.reference, wanted), wanted)
    assert find(before.reference, wanted).papers.signer is None


def test_what_was_not_scanned_is_not_signed_for_testing(project: Path, ci: Path, cache_folder: Path) -> None:
    script(project, "print('unscanned, to sign')\n")
    built = build("train.py", environment="test")
    note = noted(cache_folder, built.digest)
    told = json.loads(note.read_text())
    note.write_text(json.dumps({**told, "scan": {**told["scan"], "day": None, "why": "OSV can't be reached"}}))
    with pytest.raises(Refused, match="takes no image that was not scanned"):
        build("train.py", environment="test", sign_key=str(ci))


def test_a_bill_of_materials_tells_versions_apart() -> None:
    hashes = {("six", "1.17"): ["sha256:" + "a" * 64], ("six", "1.16"): ["sha256:" + "b" * 64]}
    packages = [Package("six", "1.17.0"), Package("six", "1.15.0")]
    image = f"registry.example/x@sha256:{'0' * 64}"
    document = json.loads(sbom.sbom(image, image, packages, hashes, datetime.now(UTC)))
    locked = {one["version"]: one.get("hashes") for one in document["components"] if one["name"] == "six"}
    assert locked == {"1.17.0": [{"alg": "SHA-256", "content": "a" * 64}], "1.15.0": None}


def test_another_signer_does_not_count(project: Path, ci: Path) -> None:
    private, public = key_pair(project, "mallory")
    script(project, "print('mallory')\n")
    built = build("train.py", environment="dev", sign_key=str(private))
    wanted = target("dev", None)
    with pytest.raises(Refused, match="nobody who counts"):
        verify(find(built.reference, wanted), wanted)
    verify(find(built.reference, wanted, {"mallory": public.read_text()}), wanted)


def test_papers_of_another_image_are_not_believed(project: Path, ci: Path, registry: Served) -> None:
    script(project, "print('one')\n")
    one = build("train.py", environment="dev", sign_key=str(ci))
    script(project, "print('other')\n")
    other = build("train.py", environment="dev")
    wanted = target("dev", None)
    repository = repository_of(wanted)
    manifest, _ = repository.manifest(other.digest)
    stolen = [
        Paper(statements.MEDIA_TYPE, "application/vnd.dsse.envelope.v1+json", referrers.read(repository, paper), {})
        for paper in referrers.listed(repository, one.digest)
        if paper["artifactType"] == statements.MEDIA_TYPE
    ]
    referrers.attach(repository, manifest, stolen)
    found = find(other.reference, wanted)
    assert found.papers.signer is None
    assert sum("speaks of another image" in wrong for wrong in found.papers.wrong) == 2
    with pytest.raises(Refused, match="signed by nobody who counts"):
        verify(found, wanted)


def test_papers_that_are_none_change_nothing(project: Path, ci: Path) -> None:
    built, wanted, repository = signed(project, ci, "clutter")
    manifest, _ = repository.manifest(built.digest)
    subject = [{"name": "x", "digest": {"sha256": built.digest.removeprefix("sha256:")}}]
    scan = {"source": "me", "tried": "9999-01-01", "day": 7, "holes": [{"package": "six"}]}
    origin = {"resolvedDependencies": [{"name": "base", "digest": {}}]}
    told: list[object] = [
        *(
            {"subject": subject, "predicateType": statements.SCAN, "predicate": one}
            for one in (
                {},
                None,
                {"scan": scan},
                {"scan": scan, "finishedOn": 7},
                {"scan": scan, "finishedOn": "9999-01-01T00:00:00Z"},
                {"scan": {"source": "me", "tried": "9999-01-01"}, "finishedOn": "9999-01-01T00:00:00"},
            )
        ),
        {"subject": subject, "predicateType": statements.PROVENANCE, "predicate": {}},
        {"subject": subject, "predicateType": statements.PROVENANCE, "predicate": {"buildDefinition": origin}},
        {"subject": 1},
        {"payload": "e30=", "payloadType": "x", "signatures": [7]},
        [],
    ]
    clutter = [Paper(statements.MEDIA_TYPE, "text/plain", json.dumps(one).encode(), {}) for one in told]
    clutter.append(Paper(statements.MEDIA_TYPE, "text/plain", b'{"subject":' + b"[" * 100_000, {}))
    clutter += [Paper(sbom.MEDIA_TYPE, "text/plain", data, {}) for data in (b"[]", b'{"components": 1}', b"\xff")]
    referrers.attach(repository, manifest, clutter)
    found = find(built.reference, wanted)
    verify(found, wanted)
    assert found.papers.scan is not None
    assert found.papers.scan.clean
    assert found.papers.components
    assert len(found.papers.wrong) == len(clutter)


def test_papers_without_a_document_change_nothing(project: Path, ci: Path) -> None:
    built, wanted, repository = signed(project, ci, "hollow")
    manifest, digest = repository.manifest(built.digest)
    paper = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": statements.MEDIA_TYPE,
        "config": manifest["config"],
        "layers": [],
        "subject": {"mediaType": MANIFEST, "digest": digest, "size": len(encoded(manifest))},
    }
    repository.put_manifest(paper)
    # The registry keeps no list of its own: it stands under a tag.
    hollow = {"mediaType": MANIFEST, "artifactType": statements.MEDIA_TYPE, "digest": digest_of(encoded(paper))}
    listed = [*referrers.listed(repository, digest), {**hollow, "size": len(encoded(paper))}]
    repository.put_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}, digest.replace(":", "-"))
    found = find(built.reference, wanted)
    verify(found, wanted)
    assert len(found.papers.wrong) == 1


def test_an_altered_statement_is_not_believed(tmp_path: Path) -> None:
    private, public = key_pair(tmp_path, "key")
    envelope = seal(b'{"is": "so"}', signer(str(private), None))
    keys = {"me": public.read_text()}
    assert opened(envelope, keys) == ({"is": "so"}, "me")
    # "is" is base64 within; the same length.
    altered = envelope.replace(b"eyJpcyI6ICJzbyJ9", b"eyJpcyI6ICJubyJ9")
    assert altered != envelope
    assert opened(altered, keys) == ({"is": "no"}, None)


def test_other_kinds_of_keys(tmp_path: Path) -> None:
    private, public = key_pair(tmp_path, "ec", generate_private_key(SECP256R1()))
    assert opened(seal(b"{}", signer(f"file:{private}", None)), {"me": public.read_text()}) == ({}, "me")


def test_keys_that_can_not_sign(tmp_path: Path) -> None:
    secret = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    (tmp_path / "encrypted.pem").write_bytes(secret)
    (tmp_path / "text.pem").write_text("no key at all")
    for key, said in (
        (tmp_path / "gone.pem", "can't be read"),
        (tmp_path / "encrypted.pem", "is encrypted"),
        (tmp_path / "text.pem", "is no private key in PEM"),
        ("awskms:alias/ci", "name its public key too"),
    ):
        with pytest.raises(InvalidInput, match=said):
            signer(str(key), None)


def test_a_key_that_is_no_path_is_not_shown(tmp_path: Path) -> None:
    private, _ = key_pair(tmp_path, "key")
    text = private.read_text()
    for given in (text, text.replace("\n", " "), text.splitlines()[1]):
        for key, public in ((given, None), ("awskms:alias/ci", given)):
            with pytest.raises(InvalidInput, match="give a file's path") as refused:
                signer(key, public)
            assert text.splitlines()[1] not in str(refused.value)


def test_a_hole_that_is_found_later(project: Path, advisories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(project, "import six\n", "six==1.16.0")
    build("train.py", environment="dev")
    advisory = advisories / "PYSEC-2099-1.yaml"
    advisory.write_text(advisory.read_text().replace("1.16.0", "1.17.0"))
    # On another day, or with other data, it is looked at again.
    moved = advisories.rename(advisories.with_name("tomorrow"))
    monkeypatch.setenv("TERRARIUM_ADVISORIES", str(moved))
    with pytest.raises(Refused, match=r"six 1\.16\.0: PYSEC-2099-1 \(CVE-2099-0001\), fixed in 1\.17\.0"):
        build("train.py", environment="dev")


@pytest.mark.parametrize("name", ["nowhere.pub", "../../Pulumi.yaml", "approved.yaml"])
def test_signers_that_security_can_not_mean(project: Path, name: str) -> None:
    approve(project, signers={"ci": name})
    script(project)
    with pytest.raises(Exception, match=r"signers\.ci"):
        build("train.py", environment="dev")
