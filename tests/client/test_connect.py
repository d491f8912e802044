"""Proves: a name leads to the store by the person's own rights, and a refusal says what would give them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import terrarium
from components import descriptor
from rehearsal.platform import Platform
from terrarium.client import sources
from terrarium.errors import InvalidInput, Refused
from tests.client.conftest import ENVIRONMENT
from tests.support.cluster import kubectl

ROOT = Path(__file__).parents[2]
PEOPLE = {"member": ["rw", "ro"], "reader": ["ro"], "alice": ["bucket-alice"], "stranger": None, "automation": []}
"""Which Secrets each may read; None: not even the descriptor."""


@pytest.fixture(scope="module")
def published(embedded_platform: Platform, folders: dict[str, Path]) -> Iterator[Platform]:
    """The platform, with descriptor and Secrets as the program makes them."""
    kubeconfig = embedded_platform.kubeconfig
    names = {identity: f"store-{identity}-1" for identity in folders}
    content = {
        "id": ENVIRONMENT,
        "tier": "experimentation",
        "namespace": ENVIRONMENT,
        "store": {"identities": {k: {"secret": v} for k, v in names.items()}, "buckets": ["alice"]},
    }
    bare = {**content, "id": "churn-bare", "store": None}
    items: list[dict[str, Any]] = [_object("Namespace", ENVIRONMENT), _object("Namespace", "terrarium-system")]
    items += [
        {**_object("ConfigMap", one["id"], "terrarium-system"), "data": {descriptor.KEY: json.dumps(one)}}
        for one in (content, bare)
    ]
    items += [
        {
            **_object("Secret", names[identity], ENVIRONMENT),
            "data": {file.name: base64.b64encode(file.read_bytes()).decode() for file in folder.iterdir()},
        }
        for identity, folder in folders.items()
    ]
    for person, identities in PEOPLE.items():
        if identities is not None:
            items += _right(person, "configmaps", [ENVIRONMENT, "churn-bare"], "terrarium-system")
            items += _right(person, "secrets", [names[identity] for identity in identities] or ["none"], ENVIRONMENT)
    kubectl(kubeconfig, "apply", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": items})
    yield embedded_platform
    # Left behind, it kept a real platform from being brought up by the next file in the same process.
    kubectl(kubeconfig, "delete", "namespace", ENVIRONMENT, "terrarium-system", "--timeout=50s")


def _object(kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def _right(person: str, resource: str, names: list[str], namespace: str) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    version = {"apiVersion": f"{group}/v1"}
    rule = {"apiGroups": [""], "resources": [resource], "resourceNames": names, "verbs": ["get"]}
    name = f"client-{person}"
    reference = {"apiGroup": group, "kind": "Role", "name": name}
    subject = {"apiGroup": group, "kind": "User", "name": person}
    return [
        _object("Role", name, namespace) | version | {"rules": [rule]},
        _object("RoleBinding", name, namespace) | version | {"roleRef": reference, "subjects": [subject]},
    ]


@pytest.fixture
def as_person(published: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    def connect(person: str, name: str = ENVIRONMENT, **options: Any) -> terrarium.Environment:
        monkeypatch.setenv("KUBECONFIG", str(published.client_certificate(person)))
        return terrarium.connect(name, context=published.context, **options)

    return connect


def test_the_first_identity_that_one_may_use_is_taken(as_person: Any) -> None:
    assert as_person("member").store.connection.identity == "rw"
    assert as_person("member", identity="ro").store.connection.identity == "ro"
    reader = as_person("reader").store
    assert reader.connection.identity == "ro"
    with pytest.raises(PermissionError):
        reader.results.pipe_file("x", b"")


def test_a_bucket_is_reached_by_its_own_key(as_person: Any) -> None:
    alice = as_person("alice")["alice"].store
    assert alice.connection.identity == "bucket-alice"
    alice.results.pipe_file("connected", b"1")
    member = as_person("member")["alice"].store
    assert (member.connection.identity, member.results.cat_file("connected")) == ("rw", b"1")
    with pytest.raises(InvalidInput, match="it has: alice"):
        _ = as_person("member")["bob"].store


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("stranger", r"you have no right in environment churn-client: .*people"),
        ("automation", r"rw is for the groups that the stack file names under people\.members"),
        ("alice", r"one of the buckets alice is yours"),
    ],
)
def test_a_refusal_says_what_would_give_the_right(as_person: Any, person: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        _ = as_person(person).store


def test_what_is_not_there_is_said(as_person: Any, published: Platform) -> None:
    with pytest.raises(InvalidInput, match="has no store: declare one"):
        _ = as_person("member", "churn-bare").store
    with pytest.raises(Refused):
        _ = as_person("member", "churn-nothing").store
    with pytest.raises(InvalidInput, match="has no identity bucket-bob"):
        _ = as_person("member", identity="bucket-bob").store


def test_a_mounted_folder_needs_no_name(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRARIUM_STORE", str(folders["ro"]))
    environment = terrarium.connect()
    assert (environment.id, environment.store.connection.identity) == (ENVIRONMENT, "ro")
    with pytest.raises(Refused, match="holds identity ro, not rw"):
        _ = terrarium.connect(identity="rw").store
    monkeypatch.setenv("TERRARIUM_STORE", "/nothing")
    with pytest.raises(InvalidInput, match="TERRARIUM_STORE"):
        terrarium.connect()


def test_a_checkout_knows_stacks_and_ids(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    assert terrarium.connect("dev", root=ROOT).id == terrarium.connect("churn-dev", root=ROOT).id == "churn-dev"
    with pytest.raises(InvalidInput, match=r"no environment `churn-dve`.*churn-dev"):
        terrarium.connect("churn-dve", root=ROOT)
    with pytest.raises(InvalidInput, match="is a platform: it has no store"):
        terrarium.connect("platform", root=ROOT)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="nothing says where environment churn-dev is"):
        terrarium.connect("churn-dev")


def test_no_secret_stands_in_what_is_printed(opened: Any, folders: dict[str, Path]) -> None:
    store = opened().store
    secret = (folders["rw"] / "credentials").read_text().split()[-1]
    shown = (
        f"{store!r} {store.connection!r} {store.results!r} {store.results.storage_args!r} {store.objects('results')!r}"
    )
    assert secret not in shown
    assert "pass%word" not in shown


def test_the_client_knows_the_descriptor_s_place() -> None:
    assert (sources.DESCRIPTOR_KEY, sources.DESCRIPTOR_NAMESPACE) == (descriptor.KEY, descriptor.PLATFORM_NAMESPACE)


def test_importing_is_cheap() -> None:
    """No SDK, no client, no settings: until something is used."""
    text = (
        "import sys, terrarium; terrarium.connect; "
        "print([m for m in ('pulumi', 'kubernetes', 'obstore', 'boto3', 'psycopg', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, env=dict(os.environ), cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
