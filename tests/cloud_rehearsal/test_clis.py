"""The clouds' own commands answer for rehearsed clusters, and leave all else to the real ones."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from rehearsal.build import build
from rehearsal.plugins.kubernetes.client import Client
from rehearsal.plugins.kubernetes.kubeconfig import load
from rehearsal.progress import Silent
from rehearsal.rented import commands, kubeconfigs
from rehearsal.rented.platforms import Rehearsed

REGION, PROJECT = "eu-central-1", "churn-rehearsed"
API = "client.authentication.k8s.io/v1beta1"


@pytest.fixture
def cluster(rented: dict[str, Rehearsed]) -> Rehearsed:
    return rented["eks"]


@pytest.fixture(scope="module")
def bin_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    commands.install(folder, ["aws", "gcp", "random"])
    assert sorted(path.name for path in folder.iterdir()) == sorted(commands.NAMES)
    return folder


def run(program: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KUBE"))}
    environment = {**base, "PATH": f"{program.parent}:/usr/bin:/bin", **variables}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=60)  # noqa: PLW1510 - codes are asserted
    assert "Traceback" not in done.stderr, done.stderr
    return done


def real(folder: Path, name: str) -> Path:
    """A command further down on PATH that tells how it was called."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text('#!/bin/sh\necho "real $*"\n')
    (folder / name).chmod(0o755)
    return folder


def exec_config(*words: str, command: Path, **more: Any) -> dict[str, Any]:
    return {"apiVersion": API, "interactiveMode": "Never", "command": str(command), "args": list(words), **more}


def kubeconfig(cluster: Rehearsed, login: dict[str, Any]) -> str:
    """As the clouds' adapters write it for their provider: JSON text, with the authority inside."""
    content = kubeconfigs.entry(cluster, "there")
    content["users"]["user"] = {"exec": login}
    wrapped = {name: [item] for name, item in content.items()}
    return json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "there", **wrapped})


def test_the_token_of_aws_opens_the_cluster_to_kubectl_client_and_stand_in(
    cluster: Rehearsed, bin_dir: Path, tmp_path: Path
) -> None:
    words = (
        "eks",
        "get-token",
        "--cluster-name",
        "churn-dev",
        "--region",
        REGION,
        "--role-arn",
        "arn:aws:iam::1:role/x",
    )
    login = exec_config(*words, command=bin_dir / "aws", provideClusterInfo=True)
    text = kubeconfig(cluster, login)
    opened = Client(load(text, "there"))
    assert opened.request("GET", "/api/v1/namespaces/default")["metadata"]["name"] == "default"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(json.loads(text)))
    api = client.CoreV1Api(config.new_client_from_config(config_file=str(path)))
    assert api.read_namespace("default").metadata.name == "default"
    kubectl = build(["kubernetes"], Silent())["kubernetes"] / "kubectl"
    done = run(kubectl, "--kubeconfig", str(path), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    assert done.stdout == "terrarium-admin", done.stderr


@pytest.mark.parametrize("words", [[], ["--impersonate_service_account=deploy@churn.iam.gserviceaccount.com"]])
def test_the_plugin_of_gke_finds_the_cluster_by_its_server(
    words: list[str], rented: dict[str, Rehearsed], bin_dir: Path
) -> None:
    login = exec_config(*words, command=bin_dir / "gke-gcloud-auth-plugin", provideClusterInfo=True)
    opened = Client(load(kubeconfig(rented["gke"], login), "there"))
    assert opened.request("GET", "/api/v1/namespaces/default")["metadata"]["name"] == "default"


@pytest.mark.parametrize("info", ["", "{", "[]", '{"spec": {"cluster": {"server": "https://10.0.0.1"}}}'])
def test_the_plugin_of_gke_gives_nothing_for_another_server(cluster: Rehearsed, bin_dir: Path, info: str) -> None:
    done = run(bin_dir / "gke-gcloud-auth-plugin", KUBERNETES_EXEC_INFO=info, PATH=str(bin_dir))
    assert (done.returncode, done.stdout) == (2, "")


def test_update_kubeconfig_adds_a_context_and_keeps_the_others(
    cluster: Rehearsed, bin_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    mine = {"name": "mine", "context": {"cluster": "mine", "user": "mine"}}
    path.write_text(yaml.safe_dump({"contexts": [mine], "clusters": None}))
    words = ("eks", "--region", REGION, "update-kubeconfig", "--name", "churn-dev", "--alias", "churn-dev")
    for _ in range(2):
        done = run(bin_dir / "aws", *words, KUBECONFIG=f"{path}:{tmp_path / 'other'}")
        assert done.returncode == 0, done.stderr
    content = yaml.safe_load(path.read_text())
    assert [item["name"] for item in content["contexts"]] == ["mine", "churn-dev"]
    assert content["current-context"] == "churn-dev"
    assert path.stat().st_mode & 0o777 == 0o600
    kubeconfigs.refresh(path, [])
    content = yaml.safe_load(path.read_text())
    assert [item["name"] for item in content["contexts"]] == ["mine"]
    assert content["users"] == content["clusters"] == []
    kubeconfigs.refresh(path, [cluster])
    assert [item["name"] for item in yaml.safe_load(path.read_text())["contexts"]] == ["mine", "churn-dev"]


def test_get_credentials_of_gcloud_names_the_context_as_gcloud_does(
    cluster: Rehearsed, bin_dir: Path, tmp_path: Path
) -> None:
    words = ("container", "clusters", "get-credentials", "churn-dev", f"--location={REGION}", "--project", PROJECT)
    done = run(bin_dir / "gcloud", *words, KUBECONFIG=str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((tmp_path / "new").read_text())["current-context"] == f"gke_{PROJECT}_{REGION}_churn-dev"


def test_a_kubeconfig_that_is_none_is_left_alone(cluster: Rehearsed, bin_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("{")
    done = run(bin_dir / "aws", "eks", "update-kubeconfig", "--name", "churn-dev", "--kubeconfig", str(path))
    assert (done.returncode, path.read_text()) == (1, "{")
    assert "no kubeconfig that can be read" in done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("aws", ["s3", "ls"]),
        ("aws", ["--version"]),
        ("aws", ["eks", "list-clusters"]),
        ("aws", ["eks", "get-token", "--cluster-name", "of-the-real-cloud", "--region", REGION]),
        ("gcloud", ["auth", "list", "--format=json"]),
        ("gcloud", ["container", "clusters", "get-credentials", "of-the-real-cloud"]),
        ("gke-gcloud-auth-plugin", ["--version"]),
    ],
)
def test_all_else_is_the_real_commands(
    cluster: Rehearsed, bin_dir: Path, tmp_path: Path, name: str, words: list[str]
) -> None:
    # Ours of another checkout stands first, and is passed over as well.
    behind = f"{bin_dir}:{real(tmp_path / 'real', name)}:/usr/bin:/bin"
    assert run(bin_dir / name, *words, PATH=behind).stdout == f"real {' '.join(words)}\n"
    refused = run(bin_dir / name, *words, PATH=f"{bin_dir}:/bin" if not Path("/bin", name).exists() else str(bin_dir))
    assert refused.returncode == 2
    assert f"there is no real `{name}` on PATH" in refused.stderr
