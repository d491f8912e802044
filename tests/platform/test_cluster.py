"""The platform is a real cluster where it says so."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rehearsal import versions
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from tests.support.cluster import kubectl, try_kubectl
from tests.support.waiting import PATIENCE


@pytest.fixture
def namespace(embedded_platform: Platform) -> Iterator[str]:
    name = f"platform-tests-{secrets.token_hex(3)}"
    kubectl(embedded_platform.kubeconfig, "create", "namespace", name)
    kubectl(
        embedded_platform.kubeconfig,
        *("wait", "--for=create", "serviceaccount/default", "-n", name, f"--timeout={PATIENCE}s"),
    )
    yield name
    kubectl(embedded_platform.kubeconfig, "delete", "namespace", name, "--wait=false")


def test_status_says_what_is_real(embedded_platform: Platform) -> None:
    status = embedded_platform.status()
    assert status.ready
    assert status.nodes == 3
    assert {part.name for part in status.parts if not part.real} == {"kwok"}
    for part in status.parts:
        assert part.about.startswith("Real: " if part.real else "Simulated: ")
    simulated = next(part.about for part in status.parts if not part.real)
    for words in ("No container runs", "no packet is filtered", "no logs"):
        assert words in simulated
    assert json.loads(json.dumps(status.as_json()))["running"] is True


def test_all_parts_fit_into_a_gibibyte(embedded_platform: Platform) -> None:
    assert 0 < embedded_platform.status().memory <= 1 << 30


def test_versions_are_those_that_answer(embedded_platform: Platform) -> None:
    found = json.loads(kubectl(embedded_platform.kubeconfig, "version", "-o", "json"))
    assert found["serverVersion"]["gitVersion"] == found["clientVersion"]["gitVersion"] == versions.kubernetes()


def test_nothing_listens_beyond_loopback(embedded_platform: Platform) -> None:
    found = {
        (part.name, connection.laddr.ip)
        for part in embedded_platform.status().parts
        for process in (psutil.Process(part.pid), *psutil.Process(part.pid).children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address for _, address in found} == {"127.0.0.1"}
    # Where sockets can't be seen at all, nothing would be found beyond loopback, either.
    assert {"etcd", "kube-apiserver", "versitygw-iam", "versitygw", "postgresql"} <= {part for part, _ in found}


def test_a_deployment_runs_and_a_job_completes(embedded_platform: Platform, namespace: str) -> None:
    config = embedded_platform.kubeconfig
    kubectl(config, "-n", namespace, "create", "deployment", "web", "--image=registry.invalid/web", "--replicas=3")
    kubectl(config, "-n", namespace, "create", "job", "train", "--image=registry.invalid/train")
    kubectl(config, "-n", namespace, "wait", "deployment/web", "--for=condition=Available", f"--timeout={PATIENCE}s")
    kubectl(config, "-n", namespace, "wait", "job/train", "--for=condition=Complete", f"--timeout={PATIENCE}s")


def test_a_node_that_is_not_simulated_is_left_alone(embedded_platform: Platform) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "somebody-elses"}}
    config = embedded_platform.kubeconfig
    kubectl(config, "create", "-f", "-", manifest=node)
    try:
        time.sleep(1)
        assert (
            kubectl(config, "get", "node", "somebody-elses", "-o", "jsonpath={.status.nodeInfo.kubeletVersion}") == ""
        )
    finally:
        kubectl(config, "delete", "node", "somebody-elses")


def test_a_person_may_do_what_rbac_says_and_no_more(embedded_platform: Platform, namespace: str) -> None:
    person = embedded_platform.client_certificate("ana@example.org", ["team-a"])
    assert embedded_platform.client_certificate("ana@example.org", ["team-a"]) == person
    refused = try_kubectl(person, "-n", namespace, "get", "configmaps")
    assert 'User "ana@example.org" cannot list resource "configmaps"' in refused.stderr
    kubectl(
        embedded_platform.kubeconfig,
        *("-n", namespace, "create", "rolebinding", "team-a", "--clusterrole=view", "--group=team-a"),
    )
    kubectl(person, "-n", namespace, "get", "configmaps")
    assert try_kubectl(person, "-n", "default", "get", "configmaps").returncode != 0
    assert try_kubectl(person, "-n", namespace, "get", "secrets").returncode != 0
    other = embedded_platform.client_certificate("ana@example.org", ["team-b"])
    assert try_kubectl(other, "-n", namespace, "get", "configmaps").returncode != 0


def test_the_audit_log_says_who_but_not_what_a_secret_holds(embedded_platform: Platform, namespace: str) -> None:
    kubectl(
        embedded_platform.kubeconfig,
        *("-n", namespace, "create", "secret", "generic", "db", "--from-literal=password=swordfish-in-clear"),
    )
    log = (embedded_platform.folder / "logs" / "audit.log").read_text()
    events = [json.loads(line) for line in log.splitlines()]
    mine = [event for event in events if event.get("objectRef", {}).get("name") == "db" and event["verb"] == "create"]
    assert [event["user"]["username"] for event in mine] == ["terrarium-admin"]
    assert "swordfish-in-clear" not in log
    assert "c3dvcmRmaXNoLWluLWNsZWFy" not in log


def test_pod_security_and_admission_policies_bind(embedded_platform: Platform, namespace: str) -> None:
    config = embedded_platform.kubeconfig
    kubectl(config, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    refused = try_kubectl(config, "-n", namespace, "run", "root", "--image=registry.invalid/root")
    assert "violates PodSecurity" in refused.stderr
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "platform-tests"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
                ]
            },
            "validations": [{"expression": "object.metadata.name != 'forbidden'", "message": "not that name"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "platform-tests"},
        "spec": {
            "policyName": "platform-tests",
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
        },
    }
    try:
        for manifest in (policy, binding):
            kubectl(config, "apply", "-f", "-", manifest=manifest)
        deadline = time.monotonic() + PATIENCE
        refusal = ""
        while "not that name" not in refusal and time.monotonic() < deadline:
            refusal = try_kubectl(config, "-n", namespace, "create", "configmap", "forbidden").stderr
            try_kubectl(config, "-n", namespace, "delete", "configmap", "forbidden", "--ignore-not-found")
        assert "not that name" in refusal
    finally:
        for manifest in (binding, policy):
            kubectl(config, "delete", "--ignore-not-found", "-f", "-", manifest=manifest)


def fetch(address: str, path: str, trust: ssl.SSLContext) -> int:
    connection = http.client.HTTPSConnection(address.removeprefix("https://"), timeout=PATIENCE, context=trust)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_persons_certificate_does_not_open_etcd(embedded_platform: Platform) -> None:
    folder = embedded_platform.client_certificate("eve").parent
    etcd = next(part for part in embedded_platform.status().parts if part.name == "etcd")
    trust = ssl.create_default_context(cafile=str(embedded_platform.folder / "certificates" / "terrarium-etcd.crt"))
    trust.load_cert_chain(folder / "client.crt", folder / "client.key")
    with pytest.raises(OSError, match=r"(?i)certificate|alert|reset"):
        fetch(etcd.address, "/version", trust)


def test_without_a_certificate_the_api_server_says_nothing(embedded_platform: Platform) -> None:
    trust = ssl.create_default_context(cafile=str(embedded_platform.folder / "certificates" / "terrarium-cluster.crt"))
    assert fetch(embedded_platform.status().address, "/version", trust) == 401


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "-a", "a" * 41])
def test_a_name_that_can_not_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="can't be named"):
        Platform(name, tmp_path)


def test_no_certificate_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="never started"):
        Platform("new", tmp_path).client_certificate("ana")
    assert list(tmp_path.iterdir()) == []
